//! Adapters: what was trained on members, so that it is known what to throw away when one of them withdraws.

use chat::{AdapterId, CommunityId, MemberId};
use chrono::{DateTime, Utc};
use sqlx::PgTransaction;

use crate::{Result, Store, StoreError, personas::agrees};

/// An adapter that was trained.
#[derive(Debug, Clone, Copy)]
pub struct NewAdapter<'a> {
    /// Whose members it learned from.
    pub community: CommunityId,
    /// What people call it.
    pub name: &'a str,
    /// Where its files are.
    pub path: &'a str,
    /// Whom it learned from.
    pub members: &'a [MemberId],
    /// When. Together with the name, this tells it from another.
    pub made_at: DateTime<Utc>,
}

/// An adapter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adapter {
    /// Ours.
    pub id: AdapterId,
    /// Whose members it learned from.
    pub community: CommunityId,
    /// What people call it.
    pub name: String,
    /// Where its files are.
    pub path: String,
    /// Whom it learned from, by rising id.
    pub members: Vec<MemberId>,
    /// When.
    pub made_at: DateTime<Utc>,
    /// Whether it must not be used any more.
    pub stale: Option<Stale>,
}

/// Why something must not be used any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stale {
    /// Since when.
    pub at: DateTime<Utc>,
    /// Why, in words for people.
    pub reason: String,
}

#[derive(sqlx::FromRow)]
struct AdapterRow {
    adapter_id: i32,
    community_id: i32,
    name: String,
    path: String,
    members: Vec<i32>,
    made_at: DateTime<Utc>,
    stale_at: Option<DateTime<Utc>>,
    stale_reason: Option<String>,
}

impl From<AdapterRow> for Adapter {
    fn from(row: AdapterRow) -> Self {
        Adapter {
            id: AdapterId(row.adapter_id),
            community: CommunityId(row.community_id),
            name: row.name,
            path: row.path,
            members: row.members.into_iter().map(MemberId).collect(),
            made_at: row.made_at,
            stale: row.stale_at.zip(row.stale_reason).map(|(at, reason)| Stale { at, reason }),
        }
    }
}

impl Store {
    /// Adds an adapter. It is stale from the start where one of its members withdrew while it was being trained.
    ///
    /// # Errors
    /// [`StoreError::Unknown`] where a member is not of that community; then nothing is stored.
    pub async fn add_adapter(&self, new: &NewAdapter<'_>) -> Result<AdapterId> {
        let mut members: Vec<i32> = new.members.iter().map(|member| member.0).collect();
        members.sort_unstable();
        members.dedup();
        let id: Option<i32> = sqlx::query_scalar(concat!(
            "with learned_from as materialized (
                select m.member_id, not",
            agrees!(),
            "as withdrew
                from member m join community c using (community_id)
                where m.community_id = $1 and m.member_id = any ($4)
                order by m.member_id for share of c, m
             ), verdict as (
                select count(*) as found, coalesce(bool_or(withdrew), false) as stale from learned_from
             ), made as (
                insert into adapter as a (community_id, name, path, made_at, stale_at, stale_reason)
                select $1, $2, $3, $5, case when stale then $5 end,
                    case when stale then 'a member withdrew consent during the training' end
                from verdict where found = cardinality($4)
                on conflict (community_id, name, made_at) do update set path = excluded.path,
                    stale_at = coalesce(a.stale_at, excluded.stale_at),
                    stale_reason = coalesce(a.stale_reason, excluded.stale_reason)
                returning adapter_id, community_id
             ), taught as (
                insert into adapter_member (adapter_id, member_id) select adapter_id, member_id from made, learned_from
                on conflict do nothing
             )
             select adapter_id, pg_notify('groupchat_adapters', community_id::text)::text from made"
        ))
        .bind(new.community.0)
        .bind(new.name)
        .bind(new.path)
        .bind(members)
        .bind(new.made_at)
        .fetch_optional(&self.pool)
        .await?;
        id.map(AdapterId).ok_or(StoreError::Unknown { what: "member" })
    }

    /// Forgets the adapters of a name, whose files stay where they are. Returns how many versions there were.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn forget_adapter(&self, community: CommunityId, name: &str) -> Result<u64> {
        let forgotten = sqlx::query(
            "with gone as (delete from adapter where community_id = $1 and name = $2 returning community_id)
             select pg_notify('groupchat_adapters', community_id::text)::text from gone",
        )
        .bind(community.0)
        .bind(name)
        .execute(&self.pool)
        .await?;
        Ok(forgotten.rows_affected())
    }

    /// The adapters of a community, newest first, stale ones too.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn adapters(&self, community: CommunityId) -> Result<Vec<Adapter>> {
        let rows: Vec<AdapterRow> = sqlx::query_as(
            "select a.adapter_id, a.community_id, a.name, a.path, a.made_at, a.stale_at, a.stale_reason,
                array(select t.member_id from adapter_member t where t.adapter_id = a.adapter_id order by 1) as members
             from adapter a where a.community_id = $1 order by a.made_at desc, a.adapter_id desc",
        )
        .bind(community.0)
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(Adapter::from).collect())
    }
}

