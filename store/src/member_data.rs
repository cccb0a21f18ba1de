//! Everything that is stored about one member, for that member to read.

use std::collections::HashMap;

use chat::{AdapterId, Consent, ConsentPolicy, MemberId, MemberKey, MessageKey, Origin, Provenance};
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgTransaction;

use crate::{Result, Store, StoreError, Verdict};

/// Everything that is stored about a member. Of one who was forgotten there is no more than the key, the ledger that
/// ends with a refusal, and which adapters are stale because of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MemberData {
    /// What the platform calls the member.
    pub key: MemberKey,
    /// What people call the member; empty for one who was forgotten.
    pub name: String,
    /// The picture.
    pub avatar_url: Option<String>,
    /// Whether the platform says that it is a bot.
    pub is_bot: bool,
    /// The last word on being imitated.
    pub consent: Consent,
    /// What the community makes of having said nothing.
    pub policy: ConsentPolicy,
    /// When the member left the community.
    pub left_at: Option<DateTime<Utc>>,
    /// When the member asked to be forgotten.
    pub forgotten_at: Option<DateTime<Utc>>,
    /// What the member was called, earliest first.
    pub names: Vec<NameSeen>,
    /// What was said about imitating the member, earliest first.
    pub ledger: Vec<SaidOfConsent>,
    /// What the member said, by room and in the order of posting.
    pub messages: Vec<SaidMessage>,
    /// How the member reacted, in the same order.
    pub reactions: Vec<ReactionGiven>,
    /// What the member thought of what personas said, in the same order.
    pub feedback: Vec<Opinion>,
    /// What the member's persona said, in the same order.
    pub persona_said: Vec<PersonaSaid>,
    /// What was trained on the member, earliest first.
    pub adapters: Vec<TrainedAdapter>,
}

/// A name and when it was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub struct NameSeen {
    /// The name.
    pub name: String,
    /// When it was first seen.
    pub first_seen: DateTime<Utc>,
    /// When it was last seen, to the day.
    pub last_seen: DateTime<Utc>,
}

/// An entry of the ledger of consent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SaidOfConsent {
    /// What was said.
    pub consent: Consent,
    /// When.
    pub said_at: DateTime<Utc>,
}

/// A message of the member's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SaidMessage {
    /// The title of the room.
    pub room: String,
    /// Its place in the room.
    pub key: MessageKey,
    /// When it was said.
    pub sent_at: DateTime<Utc>,
    /// What was said; empty where only media was sent or it was deleted.
    pub text: String,
    /// The message that it answers.
    pub reply_to: Option<MessageKey>,
    /// When it was last edited.
    pub edited_at: Option<DateTime<Utc>>,
    /// When it was deleted.
    pub deleted_at: Option<DateTime<Utc>>,
    /// How it came to be.
    pub origin: Origin,
    /// Through what it came.
    pub provenance: Provenance,
    /// Its earlier wordings, earliest first.
    pub earlier: Vec<Wording>,
}

/// An earlier wording of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Wording {
    /// When it was replaced.
    pub replaced_at: DateTime<Utc>,
    /// What was said until then.
    pub text: String,
}

/// A reaction of the member's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReactionGiven {
    /// The title of the room.
    pub room: String,
    /// The message reacted to.
    pub key: MessageKey,
    /// The emoji, or a platform's name of its own.
    pub emoji: String,
}

/// What the member thought of what a persona said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Opinion {
    /// The title of the room.
    pub room: String,
    /// The message.
    pub key: MessageKey,
    /// The opinion.
    pub verdict: Verdict,
    /// When it was given.
    pub said_at: DateTime<Utc>,
}

/// What the member's persona said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PersonaSaid {
    /// The title of the room.
    pub room: String,
    /// Its place in the room.
    pub key: MessageKey,
    /// When it was said.
    pub sent_at: DateTime<Utc>,
    /// What was said; empty where it was deleted.
    pub text: String,
    /// What found the words; empty where that was not written down.
    pub voice: String,
}

/// An adapter that was trained on the member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TrainedAdapter {
    /// Ours.
    pub id: AdapterId,
    /// What people call it.
    pub name: String,
    /// When it was trained.
    pub made_at: DateTime<Utc>,
    /// Since when it must not be used any more.
    pub stale_at: Option<DateTime<Utc>>,
}

#[derive(sqlx::FromRow)]
struct ProfileRow {
    member_key: String,
    name: String,
    avatar_url: Option<String>,
    is_bot: bool,
    consent: String,
    consent_policy: String,
    left_at: Option<DateTime<Utc>>,
    forgotten_at: Option<DateTime<Utc>>,
}

