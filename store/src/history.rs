//! Reading the history. The order of a room is that of its message keys; time orders only what several rooms said.

use chat::{Author, CommunityId, MemberId, Message, MessageKey, PersonaId, RoomId, WINDOW_LEN, Window};
use chrono::{DateTime, Utc};

use crate::{Result, Store, StoreError};

/// What a human said, as a voice learns from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spoken {
    /// Who said it.
    pub member: MemberId,
    /// Where.
    pub room: RoomId,
    /// When.
    pub sent_at: DateTime<Utc>,
    /// What.
    pub text: String,
}

/// Which messages a voice may learn from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sources {
    /// All that the history holds.
    All,
    /// What came through a platform's API is left out: platforms forbid training on it.
    ExportsOnly,
}

#[derive(sqlx::FromRow)]
struct MessageRow {
    room_id: i32,
    message_key: i64,
    member_id: Option<i32>,
    persona_id: Option<i32>,
    author_name: String,
    sent_at: DateTime<Utc>,
    text: String,
    origin: String,
    provenance: String,
    reply_to: Option<i64>,
    edited_at: Option<DateTime<Utc>>,
}

impl TryFrom<MessageRow> for Message {
    type Error = StoreError;

    fn try_from(row: MessageRow) -> Result<Self> {
        Ok(Message {
            key: MessageKey(row.message_key),
            room: RoomId(row.room_id),
            author: author(row.member_id, row.persona_id)?,
            author_name: row.author_name,
            sent_at: row.sent_at,
            text: row.text,
            origin: row.origin.parse()?,
            provenance: row.provenance.parse()?,
            reply_to: row.reply_to.map(MessageKey),
            edited_at: row.edited_at,
        })
    }
}

#[derive(sqlx::FromRow)]
struct SpokenRow {
    member_id: i32,
    room_id: i32,
    sent_at: DateTime<Utc>,
    text: String,
}

/// A message's author is called what its member (or its persona's member) is called now.
macro_rules! select_message {
    ($condition:literal) => {
        select_message!("", $condition)
    };
    ($explain:literal, $condition:literal) => {
        concat!(
            $explain,
            "select m.room_id, m.message_key, m.member_id, m.persona_id, a.name as author_name, m.sent_at, m.text, m.origin,
                m.provenance, m.reply_to, m.edited_at
             from message m left join persona p on p.persona_id = m.persona_id
             join member a on a.member_id = coalesce(m.member_id, p.member_id)
             where m.room_id = $1 and ",
            $condition
        )
    };
}

/// The latest messages of a room between two keys that have text, newest first: a backward scan of the primary key.
macro_rules! latest_between {
    ($explain:literal) => {
        select_message!(
            $explain,
            "m.message_key < $2 and m.message_key > $3 and m.text <> '' order by m.message_key desc limit $4"
        )
    };
}
const LATEST_BETWEEN: &str = latest_between!("");
const EXPLAIN_LATEST: &str = latest_between!("explain (analyze, buffers) ");

/// Keys are never this small or this large, so the two stand for "no bound".
const FIRST: MessageKey = MessageKey(i64::MIN);
const LAST: MessageKey = MessageKey(i64::MAX);

