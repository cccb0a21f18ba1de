//! The outbox: a turn is written here before a platform is called, so that after a crash what was posted is recognised
//! and what was not is posted once or expires.
//!
//! ```text
//! pending --> posting --> posted
//!    |           |
//!    +-----------+------> failed | expired | cancelled
//! ```
//! Only the platform knows whether something was posted, so `posted` may also follow an end that was premature.

use std::str::FromStr;

use chat::{MemberId, MessageKey, OutboxId, Persona, PersonaId, RoomId, message::UnknownName};
use chrono::{DateTime, Utc};

use crate::{
    Lease, Result, Store, StoreError,
    personas::{PersonaRow, may_imitate, persona_columns},
    storable,
};

/// A turn that was decided.
#[derive(Debug, Clone, Copy)]
pub struct NewTurn<'a> {
    /// Where.
    pub room: RoomId,
    /// Who.
    pub persona: PersonaId,
    /// Why, as a name that is unique within the room: the same cause never has two turns, unless the first ended without
    /// a message.
    pub cause: &'a str,
    /// What to say.
    pub text: &'a str,
    /// What found the words: the name of a model, or "Markov chain".
    pub voice: &'a str,
    /// Whose message or command led to it. It is not kept of somebody who asked to be forgotten or is of another
    /// community.
    pub caused_by: Option<MemberId>,
    /// The message to answer.
    pub reply_to: Option<MessageKey>,
    /// When to post it.
    pub due_at: DateTime<Utc>,
    /// When it is too late to.
    pub expires_at: DateTime<Utc>,
    /// The right to speak in the room.
    pub lease: &'a Lease,
}

/// A turn on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// Ours.
    pub id: OutboxId,
    /// Where.
    pub room: RoomId,
    /// Who.
    pub persona: Persona,
    /// Why.
    pub cause: String,
    /// What to say.
    pub text: String,
    /// What found the words.
    pub voice: String,
    /// The message to answer.
    pub reply_to: Option<MessageKey>,
    /// How far it has come.
    pub state: TurnState,
    /// When to post it.
    pub due_at: DateTime<Utc>,
    /// When it is too late to.
    pub expires_at: DateTime<Utc>,
    /// When posting was first begun.
    pub started_at: Option<DateTime<Utc>>,
}

impl Turn {
    /// The mark that its message carries in the history.
    pub fn nonce(&self) -> String {
        format!("outbox:{}", self.id)
    }
}

/// How far a turn has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TurnState {
    /// Waiting for its time.
    Pending,
    /// The platform is, or was, being called.
    Posting,
    /// In the room.
    Posted,
    /// The platform refused it.
    Failed,
    /// Its time passed.
    Expired,
    /// Overtaken, or its member withdrew consent.
    Cancelled,
}

impl FromStr for TurnState {
    type Err = UnknownName;

    fn from_str(name: &str) -> std::result::Result<Self, UnknownName> {
        Ok(match name {
            "pending" => TurnState::Pending,
            "posting" => TurnState::Posting,
            "posted" => TurnState::Posted,
            "failed" => TurnState::Failed,
            "expired" => TurnState::Expired,
            "cancelled" => TurnState::Cancelled,
            _ => return Err(UnknownName(name.to_owned(), "state of a turn")),
        })
    }
}

/// An end without a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TurnEnd {
    /// The platform refused it.
    Failed,
    /// Its time passed.
    Expired,
    /// Something overtook it.
    Cancelled,
}

impl TurnEnd {
    fn as_str(self) -> &'static str {
        match self {
            TurnEnd::Failed => "failed",
            TurnEnd::Expired => "expired",
            TurnEnd::Cancelled => "cancelled",
        }
    }
}

#[derive(sqlx::FromRow)]
struct TurnRow {
    outbox_id: i64,
    room_id: i32,
    #[sqlx(flatten)]
    persona: PersonaRow,
    cause: String,
    text: String,
    voice: String,
    reply_to: Option<i64>,
    state: String,
    due_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    started_at: Option<DateTime<Utc>>,
}

impl TryFrom<TurnRow> for Turn {
    type Error = StoreError;

