//! Accounts of a platform that are lent to personas, where the platform gives one name to an account.

use chat::{PersonaId, Platform};
use chrono::{DateTime, Utc};

use crate::{Result, Store};

impl Store {
    /// The account that a persona speaks through, of those that there are: the one that it has, or one that nobody has, or
    /// that of a persona that is in no room any more. None where all are taken.
    ///
    /// # Errors
    /// See [`StoreError`](crate::StoreError).
    pub async fn lend_account(
        &self,
        platform: Platform,
        accounts: &[String],
        persona: PersonaId,
        at: DateTime<Utc>,
    ) -> Result<Option<String>> {
        let mut transaction = self.pool.begin().await?;
        // Or two processes would lend the same one.
        sqlx::query("lock table lent_account in share row exclusive mode").execute(&mut *transaction).await?;
        let account = sqlx::query_scalar(
            "with held as (
                select account from lent_account
                where platform = $1 and account = any ($2) and persona_id = $3 order by account limit 1
             ), free as (
                select a.account
                from unnest($2::text[]) with ordinality as a (account, place)
                left join lent_account l on l.platform = $1 and l.account = a.account
                where not exists (select from held)
                    and not exists (select from room_persona r where r.persona_id = l.persona_id)
                order by l.account is not null, a.place limit 1
             ), lent as (
                insert into lent_account (platform, account, persona_id, lent_at) select $1, account, $3, $4 from free
                on conflict (platform, account) do update set
                    persona_id = excluded.persona_id, lent_at = excluded.lent_at
                returning account
             )
             select account from held union all select account from lent",
        )
        .bind(platform.as_str())
        .bind(accounts)
        .bind(persona.0)
        .bind(at)
        .fetch_optional(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(account)
    }
}

#[cfg(test)]
mod tests {
    use chat::Consent;

    use super::*;
    use crate::scene::{Scene, at};

    #[tokio::test]
    async fn an_account_is_kept_and_goes_on_once_its_persona_is_in_no_room() {
        let scene = Scene::new().await;
        let store = scene.store();
        let ada = scene.summon_ada().await;
        store.set_consent(scene.bob.id, Consent::Granted, at(1)).await.unwrap();
        let bob = store.member_by_id(scene.bob.id).await.unwrap().unwrap();
        let bob = store.persona(bob.may_imitate().unwrap()).await.unwrap();
        let accounts = ["first".to_owned()];
        let lend = async |persona| store.lend_account(Platform::Telegram, &accounts, persona, at(2)).await.unwrap();
        assert_eq!(lend(ada.id).await.as_deref(), Some("first"));
        assert_eq!(lend(ada.id).await.as_deref(), Some("first"), "it keeps it");
        assert_eq!(lend(bob.id).await, None, "the only one is taken");
        store.dismiss(scene.room, ada.id).await.unwrap();
        assert_eq!(lend(bob.id).await.as_deref(), Some("first"), "nobody needs it any more");
        store.set_consent(scene.bob.id, Consent::Refused, at(3)).await.unwrap();
        assert_eq!(lend(ada.id).await.as_deref(), Some("first"));
    }
}
