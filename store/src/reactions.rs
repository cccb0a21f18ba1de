//! Reactions: who reacted, or where an export tells no more, how many.

use chat::{MemberId, MessageKey, RoomId};

use crate::{Result, Store, storable};

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
                from given g join message m on m.room_id = $1 and m.message_key = g.message_key
                join author using (member_id)
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