#[derive(sqlx::FromRow)]
struct SaidRow {
    room_id: i32,
    title: String,
    message_key: i64,
    sent_at: DateTime<Utc>,
    text: String,
    reply_to: Option<i64>,
    edited_at: Option<DateTime<Utc>>,
    deleted_at: Option<DateTime<Utc>>,
    origin: String,
    provenance: String,
}

#[derive(sqlx::FromRow)]
struct TrainedRow {
    adapter_id: i32,
    name: String,
    made_at: DateTime<Utc>,
    stale_at: Option<DateTime<Utc>>,
}

impl From<TrainedRow> for TrainedAdapter {
    fn from(row: TrainedRow) -> Self {
        TrainedAdapter { id: AdapterId(row.adapter_id), name: row.name, made_at: row.made_at, stale_at: row.stale_at }
    }
}

/// Earlier wordings by room and message.
type Wordings = HashMap<(i32, i64), Vec<Wording>>;

impl SaidRow {
    fn with(self, wordings: &mut Wordings) -> Result<SaidMessage> {
        Ok(SaidMessage {
            earlier: wordings.remove(&(self.room_id, self.message_key)).unwrap_or_default(),
            room: self.title,
            key: MessageKey(self.message_key),
            sent_at: self.sent_at,
            text: self.text,
            reply_to: self.reply_to.map(MessageKey),
            edited_at: self.edited_at,
            deleted_at: self.deleted_at,
            origin: self.origin.parse()?,
            provenance: self.provenance.parse()?,
        })
    }
}

/// Messages are found by room, since only the key (room, message) is indexed.
macro_rules! in_rooms_of_the_member {
    ($table:literal) => {
        concat!(
            " ",
            $table,
            ".room_id = any (array(select room_id from room join member using (community_id) where member_id = $1)) "
        )
    };
}

impl Store {
    /// Everything that is stored about a member, as of one moment; none where there is no such member.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn member_data(&self, member: MemberId) -> Result<Option<MemberData>> {
        let mut transaction = self.pool.begin_with("begin isolation level repeatable read read only").await?;
        let Some(profile) = profile(&mut transaction, member).await? else { return Ok(None) };
        let data = MemberData {
            key: MemberKey(profile.member_key),
            name: profile.name,
            avatar_url: profile.avatar_url,
            is_bot: profile.is_bot,
            consent: profile.consent.parse()?,
            policy: profile.consent_policy.parse()?,
            left_at: profile.left_at,
            forgotten_at: profile.forgotten_at,
            names: names(&mut transaction, member).await?,
            ledger: ledger(&mut transaction, member).await?,
            messages: messages(&mut transaction, member).await?,
            reactions: reactions(&mut transaction, member).await?,
            feedback: feedback(&mut transaction, member).await?,
            persona_said: persona_said(&mut transaction, member).await?,
            adapters: adapters(&mut transaction, member).await?,
        };
        transaction.commit().await?;
        Ok(Some(data))
    }
}

async fn profile(transaction: &mut PgTransaction<'_>, member: MemberId) -> Result<Option<ProfileRow>> {
    Ok(sqlx::query_as(
        "select m.member_key, m.name, m.avatar_url, m.is_bot, m.consent, c.consent_policy, m.left_at, m.forgotten_at
         from member m join community c using (community_id) where m.member_id = $1",
    )
    .bind(member.0)
    .fetch_optional(&mut **transaction)
    .await?)
}

async fn names(transaction: &mut PgTransaction<'_>, member: MemberId) -> Result<Vec<NameSeen>> {
    let sql = "select name, first_seen, last_seen from member_alias where member_id = $1 order by first_seen, name";
    Ok(sqlx::query_as(sql).bind(member.0).fetch_all(&mut **transaction).await?)
}

async fn ledger(transaction: &mut PgTransaction<'_>, member: MemberId) -> Result<Vec<SaidOfConsent>> {
    let rows: Vec<(String, DateTime<Utc>)> =
        sqlx::query_as("select consent, said_at from consent_event where member_id = $1 order by consent_event_id")
            .bind(member.0)
            .fetch_all(&mut **transaction)
            .await?;
    rows.into_iter().map(|(consent, said_at)| Ok(SaidOfConsent { consent: consent.parse()?, said_at })).collect()
}

