//! Rooms: channels, threads and forum topics, the units of conversation.

use chat::{CommunityId, Platform, RoomId};

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
}

#[derive(sqlx::FromRow)]
struct RoomRow {
    room_id: i32,
    community_id: i32,
    platform: String,
    community_external_id: String,
    external_id: String,
    title: String,
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
        })
    }
}

macro_rules! select_room {
    ($from:literal, $condition:literal) => {
        concat!(
            "select r.room_id, r.community_id, c.platform, c.external_id as community_external_id, r.external_id, r.title
             from ",
            $from,
            " r join community c using (community_id) ",
            $condition
        )
    };
}

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

    /// The rooms that may have something to do when the program starts: those with a cast or with unfinished turns.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn rooms_with_cast(&self) -> Result<Vec<Room>> {
        let rows: Vec<RoomRow> = sqlx::query_as(select_room!(
            "room",
            "where exists (select from room_persona p where p.room_id = r.room_id)
                or exists (select from outbox o where o.room_id = r.room_id and o.state in ('pending', 'posting'))
             order by r.room_id"
        ))
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(Room::try_from).collect()
    }
}