    fn try_from(row: TurnRow) -> Result<Self> {
        Ok(Turn {
            id: OutboxId(row.outbox_id),
            room: RoomId(row.room_id),
            persona: row.persona.into(),
            cause: row.cause,
            text: row.text,
            voice: row.voice,
            reply_to: row.reply_to.map(MessageKey),
            state: row.state.parse()?,
            due_at: row.due_at,
            expires_at: row.expires_at,
            started_at: row.started_at,
        })
    }
}

macro_rules! select_turn {
    ($from:literal, $condition:literal) => {
        concat!(
            "select o.outbox_id, o.room_id, o.cause, o.text, o.voice, o.reply_to, o.state, o.due_at, o.expires_at,
                o.started_at,",
            persona_columns!(),
            "from ",
            $from,
            " o join persona p using (persona_id) join member m using (member_id) ",
            $condition
        )
    };
}

impl Store {
    /// Puts a turn into the outbox. None where its cause already has one that was posted or may yet be, where the
    /// persona's member does not consent (any more) or is of another community, or where another process has taken over
    /// the room.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn enqueue(&self, turn: &NewTurn<'_>) -> Result<Option<Turn>> {
        let row: Option<TurnRow> = sqlx::query_as(concat!(
            "with willing as (
                select p.persona_id, r.room_id
                from persona p join member m using (member_id) join community c using (community_id)
                join room r using (community_id) join room_lease l using (room_id)
                where p.persona_id = $2 and r.room_id = $1 and l.room_id = $10 and l.fence = $11 and",
            may_imitate!(),
            "for share of c, m, l
             ), instigator as (
                -- Locked, so that the trace of somebody cannot slip in while they are being forgotten.
                select i.member_id from member i join room r using (community_id)
                where i.member_id = $9 and r.room_id = $1 and i.forgotten_at is null for key share of i
             ), queued as (
                insert into outbox (room_id, persona_id, cause, text, reply_to, due_at, expires_at, voice, caused_by)
                select room_id, persona_id, $3, $4, $5, $6, $7, $8, (select member_id from instigator) from willing
                on conflict (room_id, cause) where state in ('pending', 'posting', 'posted') do nothing
                returning *
             ) ",
            select_turn!("queued", "")
        ))
        .bind(turn.room.0)
        .bind(turn.persona.0)
        .bind(turn.cause)
        .bind(storable(turn.text))
        .bind(turn.reply_to.map(|key| key.0))
        .bind(turn.due_at)
        .bind(turn.expires_at)
        .bind(storable(turn.voice))
        .bind(turn.caused_by.map(|member| member.0))
        .bind(turn.lease.room.0)
        .bind(turn.lease.fence)
        .fetch_optional(&self.pool)
        .await?;
        row.map(Turn::try_from).transpose()
    }

    /// Says that the platform is about to be called. False if the turn was cancelled, expired or posted meanwhile, or
    /// if another process has taken over the room: then do not post it.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn begin_post(&self, id: OutboxId, at: DateTime<Utc>, lease: &Lease) -> Result<bool> {
        let begun = sqlx::query(
            "with held as (
                select room_id from room_lease where room_id = $3 and fence = $4 for share
             )
             update outbox o set state = 'posting', started_at = coalesce(started_at, $2) from held
             where o.outbox_id = $1 and o.room_id = held.room_id
                and state in ('pending', 'posting') and expires_at > $2",
        )
        .bind(id.0)
        .bind(at)
        .bind(lease.room.0)
        .bind(lease.fence)
        .execute(&self.pool)
        .await?;
        Ok(begun.rows_affected() > 0)
    }

    /// Says that the platform has posted a turn, as `key`, and puts its message into the history. Repeating it changes
    /// nothing. Nothing is stored of a persona whose member asked to be forgotten meanwhile. It asks for no lease: what
    /// was posted was posted.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn finish_post(&self, turn: &Turn, key: MessageKey, sent_at: DateTime<Utc>) -> Result<()> {
        sqlx::query(
            "with posted as (
                update outbox set state = 'posted', message_key = coalesce(message_key, $2),
                    ended_at = case when state = 'posted' then ended_at else $3 end,
                    -- An end that was premature may have let another turn have the cause.
                    cause = case when state in ('pending', 'posting', 'posted') then cause
                        else cause || ', ended early as ' || outbox_id end
                where outbox_id = $1
                returning *
             )
             insert into message (room_id, message_key, persona_id, sent_at, text, origin, provenance, reply_to, nonce,
                voice, caused_by)
             select room_id, message_key, persona_id, $3, text, 'generated', 'api', reply_to, $4, voice, caused_by
             from posted
             on conflict do nothing",
        )
        .bind(turn.id.0)
        .bind(key.0)
        .bind(sent_at)
        .bind(turn.nonce())
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Ends a turn without a message. One that has ended already, and above all a posted one, stays as it is.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn end_turn(&self, id: OutboxId, end: TurnEnd, at: DateTime<Utc>) -> Result<()> {
        sqlx::query(
            "update outbox set state = $2, ended_at = $3 where outbox_id = $1 and state in ('pending', 'posting')",
        )
        .bind(id.0)
        .bind(end.as_str())
        .bind(at)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// The turns of a room that have not ended, oldest first.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn unfinished_turns(&self, room: RoomId) -> Result<Vec<Turn>> {
        let rows: Vec<TurnRow> = sqlx::query_as(select_turn!(
            "outbox",
            "where o.room_id = $1 and o.state in ('pending', 'posting') order by o.outbox_id"
        ))
        .bind(room.0)
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(Turn::try_from).collect()
    }
}

