//! Communities: a Discord server, a Telegram group, one imported archive.

use chat::{CommunityId, Platform};
use chrono::{DateTime, Utc};

use crate::{Result, Store, StoreError, merging, storable};

/// A community as a platform names it.
#[derive(Debug, Clone, Copy)]
pub struct NewCommunity<'a> {
    /// Where it lives.
    pub platform: Platform,
    /// What the platform calls it.
    pub external_id: &'a str,
    /// Its name for people; empty where it is not known.
    pub title: &'a str,
}

/// A community.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Community {
    /// Ours.
    pub id: CommunityId,
    /// Where it lives.
    pub platform: Platform,
    /// What the platform calls it.
    pub external_id: String,
    /// Its name for people; may be empty.
    pub title: String,
}

#[derive(sqlx::FromRow)]
struct CommunityRow {
    community_id: i32,
    platform: String,
    external_id: String,
    title: String,
}

impl TryFrom<CommunityRow> for Community {
    type Error = StoreError;

    fn try_from(row: CommunityRow) -> Result<Self> {
        Ok(Community {
            id: CommunityId(row.community_id),
            platform: row.platform.parse()?,
            external_id: row.external_id,
            title: row.title,
        })
    }
}

impl Store {
    /// Finds or adds a community. Its title follows the given one unless that is empty.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn community(&self, new: &NewCommunity<'_>) -> Result<Community> {
        let row: CommunityRow = sqlx::query_as(
            "insert into community as c (platform, external_id, title) values ($1, $2, $3)
             on conflict (platform, external_id) do update set title = coalesce(nullif(excluded.title, ''), c.title)
             returning community_id, platform, external_id, title",
        )
        .bind(new.platform.as_str())
        .bind(new.external_id)
        .bind(storable(new.title))
        .fetch_one(&self.pool)
        .await?;
        row.try_into()
    }

    /// The communities that have a history, oldest first.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn communities_with_history(&self) -> Result<Vec<Community>> {
        let rows: Vec<CommunityRow> = sqlx::query_as(
            "select c.community_id, c.platform, c.external_id, c.title from community c
             where exists (select from room r join message m using (room_id)
                where r.community_id = c.community_id and m.deleted_at is null)
             order by c.community_id",
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(Community::try_from).collect()
    }

    /// The communities of a platform that the bot is in, oldest first.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn communities_of(&self, platform: Platform) -> Result<Vec<Community>> {
        let rows: Vec<CommunityRow> = sqlx::query_as(
            "select community_id, platform, external_id, title from community
             where platform = $1 and left_at is null order by community_id",
        )
        .bind(platform.as_str())
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(Community::try_from).collect()
    }

    /// All communities, by title.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn communities(&self) -> Result<Vec<Community>> {
        let rows: Vec<CommunityRow> = sqlx::query_as(
            "select community_id, platform, external_id, title from community order by title, community_id",
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(Community::try_from).collect()
    }

    /// Says that the platform calls a community, and the room of that name in it, otherwise from now on. Returns it. Where
    /// the new name is that of another community with a history of its own, the two become one, if they can: none says
    /// that they cannot and that both stay as they are.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn community_moved(&self, platform: Platform, from: &str, to: &str) -> Result<Option<CommunityId>> {
        let mut transaction = self.pool.begin().await?;
        let named = "select community_id from community where platform = $1 and external_id = $2 for update";
        let old: Option<i32> =
            sqlx::query_scalar(named).bind(platform.as_str()).bind(from).fetch_optional(&mut *transaction).await?;
        let new: Option<i32> =
            sqlx::query_scalar(named).bind(platform.as_str()).bind(to).fetch_optional(&mut *transaction).await?;
        let Some(old) = old else { return Ok(new.map(CommunityId)) };
        if let Some(new) = new {
            let is_in_use: bool = sqlx::query_scalar(
                "select exists (select from message join room using (room_id) where community_id = $1)",
            )
            .bind(new)
            .fetch_one(&mut *transaction)
            .await?;
            if is_in_use && !merging::merge(&mut transaction, old, new, from, to).await? {
                return Ok(None);
            }
            // Nothing is left of it but its name, which it gives up.
            sqlx::query("update community set external_id = 'empty:' || community_id where community_id = $1")
                .bind(new)
                .execute(&mut *transaction)
                .await?;
        }
        sqlx::query("update community set external_id = $2 where community_id = $1")
            .bind(old)
            .bind(to)
            .execute(&mut *transaction)
            .await?;
        sqlx::query("update room set external_id = $3 where community_id = $1 and external_id = $2")
            .bind(old)
            .bind(from)
            .bind(to)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(Some(CommunityId(old)))
    }

    /// Says that the bot was removed from a community. What its rooms are set to stays, for a return.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn community_left(&self, community: CommunityId, at: DateTime<Utc>) -> Result<()> {
        sqlx::query("update community set left_at = $2 where community_id = $1 and left_at is null")
            .bind(community.0)
            .bind(at)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Says that the bot is in a community, where it may have been removed from before.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn community_joined(&self, community: CommunityId) -> Result<()> {
        sqlx::query("update community set left_at = null where community_id = $1 and left_at is not null")
            .bind(community.0)
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Sources,
        scene::{Scene, community, member, room, said},
    };

    #[tokio::test]
    async fn a_title_follows_unless_it_is_not_known() {
        let scene = Scene::new().await;
        let title = async |title| {
            let new = NewCommunity { platform: Platform::Discord, external_id: "1", title };
            scene.store().community(&new).await.unwrap()
        };
        let first = title("Friends").await;
        assert_eq!(title("").await, first);
        assert_eq!(title("Old friends").await, Community { title: "Old friends".to_owned(), ..first });
    }

    #[tokio::test]
    async fn a_community_has_a_history_once_something_was_said() {
        let scene = Scene::new().await;
        let with_history = async || scene.store().communities_with_history().await.unwrap();
        assert_eq!(with_history().await, []);
        scene.store().record(scene.room, &said(1, scene.ada.id, "hi")).await.unwrap();
        community(scene.store(), "silent").await;
        assert_eq!(with_history().await, std::slice::from_ref(&scene.community));
        scene.store().delete_messages(scene.room, &[chat::MessageKey(1)], crate::scene::at(2)).await.unwrap();
        assert_eq!(with_history().await, []);
    }

    #[tokio::test]
    async fn a_community_that_moves_keeps_its_rooms() {
        let scene = Scene::new().await;
        let store = scene.store();
        let small = community(store, "-7").await;
        let its_room = room(store, &small, "-7").await;
        let speaker = member(store, &small, "ada").await;
        store.record(its_room.id, &said(1, speaker.id, "hi")).await.unwrap();
        let large = community(store, "-1007").await;
        let moved = async |from, to| store.community_moved(Platform::Web, from, to).await.unwrap();
        assert_eq!(moved("-7", "-1007").await, Some(small.id), "an empty one gives way");
        assert_eq!(moved("-7", "-1007").await, Some(small.id), "again");
        let there = store.room_by_id(its_room.id).await.unwrap().unwrap();
        assert_eq!((there.external_id.as_str(), there.community_external_id.as_str()), ("-1007", "-1007"));
        let known: Vec<_> = store.communities_of(Platform::Web).await.unwrap().into_iter().map(|c| c.id).collect();
        assert_eq!(known, [scene.community.id, small.id, large.id]);
    }

    #[tokio::test]
    async fn nothing_of_one_community_shows_in_another() {
        let scene = Scene::new().await;
        let ada = scene.summon_ada().await;
        scene.store().record(scene.room, &said(1, scene.ada.id, "a secret")).await.unwrap();

        let store = scene.store();
        let other = community(store, "strangers").await;
        let their_room = room(store, &other, "lounge").await;
        let their_ada = member(store, &other, "ada").await;
        assert_ne!((their_room.id, their_ada.id), (scene.room, scene.ada.id), "the same keys are other people");
        assert_eq!(store.members(other.id).await.unwrap(), [their_ada]);
        assert_eq!(store.find_members(other.id, "bob").await.unwrap(), []);
        assert_eq!(store.activity(other.id).await.unwrap()[0].messages, 0);
        assert_eq!(store.personas(other.id).await.unwrap(), []);
        assert_eq!(store.spoken(other.id, 10, Sources::All).await.unwrap(), []);
        assert_eq!(store.latest(their_room.id, 10).await.unwrap(), []);
        assert!(!store.summon(their_room.id, ada.id, None, crate::scene::at(2)).await.unwrap());
        assert_eq!(store.cast(their_room.id).await.unwrap(), []);
    }
}
