//! Consent: its last word, the ledger of what was said when, and being forgotten.

use chat::{CommunityId, Consent, MemberId};
use chrono::{DateTime, Utc};
use sqlx::PgTransaction;

use crate::{Result, Store, StoreError};

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
    /// A refusal takes the member's persona out of every cast and every list of forced speakers, and cancels its turns that
    /// are not posted, at once. An operator's declaration changes nothing where the member has spoken. A member who asked
    /// to be forgotten and now agrees is remembered again from here on.
    ///
    /// # Errors
    /// [`StoreError::Unknown`] where there is no such member.
    pub async fn set_consent(&self, member: MemberId, consent: Consent, at: DateTime<Utc>) -> Result<()> {
        let mut transaction = self.pool.begin().await?;
        lock_member(&mut transaction, member).await?;
        let changed = sqlx::query(
            "update member set consent = $2, forgotten_at = case when $2 = 'granted' then null else forgotten_at end
             where member_id = $1 and case $2
                when 'declared' then consent = 'unasked'
                when 'granted' then true
                when 'refused' then true
                else forgotten_at is null end",
        )
        .bind(member.0)
        .bind(consent.as_str())
        .execute(&mut *transaction)
        .await?;
        if changed.rows_affected() > 0 {
            write_ledger(&mut transaction, member, consent, at).await?;
            if !consent.allows() {
                silence_persona(&mut transaction, member, at).await?;
            }
        }
        Ok(transaction.commit().await?)
    }

    /// The operator's declaration that the members of a community agreed: it speaks for those who have not spoken, bots
    /// excepted. Returns for how many.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn declare_consent(&self, community: CommunityId, at: DateTime<Utc>) -> Result<u64> {
        let declared = sqlx::query(
            "with declared as (
                update member set consent = 'declared'
                where community_id = $1 and consent = 'unasked' and not is_bot
                returning member_id
             )
             insert into consent_event (member_id, consent, said_at) select member_id, 'declared', $2 from declared",
        )
        .bind(community.0)
        .bind(at)
        .execute(&self.pool)
        .await?;
        Ok(declared.rows_affected())
    }

    /// Erases a member: messages with their edits and reactions, what the persona said, the persona with its casts and
    /// turns, former names, name and picture. A row stays that holds the platform's key and a refusal, so that later
    /// messages are recognised and not stored. Replies to what was erased keep a key that leads nowhere.
    ///
    /// # Errors
    /// [`StoreError::Unknown`] where there is no such member.
    pub async fn forget_member(&self, member: MemberId, at: DateTime<Utc>) -> Result<Forgotten> {
        let mut transaction = self.pool.begin().await?;
        // From here on nothing of the member is written by anyone else: all writers lock its row first.
        lock_member(&mut transaction, member).await?;
        silence_persona(&mut transaction, member, at).await?;
        erase(
            &mut transaction,
            "delete from outbox where persona_id = (select persona_id from persona where member_id = $1)",
            member,
        )
        .await?;
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
        erase(&mut transaction, "delete from reaction where member_id = $1", member).await?;
        erase(&mut transaction, "delete from persona where member_id = $1", member).await?;
        erase(&mut transaction, "delete from member_alias where member_id = $1", member).await?;
        sqlx::query(
            "update member set name = '', name_seen_at = '-infinity', avatar_url = null, consent = 'refused',
                forgotten_at = coalesce(forgotten_at, $2)
             where member_id = $1",
        )
        .bind(member.0)
        .bind(at)
        .execute(&mut *transaction)
        .await?;
        write_ledger(&mut transaction, member, Consent::Refused, at).await?;
        transaction.commit().await?;
        Ok(Forgotten { messages, generated })
    }
}

async fn lock_member(transaction: &mut PgTransaction<'_>, member: MemberId) -> Result<()> {
    sqlx::query("select from member where member_id = $1 for update")
        .bind(member.0)
        .fetch_optional(&mut **transaction)
        .await?
        .map(|_row| ())
        .ok_or(StoreError::Unknown { what: "member" })
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

/// Takes a member's persona out of everything it might still say.
async fn silence_persona(transaction: &mut PgTransaction<'_>, member: MemberId, at: DateTime<Utc>) -> Result<()> {
    let persona: Option<i32> = sqlx::query_scalar("select persona_id from persona where member_id = $1")
        .bind(member.0)
        .fetch_optional(&mut **transaction)
        .await?;
    let Some(persona) = persona else { return Ok(()) };
    sqlx::query(
        "update outbox set state = 'cancelled', ended_at = $2 where persona_id = $1 and state in ('pending', 'posting')",
    )
    .bind(persona)
    .bind(at)
    .execute(&mut **transaction)
    .await?;
    sqlx::query("delete from room_persona where persona_id = $1").bind(persona).execute(&mut **transaction).await?;
    sqlx::query(
        "update room_setting set settings = jsonb_set(settings, '{speakers}', coalesce((
            select jsonb_agg(speaker) from jsonb_array_elements(settings -> 'speakers') speaker
            where speaker ->> 'persona' <> $1::int::text), '[]'))
         where settings -> 'speakers' @> jsonb_build_array(jsonb_build_object('persona', $1::int))",
    )
    .bind(persona)
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
        assert!(scene.store().begin_post(posting.id, at(10)).await.unwrap());
        let speakers = vec![ForcedSpeaker { persona: persona.id, weight: 1.0 }];
        let settings = RoomSettings { speakers, ..RoomSettings::default() };
        scene.store().save_settings(scene.room, &settings, None, at(1)).await.unwrap();

        scene.store().set_consent(scene.ada.id, Consent::Refused, at(20)).await.unwrap();

        let store = scene.store();
        assert_eq!(store.cast(scene.room).await.unwrap(), []);
        assert_eq!(store.personas(scene.community.id).await.unwrap(), []);
        assert_eq!(store.unfinished_turns(scene.room).await.unwrap(), []);
        assert_eq!(store.settings(scene.room).await.unwrap(), RoomSettings::default());
        assert!(!store.begin_post(waiting.id, at(21)).await.unwrap());
        assert!(!store.begin_post(posting.id, at(21)).await.unwrap());
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
        store.begin_post(posting.id, at(10)).await.unwrap();

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
