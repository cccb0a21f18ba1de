//! Rooms: channels, threads and forum topics, the units of conversation.

use chat::{CommunityId, MessageKey, Platform, RoomId};
use chrono::{DateTime, Utc};

use crate::{Result, Store, StoreError, storable};

/// A room as a platform names it.
#[derive(Debug, Clone, Copy)]
pub struct NewRoom<'a> {
    /// The community it belongs to.
    pub community: CommunityId,
    /// What the platform calls it.
    pub external_id: &'a str,
    /// Its name for people; empty where it is not known.
    pub title: &'a str,
    /// The channel that a thread hangs from.
    pub parent: Option<RoomId>,
}

/// A room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    /// Ours.
    pub id: RoomId,
    /// The community it belongs to.
    pub community: CommunityId,
    /// Where that community lives.
    pub platform: Platform,
    /// What the platform calls the community.
    pub community_external_id: String,
    /// What the platform calls the room.
    pub external_id: String,
    /// Its name for people; may be empty.
    pub title: String,
    /// What the platform calls the channel that a thread hangs from.
    pub parent_external_id: Option<String>,
}

#[derive(sqlx::FromRow)]
pub(crate) struct RoomRow {
    room_id: i32,
    community_id: i32,
    platform: String,
    community_external_id: String,
    external_id: String,
    title: String,
    parent_external_id: Option<String>,
}

impl TryFrom<RoomRow> for Room {
    type Error = StoreError;

    fn try_from(row: RoomRow) -> Result<Self> {
        Ok(Room {
            id: RoomId(row.room_id),
            community: CommunityId(row.community_id),
            platform: row.platform.parse()?,
            community_external_id: row.community_external_id,
            external_id: row.external_id,
            title: row.title,
            parent_external_id: row.parent_external_id,
        })
    }
}

/// The columns of [`RoomRow`] from room `r`, its community `c` and its parent.
macro_rules! room_columns {
    () => {
        " r.room_id, r.community_id, c.platform, c.external_id as community_external_id, r.external_id, r.title,
            parent.external_id as parent_external_id "
    };
}
pub(crate) use room_columns;

/// What stands beside room `r` for [`room_columns`].
macro_rules! join_room {
    () => {
        " join community c on c.community_id = r.community_id left join room parent on parent.room_id = r.parent_id "
    };
}
pub(crate) use join_room;

macro_rules! select_room {
    ($from:literal, $condition:expr) => {
        concat!("select", room_columns!(), "from ", $from, " r", join_room!(), $condition)
    };
}

/// Whether somebody has to look after room `r` of community `c`: it has a cast or unfinished turns, and the bot is
/// there.
macro_rules! is_alive {
    () => {
        " c.left_at is null and (exists (select from room_persona p where p.room_id = r.room_id)
            or exists (select from outbox o where o.room_id = r.room_id and o.state in ('pending', 'posting'))) "
    };
}
pub(crate) use is_alive;