async fn messages(transaction: &mut PgTransaction<'_>, member: MemberId) -> Result<Vec<SaidMessage>> {
    let mut wordings = wordings(transaction, member).await?;
    let rows: Vec<SaidRow> = sqlx::query_as(concat!(
        "select m.room_id, r.title, m.message_key, m.sent_at, m.text, m.reply_to, m.edited_at, m.deleted_at, m.origin,
            m.provenance
         from message m join room r using (room_id) where m.member_id = $1 and",
        in_rooms_of_the_member!("m"),
        "order by m.room_id, m.message_key"
    ))
    .bind(member.0)
    .fetch_all(&mut **transaction)
    .await?;
    rows.into_iter().map(|row| row.with(&mut wordings)).collect()
}

async fn wordings(transaction: &mut PgTransaction<'_>, member: MemberId) -> Result<Wordings> {
    let rows: Vec<(i32, i64, DateTime<Utc>, String)> = sqlx::query_as(concat!(
        "select e.room_id, e.message_key, e.replaced_at, e.text
         from message_edit e join message m using (room_id, message_key) where m.member_id = $1 and",
        in_rooms_of_the_member!("e"),
        "order by e.replaced_at"
    ))
    .bind(member.0)
    .fetch_all(&mut **transaction)
    .await?;
    let mut wordings = Wordings::new();
    for (room, key, replaced_at, text) in rows {
        wordings.entry((room, key)).or_default().push(Wording { replaced_at, text });
    }
    Ok(wordings)
}

async fn reactions(transaction: &mut PgTransaction<'_>, member: MemberId) -> Result<Vec<ReactionGiven>> {
    let rows: Vec<(String, i64, String)> = sqlx::query_as(
        "select r.title, g.message_key, g.emoji from reaction g join room r using (room_id) where g.member_id = $1
         order by g.room_id, g.message_key, g.emoji",
    )
    .bind(member.0)
    .fetch_all(&mut **transaction)
    .await?;
    Ok(rows.into_iter().map(|(room, key, emoji)| ReactionGiven { room, key: MessageKey(key), emoji }).collect())
}

async fn feedback(transaction: &mut PgTransaction<'_>, member: MemberId) -> Result<Vec<Opinion>> {
    let rows: Vec<(String, i64, String, DateTime<Utc>)> = sqlx::query_as(
        "select r.title, f.message_key, f.verdict, f.said_at from feedback f join room r using (room_id)
         where f.member_id = $1 order by f.room_id, f.message_key, f.verdict",
    )
    .bind(member.0)
    .fetch_all(&mut **transaction)
    .await?;
    let opinion = |(room, key, verdict, said_at): (String, i64, String, DateTime<Utc>)| {
        Ok(Opinion { room, key: MessageKey(key), verdict: verdict.parse()?, said_at })
    };
    rows.into_iter().map(opinion).collect::<std::result::Result<_, StoreError>>()
}

async fn persona_said(transaction: &mut PgTransaction<'_>, member: MemberId) -> Result<Vec<PersonaSaid>> {
    let rows: Vec<(String, i64, DateTime<Utc>, String, String)> = sqlx::query_as(
        "select r.title, g.message_key, g.sent_at, g.text, coalesce(g.voice, '')
         from message g join persona p on p.persona_id = g.persona_id join room r using (room_id)
         where p.member_id = $1 order by g.room_id, g.message_key",
    )
    .bind(member.0)
    .fetch_all(&mut **transaction)
    .await?;
    let said = |(room, key, sent_at, text, voice)| PersonaSaid { room, key: MessageKey(key), sent_at, text, voice };
    Ok(rows.into_iter().map(said).collect())
}

