//! Recognising messages that an import has under another key, or for another room, than what was heard.
//!
//! Where ids count for one account only, keys are those of [`MessageKey::from_second`]: a live message is known by the id
//! that our account sees, an imported one by its second, its author and its words. Where a community numbers its
//! messages over all its rooms, the id alone tells.

use chat::{MemberId, MessageKey, RoomId};

use crate::{Result, Store, storable};

/// An imported message that may be in the history under another key.
#[derive(Debug, Clone, Copy)]
pub struct Unnumbered<'a> {
    /// The key that it would get.
    pub key: MessageKey,
    /// Who said it.
    pub member: MemberId,
    /// What.
    pub text: &'a str,
    /// Whether it was edited, so that the history may hold other words.
    pub is_edited: bool,
}

/// The bits of a key that tell the messages of one second apart.
const PLACE: i64 = (1 << 31) - 1;

impl Store {
    /// Those of these messages that the history of a room holds under another key: in the same second, of the same member
    /// with the same words (or deleted), or of a persona, whose name may stand before the words.
    ///
    /// # Errors
    /// See [`StoreError`](crate::StoreError).
    pub async fn said_already(&self, room: RoomId, said: &[Unnumbered<'_>]) -> Result<Vec<MessageKey>> {
        let known: Vec<i64> = sqlx::query_scalar(
            "select distinct g.message_key
             from unnest($2::bigint[], $3::bigint[], $4::int[], $5::text[], $6::bool[])
                as g (message_key, second, member_id, text, is_edited)
             join message m on m.room_id = $1 and m.message_key between g.second and g.second + $7
                and m.message_key <> g.message_key
             where m.member_id = g.member_id and (m.text = g.text or g.is_edited or m.deleted_at is not null)
                or m.persona_id is not null and m.text <> '' and right(g.text, length(m.text)) = m.text
             order by g.message_key",
        )
        .bind(room.0)
        .bind(said.iter().map(|said| said.key.0).collect::<Vec<_>>())
        .bind(said.iter().map(|said| said.key.0 & !PLACE).collect::<Vec<_>>())
        .bind(said.iter().map(|said| said.member.0).collect::<Vec<_>>())
        .bind(said.iter().map(|said| storable(said.text)).collect::<Vec<_>>())
        .bind(said.iter().map(|said| said.is_edited).collect::<Vec<_>>())
        .bind(PLACE)
        .fetch_all(&self.pool)
        .await?;
        Ok(known.into_iter().map(MessageKey).collect())
    }

    /// Those of these keys that another room of the same community holds, where keys are ids of the whole community.
    ///
    /// # Errors
    /// See [`StoreError`](crate::StoreError).
    pub async fn known_elsewhere(&self, room: RoomId, keys: &[MessageKey]) -> Result<Vec<MessageKey>> {
        let known: Vec<i64> = sqlx::query_scalar(
            "select m.message_key
             from room here join room there on there.community_id = here.community_id and there.room_id <> here.room_id
             join message m on m.room_id = there.room_id and m.message_key = any ($2)
             where here.room_id = $1 order by m.message_key",
        )
        .bind(room.0)
        .bind(keys.iter().map(|key| key.0).collect::<Vec<_>>())
        .fetch_all(&self.pool)
        .await?;
        Ok(known.into_iter().map(MessageKey).collect())
    }

    /// The latest message of a room that has this place within its second: the id that our account sees.
    ///
    /// # Errors
    /// See [`StoreError`](crate::StoreError).
    pub async fn key_at_place(&self, room: RoomId, place: u32) -> Result<Option<MessageKey>> {
        let key: Option<i64> = sqlx::query_scalar(
            "select message_key from message
             where room_id = $1 and message_key < 0 and message_key & $3 = $2 order by message_key desc limit 1",
        )
        .bind(room.0)
        .bind(i64::from(place))
        .bind(PLACE)
        .fetch_optional(&self.pool)
        .await?;
        Ok(key.map(MessageKey))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        NewMessage,
        scene::{Scene, at, community, member, room, said},
    };

    fn key(second: i64, place: u32) -> MessageKey {
        MessageKey::from_second(at(second), place)
    }

    #[tokio::test]
    async fn what_was_heard_is_recognised_by_second_author_and_words() {
        let scene = Scene::new().await;
        let store = scene.store();
        let ada = scene.summon_ada().await;
        let live = |second, place, text| NewMessage { key: key(second, place), ..said(1, scene.bob.id, text) };
        let heard = [live(10, 1, "hello"), live(11, 2, "to be edited"), live(12, 3, "to be deleted")];
        store.record_batch(scene.room, &heard).await.unwrap();
        store.delete_messages(scene.room, &[key(12, 3)], at(20)).await.unwrap();
        let turn = scene.enqueue(&ada, "after:1").await.unwrap();
        store.finish_post(&turn, key(13, 4), at(13)).await.unwrap();
        let posted = format!("Ada (AI)\n{}", turn.text);
        let imported =
            |second, place, member, text| Unnumbered { key: key(second, place), member, text, is_edited: false };
        let bob = scene.bob.id;
        let rows = [
            imported(10, 900, bob, "hello"),
            imported(10, 901, scene.ada.id, "hello"),
            imported(9, 902, bob, "hello"),
            imported(11, 903, bob, "edited"),
            Unnumbered { is_edited: true, ..imported(11, 904, bob, "edited") },
            imported(12, 905, bob, "to be deleted"),
            imported(13, 906, bob, &posted),
            imported(10, 1, bob, "hello"),
        ];
        let known = [key(10, 900), key(11, 904), key(12, 905), key(13, 906)];
        assert_eq!(store.said_already(scene.room, &rows).await.unwrap(), known);
        assert_eq!(store.key_at_place(scene.room, 4).await.unwrap(), Some(key(13, 4)));
        assert_eq!(store.key_at_place(scene.room, 9).await.unwrap(), None);
    }

    #[tokio::test]
    async fn what_another_room_of_the_community_holds_is_known() {
        let scene = Scene::new().await;
        let store = scene.store();
        let topic = room(store, &scene.community, "topic").await;
        store.record(topic.id, &said(7, scene.bob.id, "hi")).await.unwrap();
        store.record(scene.room, &said(8, scene.bob.id, "ho")).await.unwrap();
        let strangers = community(store, "strangers").await;
        let their_room = room(store, &strangers, "lounge").await;
        let stranger = member(store, &strangers, "ada").await;
        store.record(their_room.id, &said(9, stranger.id, "hey")).await.unwrap();
        let keys = [7, 8, 9].map(MessageKey);
        assert_eq!(store.known_elsewhere(scene.room, &keys).await.unwrap(), [MessageKey(7)]);
    }
}
