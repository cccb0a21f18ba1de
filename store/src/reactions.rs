//! Reactions: who reacted, or where an export tells no more, how many.

use chat::{MemberId, MessageKey, RoomId};

use crate::{Result, Store, messages::PLANNED_ANEW, storable};

/// A reaction to a message.
#[derive(Debug, Clone, Copy)]
pub struct NewReaction<'a> {
    /// The message.
    pub key: MessageKey,
    /// The emoji, or a platform's name of its own.
    pub emoji: &'a str,
    /// Who reacted; none where only a total is known.
    pub by: Option<MemberId>,
    /// The total, where only that is known. Ignored where `by` is set.
    pub count: u32,
}

impl Store {
    /// Adds reactions, whether of a person or as a total. Repeating it changes nothing. Those to messages that are unknown
    /// or deleted, and those of people who asked to be forgotten or are of another community, are dropped.
    ///
    /// # Errors
    /// See [`StoreError`](crate::StoreError).
    pub async fn react_batch(&self, room: RoomId, reactions: &[NewReaction<'_>]) -> Result<()> {
        if reactions.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "with given as (
                select distinct * from unnest($2::bigint[], $3::text[], $4::int[], $5::bigint[])
                    as g (message_key, emoji, member_id, total)
             ), author as materialized (
                select a.member_id from member a join room r using (community_id)
                where r.room_id = $1 and a.forgotten_at is null and a.member_id in (select member_id from given)
                order by a.member_id for share of a
             ), reacted as (
                insert into reaction (room_id, message_key, emoji, member_id)
                select m.room_id, m.message_key, g.emoji, g.member_id
                from given g join author using (member_id)
                join message m on m.room_id = $1 and m.message_key = g.message_key
                where m.deleted_at is null
                order by m.message_key, g.emoji, g.member_id
                on conflict do nothing
             )
             insert into reaction_total as t (room_id, message_key, emoji, total)
             select m.room_id, m.message_key, g.emoji, max(g.total)
             from given g join message m on m.room_id = $1 and m.message_key = g.message_key
             where g.member_id is null and g.total > 0 and m.deleted_at is null
             group by 1, 2, 3 order by 1, 2, 3
             on conflict (room_id, message_key, emoji) do update set total = excluded.total where t.total <> excluded.total",
        )
        .persistent(reactions.len() < PLANNED_ANEW)
        .bind(room.0)
        .bind(reactions.iter().map(|reaction| reaction.key.0).collect::<Vec<_>>())
        .bind(reactions.iter().map(|reaction| storable(reaction.emoji)).collect::<Vec<_>>())
        .bind(reactions.iter().map(|reaction| reaction.by.map(|member| member.0)).collect::<Vec<_>>())
        .bind(reactions.iter().map(|reaction| i64::from(reaction.count)).collect::<Vec<_>>())
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Takes a person's reaction back.
    ///
    /// # Errors
    /// See [`StoreError`](crate::StoreError).
    pub async fn unreact(&self, room: RoomId, key: MessageKey, emoji: &str, by: MemberId) -> Result<()> {
        sqlx::query("delete from reaction where room_id = $1 and message_key = $2 and emoji = $3 and member_id = $4")
            .bind(room.0)
            .bind(key.0)
            .bind(emoji)
            .bind(by.0)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Takes back all reactions to a message, or all with one emoji.
    ///
    /// # Errors
    /// See [`StoreError`](crate::StoreError).
    pub async fn clear_reactions(&self, room: RoomId, key: MessageKey, emoji: Option<&str>) -> Result<()> {
        sqlx::query(
            "with totals as (
                delete from reaction_total where room_id = $1 and message_key = $2 and ($3::text is null or emoji = $3)
             )
             delete from reaction where room_id = $1 and message_key = $2 and ($3::text is null or emoji = $3)",
        )
        .bind(room.0)
        .bind(key.0)
        .bind(emoji)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// How often each emoji stands under each of the messages, most frequent first. Where both a total and some of the
    /// people are known, the larger number counts: an export names only the latest few.
    ///
    /// # Errors
    /// See [`StoreError`](crate::StoreError).
    pub async fn reactions(&self, room: RoomId, keys: &[MessageKey]) -> Result<Vec<(MessageKey, String, i64)>> {
        let rows: Vec<(i64, String, i64)> = sqlx::query_as(
            "select message_key, emoji, max(total) as total from (
                select message_key, emoji, count(*) as total from reaction
                where room_id = $1 and message_key = any ($2) group by 1, 2
                union all
                select message_key, emoji, total from reaction_total where room_id = $1 and message_key = any ($2)
             ) known
             group by 1, 2 order by message_key, total desc, emoji",
        )
        .bind(room.0)
        .bind(keys.iter().map(|key| key.0).collect::<Vec<_>>())
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(|(key, emoji, total)| (MessageKey(key), emoji, total)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::{Scene, at, community, member, said};

    fn by(key: i64, emoji: &str, member: MemberId) -> NewReaction<'_> {
        NewReaction { key: MessageKey(key), emoji, by: Some(member), count: 1 }
    }

    fn total(key: i64, emoji: &str, count: u32) -> NewReaction<'_> {
        NewReaction { key: MessageKey(key), emoji, by: None, count }
    }

