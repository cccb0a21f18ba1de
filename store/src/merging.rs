//! Two communities that turn out to be one: a small group of Telegram, and its supergroup, of which something was imported or
//! heard before it was known that they are the same.
//!
//! The small group goes on: its settings count where both have some, and its people stay who they are. What the supergroup has
//! is added. That cannot be done where personas have spoken in the supergroup, or where somebody whom both know was
//! forgotten in one of them; then both stay as they are.

use sqlx::PgTransaction;

use crate::{Result, changes};

/// Whether nothing of the second community stands in the way.
const MAY_MERGE: &str = "
    select not exists (select from outbox join room using (room_id) where community_id = $2)
       and not exists (select from message join room using (room_id) where community_id = $2 and persona_id is not null)
       and not exists (select from adapter where community_id = $2)
       and not exists (
           select from member a join member b using (member_key)
           where a.community_id = $1 and b.community_id = $2
             and (a.forgotten_at is not null or b.forgotten_at is not null))";

/// A statement over those whom both communities know: `kept` is their member of the first, `given_up` of the second.
macro_rules! with_twins {
    ($statement:literal) => {
        concat!(
            "with twin as (
                select a.member_id as kept, b.member_id as given_up from member a join member b using (member_key)
                where a.community_id = $1 and b.community_id = $2
             ) ",
            $statement
        )
    };
}

/// Makes one member of those two that are the same person. A refusal in either counts in both.
const PEOPLE: [&str; 13] = [
    "select from member where community_id in ($1, $2) order by member_id for update",
    with_twins!(
        "update member k set
            consent = case
                when 'refused' in (k.consent, g.consent) then 'refused'
                when 'granted' in (k.consent, g.consent) then 'granted'
                when 'declared' in (k.consent, g.consent) then 'declared'
                else 'unasked' end,
            name = case when g.name_seen_at > k.name_seen_at then g.name else k.name end,
            name_seen_at = greatest(k.name_seen_at, g.name_seen_at),
            is_bot = k.is_bot or g.is_bot,
            avatar_url = coalesce(k.avatar_url, g.avatar_url),
            left_at = case when g.left_at is null then null else k.left_at end,
            departed = k.departed and g.departed
         from twin, member g where k.member_id = twin.kept and g.member_id = twin.given_up"
    ),
    with_twins!(
        "insert into member_alias as known (member_id, name, first_seen, last_seen)
         select kept, name, first_seen, last_seen from member_alias join twin on member_id = given_up
         on conflict (member_id, name) do update set
            first_seen = least(known.first_seen, excluded.first_seen),
            last_seen = greatest(known.last_seen, excluded.last_seen)"
    ),
    with_twins!("update consent_event set member_id = kept from twin where member_id = given_up"),
    with_twins!("update room_persona set summoned_by = kept from twin where summoned_by = given_up"),
    with_twins!("update room_setting set changed_by = kept from twin where changed_by = given_up"),
    with_twins!(
        "update message set member_id = kept from twin, room
         where message.room_id = room.room_id and room.community_id = $2 and message.member_id = given_up"
    ),
    with_twins!("update reaction set member_id = kept from twin where member_id = given_up"),
    with_twins!(
        "delete from persona using twin where member_id = given_up and exists (select from persona p where p.member_id = kept)"
    ),
    with_twins!("update persona set member_id = kept from twin where member_id = given_up"),
    with_twins!("delete from member using twin where member_id = given_up"),
    "update member set community_id = $1 where community_id = $2",
    "with moved as (delete from finished_import where community_id = $2 returning source, finished_at)
     insert into finished_import (community_id, source, finished_at) select $1, source, finished_at from moved
     on conflict do nothing",
];

