//! Members who left. For some time they may come back to everything as it was; then their personas fall silent.

use chat::{CommunityId, MemberKey};
use chrono::{DateTime, Utc};

use crate::{
    Result, Store,
    changes::{announce_members, announce_members_in},
    consent::silence_personas,
};

impl Store {
    /// Says that a member left. One who had left already did so the first time; of one who asked to be forgotten
    /// nothing is stored. False where nothing changed.
    ///
    /// # Errors
    /// See [`StoreError`](crate::StoreError).
    pub async fn member_left(&self, community: CommunityId, key: &MemberKey, at: DateTime<Utc>) -> Result<bool> {
        let left = sqlx::query(
            "update member set left_at = $3
             where community_id = $1 and member_key = $2 and left_at is null and forgotten_at is null",
        )
        .bind(community.0)
        .bind(&key.0)
        .bind(at)
        .execute(&self.pool)
        .await?;
        Ok(left.rows_affected() > 0)
    }

    /// Says that a member is (back) in the community. Only this returns them: that they are seen by [`Store::member`]
    /// may mean no more than that somebody mentioned them. False where nothing changed.
    ///
    /// # Errors
    /// See [`StoreError`](crate::StoreError).
    pub async fn member_returned(&self, community: CommunityId, key: &MemberKey) -> Result<bool> {
        let returned = sqlx::query(concat!(
            "with returned as (
                update member set left_at = null, departed = false
                where community_id = $1 and member_key = $2 and left_at is not null
                returning community_id
             ) select",
            announce_members_in!("community_id"),
            "from returned"
        ))
        .bind(community.0)
        .bind(&key.0)
        .execute(&self.pool)
        .await?;
        Ok(returned.rows_affected() > 0)
    }

    /// Gives up on members who left before that time: their personas are taken out of everything that they might still
    /// say, until the member returns and somebody summons them anew. Returns the communities concerned, by rising id.
    ///
    /// # Errors
    /// See [`StoreError`](crate::StoreError).
    pub async fn dismiss_departed(&self, before: DateTime<Utc>, at: DateTime<Utc>) -> Result<Vec<CommunityId>> {
        let mut transaction = self.pool.begin().await?;
        let gone: Vec<(i32, i32)> = sqlx::query_as(
            "with gone as (
                select member_id from member where left_at < $1 and not departed order by member_id for no key update
             )
             update member m set departed = true from gone g where m.member_id = g.member_id
             returning m.member_id, m.community_id",
        )
        .bind(before)
        .fetch_all(&mut *transaction)
        .await?;
        let members: Vec<i32> = gone.iter().map(|&(member, _)| member).collect();
        let mut communities: Vec<i32> = gone.iter().map(|&(_, community)| community).collect();
        communities.sort_unstable();
        communities.dedup();
        silence_personas(&mut transaction, &members, at).await?;
        announce_members(&mut transaction, &communities).await?;
        transaction.commit().await?;
        Ok(communities.into_iter().map(CommunityId).collect())
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        NewMember,
        scene::{Scene, at},
    };

    async fn has_left(scene: &Scene) -> bool {
        scene.store().member_by_id(scene.ada.id).await.unwrap().unwrap().has_left
    }

    #[tokio::test]
    async fn who_left_is_silenced_when_the_time_to_come_back_is_over() {
        let scene = Scene::new().await;
        let (store, community) = (scene.store(), scene.community.id);
        let persona = scene.summon_ada().await;
        let turn = scene.enqueue(&persona, "reply:1").await.unwrap();
        assert!(store.member_left(community, &scene.ada.key, at(10)).await.unwrap());
        assert!(!store.member_left(community, &scene.ada.key, at(50)).await.unwrap());
        assert_eq!(store.dismiss_departed(at(10), at(20)).await.unwrap(), [], "not before that time");
        assert_eq!(store.cast(scene.room).await.unwrap(), std::slice::from_ref(&persona));
        assert!(!has_left(&scene).await);

        assert_eq!(store.dismiss_departed(at(20), at(20)).await.unwrap(), [community]);
        assert_eq!(store.dismiss_departed(at(20), at(20)).await.unwrap(), []);
        assert!(has_left(&scene).await);
        assert_eq!(store.cast(scene.room).await.unwrap(), []);
        assert_eq!(store.personas(community).await.unwrap(), []);
        assert!(!scene.begin_post(turn.id, at(21)).await);
        assert!(scene.enqueue(&persona, "reply:2").await.is_none());
        assert!(!store.summon(scene.room, persona.id, None, at(21)).await.unwrap());
        assert!(store.persona(scene.ada.may_imitate().unwrap()).await.is_err(), "the proof is out of date");
    }

    #[tokio::test]
    async fn only_a_return_returns_a_member() {
        let scene = Scene::new().await;
        let (store, community) = (scene.store(), scene.community.id);
        let persona = scene.summon_ada().await;
        store.member_left(community, &scene.ada.key, at(10)).await.unwrap();
        store.dismiss_departed(at(20), at(20)).await.unwrap();
        let mentioned =
            NewMember { community, key: &scene.ada.key, name: "ada", is_bot: false, avatar_url: None, seen_at: at(30) };
        assert!(store.member(&mentioned).await.unwrap().has_left);

        assert!(store.member_returned(community, &scene.ada.key).await.unwrap());
        assert!(!store.member_returned(community, &scene.ada.key).await.unwrap());
        assert!(!has_left(&scene).await);
        assert_eq!(store.cast(scene.room).await.unwrap(), []);
        assert!(store.summon(scene.room, persona.id, None, at(40)).await.unwrap());
    }

    #[tokio::test]
    async fn of_who_was_forgotten_it_is_not_stored_that_they_left() {
        let scene = Scene::new().await;
        let (store, community) = (scene.store(), scene.community.id);
        store.member_left(community, &scene.ada.key, at(10)).await.unwrap();
        store.forget_member(scene.ada.id, at(11)).await.unwrap();
        assert!(!store.member_left(community, &scene.ada.key, at(12)).await.unwrap());
        assert_eq!(store.dismiss_departed(at(99), at(99)).await.unwrap(), []);
    }
}