#[cfg(test)]
mod tests {
    use chat::{Author, ConsentPolicy, Origin};
    use sqlx::{Connection, Executor};

    use super::*;
    use crate::scene::{Scene, at};

    async fn queued() -> (Scene, Turn) {
        let scene = Scene::new().await;
        let ada = scene.summon_ada().await;
        let turn = scene.enqueue(&ada, "reply:1").await.unwrap();
        (scene, turn)
    }

    async fn state(scene: &Scene, turn: &Turn) -> String {
        sqlx::query_scalar("select state from outbox where outbox_id = $1")
            .bind(turn.id.0)
            .fetch_one(&mut scene.database.connection().await)
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn a_cause_has_one_turn_until_that_ended_without_a_message() {
        let (scene, turn) = queued().await;
        assert_eq!((turn.state, turn.text.as_str(), turn.started_at), (TurnState::Pending, "as I said", None));
        assert!(scene.enqueue(&turn.persona, "reply:1").await.is_none());
        scene.store().end_turn(turn.id, TurnEnd::Cancelled, at(2)).await.unwrap();
        let second = scene.enqueue(&turn.persona, "reply:1").await.unwrap();
        scene.begin_post(second.id, at(10)).await;
        scene.store().finish_post(&second, MessageKey(40), at(11)).await.unwrap();
        assert!(scene.enqueue(&turn.persona, "reply:1").await.is_none());
    }

    #[tokio::test]
    async fn two_turns_of_a_cause_that_were_posted_after_all_are_both_history() {
        let (scene, first) = queued().await;
        scene.begin_post(first.id, at(10)).await;
        scene.store().end_turn(first.id, TurnEnd::Cancelled, at(11)).await.unwrap();
        let second = scene.enqueue(&first.persona, "reply:1").await.unwrap();
        scene.begin_post(second.id, at(12)).await;
        scene.store().finish_post(&second, MessageKey(41), at(13)).await.unwrap();
        scene.store().finish_post(&first, MessageKey(40), at(14)).await.unwrap();
        assert_eq!(scene.texts().await.len(), 2);
    }

    #[tokio::test]
    async fn what_was_cancelled_or_is_too_late_is_not_posted() {
        let (scene, turn) = queued().await;
        let late = scene.enqueue(&turn.persona, "reply:2").await.unwrap();
        scene.store().end_turn(turn.id, TurnEnd::Cancelled, at(2)).await.unwrap();
        assert!(!scene.begin_post(turn.id, at(10)).await);
        assert!(!scene.begin_post(late.id, at(100)).await);
        assert!(!scene.begin_post(OutboxId(999), at(10)).await);
    }

    /// What comes of a call that has to wait for a change: that is committed only when the call waits.
    async fn after_waiting<T>(scene: &Scene, change: &'static str, call: impl Future<Output = T>) -> T {
        let (mut connection, mut watch) = (scene.database.connection().await, scene.database.connection().await);
        let mut transaction = connection.begin().await.unwrap();
        transaction.execute(change).await.unwrap();
        let commit = async {
            let waits = "select exists (select from pg_stat_activity
                where datname = current_database() and wait_event_type = 'Lock')";
            while !sqlx::query_scalar::<_, bool>(waits).fetch_one(&mut watch).await.unwrap() {}
            transaction.commit().await.unwrap();
        };
        tokio::join!(call, commit).0
    }