/// Adds what the second room has to the first. Messages that were said in a small group may be in both under other keys, and
/// are recognised as those of an import are (`recognition`).
const ROOM: [&str; 9] = [
    "update room_persona g set room_id = $1 where room_id = $2
        and not exists (select from room_persona k where k.room_id = $1 and k.persona_id = g.persona_id)",
    "update room_setting set room_id = $1 where room_id = $2 and not exists (select from room_setting where room_id = $1)",
    "insert into message (message_key, sent_at, room_id, member_id, persona_id, reply_to, edited_at, deleted_at, origin,
        provenance, text, nonce, voice, caused_by)
     select message_key, sent_at, $1, member_id, persona_id, reply_to, edited_at, deleted_at, origin,
        provenance, text, nonce, voice, caused_by
     from message g where room_id = $2 and not (message_key < 0 and exists (
        select from message k where k.room_id = $1
            and k.message_key between g.message_key & ~2147483647::bigint and g.message_key | 2147483647
            and (k.member_id = g.member_id and (k.text = g.text or k.deleted_at is not null or g.edited_at is not null)
                or k.persona_id is not null and k.text <> '' and right(g.text, length(k.text)) = k.text)))
     on conflict do nothing",
    "insert into message_edit select $1, message_key, replaced_at, g.text
     from message_edit g join message k using (message_key) where g.room_id = $2 and k.room_id = $1 on conflict do nothing",
    "insert into reaction select $1, message_key, emoji, g.member_id
     from reaction g join message k using (message_key) where g.room_id = $2 and k.room_id = $1 on conflict do nothing",
    "insert into reaction_total select $1, message_key, emoji, total
     from reaction_total g join message k using (message_key) where g.room_id = $2 and k.room_id = $1 on conflict do nothing",
    "delete from message where room_id = $2",
    "update room set parent_id = $1 where parent_id = $2",
    "update room set external_id = 'empty:' || room_id, title = '' where room_id = $2",
];

