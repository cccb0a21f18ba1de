//! Consent: its last word, the ledger of what was said when, what a community makes of silence, and being forgotten.

use chat::{CommunityId, Consent, ConsentPolicy, MemberId};
use chrono::{DateTime, Utc};
use sqlx::PgTransaction;

use crate::{
    Result, Store, StoreError,
    adapters::mark_stale,
    changes::{announce_members, announce_members_in},
    personas::agrees,
};

/// What was erased with a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Forgotten {
    /// The member's own messages.
    pub messages: u64,
    /// What the member's persona had said.
    pub generated: u64,
}

impl Store {
    /// Writes down what was said about imitating a member.
    ///
    /// A refusal takes the member's persona out of every cast and every list of forced speakers, cancels its turns that
    /// are not posted, and marks what was trained on the member as stale, at once; so does the return to having said
    /// nothing where that is a no. An operator's declaration changes nothing where the member has spoken. A member who
    /// asked to be forgotten and now agrees is remembered again from here on.
    ///
    /// # Errors
    /// [`StoreError::Unknown`] where there is no such member.
    pub async fn set_consent(&self, member: MemberId, consent: Consent, at: DateTime<Utc>) -> Result<()> {
        let mut transaction = self.pool.begin().await?;
        lock_member(&mut transaction, member).await?;
        let changed: Option<i32> = sqlx::query_scalar(
            "update member set consent = $2, forgotten_at = case when $2 = 'granted' then null else forgotten_at end
             where member_id = $1 and case $2
                when 'declared' then consent = 'unasked'
                when 'granted' then true
                when 'refused' then true
                else forgotten_at is null end
             returning community_id",
        )
        .bind(member.0)
        .bind(consent.as_str())
        .fetch_optional(&mut *transaction)
        .await?;
        if let Some(community) = changed {
            write_ledger(&mut transaction, member, consent, at).await?;
            if !agrees(&mut transaction, member).await? {
                silence_personas(&mut transaction, &[member.0], at).await?;
                mark_stale(&mut transaction, &[member.0], "a member withdrew consent", at).await?;
            }
            announce_members(&mut transaction, &[community]).await?;
        }
        Ok(transaction.commit().await?)
    }

