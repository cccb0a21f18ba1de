//! Writing the history: recording messages, edits and deletions. Reading it is in `history`.

use std::borrow::Cow;

use chat::{Author, MessageKey, Origin, Provenance, RoomId};
use chrono::{DateTime, Utc};

use crate::{Result, Store, StoreError, members::insert_aliases, storable};

/// A message as it reached us.
#[derive(Debug, Clone, Copy)]
pub struct NewMessage<'a> {
    /// Its place in the room.
    pub key: MessageKey,
    /// Who said it: a member or persona of the room's community.
    pub author: Author,
    /// What a member was called then. It is kept as an alias; what is read back is the name the member has now, so that
    /// one person has one name throughout a window. Ignored for personas.
    pub author_name: &'a str,
    /// When it was said.
    pub sent_at: DateTime<Utc>,
    /// What was said. Text of nothing but white space is kept as empty.
    pub text: &'a str,
    /// How it came to be.
    pub origin: Origin,
    /// Through what it came.
    pub provenance: Provenance,
    /// The message that it answers.
    pub reply_to: Option<MessageKey>,
    /// When it was last edited.
    pub edited_at: Option<DateTime<Utc>>,
    /// Our own mark, unique within the room, by which a message is recognised whatever key it got.
    pub nonce: Option<&'a str>,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// It was added.
    New(MessageKey),
    /// The history already had its key or its nonce, under this key. A deleted message stays deleted.
    Known(MessageKey),
    /// Its author asked to be forgotten: it was not stored.
    Forgotten,
}

/// What became of a batch. The three add up to its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BatchOutcome {
    /// Added.
    pub stored: u64,
    /// There already, or twice in the batch.
    pub known: u64,
    /// Dropped, since the author asked to be forgotten.
    pub forgotten: u64,
}

#[derive(sqlx::FromRow)]
struct OutcomeRow {
    strangers: i64,
    stored: i64,
    forgotten: i64,
}

impl Store {
    /// Adds a message.
    ///
    /// # Errors
    /// As [`Store::record_batch`].
    pub async fn record(&self, room: RoomId, message: &NewMessage<'_>) -> Result<Recorded> {
        let outcome = self.record_batch(room, std::slice::from_ref(message)).await?;
        if outcome.stored == 1 {
            return Ok(Recorded::New(message.key));
        }
        if outcome.forgotten == 1 {
            return Ok(Recorded::Forgotten);
        }
        let known: Option<i64> = sqlx::query_scalar(
            "select message_key from message where room_id = $1 and message_key = $2
             union all select message_key from message where room_id = $1 and nonce = $3
             limit 1",
        )
        .bind(room.0)
        .bind(message.key.0)
        .bind(message.nonce)
        .fetch_optional(&self.pool)
        .await?;
        // Only being forgotten takes a row away between the two statements.
        Ok(known.map_or(Recorded::Forgotten, |key| Recorded::Known(MessageKey(key))))
    }

    /// Adds messages of a room, up to about 10,000 at a time, in one statement. Repeating it changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Unknown`] where an author is not of the room's community (or the room does not exist); then nothing
    /// is stored.
    pub async fn record_batch(&self, room: RoomId, messages: &[NewMessage<'_>]) -> Result<BatchOutcome> {
        let members = distinct(messages.iter().filter_map(|message| member_of(message.author)));
        let personas = distinct(messages.iter().filter_map(|message| persona_of(message.author)));
        let place = |message: &NewMessage<'_>| {
            let place = members.binary_search(&member_of(message.author)?).expect("every author was collected");
            Some(place as i32 + 1)
        };
        let row: OutcomeRow = sqlx::query_as(RECORD)
            // A large batch gets a plan for tables of the size that they have now, not when the first one came.
            .persistent(messages.len() < PLANNED_ANEW)
            .bind(room.0)
            .bind(&members)
            .bind(personas)
            .bind(messages.iter().map(|message| message.key.0).collect::<Vec<_>>())
            .bind(messages.iter().map(place).collect::<Vec<_>>())
            .bind(messages.iter().map(|message| persona_of(message.author)).collect::<Vec<_>>())
            .bind(messages.iter().map(|message| storable(message.author_name)).collect::<Vec<_>>())
            .bind(messages.iter().map(|message| message.sent_at).collect::<Vec<_>>())
            .bind(messages.iter().map(|message| kept_text(message.text)).collect::<Vec<_>>())
            .bind(messages.iter().map(|message| message.origin.as_str()).collect::<Vec<_>>())
            .bind(messages.iter().map(|message| message.provenance.as_str()).collect::<Vec<_>>())
            .bind(messages.iter().map(|message| message.reply_to.map(|key| key.0)).collect::<Vec<_>>())
            .bind(messages.iter().map(|message| message.edited_at).collect::<Vec<_>>())
            .bind(messages.iter().map(|message| message.nonce).collect::<Vec<_>>())
            .fetch_one(&self.pool)
            .await?;
        if row.strangers > 0 {
            return Err(StoreError::Unknown { what: "author" });
        }
        let (stored, forgotten) = (row.stored as u64, row.forgotten as u64);
        Ok(BatchOutcome { stored, forgotten, known: messages.len() as u64 - stored - forgotten })
    }