    async fn scene() -> Scene {
        let scene = Scene::new().await;
        let batch = [said(1, scene.ada.id, "hi"), said(2, scene.bob.id, "ho")];
        scene.store().record_batch(scene.room, &batch).await.unwrap();
        scene
    }

    async fn shown(scene: &Scene) -> Vec<String> {
        let reactions = scene.store().reactions(scene.room, &[MessageKey(1), MessageKey(2)]).await.unwrap();
        reactions.into_iter().map(|(key, emoji, count)| format!("{key} {emoji} {count}")).collect()
    }

    #[tokio::test]
    async fn reacting_twice_counts_once_and_can_be_taken_back() {
        let scene = scene().await;
        let batch = [by(1, "+1", scene.ada.id), by(1, "+1", scene.bob.id), by(1, "ok", scene.bob.id)];
        scene.store().react_batch(scene.room, &batch).await.unwrap();
        scene.store().react_batch(scene.room, &batch).await.unwrap();
        assert_eq!(shown(&scene).await, ["1 +1 2", "1 ok 1"]);
        scene.store().unreact(scene.room, MessageKey(1), "+1", scene.ada.id).await.unwrap();
        assert_eq!(shown(&scene).await, ["1 +1 1", "1 ok 1"]);
    }

    #[tokio::test]
    async fn a_total_is_replaced_and_people_are_part_of_it() {
        let scene = scene().await;
        let batch = [total(2, "+1", 5), total(2, "ok", 1), by(2, "+1", scene.ada.id), by(2, "ok", scene.ada.id)];
        scene.store().react_batch(scene.room, &batch).await.unwrap();
        scene.store().react_batch(scene.room, &[total(2, "+1", 4), by(2, "ok", scene.bob.id)]).await.unwrap();
        assert_eq!(shown(&scene).await, ["2 +1 4", "2 ok 2"]);
    }

    #[tokio::test]
    async fn reactions_without_a_message_or_from_elsewhere_are_dropped() {
        let scene = scene().await;
        let elsewhere = community(scene.store(), "strangers").await;
        let stranger = member(scene.store(), &elsewhere, "ada").await;
        scene.store().delete_messages(scene.room, &[MessageKey(2)], at(9)).await.unwrap();
        let batch = [
            by(9, "+1", scene.ada.id),
            by(1, "+1", stranger.id),
            total(9, "+1", 2),
            total(2, "+1", 2),
            total(1, "x", 0),
        ];
        scene.store().react_batch(scene.room, &batch).await.unwrap();
        scene.store().react_batch(scene.room, &[]).await.unwrap();
        assert_eq!(shown(&scene).await, [""; 0]);
    }

    #[tokio::test]
    async fn a_moderator_may_clear_reactions() {
        let scene = scene().await;
        let batch = [by(1, "+1", scene.ada.id), total(1, "ok", 3), total(1, "no", 1), by(2, "ok", scene.bob.id)];
        scene.store().react_batch(scene.room, &batch).await.unwrap();
        scene.store().clear_reactions(scene.room, MessageKey(1), Some("ok")).await.unwrap();
        assert_eq!(shown(&scene).await, ["1 +1 1", "1 no 1", "2 ok 1"]);
        scene.store().clear_reactions(scene.room, MessageKey(1), None).await.unwrap();
        assert_eq!(shown(&scene).await, ["2 ok 1"]);
    }

    #[tokio::test]
    async fn a_deleted_message_loses_its_reactions() {
        let scene = scene().await;
        scene.store().react_batch(scene.room, &[by(1, "+1", scene.bob.id), total(1, "ok", 2)]).await.unwrap();
        scene.store().delete_messages(scene.room, &[MessageKey(1)], at(9)).await.unwrap();
        assert_eq!(shown(&scene).await, [""; 0]);
    }
}