impl Store {
    /// Finds or adds a room. Its title follows the given one unless that is empty.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn room(&self, new: &NewRoom<'_>) -> Result<Room> {
        let row: RoomRow = sqlx::query_as(concat!(
            "with kept as (
                insert into room as r (community_id, external_id, title, parent_id) values ($1, $2, $3, $4)
                on conflict (community_id, external_id) do update set
                    title = coalesce(nullif(excluded.title, ''), r.title),
                    parent_id = coalesce(excluded.parent_id, r.parent_id)
                returning *
             ) ",
            select_room!("kept", "")
        ))
        .bind(new.community.0)
        .bind(new.external_id)
        .bind(storable(new.title))
        .bind(new.parent.map(|parent| parent.0))
        .fetch_one(&self.pool)
        .await?;
        row.try_into()
    }

    /// The room of that id.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn room_by_id(&self, id: RoomId) -> Result<Option<Room>> {
        let row: Option<RoomRow> =
            sqlx::query_as(select_room!("room", "where r.room_id = $1")).bind(id.0).fetch_optional(&self.pool).await?;
        row.map(Room::try_from).transpose()
    }

    /// The room of a community that holds a message of this key, where keys are ids of the whole community.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn room_of_message(&self, community: CommunityId, key: MessageKey) -> Result<Option<Room>> {
        let row: Option<RoomRow> = sqlx::query_as(select_room!(
            "room",
            "where r.community_id = $1
                and exists (select from message m where m.room_id = r.room_id and m.message_key = $2)
             order by r.room_id limit 1"
        ))
        .bind(community.0)
        .bind(key.0)
        .fetch_optional(&self.pool)
        .await?;
        row.map(Room::try_from).transpose()
    }

    /// The rooms of a platform, oldest first.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn rooms_of(&self, platform: Platform) -> Result<Vec<Room>> {
        let rows: Vec<RoomRow> = sqlx::query_as(select_room!("room", "where c.platform = $1 order by r.room_id"))
            .bind(platform.as_str())
            .fetch_all(&self.pool)
            .await?;
        rows.into_iter().map(Room::try_from).collect()
    }

    /// The rooms of a community, oldest first.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn rooms_in(&self, community: CommunityId) -> Result<Vec<Room>> {
        let rows: Vec<RoomRow> = sqlx::query_as(select_room!("room", "where r.community_id = $1 order by r.room_id"))
            .bind(community.0)
            .fetch_all(&self.pool)
            .await?;
        rows.into_iter().map(Room::try_from).collect()
    }

    /// The rooms that may have something to do when the program starts: those with a cast or with unfinished turns,
    /// except in communities that the bot was removed from.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn rooms_with_cast(&self) -> Result<Vec<Room>> {
        let rows: Vec<RoomRow> =
            sqlx::query_as(select_room!("room", concat!("where", is_alive!(), "order by r.room_id")))
                .fetch_all(&self.pool)
                .await?;
        rows.into_iter().map(Room::try_from).collect()
    }

    /// Says that the notice of the first use is shown in a room: true the first time, which is when it is due.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn notice_room(&self, room: RoomId, at: DateTime<Utc>) -> Result<bool> {
        let noticed = sqlx::query("update room set noticed_at = $2 where room_id = $1 and noticed_at is null")
            .bind(room.0)
            .bind(at)
            .execute(&self.pool)
            .await?;
        Ok(noticed.rows_affected() > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::{Scene, at, room, said};

    #[tokio::test]
    async fn a_room_is_found_by_its_id_and_its_platform() {
        let scene = Scene::new().await;
        let lounge = room(scene.store(), &scene.community, "lounge").await;
        assert_eq!(lounge.id, scene.room);
        let parent = Some(lounge.id);
        let new = NewRoom { community: scene.community.id, external_id: "thread", title: "", parent };
        let thread = scene.store().room(&new).await.unwrap();
        assert_eq!(scene.store().room_by_id(thread.id).await.unwrap(), Some(thread.clone()));
        assert_eq!(scene.store().room_by_id(RoomId(999)).await.unwrap(), None);
        let both = [lounge, thread.clone()];
        assert_eq!(scene.store().rooms_of(Platform::Web).await.unwrap(), both);
        assert_eq!(scene.store().rooms_of(Platform::Discord).await.unwrap(), []);
        assert_eq!(scene.store().rooms_in(scene.community.id).await.unwrap(), both);
        assert_eq!(scene.store().rooms_in(CommunityId(999)).await.unwrap(), []);
        let parents = both.map(|room| room.parent_external_id);
        assert_eq!(parents, [None, Some("lounge".to_owned())]);
        let again = NewRoom { community: scene.community.id, external_id: "thread", title: "", parent: None };
        assert_eq!(scene.store().room(&again).await.unwrap(), thread);
        scene.store().record(thread.id, &said(7, scene.bob.id, "hi")).await.unwrap();
        let holding = async |key| scene.store().room_of_message(scene.community.id, MessageKey(key)).await.unwrap();
        assert_eq!((holding(7).await, holding(8).await), (Some(thread), None));
    }

    #[tokio::test]
    async fn the_notice_of_the_first_use_is_due_once() {
        let scene = Scene::new().await;
        let elsewhere = room(scene.store(), &scene.community, "elsewhere").await;
        assert!(scene.store().notice_room(scene.room, at(1)).await.unwrap());
        assert!(!scene.store().notice_room(scene.room, at(2)).await.unwrap());
        assert!(scene.store().notice_room(elsewhere.id, at(3)).await.unwrap());
    }

    #[tokio::test]
    async fn only_rooms_with_something_to_do_are_started() {
        let scene = Scene::new().await;
        let ids = async || -> Vec<RoomId> {
            scene.store().rooms_with_cast().await.unwrap().into_iter().map(|room| room.id).collect()
        };
        assert_eq!(ids().await, []);
        let ada = scene.summon_ada().await;
        assert_eq!(ids().await, [scene.room]);
        scene.enqueue(&ada, "reply:1").await.unwrap();
        scene.store().dismiss(scene.room, ada.id).await.unwrap();
        assert_eq!(ids().await, [scene.room], "a turn is unfinished");
        scene.store().community_left(scene.community.id, at(5)).await.unwrap();
        assert_eq!(ids().await, [], "the bot was removed");
        scene.store().community_joined(scene.community.id).await.unwrap();
        assert_eq!(ids().await, [scene.room]);
    }
}