    /// Gives a message its new wording and keeps the older one. The same wording again, or an edit older than the last,
    /// changes nothing and returns false, as does a message that is deleted or unknown.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn edit_message(&self, room: RoomId, key: MessageKey, text: &str, at: DateTime<Utc>) -> Result<bool> {
        let edited = sqlx::query(
            "with old as (
                select room_id, message_key, text from message
                where room_id = $1 and message_key = $2 and text <> $3 and deleted_at is null
                    and (edited_at is null or edited_at < $4)
                for update
             ), kept as (
                insert into message_edit (room_id, message_key, replaced_at, text)
                select room_id, message_key, $4, text from old on conflict do nothing
             )
             update message m set text = $3, edited_at = $4 from old
             where m.room_id = old.room_id and m.message_key = old.message_key",
        )
        .bind(room.0)
        .bind(key.0)
        .bind(kept_text(text))
        .bind(at)
        .execute(&self.pool)
        .await?;
        Ok(edited.rows_affected() > 0)
    }

    /// As [`Store::edit_message`], for something that a persona said and that was drawn anew, with what is in `voice`.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn redraw_message(
        &self,
        room: RoomId,
        key: MessageKey,
        text: &str,
        voice: &str,
        at: DateTime<Utc>,
    ) -> Result<bool> {
        // First, so that nobody who reads the new words is told of the old voice.
        sqlx::query(
            "update message set voice = $3
             where room_id = $1 and message_key = $2 and persona_id is not null and deleted_at is null",
        )
        .bind(room.0)
        .bind(key.0)
        .bind(voice)
        .execute(&self.pool)
        .await?;
        self.edit_message(room, key, text, at).await
    }

    /// Deletes messages: text, earlier wordings, reactions, opinions and who led to it go, the key stays so that a
    /// repeated import does not bring them back. Returns how many were not deleted before.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn delete_messages(&self, room: RoomId, keys: &[MessageKey], at: DateTime<Utc>) -> Result<u64> {
        let deleted = sqlx::query(
            "with doomed as (
                select room_id, message_key from message
                where room_id = $1 and message_key = any ($2) and deleted_at is null
                order by message_key for update
             ), edits as (
                delete from message_edit e using doomed d where e.room_id = d.room_id and e.message_key = d.message_key
             ), reactions as (
                delete from reaction r using doomed d where r.room_id = d.room_id and r.message_key = d.message_key
             ), totals as (
                delete from reaction_total t using doomed d where t.room_id = d.room_id and t.message_key = d.message_key
             ), opinions as (
                delete from feedback f using doomed d where f.room_id = d.room_id and f.message_key = d.message_key
             )
             update message m set text = '', deleted_at = $3, voice = null, caused_by = null from doomed d
             where m.room_id = d.room_id and m.message_key = d.message_key",
        )
        .bind(room.0)
        .bind(keys.iter().map(|key| key.0).collect::<Vec<_>>())
        .bind(at)
        .execute(&self.pool)
        .await?;
        Ok(deleted.rows_affected())
    }
}

/// From how many rows on a statement is planned anew: by then planning, about a millisecond, no longer counts.
pub(crate) const PLANNED_ANEW: usize = 100;

