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
        concat!(
            "select m.room_id, m.message_key, m.member_id, m.persona_id, a.name as author_name, m.sent_at, m.text, m.origin,
                m.provenance, m.reply_to, m.edited_at
             from message m left join persona p on p.persona_id = m.persona_id
             join member a on a.member_id = coalesce(m.member_id, p.member_id)
             where m.room_id = $1 and ",
            $condition
        )
    };
}

/// The latest messages of a room before a key that have text, newest first: a backward scan of the primary key.
pub(crate) const LATEST_BEFORE: &str =
    select_message!("m.message_key < $2 and m.message_key > $3 and m.text <> '' order by m.message_key desc limit $4");

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
        let rows: Vec<MessageRow> = sqlx::query_as(LATEST_BEFORE)
            .bind(room.0)
            .bind(before.0)
            .bind(after.0)
            .bind(i64::from(limit))
            .fetch_all(&self.pool)
            .await?;
        rows.into_iter().rev().map(Message::try_from).collect()
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
    /// Deleted and empty messages, bots and personas are left out.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn spoken(&self, community: CommunityId, limit: u32) -> Result<Vec<Spoken>> {
        let rows: Vec<SpokenRow> = sqlx::query_as(
            "select m.member_id, m.room_id, m.sent_at, m.text
             from message m join room r using (room_id) join member a on a.member_id = m.member_id
             where r.community_id = $1 and m.origin <> 'generated' and m.text <> '' and not a.is_bot
             order by m.sent_at desc, m.room_id desc, m.message_key desc limit $2",
        )
        .bind(community.0)
        .bind(i64::from(limit))
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

    /// How many messages the history of a community holds, without deleted ones.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn message_count(&self, community: CommunityId) -> Result<i64> {
        Ok(sqlx::query_scalar(
            "select count(*) from message m join room r using (room_id)
             where r.community_id = $1 and m.deleted_at is null",
        )
        .bind(community.0)
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