/// Marks what was trained on any of these members. What is stale stays so for its first reason: the weights do not
/// change when somebody agrees again.
pub(crate) async fn mark_stale(
    transaction: &mut PgTransaction<'_>,
    members: &[i32],
    reason: &'static str,
    at: DateTime<Utc>,
) -> Result<()> {
    sqlx::query(
        "with concerned as (
            select adapter_id from adapter
            where stale_at is null
                and adapter_id in (select adapter_id from adapter_member where member_id = any ($1))
            order by adapter_id for update
         )
         update adapter a set stale_at = $2, stale_reason = $3 from concerned c where a.adapter_id = c.adapter_id",
    )
    .bind(members)
    .bind(at)
    .bind(reason)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use chat::{Consent, ConsentPolicy};

    use super::*;
    use crate::{
        Change,
        scene::{Scene, at, community, member},
    };

    async fn add(scene: &Scene, name: &str, members: &[MemberId]) -> Result<AdapterId> {
        let community = scene.community.id;
        scene.store().add_adapter(&NewAdapter { community, name, path: "somewhere", members, made_at: at(10) }).await
    }

    async fn stale(scene: &Scene) -> Vec<(String, DateTime<Utc>)> {
        let adapters = scene.store().adapters(scene.community.id).await.unwrap();
        adapters.into_iter().filter_map(|adapter| Some((adapter.name, adapter.stale?.at))).collect()
    }

    #[tokio::test]
    async fn an_adapter_comes_back_and_is_added_once() {
        let scene = Scene::new().await;
        scene.store().set_consent(scene.bob.id, Consent::Granted, at(1)).await.unwrap();
        let id = add(&scene, "friends", &[scene.bob.id, scene.ada.id, scene.bob.id]).await.unwrap();
        assert_eq!(add(&scene, "friends", &[scene.bob.id, scene.ada.id]).await.unwrap(), id);
        let expected = Adapter {
            id,
            community: scene.community.id,
            name: "friends".to_owned(),
            path: "somewhere".to_owned(),
            members: vec![scene.ada.id, scene.bob.id],
            made_at: at(10),
            stale: None,
        };
        assert_eq!(scene.store().adapters(scene.community.id).await.unwrap(), [expected]);
    }

    #[tokio::test]
    async fn a_name_is_forgotten_with_all_its_versions_and_others_hear_of_it() {
        let scene = Scene::new().await;
        let (store, community) = (scene.store(), scene.community.id);
        let mut changes = store.listen().await.unwrap();
        add(&scene, "friends", &[scene.ada.id]).await.unwrap();
        let again = NewAdapter { community, name: "friends", path: "here", members: &[scene.ada.id], made_at: at(11) };
        store.add_adapter(&again).await.unwrap();
        assert_eq!(store.forget_adapter(community, "others").await.unwrap(), 0);
        assert_eq!(store.forget_adapter(community, "friends").await.unwrap(), 2);
        assert_eq!(store.adapters(community).await.unwrap(), []);
        // Two came, and the two that went together are told of at once.
        for _ in 0..3 {
            assert_eq!(changes.next().await.unwrap(), Change::Adapters(community));
        }
    }

    #[tokio::test]
    async fn nothing_is_trained_on_members_of_another_community() {
        let scene = Scene::new().await;
        let elsewhere = community(scene.store(), "strangers").await;
        let stranger = member(scene.store(), &elsewhere, "ada").await;
        let refused = add(&scene, "friends", &[scene.ada.id, stranger.id]).await;
        assert!(matches!(refused, Err(StoreError::Unknown { what: "member" })), "{refused:?}");
        assert_eq!(scene.store().adapters(scene.community.id).await.unwrap(), []);
    }

    #[tokio::test]
    async fn whoever_withdraws_makes_stale_what_learned_from_them_for_good() {
        let scene = Scene::new().await;
        let store = scene.store();
        store.set_consent(scene.bob.id, Consent::Granted, at(1)).await.unwrap();
        add(&scene, "both", &[scene.ada.id, scene.bob.id]).await.unwrap();
        add(&scene, "bob", &[scene.bob.id]).await.unwrap();
        store.set_consent(scene.ada.id, Consent::Refused, at(20)).await.unwrap();
        store.set_consent(scene.ada.id, Consent::Granted, at(21)).await.unwrap();
        assert_eq!(stale(&scene).await, [("both".to_owned(), at(20))]);
        store.forget_member(scene.bob.id, at(30)).await.unwrap();
        assert_eq!(stale(&scene).await, [("bob".to_owned(), at(30)), ("both".to_owned(), at(20))]);
        add(&scene, "late", &[scene.bob.id]).await.unwrap();
        assert_eq!(stale(&scene).await[0], ("late".to_owned(), at(10)), "forgotten during the training");
    }

    #[tokio::test]
    async fn the_return_to_asking_first_makes_stale_what_learned_from_the_silent() {
        let scene = Scene::new().await;
        let (store, community) = (scene.store(), scene.community.id);
        store.set_consent_policy(community, ConsentPolicy::OptOut, at(1)).await.unwrap();
        add(&scene, "ada", &[scene.ada.id]).await.unwrap();
        add(&scene, "bob", &[scene.bob.id]).await.unwrap();
        assert_eq!(stale(&scene).await, []);
        store.set_consent_policy(community, ConsentPolicy::OptIn, at(20)).await.unwrap();
        assert_eq!(stale(&scene).await, [("bob".to_owned(), at(20))]);
    }
}