    /// The operator's declaration that the members of a community agreed: it speaks for those who have not spoken, bots
    /// excepted. Returns for how many.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn declare_consent(&self, community: CommunityId, at: DateTime<Utc>) -> Result<u64> {
        let declared: i64 = sqlx::query_scalar(concat!(
            "with declared as (
                update member set consent = 'declared'
                where community_id = $1 and consent = 'unasked' and not is_bot
                returning member_id
             ), ledger as (
                insert into consent_event (member_id, consent, said_at) select member_id, 'declared', $2 from declared
             ), counted as (
                select count(*) as total from declared
             ), announced as materialized (
                select",
            announce_members_in!("$1"),
            "from counted where total > 0
             )
             select total from counted left join announced on true"
        ))
        .bind(community.0)
        .bind(at)
        .fetch_one(&self.pool)
        .await?;
        Ok(declared as u64)
    }

    /// What a community makes of members who have said nothing.
    ///
    /// # Errors
    /// [`StoreError::Unknown`] where there is no such community.
    pub async fn consent_policy(&self, community: CommunityId) -> Result<ConsentPolicy> {
        let policy: Option<String> = sqlx::query_scalar("select consent_policy from community where community_id = $1")
            .bind(community.0)
            .fetch_optional(&self.pool)
            .await?;
        Ok(policy.ok_or(StoreError::Unknown { what: "community" })?.parse()?)
    }

    /// Decides what a community makes of members who have said nothing. The return to [`ConsentPolicy::OptIn`] does to
    /// all of them at once what a refusal does to one, except that each may still agree.
    ///
    /// # Errors
    /// [`StoreError::Unknown`] where there is no such community.
    pub async fn set_consent_policy(
        &self,
        community: CommunityId,
        policy: ConsentPolicy,
        at: DateTime<Utc>,
    ) -> Result<()> {
        let mut transaction = self.pool.begin().await?;
        // Whoever writes because a member agrees holds this row in shared mode. So nothing more is written under the
        // old policy, and the members themselves need not be locked.
        sqlx::query("update community set consent_policy = $2 where community_id = $1 returning 1")
            .bind(community.0)
            .bind(policy.as_str())
            .fetch_optional(&mut *transaction)
            .await?
            .ok_or(StoreError::Unknown { what: "community" })?;
        if policy == ConsentPolicy::OptIn {
            let silent: Vec<i32> =
                sqlx::query_scalar("select member_id from member where community_id = $1 and consent = 'unasked'")
                    .bind(community.0)
                    .fetch_all(&mut *transaction)
                    .await?;
            silence_personas(&mut transaction, &silent, at).await?;
            mark_stale(&mut transaction, &silent, "the community went back to asking first", at).await?;
        }
        announce_members(&mut transaction, &[community.0]).await?;
        Ok(transaction.commit().await?)
    }

    /// The members of a community who have said no, those who asked to be forgotten among them.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn refusing_members(&self, community: CommunityId) -> Result<Vec<MemberId>> {
        let ids: Vec<i32> =
            sqlx::query_scalar("select member_id from member where community_id = $1 and consent = 'refused'")
                .bind(community.0)
                .fetch_all(&self.pool)
                .await?;
        Ok(ids.into_iter().map(MemberId).collect())
    }

    /// Erases a member: messages with their edits and reactions, what the persona said, the persona with its casts and
    /// turns, opinions of what personas said and having led to it, former names, name and picture. What was trained on
    /// the member is marked as stale. A row stays that holds the platform's key and a refusal, so that later messages
    /// are recognised and not stored. Replies to what was erased keep a key that leads nowhere.
    ///
    /// # Errors
    /// [`StoreError::Unknown`] where there is no such member.
    pub async fn forget_member(&self, member: MemberId, at: DateTime<Utc>) -> Result<Forgotten> {
        let mut transaction = self.pool.begin().await?;
        // From here on nothing of the member is written by anyone else: all writers lock its row first.
        lock_member(&mut transaction, member).await?;
        silence_personas(&mut transaction, &[member.0], at).await?;
        erase(
            &mut transaction,
            "delete from outbox where persona_id = (select persona_id from persona where member_id = $1)",
            member,
        )
        .await?;
        erase(&mut transaction, "update outbox set caused_by = null where caused_by = $1", member).await?;
        let generated = erase(
            &mut transaction,
            "delete from message where persona_id = (select persona_id from persona where member_id = $1)",
            member,
        )
        .await?;
        // By room, since only the key (room, message) is indexed.
        let messages = erase(
            &mut transaction,
            "delete from message where member_id = $1 and room_id = any (array(
                select room_id from room join member using (community_id) where member_id = $1))",
            member,
        )
        .await?;
        erase(
            &mut transaction,
            "with concerned as (
                select room_id, message_key from message where caused_by = $1 order by room_id, message_key for update
             )
             update message m set caused_by = null from concerned c
             where m.room_id = c.room_id and m.message_key = c.message_key",
            member,
        )
        .await?;
        erase(&mut transaction, "delete from feedback where member_id = $1", member).await?;
        erase(&mut transaction, "delete from reaction where member_id = $1", member).await?;
        erase(&mut transaction, "delete from persona where member_id = $1", member).await?;
        erase(&mut transaction, "delete from member_alias where member_id = $1", member).await?;
        let community: i32 = sqlx::query_scalar(
            "update member set name = '', name_seen_at = '-infinity', avatar_url = null, consent = 'refused',
                left_at = null, departed = false, forgotten_at = coalesce(forgotten_at, $2)
             where member_id = $1 returning community_id",
        )
        .bind(member.0)
        .bind(at)
        .fetch_one(&mut *transaction)
        .await?;
        write_ledger(&mut transaction, member, Consent::Refused, at).await?;
        mark_stale(&mut transaction, &[member.0], "a member was forgotten", at).await?;
        announce_members(&mut transaction, &[community]).await?;
        transaction.commit().await?;
        Ok(Forgotten { messages, generated })
    }
}

/// The community is locked too, since its policy decides what a member's silence means.
async fn lock_member(transaction: &mut PgTransaction<'_>, member: MemberId) -> Result<()> {
    sqlx::query(
        "select from member m join community c using (community_id) where m.member_id = $1
         for share of c for update of m",
    )
    .bind(member.0)
    .fetch_optional(&mut **transaction)
    .await?
    .map(|_row| ())
    .ok_or(StoreError::Unknown { what: "member" })
}