/// The authors' rows are locked in shared mode, so that a message cannot slip in while its author is being forgotten, and
/// joined to the room's community, so that nothing is ever said by somebody of another one. This stands for the foreign
/// keys that the table does not have.
///
/// `$2` are the distinct members in order and `author` is a message's place in it: what is known of an author is looked up
/// by that place and not by a join, for which a server without statistics may choose to compare all pairs.
const RECORD: &str = concat!(
    "with author as materialized (
        select m.member_id, m.forgotten_at is not null as forgotten
        from unnest($2::int[]) as wanted (member_id) join member m using (member_id) join room r using (community_id)
        where r.room_id = $1
        order by m.member_id for share of m for key share of r
     ), voice as materialized (
        select p.persona_id from persona p join member m using (member_id) join room r using (community_id)
        where r.room_id = $1 and p.persona_id = any ($3::int[])
     ), verdict as materialized (
        select cardinality($2) + cardinality($3) - count(*) - (select count(*) from voice) as strangers,
            array_agg(forgotten order by member_id) as forgotten
        from author
     ), placed as materialized (
        select g.*, ($2)[g.author] as member_id, coalesce(v.forgotten[g.author], false) as forgotten
        from verdict v, unnest($4::bigint[], $5::int[], $6::int[], $7::text[], $8::timestamptz[], $9::text[], $10::text[],
            $11::text[], $12::bigint[], $13::timestamptz[], $14::text[])
        as g (message_key, author, persona_id, author_name, sent_at, text, origin, provenance, reply_to, edited_at, nonce)
        where v.strangers = 0
     ), stored as (
        insert into message (room_id, message_key, member_id, persona_id, sent_at, text, origin, provenance, reply_to,
            edited_at, nonce)
        select $1, message_key, member_id, persona_id, sent_at, text, origin, provenance, reply_to, edited_at, nonce
        from placed where not forgotten
        on conflict do nothing
        returning 1
     ), aliases as (",
    insert_aliases!(
        "select member_id, author_name, min(sent_at), max(sent_at) from placed
         where member_id is not null and not forgotten and author_name <> '' group by 1, 2 order by 1, 2"
    ),
    ") select
        (select strangers from verdict) as strangers,
        (select count(*) from stored) as stored,
        (select count(*) from placed where forgotten) as forgotten"
);

fn distinct(ids: impl Iterator<Item = i32>) -> Vec<i32> {
    let mut ids: Vec<i32> = ids.collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

fn member_of(author: Author) -> Option<i32> {
    match author {
        Author::Member(member) => Some(member.0),
        Author::Persona(_) => None,
    }
}

fn persona_of(author: Author) -> Option<i32> {
    match author {
        Author::Member(_) => None,
        Author::Persona(persona) => Some(persona.0),
    }
}

/// White space alone is no text: every query then tells by `text <> ''`.
fn kept_text(text: &str) -> Cow<'_, str> {
    if text.trim().is_empty() { Cow::Borrowed("") } else { storable(text) }
}

#[cfg(test)]
mod tests {
    use chat::{MemberId, PersonaId};

    use super::*;
    use crate::scene::{Scene, at, community, member, said};

    #[tokio::test]
    async fn a_batch_again_or_in_part_adds_nothing_twice() {
        let scene = Scene::new().await;
        let batch: Vec<_> = (1..=20).map(|key| said(key, scene.ada.id, "hi")).collect();
        let first = scene.store().record_batch(scene.room, &batch[..15]).await.unwrap();
        assert_eq!(first, BatchOutcome { stored: 15, known: 0, forgotten: 0 });
        let doubled: Vec<_> = batch.iter().chain(&batch[18..]).copied().collect();
        let second = scene.store().record_batch(scene.room, &doubled).await.unwrap();
        assert_eq!(second, BatchOutcome { stored: 5, known: 17, forgotten: 0 });
        assert_eq!(scene.store().room_message_count(scene.room).await.unwrap(), 20);
    }

    #[tokio::test]
    async fn an_empty_batch_is_nothing() {
        let scene = Scene::new().await;
        assert_eq!(scene.store().record_batch(scene.room, &[]).await.unwrap(), BatchOutcome::default());
    }

    #[tokio::test]
    async fn a_message_is_known_by_its_key_and_by_its_nonce() {
        let scene = Scene::new().await;
        let message = NewMessage { nonce: Some("n1"), ..said(7, scene.bob.id, "hi") };
        let record = async |message| scene.store().record(scene.room, &message).await.unwrap();
        assert_eq!(record(message).await, Recorded::New(MessageKey(7)));
        assert_eq!(record(NewMessage { nonce: None, ..message }).await, Recorded::Known(MessageKey(7)));
        assert_eq!(record(NewMessage { key: MessageKey(9), ..message }).await, Recorded::Known(MessageKey(7)));
        let found = scene.store().by_nonce(scene.room, "n1").await.unwrap().unwrap();
        assert_eq!((found.key, found.text.as_str()), (MessageKey(7), "hi"));
    }

