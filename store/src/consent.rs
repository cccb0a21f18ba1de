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
            "with unasked as (
                select member_id from member where community_id = $1 and consent = 'unasked' and not is_bot
                order by member_id for update
             ), declared as (
                update member m set consent = 'declared' from unasked u where m.member_id = u.member_id
                returning m.member_id
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