    const TAKEOVER: &str = "update room_lease set owner = 'them', fence = fence + 1";

    #[tokio::test]
    async fn a_turn_that_had_to_wait_is_judged_by_what_is_true_then() {
        for change in [
            "update community set consent_policy = 'opt_in'",
            "update member set consent = 'refused' where member_key = 'bob'",
            TAKEOVER,
        ] {
            let scene = Scene::new().await;
            let store = scene.store();
            store.set_consent_policy(scene.community.id, ConsentPolicy::OptOut, at(1)).await.unwrap();
            let bob = store.member_by_id(scene.bob.id).await.unwrap().unwrap();
            let bob = store.persona(bob.may_imitate().unwrap()).await.unwrap();
            let lease = scene.lease().await;
            assert!(scene.enqueue_under(&lease, &bob, "reply:1").await.is_some());
            let queued = after_waiting(&scene, change, scene.enqueue_under(&lease, &bob, "reply:2")).await;
            assert_eq!(queued, None, "{change}");
        }
    }

    #[tokio::test]
    async fn a_post_that_waited_for_a_takeover_is_not_begun() {
        let (scene, turn) = queued().await;
        let lease = scene.lease().await;
        let begun = after_waiting(&scene, TAKEOVER, scene.store().begin_post(turn.id, at(10), &lease)).await;
        assert!(!begun.unwrap());
    }

    #[tokio::test]
    async fn after_a_crash_a_turn_that_was_being_posted_is_found_and_begun_again() {
        let (scene, turn) = queued().await;
        assert!(scene.begin_post(turn.id, at(10)).await);
        let found = scene.store().unfinished_turns(scene.room).await.unwrap();
        assert_eq!(found, [Turn { state: TurnState::Posting, started_at: Some(at(10)), ..turn.clone() }]);
        assert!(scene.begin_post(turn.id, at(50)).await);
        assert_eq!(scene.store().unfinished_turns(scene.room).await.unwrap(), found);
    }

    #[tokio::test]
    async fn a_posted_turn_is_in_the_history_once_and_stays_posted() {
        let (scene, turn) = queued().await;
        scene.begin_post(turn.id, at(10)).await;
        scene.store().finish_post(&turn, MessageKey(40), at(11)).await.unwrap();
        scene.store().finish_post(&turn, MessageKey(40), at(11)).await.unwrap();
        scene.store().finish_post(&turn, MessageKey(41), at(12)).await.unwrap();
        scene.store().end_turn(turn.id, TurnEnd::Failed, at(13)).await.unwrap();
        assert_eq!(state(&scene, &turn).await, "posted");
        assert!(!scene.begin_post(turn.id, at(14)).await);
        assert_eq!(scene.store().unfinished_turns(scene.room).await.unwrap(), []);

        let history = scene.store().latest(scene.room, 9).await.unwrap();
        assert_eq!(history.len(), 1);
        let message = &history[0];
        assert_eq!((message.key, message.origin, message.reply_to), (MessageKey(40), Origin::Generated, turn.reply_to));
        assert_eq!((message.author, message.author_name.as_str()), (Author::Persona(turn.persona.id), "ada"));
        assert_eq!(scene.store().by_nonce(scene.room, &turn.nonce()).await.unwrap().as_ref(), Some(message));
    }

    #[tokio::test]
    async fn what_the_platform_posted_after_all_is_history_whatever_we_thought() {
        let (scene, turn) = queued().await;
        scene.begin_post(turn.id, at(10)).await;
        scene.store().end_turn(turn.id, TurnEnd::Expired, at(12)).await.unwrap();
        assert_eq!(state(&scene, &turn).await, "expired");
        scene.store().finish_post(&turn, MessageKey(40), at(11)).await.unwrap();
        assert_eq!(state(&scene, &turn).await, "posted");
        assert_eq!(scene.texts().await, ["as I said"]);
    }
}