impl Store {
    /// The latest messages of a room that have text, oldest first.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn latest(&self, room: RoomId, limit: u32) -> Result<Vec<Message>> {
        self.messages_before(room, LAST, limit).await
    }

    /// The window that a model sees: the five latest messages that have text, of those after `after`.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn window(&self, room: RoomId, after: Option<MessageKey>) -> Result<Window> {
        let messages = self.latest_between(room, after.unwrap_or(FIRST), LAST, WINDOW_LEN as u32).await?;
        Ok(Window::new(messages))
    }

    /// The latest messages before one, for a page further back; those that have text, oldest first.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn messages_before(&self, room: RoomId, before: MessageKey, limit: u32) -> Result<Vec<Message>> {
        self.latest_between(room, FIRST, before, limit).await
    }

    async fn latest_between(
        &self,
        room: RoomId,
        after: MessageKey,
        before: MessageKey,
        limit: u32,
    ) -> Result<Vec<Message>> {
        let rows: Vec<MessageRow> = sqlx::query_as(LATEST_BETWEEN)
            .bind(room.0)
            .bind(before.0)
            .bind(after.0)
            .bind(i64::from(limit))
            .fetch_all(&self.pool)
            .await?;
        rows.into_iter().rev().map(Message::try_from).collect()
    }

    /// How the server finds the window of a room, in its own words.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn explain_window(&self, room: RoomId) -> Result<String> {
        let lines: Vec<String> = sqlx::query_scalar(EXPLAIN_LATEST)
            .bind(room.0)
            .bind(LAST.0)
            .bind(FIRST.0)
            .bind(WINDOW_LEN as i64)
            .fetch_all(&self.pool)
            .await?;
        Ok(lines.join("\n"))
    }

    /// The first messages after one, for whoever was away; those that have text, oldest first.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn messages_after(&self, room: RoomId, after: MessageKey, limit: u32) -> Result<Vec<Message>> {
        let rows: Vec<MessageRow> =
            sqlx::query_as(select_message!("m.message_key > $2 and m.text <> '' order by m.message_key limit $3"))
                .bind(room.0)
                .bind(after.0)
                .bind(i64::from(limit))
                .fetch_all(&self.pool)
                .await?;
        rows.into_iter().map(Message::try_from).collect()
    }

    /// A page of all that was said in a room, for whoever reads it from the beginning: the first messages after one, oldest
    /// first. Only deleted ones are left out; those without text are there, and what personas said.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn page_after(&self, room: RoomId, after: Option<MessageKey>, limit: u32) -> Result<Vec<Message>> {
        let rows: Vec<MessageRow> = sqlx::query_as(select_message!(
            "m.message_key > $2 and m.deleted_at is null order by m.message_key limit $3"
        ))
        .bind(room.0)
        .bind(after.unwrap_or(FIRST).0)
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(Message::try_from).collect()
    }

    /// The newest key that a room has ever seen, deleted messages and ones without text included.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn newest_key(&self, room: RoomId) -> Result<Option<MessageKey>> {
        let newest: Option<i64> = sqlx::query_scalar("select max(message_key) from message where room_id = $1")
            .bind(room.0)
            .fetch_one(&self.pool)
            .await?;
        Ok(newest.map(MessageKey))
    }

    /// One message, unless it was deleted.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn message(&self, room: RoomId, key: MessageKey) -> Result<Option<Message>> {
        let row: Option<MessageRow> = sqlx::query_as(select_message!("m.message_key = $2 and m.deleted_at is null"))
            .bind(room.0)
            .bind(key.0)
            .fetch_optional(&self.pool)
            .await?;
        row.map(Message::try_from).transpose()
    }

    /// The message that carries our mark, even if it was deleted since: it was posted all the same.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn by_nonce(&self, room: RoomId, nonce: &str) -> Result<Option<Message>> {
        let row: Option<MessageRow> =
            sqlx::query_as(select_message!("m.nonce = $2")).bind(room.0).bind(nonce).fetch_optional(&self.pool).await?;
        row.map(Message::try_from).transpose()
    }

    /// What the humans of a community said, the newest `limit` messages, oldest first: from all its rooms, by time.
    /// Deleted and empty messages, bots and personas are left out, and so is whoever refused to be imitated.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn spoken(&self, community: CommunityId, limit: u32, sources: Sources) -> Result<Vec<Spoken>> {
        let rows: Vec<SpokenRow> = sqlx::query_as(
            "select m.member_id, m.room_id, m.sent_at, m.text
             from message m join room r using (room_id) join member a on a.member_id = m.member_id
             where r.community_id = $1 and m.origin <> 'generated' and m.text <> '' and not a.is_bot
                and a.consent <> 'refused' and ($3 or m.provenance <> 'api')
             order by m.sent_at desc, m.room_id desc, m.message_key desc limit $2",
        )
        .bind(community.0)
        .bind(i64::from(limit))
        .bind(sources == Sources::All)
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .rev()
            .map(|row| Spoken {
                member: MemberId(row.member_id),
                room: RoomId(row.room_id),
                sent_at: row.sent_at,
                text: row.text,
            })
            .collect())
    }

    /// Which of these keys the history of a room has, in their order; those of deleted messages too.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn is_known(&self, room: RoomId, keys: &[MessageKey]) -> Result<Vec<MessageKey>> {
        let known: Vec<i64> = sqlx::query_scalar(
            "select message_key from message where room_id = $1 and message_key = any ($2) order by message_key",
        )
        .bind(room.0)
        .bind(keys.iter().map(|key| key.0).collect::<Vec<_>>())
        .fetch_all(&self.pool)
        .await?;
        Ok(known.into_iter().map(MessageKey).collect())
    }

    /// How many messages the history of a room holds, without deleted ones.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn room_message_count(&self, room: RoomId) -> Result<i64> {
        Ok(sqlx::query_scalar("select count(*) from message where room_id = $1 and deleted_at is null")
            .bind(room.0)
            .fetch_one(&self.pool)
            .await?)
    }
}