async fn agrees(transaction: &mut PgTransaction<'_>, member: MemberId) -> Result<bool> {
    let sql =
        concat!("select", agrees!(), "from member m join community c using (community_id) where m.member_id = $1");
    Ok(sqlx::query_scalar(sql).bind(member.0).fetch_one(&mut **transaction).await?)
}

async fn write_ledger(
    transaction: &mut PgTransaction<'_>,
    member: MemberId,
    consent: Consent,
    at: DateTime<Utc>,
) -> Result<()> {
    sqlx::query("insert into consent_event (member_id, consent, said_at) values ($1, $2, $3)")
        .bind(member.0)
        .bind(consent.as_str())
        .bind(at)
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

/// Takes the personas of members out of everything they might still say. Rows are locked in the order of their keys,
/// since two calls may have members in common.
pub(crate) async fn silence_personas(
    transaction: &mut PgTransaction<'_>,
    members: &[i32],
    at: DateTime<Utc>,
) -> Result<()> {
    let personas: Vec<i32> = sqlx::query_scalar("select persona_id from persona where member_id = any ($1)")
        .bind(members)
        .fetch_all(&mut **transaction)
        .await?;
    if personas.is_empty() {
        return Ok(());
    }
    cancel_turns(transaction, &personas, at).await?;
    leave_casts(transaction, &personas).await?;
    unset_speakers(transaction, &personas).await
}

async fn cancel_turns(transaction: &mut PgTransaction<'_>, personas: &[i32], at: DateTime<Utc>) -> Result<()> {
    sqlx::query(
        "with doomed as (
            select outbox_id from outbox where persona_id = any ($1) and state in ('pending', 'posting')
            order by outbox_id for update
         )
         update outbox o set state = 'cancelled', ended_at = $2 from doomed d where o.outbox_id = d.outbox_id",
    )
    .bind(personas)
    .bind(at)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

async fn leave_casts(transaction: &mut PgTransaction<'_>, personas: &[i32]) -> Result<()> {
    sqlx::query(
        "with doomed as (
            select room_id, persona_id from room_persona where persona_id = any ($1)
            order by room_id, persona_id for update
         )
         delete from room_persona s using doomed d where s.room_id = d.room_id and s.persona_id = d.persona_id",
    )
    .bind(personas)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

async fn unset_speakers(transaction: &mut PgTransaction<'_>, personas: &[i32]) -> Result<()> {
    sqlx::query(
        "with concerned as (
            select room_id from room_setting where exists (
                select from jsonb_array_elements(settings -> 'speakers') speaker
                where (speaker ->> 'persona')::int = any ($1))
            order by room_id for update
         )
         update room_setting s set settings = jsonb_set(s.settings, '{speakers}', coalesce((
            select jsonb_agg(speaker) from jsonb_array_elements(s.settings -> 'speakers') speaker
            where (speaker ->> 'persona')::int <> all ($1)), '[]'))
         from concerned c where s.room_id = c.room_id",
    )
    .bind(personas)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

async fn erase(transaction: &mut PgTransaction<'_>, statement: &'static str, member: MemberId) -> Result<u64> {
    Ok(sqlx::query(statement).bind(member.0).execute(&mut **transaction).await?.rows_affected())
}

#[cfg(test)]
mod tests {
    use chat::{ForcedSpeaker, Member, MessageKey, RoomSettings};
    use sqlx::AssertSqlSafe;

    use super::*;
    use crate::{
        NewMember, NewMessage, NewReaction, Recorded,
        scene::{Scene, at, said},
    };

    async fn ledger(scene: &Scene, member: &Member) -> Vec<String> {
        sqlx::query_scalar("select consent from consent_event where member_id = $1 order by consent_event_id")
            .bind(member.id.0)
            .fetch_all(&mut scene.database.connection().await)
            .await
            .unwrap()
    }

    async fn consent(scene: &Scene, member: &Member) -> Consent {
        scene.store().member_by_id(member.id).await.unwrap().unwrap().consent
    }

    #[tokio::test]
    async fn a_refusal_silences_the_persona_everywhere_at_once() {
        let scene = Scene::new().await;
        let persona = scene.summon_ada().await;
        let waiting = scene.enqueue(&persona, "reply:1").await.unwrap();
        let posting = scene.enqueue(&persona, "reply:2").await.unwrap();
        assert!(scene.begin_post(posting.id, at(10)).await);
        let speakers = vec![ForcedSpeaker { persona: persona.id, weight: 1.0 }];
        let settings = RoomSettings { speakers, ..RoomSettings::default() };
        scene.store().save_settings(scene.room, &settings, None, at(1)).await.unwrap();

        scene.store().set_consent(scene.ada.id, Consent::Refused, at(20)).await.unwrap();

        let store = scene.store();
        assert_eq!(store.cast(scene.room).await.unwrap(), []);
        assert_eq!(store.personas(scene.community.id).await.unwrap(), []);
        assert_eq!(store.unfinished_turns(scene.room).await.unwrap(), []);
        assert_eq!(store.settings(scene.room).await.unwrap(), RoomSettings::default());
        assert!(!scene.begin_post(waiting.id, at(21)).await);
        assert!(!scene.begin_post(posting.id, at(21)).await);
        assert!(!store.summon(scene.room, persona.id, None, at(21)).await.unwrap());
        assert!(scene.enqueue(&persona, "reply:3").await.is_none());
        assert!(store.persona(scene.ada.may_imitate().unwrap()).await.is_err(), "the proof is out of date");
        assert_eq!(ledger(&scene, &scene.ada).await, ["granted", "refused"]);
    }

    #[tokio::test]
    async fn a_declaration_speaks_only_for_humans_who_have_not_spoken() {
        let scene = Scene::new().await;
        let key = "bot".into();
        let new = NewMember {
            community: scene.community.id,
            key: &key,
            name: "bot",
            is_bot: true,
            avatar_url: None,
            seen_at: at(1),
        };
        let bot = scene.store().member(&new).await.unwrap();
        scene.store().set_consent(scene.ada.id, Consent::Refused, at(2)).await.unwrap();
        assert_eq!(scene.store().declare_consent(scene.community.id, at(3)).await.unwrap(), 1);
        assert_eq!(scene.store().declare_consent(scene.community.id, at(4)).await.unwrap(), 0);
        scene.store().set_consent(scene.ada.id, Consent::Declared, at(5)).await.unwrap();
        assert_eq!(consent(&scene, &scene.ada).await, Consent::Refused);
        assert_eq!(consent(&scene, &scene.bob).await, Consent::Declared);
        assert_eq!(consent(&scene, &bot).await, Consent::Unasked);
        assert_eq!(ledger(&scene, &scene.bob).await, ["declared"]);
    }

    #[tokio::test]
    async fn silence_is_a_yes_only_while_the_community_says_so() {
        let scene = Scene::new().await;
        let (store, community) = (scene.store(), scene.community.id);
        assert_eq!(store.consent_policy(community).await.unwrap(), ConsentPolicy::OptIn);
        assert_eq!(scene.bob.may_imitate(), None);
        store.set_consent_policy(community, ConsentPolicy::OptOut, at(1)).await.unwrap();
        assert_eq!(store.consent_policy(community).await.unwrap(), ConsentPolicy::OptOut);
        let bob = store.member_by_id(scene.bob.id).await.unwrap().unwrap();
        let proof = bob.may_imitate().unwrap();
        let (ada, bob) = (scene.summon_ada().await, store.persona(proof).await.unwrap());
        assert!(store.summon(scene.room, bob.id, None, at(2)).await.unwrap());
        let waiting = scene.enqueue(&bob, "reply:1").await.unwrap();
        let adas = scene.enqueue(&ada, "reply:2").await.unwrap();
        let speakers = [ada.id, bob.id].map(|persona| ForcedSpeaker { persona, weight: 1.0 });
        let settings = RoomSettings { speakers: speakers.to_vec(), ..RoomSettings::default() };
        store.save_settings(scene.room, &settings, None, at(3)).await.unwrap();

        store.set_consent_policy(community, ConsentPolicy::OptIn, at(20)).await.unwrap();

        assert_eq!(store.cast(scene.room).await.unwrap(), std::slice::from_ref(&ada));
        assert_eq!(store.personas(community).await.unwrap(), [ada]);
        assert_eq!(store.settings(scene.room).await.unwrap().speakers, speakers[..1]);
        assert_eq!(store.unfinished_turns(scene.room).await.unwrap(), [adas]);
        assert!(!scene.begin_post(waiting.id, at(21)).await);
        assert!(scene.enqueue(&bob, "reply:3").await.is_none());
        assert!(!store.summon(scene.room, bob.id, None, at(21)).await.unwrap());
        assert!(store.persona(proof).await.is_err(), "the proof is out of date");
    }

    #[tokio::test]
    async fn who_takes_a_word_back_is_silenced_where_silence_is_a_no() {
        let scene = Scene::new().await;
        let (store, community) = (scene.store(), scene.community.id);
        let persona = scene.summon_ada().await;
        store.set_consent_policy(community, ConsentPolicy::OptOut, at(1)).await.unwrap();
        store.set_consent(scene.ada.id, Consent::Unasked, at(2)).await.unwrap();
        assert_eq!(store.cast(scene.room).await.unwrap(), [persona]);
        store.set_consent_policy(community, ConsentPolicy::OptIn, at(3)).await.unwrap();
        assert_eq!(store.cast(scene.room).await.unwrap(), []);
        store.set_consent(scene.ada.id, Consent::Granted, at(4)).await.unwrap();
        let persona = scene.summon_ada().await;
        assert_eq!(store.cast(scene.room).await.unwrap(), [persona]);
        store.set_consent(scene.ada.id, Consent::Unasked, at(5)).await.unwrap();
        assert_eq!(store.cast(scene.room).await.unwrap(), []);
    }

    #[tokio::test]
    async fn all_that_silence_members_may_run_at_once() {
        let scene = Scene::new().await;
        let (store, community) = (scene.store(), scene.community.id);
        for round in 0..10 {
            store.set_consent_policy(community, ConsentPolicy::OptOut, at(1)).await.unwrap();
            store.set_consent(scene.ada.id, Consent::Unasked, at(1)).await.unwrap();
            store.set_consent(scene.bob.id, Consent::Unasked, at(1)).await.unwrap();
            let mut personas = Vec::new();
            for member in [scene.ada.id, scene.bob.id] {
                let proof = store.member_by_id(member).await.unwrap().unwrap().may_imitate().unwrap();
                personas.push(store.persona(proof).await.unwrap());
                store.summon(scene.room, personas[personas.len() - 1].id, None, at(1)).await.unwrap();
            }
            for turn in 0..5 {
                scene.enqueue(&personas[turn % 2], &format!("reply:{round}.{turn}")).await.unwrap();
            }
            for key in [&scene.ada.key, &scene.bob.key] {
                store.member_left(community, key, at(1)).await.unwrap();
            }
            let cause = format!("late:{round}");
            let (late, opted_in, refused, departed) = tokio::join!(
                scene.enqueue(&personas[1], &cause),
                store.set_consent_policy(community, ConsentPolicy::OptIn, at(20)),
                store.set_consent(scene.ada.id, Consent::Refused, at(20)),
                store.dismiss_departed(at(10), at(20)),
            );
            opted_in.and(refused).and(departed.map(|_| ())).unwrap();
            assert_eq!(store.unfinished_turns(scene.room).await.unwrap(), [], "{late:?} came before or was not let in");
            for key in [&scene.ada.key, &scene.bob.key] {
                store.member_returned(community, key).await.unwrap();
            }
        }
    }

    #[tokio::test]
    async fn a_community_that_is_not_there_has_no_policy() {
        let scene = Scene::new().await;
        let nowhere = CommunityId(999);
        assert!(matches!(scene.store().consent_policy(nowhere).await, Err(StoreError::Unknown { .. })));
        let refused = scene.store().set_consent_policy(nowhere, ConsentPolicy::OptIn, at(1)).await;
        assert!(matches!(refused, Err(StoreError::Unknown { .. })));
    }

    /// Everything that the database holds, as one text.
    async fn dump(scene: &Scene) -> String {
        let mut connection = scene.database.connection().await;
        let tables: Vec<String> =
            sqlx::query_scalar("select table_name::text from information_schema.tables where table_schema = 'public'")
                .fetch_all(&mut connection)
                .await
                .unwrap();
        let mut dump = String::new();
        for table in tables {
            let statement = format!("select coalesce(jsonb_agg(t), '[]')::text from {table} t");
            let rows: String = sqlx::query_scalar(AssertSqlSafe(statement)).fetch_one(&mut connection).await.unwrap();
            dump.push_str(&rows);
        }
        dump
    }

    #[tokio::test]
    async fn forgetting_erases_every_trace_but_the_key() {
        let scene = Scene::new().await;
        let persona = scene.summon_ada().await;
        let store = scene.store();
        let old_name = NewMessage { author_name: "Lovelace", ..said(1, scene.ada.id, "a lovely thought") };
        let batch = [old_name, said(2, scene.bob.id, "bob's own"), said(3, scene.ada.id, "a lovely second")];
        store.record_batch(scene.room, &batch).await.unwrap();
        store.edit_message(scene.room, MessageKey(1), "a lovely edit", at(5)).await.unwrap();
        let reaction = NewReaction { key: MessageKey(2), emoji: "thumb", by: Some(scene.ada.id), count: 1 };
        store.react_batch(scene.room, &[reaction]).await.unwrap();
        let posted = scene.enqueue(&persona, "reply:2").await.unwrap();
        store.finish_post(&posted, MessageKey(9), at(9)).await.unwrap();
        let posting = scene.enqueue(&persona, "reply:3").await.unwrap();
        scene.begin_post(posting.id, at(10)).await;

        let forgotten = store.forget_member(scene.ada.id, at(20)).await.unwrap();
        assert_eq!(forgotten, Forgotten { messages: 2, generated: 1 });
        store.finish_post(&posting, MessageKey(10), at(21)).await.unwrap();

        assert_eq!(scene.texts().await, ["bob's own"]);
        let dump = dump(&scene).await;
        assert!(dump.contains("bob's own") && dump.contains("\"member_key\": \"ada\""), "{dump}");
        for trace in ["lovely", "Lovelace", "as I said", "thumb", "\"name\": \"ada\""] {
            assert!(!dump.contains(trace), "{trace} in {dump}");
        }
        assert_eq!(store.members(scene.community.id).await.unwrap(), std::slice::from_ref(&scene.bob));
        assert_eq!(consent(&scene, &scene.ada).await, Consent::Refused);
    }

    #[tokio::test]
    async fn what_a_forgotten_member_says_later_is_not_stored_until_they_agree() {
        let scene = Scene::new().await;
        let store = scene.store();
        store.forget_member(scene.ada.id, at(20)).await.unwrap();
        store.forget_member(scene.ada.id, at(21)).await.unwrap();
        assert_eq!(store.record(scene.room, &said(30, scene.ada.id, "hi")).await.unwrap(), Recorded::Forgotten);
        let batch =
            [NewMessage { author_name: "Lovelace", ..said(31, scene.ada.id, "hi") }, said(32, scene.bob.id, "ho")];
        let outcome = store.record_batch(scene.room, &batch).await.unwrap();
        assert_eq!((outcome.stored, outcome.known, outcome.forgotten), (1, 0, 1));
        let reaction = NewReaction { key: MessageKey(32), emoji: "+1", by: Some(scene.ada.id), count: 1 };
        store.react_batch(scene.room, &[reaction]).await.unwrap();
        assert_eq!(store.reactions(scene.room, &[MessageKey(32)]).await.unwrap(), []);

        let new = NewMember {
            community: scene.community.id,
            key: &scene.ada.key,
            name: "Lovelace",
            is_bot: false,
            avatar_url: Some("http://ada"),
            seen_at: at(40),
        };
        let seen = store.member(&new).await.unwrap();
        assert_eq!((seen.id, seen.name.as_str()), (scene.ada.id, "Lovelace"));
        assert!(!dump(&scene).await.contains("Lovelace"));
        store.declare_consent(scene.community.id, at(41)).await.unwrap();
        assert_eq!(consent(&scene, &scene.ada).await, Consent::Refused);

        store.set_consent(scene.ada.id, Consent::Granted, at(50)).await.unwrap();
        store.member(&new).await.unwrap();
        assert_eq!(store.record(scene.room, &batch[0]).await.unwrap(), Recorded::New(MessageKey(31)));
        assert!(dump(&scene).await.contains("Lovelace"));
    }

    #[tokio::test]
    async fn nobody_is_not_forgotten() {
        let scene = Scene::new().await;
        let nobody = MemberId(999);
        assert!(matches!(scene.store().forget_member(nobody, at(1)).await, Err(StoreError::Unknown { .. })));
        let refused = scene.store().set_consent(nobody, Consent::Granted, at(1)).await;
        assert!(matches!(refused, Err(StoreError::Unknown { .. })));
    }
}