/// Makes one community of two, that of the small group, which the platform calls `from` still. False where that cannot be.
pub(crate) async fn merge(
    transaction: &mut PgTransaction<'_>,
    small: i32,
    large: i32,
    from: &str,
    to: &str,
) -> Result<bool> {
    let may_merge: bool = sqlx::query_scalar(MAY_MERGE).bind(small).bind(large).fetch_one(&mut **transaction).await?;
    if !may_merge {
        return Ok(false);
    }
    for statement in PEOPLE {
        sqlx::query(statement).bind(small).bind(large).execute(&mut **transaction).await?;
    }
    let named = "select room_id from room where community_id = $1 and external_id = $2 for update";
    let kept: Option<i32> = sqlx::query_scalar(named).bind(small).bind(from).fetch_optional(&mut **transaction).await?;
    let given_up: Option<i32> =
        sqlx::query_scalar(named).bind(large).bind(to).fetch_optional(&mut **transaction).await?;
    if let Some((kept, given_up)) = kept.zip(given_up) {
        for statement in ROOM {
            sqlx::query(statement).bind(kept).bind(given_up).execute(&mut **transaction).await?;
        }
    }
    sqlx::query("update room set community_id = $1 where community_id = $2 and room_id is distinct from $3")
        .bind(small)
        .bind(large)
        .bind(kept.and(given_up))
        .execute(&mut **transaction)
        .await?;
    changes::announce_members(transaction, &[small, large]).await?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use chat::{Consent, MessageKey, Platform};

    use crate::{
        NewCommunity, NewMessage, NewReaction,
        scene::{Scene, at, community, member, room, said},
    };

    fn key(second: i64, place: u32) -> MessageKey {
        MessageKey::from_second(at(second), place)
    }

    #[tokio::test]
    async fn a_supergroup_with_a_history_becomes_one_with_its_small_group() {
        let scene = Scene::new().await;
        let store = scene.store();
        let (small, large) = (community(store, "-7").await, community(store, "-1007").await);
        let (small_room, large_room) = (room(store, &small, "-7").await, room(store, &large, "-1007").await);
        let topic = room(store, &large, "-1007/5").await;
        let ada = member(store, &small, "ada").await;
        store.set_consent(ada.id, Consent::Granted, at(1)).await.unwrap();
        let ada = store.member_by_id(ada.id).await.unwrap().unwrap();
        let persona = store.persona(ada.may_imitate().unwrap()).await.unwrap();
        store.summon(small_room.id, persona.id, None, at(1)).await.unwrap();
        let live = NewMessage { key: key(10, 1), ..said(1, ada.id, "when we were few") };
        store.record(small_room.id, &live).await.unwrap();
        // As an export of the supergroup has it: with the other's old message under a key of its own.
        let (there, eve) = (member(store, &large, "ada").await, member(store, &large, "eve").await);
        let again = NewMessage { key: key(10, 900), ..said(1, there.id, "when we were few") };
        let missed = NewMessage { key: key(10, 901), ..said(1, eve.id, "before the bot came") };
        store.record_batch(large_room.id, &[again, missed, said(3, there.id, "now we are many")]).await.unwrap();
        store.record(topic.id, &said(6, there.id, "in a topic")).await.unwrap();
        let thumb = NewReaction { key: MessageKey(3), emoji: "👍", by: Some(there.id), count: 1 };
        store.react_batch(large_room.id, &[thumb]).await.unwrap();

        let moved = async || store.community_moved(Platform::Web, "-7", "-1007").await.unwrap();
        assert_eq!(moved().await, Some(small.id));
        assert_eq!(moved().await, Some(small.id), "again");
        let named = NewCommunity { platform: Platform::Web, external_id: "-1007", title: "" };
        assert_eq!(store.community(&named).await.unwrap().id, small.id);
        let texts: Vec<_> =
            store.latest(small_room.id, 9).await.unwrap().into_iter().map(|message| message.text).collect();
        assert_eq!(texts, ["when we were few", "before the bot came", "now we are many"]);
        let rooms: Vec<_> = store.rooms_in(small.id).await.unwrap().into_iter().map(|room| room.external_id).collect();
        assert_eq!(rooms, ["-1007", "-1007/5"]);
        let people: Vec<_> = store.members(small.id).await.unwrap().into_iter().map(|member| member.id).collect();
        assert_eq!(people, [ada.id, eve.id]);
        let in_topic = store.latest(topic.id, 9).await.unwrap();
        assert_eq!(in_topic[0].author, chat::Author::Member(ada.id), "whoever spoke there is the same person");
        assert_eq!(store.cast(small_room.id).await.unwrap(), [persona]);
        let reacted: i64 = sqlx::query_scalar("select count(*) from reaction where room_id = $1 and member_id = $2")
            .bind(small_room.id.0)
            .bind(ada.id.0)
            .fetch_one(&store.pool)
            .await
            .unwrap();
        assert_eq!(reacted, 1);
    }

    #[tokio::test]
    async fn who_refused_in_either_has_refused_and_who_was_forgotten_keeps_them_apart() {
        let scene = Scene::new().await;
        let store = scene.store();
        let (small, large) = (community(store, "-7").await, community(store, "-1007").await);
        let large_room = room(store, &large, "-1007").await;
        let (kept, there) = (member(store, &small, "ada").await, member(store, &large, "ada").await);
        store.set_consent(kept.id, Consent::Granted, at(1)).await.unwrap();
        store.record(large_room.id, &said(1, there.id, "hi")).await.unwrap();
        store.set_consent(there.id, Consent::Refused, at(2)).await.unwrap();
        assert_eq!(store.community_moved(Platform::Web, "-7", "-1007").await.unwrap(), Some(small.id));
        let now = store.member_by_id(kept.id).await.unwrap().unwrap();
        assert_eq!(now.consent, Consent::Refused);
        assert_eq!(store.member_by_id(there.id).await.unwrap(), None);

        let eve = member(store, &small, "eve").await;
        store.record(large_room.id, &said(2, eve.id, "and so it goes on")).await.unwrap();
        store.forget_member(kept.id, at(3)).await.unwrap();
        let other = community(store, "-8").await;
        member(store, &other, "ada").await;
        assert_eq!(store.community_moved(Platform::Web, "-8", "-1007").await.unwrap(), None);
        assert_eq!(store.latest(large_room.id, 9).await.unwrap().len(), 1);
    }
}