fn author(member: Option<i32>, persona: Option<i32>) -> Result<Author> {
    match (member, persona) {
        (Some(member), None) => Ok(Author::Member(MemberId(member))),
        (None, Some(persona)) => Ok(Author::Persona(PersonaId(persona))),
        _ => Err(StoreError::Corrupt { what: "a message with no author, or two".to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use chat::{Consent, Provenance};

    use super::*;
    use crate::{
        NewMember, NewMessage,
        scene::{Scene, at, room, said},
    };

    fn keys(messages: &[Message]) -> Vec<i64> {
        messages.iter().map(|message| message.key.0).collect()
    }

    /// Messages 1 to 10, of which 4 is white space and 9 is deleted. Their times run against their keys.
    async fn ten() -> Scene {
        let scene = Scene::new().await;
        let text = |key| if key == 4 { " \n" } else { "hi" };
        let batch: Vec<_> =
            (1..=10).map(|key| NewMessage { sent_at: at(100 - key), ..said(key, scene.bob.id, text(key)) }).collect();
        scene.store().record_batch(scene.room, &batch).await.unwrap();
        scene.store().delete_messages(scene.room, &[MessageKey(9)], at(200)).await.unwrap();
        scene
    }

    #[tokio::test]
    async fn the_window_is_the_five_latest_by_key_that_have_text() {
        let scene = ten().await;
        let window = async |after| -> Vec<i64> {
            let window = scene.store().window(scene.room, after).await.unwrap();
            window.messages().map(|message| message.key.0).collect()
        };
        assert_eq!(window(None).await, [5, 6, 7, 8, 10]);
        assert_eq!(window(Some(MessageKey(7))).await, [8, 10]);
        assert_eq!(window(Some(MessageKey(10))).await, [0; 0]);
    }

    #[tokio::test]
    async fn pages_go_both_ways_oldest_first() {
        let scene = ten().await;
        let store = scene.store();
        assert_eq!(keys(&store.latest(scene.room, 3).await.unwrap()), [7, 8, 10]);
        assert_eq!(keys(&store.messages_before(scene.room, MessageKey(6), 3).await.unwrap()), [2, 3, 5]);
        assert_eq!(keys(&store.messages_after(scene.room, MessageKey(2), 3).await.unwrap()), [3, 5, 6]);
        assert_eq!(keys(&store.page_after(scene.room, None, 4).await.unwrap()), [1, 2, 3, 4]);
        assert_eq!(keys(&store.page_after(scene.room, Some(MessageKey(4)), 99).await.unwrap()), [5, 6, 7, 8, 10]);
        let elsewhere = room(store, &scene.community, "elsewhere").await;
        assert_eq!(keys(&store.latest(elsewhere.id, 3).await.unwrap()), [0; 0]);
    }

    #[tokio::test]
    async fn one_message_is_found_even_without_text_unless_deleted() {
        let scene = ten().await;
        let text =
            async |key| scene.store().message(scene.room, MessageKey(key)).await.unwrap().map(|message| message.text);
        assert_eq!(text(1).await.as_deref(), Some("hi"));
        assert_eq!(text(4).await.as_deref(), Some(""));
        assert_eq!(text(9).await, None);
    }

    #[tokio::test]
    async fn what_we_posted_is_recognised_by_its_mark_even_when_deleted() {
        let scene = Scene::new().await;
        let message = NewMessage { nonce: Some("mark"), ..said(1, scene.bob.id, "hi") };
        scene.store().record(scene.room, &message).await.unwrap();
        scene.store().delete_messages(scene.room, &[MessageKey(1)], at(9)).await.unwrap();
        let found = scene.store().by_nonce(scene.room, "mark").await.unwrap().unwrap();
        assert_eq!((found.key, found.text.as_str()), (MessageKey(1), ""));
        assert_eq!(scene.store().by_nonce(scene.room, "another").await.unwrap(), None);
    }

    #[tokio::test]
    async fn voices_learn_from_humans_in_all_rooms_by_time() {
        let scene = Scene::new().await;
        let store = scene.store();
        let elsewhere = room(store, &scene.community, "elsewhere").await;
        let persona = scene.summon_ada().await;
        let turn = scene.enqueue(&persona, "reply:1").await.unwrap();
        store.finish_post(&turn, MessageKey(50), at(50)).await.unwrap();
        let key = "bot".into();
        let bot = NewMember {
            community: scene.community.id,
            key: &key,
            name: "bot",
            is_bot: true,
            avatar_url: None,
            seen_at: at(1),
        };
        let bot = store.member(&bot).await.unwrap();
        let here = [said(10, scene.ada.id, "one"), said(30, scene.bob.id, "three"), said(40, bot.id, "beep")];
        store.record_batch(scene.room, &here).await.unwrap();
        let there = [said(20, scene.bob.id, "two"), said(25, scene.bob.id, "")];
        store.record_batch(elsewhere.id, &there).await.unwrap();
        let texts = async |limit| -> Vec<String> {
            let spoken = store.spoken(scene.community.id, limit, Sources::All).await.unwrap();
            spoken.into_iter().map(|spoken| spoken.text).collect()
        };
        assert_eq!(texts(10).await, ["one", "two", "three"]);
        assert_eq!(texts(2).await, ["two", "three"]);
        store.set_consent(scene.ada.id, Consent::Refused, at(60)).await.unwrap();
        assert_eq!(texts(10).await, ["two", "three"], "who refused teaches no voice");
    }

    #[tokio::test]
    async fn a_voice_may_learn_from_exports_alone() {
        let scene = Scene::new().await;
        let exported = NewMessage { provenance: Provenance::Export, ..said(1, scene.bob.id, "from a file") };
        scene.store().record_batch(scene.room, &[exported, said(2, scene.bob.id, "from the API")]).await.unwrap();
        let spoken = scene.store().spoken(scene.community.id, 10, Sources::ExportsOnly).await.unwrap();
        assert_eq!(spoken.len(), 1);
        assert_eq!(spoken[0].text, "from a file");
    }

    #[tokio::test]
    async fn what_is_known_includes_what_was_deleted() {
        let scene = ten().await;
        let keys = [11, 9, 4, 3].map(MessageKey);
        assert_eq!(scene.store().is_known(scene.room, &keys).await.unwrap(), [3, 4, 9].map(MessageKey));
        let elsewhere = room(scene.store(), &scene.community, "elsewhere").await;
        assert_eq!(scene.store().is_known(elsewhere.id, &keys).await.unwrap(), []);
    }

    #[tokio::test]
    async fn a_message_carries_the_name_its_author_has_now() {
        let scene = Scene::new().await;
        let persona = scene.summon_ada().await;
        let turn = scene.enqueue(&persona, "reply:1").await.unwrap();
        scene.store().finish_post(&turn, MessageKey(2), at(2)).await.unwrap();
        let renamed = NewMember {
            community: scene.community.id,
            key: &scene.ada.key,
            name: "Countess",
            is_bot: false,
            avatar_url: None,
            seen_at: at(90),
        };
        scene.store().member(&renamed).await.unwrap();
        assert_eq!(scene.store().latest(scene.room, 1).await.unwrap()[0].author_name, "Countess");
    }
}