async fn adapters(transaction: &mut PgTransaction<'_>, member: MemberId) -> Result<Vec<TrainedAdapter>> {
    let rows: Vec<TrainedRow> = sqlx::query_as(
        "select adapter_id, name, made_at, stale_at from adapter join adapter_member using (adapter_id)
         where member_id = $1 order by made_at, adapter_id",
    )
    .bind(member.0)
    .fetch_all(&mut **transaction)
    .await?;
    Ok(rows.into_iter().map(TrainedAdapter::from).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        NewAdapter, NewMember, NewMessage, NewReaction,
        scene::{Scene, at, said},
    };

    async fn data(scene: &Scene) -> serde_json::Value {
        let data = scene.store().member_data(scene.ada.id).await.unwrap().unwrap();
        serde_json::to_value(data).unwrap()
    }

    /// A scene in which something of each kind is stored about Ada, and something similar about Bob.
    async fn lived_in() -> Scene {
        let scene = Scene::new().await;
        let (store, community) = (scene.store(), scene.community.id);
        let picture = NewMember {
            community,
            key: &scene.ada.key,
            name: "Ada L",
            is_bot: false,
            avatar_url: Some("http://ada"),
            seen_at: at(90_000),
        };
        assert_eq!(store.member(&picture).await.unwrap().avatar_url.as_deref(), Some("http://ada"));
        let reply = NewMessage { reply_to: Some(MessageKey(2)), ..said(3, scene.ada.id, "yes") };
        let batch = [said(1, scene.ada.id, "hllo"), said(2, scene.bob.id, "what?"), reply];
        store.record_batch(scene.room, &batch).await.unwrap();
        store.edit_message(scene.room, MessageKey(1), "hello", at(5)).await.unwrap();
        for by in [scene.ada.id, scene.bob.id] {
            let reaction = NewReaction { key: MessageKey(2), emoji: "thumb", by: Some(by), count: 1 };
            store.react_batch(scene.room, &[reaction]).await.unwrap();
        }
        let persona = scene.summon_ada().await;
        let turn = scene.enqueue(&persona, "reply:1").await.unwrap();
        store.finish_post(&turn, MessageKey(9), at(9)).await.unwrap();
        for by in [scene.ada.id, scene.bob.id] {
            store.record_feedback(scene.room, MessageKey(9), by, Verdict::Down, at(10)).await.unwrap();
        }
        let members = &[scene.ada.id];
        store
            .add_adapter(&NewAdapter { community, name: "friends", path: "p", members, made_at: at(11) })
            .await
            .unwrap();
        store.member_left(community, &scene.ada.key, at(12)).await.unwrap();
        scene
    }

    fn seconds(seconds: i64) -> serde_json::Value {
        serde_json::to_value(at(seconds)).unwrap()
    }

    #[tokio::test]
    async fn everything_about_a_member_and_nothing_about_another_is_there() {
        let scene = lived_in().await;
        let message = |key, text, reply_to: Option<i64>, edited_at, earlier| {
            json!({
                "room": "lounge", "key": key, "sent_at": seconds(key), "text": text, "reply_to": reply_to,
                "edited_at": edited_at, "deleted_at": null, "origin": "posted", "provenance": "api", "earlier": earlier,
            })
        };
        let earlier = json!([{ "replaced_at": seconds(5), "text": "hllo" }]);
        let expected = json!({
            "key": "ada", "name": "Ada L", "avatar_url": "http://ada", "is_bot": false, "consent": "granted",
            "policy": "opt_in", "left_at": seconds(12), "forgotten_at": null,
            "names": [
                { "name": "ada", "first_seen": seconds(1), "last_seen": seconds(1) },
                { "name": "Ada L", "first_seen": seconds(90_000), "last_seen": seconds(90_000) },
            ],
            "ledger": [{ "consent": "granted", "said_at": seconds(0) }],
            "messages": [
                message(1, "hello", None, seconds(5), earlier),
                message(3, "yes", Some(2), json!(null), json!([])),
            ],
            "reactions": [{ "room": "lounge", "key": 2, "emoji": "thumb" }],
            "feedback": [{ "room": "lounge", "key": 9, "verdict": "down", "said_at": seconds(10) }],
            "persona_said": [
                { "room": "lounge", "key": 9, "sent_at": seconds(9), "text": "as I said", "voice": "Markov chain" },
            ],
            "adapters": [{ "id": 1, "name": "friends", "made_at": seconds(11), "stale_at": null }],
        });
        assert_eq!(data(&scene).await, expected);
        assert_eq!(scene.store().member_data(MemberId(999)).await.unwrap(), None);
    }

    #[tokio::test]
    async fn of_a_forgotten_member_the_key_and_the_refusal_are_left() {
        let scene = lived_in().await;
        scene.store().forget_member(scene.ada.id, at(20)).await.unwrap();
        let expected = json!({
            "key": "ada", "name": "", "avatar_url": null, "is_bot": false, "consent": "refused", "policy": "opt_in",
            "left_at": null, "forgotten_at": seconds(20), "names": [],
            "ledger": [
                { "consent": "granted", "said_at": seconds(0) },
                { "consent": "refused", "said_at": seconds(20) },
            ],
            "messages": [], "reactions": [], "feedback": [], "persona_said": [],
            "adapters": [{ "id": 1, "name": "friends", "made_at": seconds(11), "stale_at": seconds(20) }],
        });
        assert_eq!(data(&scene).await, expected);
    }
}