    #[tokio::test]
    async fn nobody_speaks_in_a_room_of_another_community() {
        let scene = Scene::new().await;
        let elsewhere = community(scene.store(), "strangers").await;
        let stranger = member(scene.store(), &elsewhere, "ada").await;
        let batch = [said(1, scene.ada.id, "hi"), said(2, stranger.id, "let me in")];
        let refused = scene.store().record_batch(scene.room, &batch).await;
        assert!(matches!(refused, Err(StoreError::Unknown { what: "author" })), "{refused:?}");
        assert_eq!(scene.store().room_message_count(scene.room).await.unwrap(), 0);
        for author in [Author::Member(MemberId(999)), Author::Persona(PersonaId(999))] {
            let refused = scene.store().record(scene.room, &NewMessage { author, ..said(1, scene.ada.id, "hi") }).await;
            assert!(matches!(refused, Err(StoreError::Unknown { what: "author" })), "{refused:?}");
        }
    }

    #[tokio::test]
    async fn everything_about_a_message_comes_back() {
        let scene = Scene::new().await;
        let message = NewMessage {
            origin: Origin::Imported,
            provenance: Provenance::Export,
            reply_to: Some(MessageKey(3)),
            edited_at: Some(at(9)),
            ..said(4, scene.bob.id, "zero\0byte")
        };
        scene.store().record(scene.room, &message).await.unwrap();
        let expected = chat::Message {
            key: MessageKey(4),
            room: scene.room,
            author: Author::Member(scene.bob.id),
            author_name: "bob".to_owned(),
            sent_at: at(4),
            text: "zerobyte".to_owned(),
            origin: Origin::Imported,
            provenance: Provenance::Export,
            reply_to: Some(MessageKey(3)),
            edited_at: Some(at(9)),
        };
        assert_eq!(scene.store().message(scene.room, MessageKey(4)).await.unwrap(), Some(expected));
    }

    #[tokio::test]
    async fn edits_are_idempotent_and_their_order_does_not_matter() {
        let scene = Scene::new().await;
        scene.store().record(scene.room, &said(1, scene.ada.id, "frist")).await.unwrap();
        let edit = async |text, seconds| {
            scene.store().edit_message(scene.room, MessageKey(1), text, at(seconds)).await.unwrap()
        };
        assert!(edit("first!", 30).await);
        assert!(!edit("first!", 30).await);
        assert!(!edit("first", 20).await, "an older edit that arrives late");
        assert!(edit("first!!", 40).await);
        assert_eq!(scene.texts().await, ["first!!"]);
        let kept: Vec<String> = sqlx::query_scalar("select text from message_edit order by replaced_at")
            .fetch_all(&mut scene.database.connection().await)
            .await
            .unwrap();
        assert_eq!(kept, ["frist", "first!"]);
        assert!(!scene.store().edit_message(scene.room, MessageKey(2), "who?", at(50)).await.unwrap());
    }

    #[tokio::test]
    async fn a_deleted_message_stays_deleted_whatever_is_imported() {
        let scene = Scene::new().await;
        let batch = [said(1, scene.ada.id, "oops"), said(2, scene.ada.id, "hi")];
        scene.store().record_batch(scene.room, &batch).await.unwrap();
        scene.store().edit_message(scene.room, MessageKey(1), "oops!", at(5)).await.unwrap();
        let delete = async || scene.store().delete_messages(scene.room, &[MessageKey(1)], at(9)).await.unwrap();
        assert_eq!(delete().await, 1);
        assert_eq!(delete().await, 0);
        assert_eq!(scene.store().record(scene.room, &batch[0]).await.unwrap(), Recorded::Known(MessageKey(1)));
        assert!(!scene.store().edit_message(scene.room, MessageKey(1), "back", at(99)).await.unwrap());
        assert_eq!(scene.texts().await, ["hi"]);
        assert_eq!(scene.store().message(scene.room, MessageKey(1)).await.unwrap(), None);
        let traces: i64 = sqlx::query_scalar(
            "select (select count(*) from message_edit) + (select count(*) from message where text like 'oops%')",
        )
        .fetch_one(&mut scene.database.connection().await)
        .await
        .unwrap();
        assert_eq!(traces, 0);
    }

    #[tokio::test]
    async fn names_in_messages_become_aliases() {
        let scene = Scene::new().await;
        let batch = [
            NewMessage { author_name: "Bobby", ..said(5, scene.bob.id, "hi") },
            NewMessage { author_name: "Bobby", ..said(9, scene.bob.id, "ho") },
        ];
        scene.store().record_batch(scene.room, &batch).await.unwrap();
        let found = scene.store().find_members(scene.community.id, "BOBBY").await.unwrap();
        assert_eq!(found.iter().map(|member| member.id).collect::<Vec<_>>(), [scene.bob.id]);
    }
}
