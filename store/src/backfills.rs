//! How much of what a platform has our history holds: up to where a room is complete, and how far reading backwards has
//! come.

use std::str::FromStr;

use chat::{CommunityId, MemberId, MessageKey, Platform, RoomId, message::UnknownName};
use chrono::{DateTime, Utc};

use crate::{
    Result, Room, Store, StoreError,
    rooms::{RoomRow, join_room, room_columns},
};

/// The reading of what was said in a room before we came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backfill {
    /// The room.
    pub room: RoomId,
    /// Where to read on, backwards; none for the newest message.
    pub before: Option<MessageKey>,
    /// How many messages were read.
    pub read: u64,
    /// How many of them were new.
    pub stored: u64,
    /// Whether it goes on.
    pub state: BackfillState,
    /// Who asked for it.
    pub started_by: Option<MemberId>,
    /// Where its progress is shown, in words that only the platform reads.
    pub report_to: Option<String>,
}

/// Whether a backfill goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BackfillState {
    /// It does, also after a restart.
    Running,
    /// Somebody stopped it.
    Stopped,
    /// It reached the beginning.
    Done,
}

impl BackfillState {
    /// The name in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            BackfillState::Running => "running",
            BackfillState::Stopped => "stopped",
            BackfillState::Done => "done",
        }
    }
}

impl FromStr for BackfillState {
    type Err = UnknownName;

    fn from_str(name: &str) -> std::result::Result<Self, UnknownName> {
        [BackfillState::Running, BackfillState::Stopped, BackfillState::Done]
            .into_iter()
            .find(|state| state.as_str() == name)
            .ok_or_else(|| UnknownName(name.to_owned(), "state of a backfill"))
    }
}

/// Its room comes from elsewhere, since a row that also holds a [`RoomRow`] has it twice.
#[derive(sqlx::FromRow)]
struct BackfillRow {
    before_key: Option<i64>,
    read: i64,
    stored: i64,
    state: String,
    started_by: Option<i32>,
    report_to: Option<String>,
}

impl BackfillRow {
    fn of(self, room: RoomId) -> Result<Backfill> {
        Ok(Backfill {
            room,
            before: self.before_key.map(MessageKey),
            read: self.read as u64,
            stored: self.stored as u64,
            state: self.state.parse()?,
            started_by: self.started_by.map(MemberId),
            report_to: self.report_to,
        })
    }
}

#[derive(sqlx::FromRow)]
struct RunningRow {
    #[sqlx(flatten)]
    room: RoomRow,
    #[sqlx(flatten)]
    backfill: BackfillRow,
}

impl TryFrom<RunningRow> for (Room, Backfill) {
    type Error = StoreError;

    fn try_from(row: RunningRow) -> Result<Self> {
        let room = Room::try_from(row.room)?;
        let backfill = row.backfill.of(room.id)?;
        Ok((room, backfill))
    }
}

macro_rules! complete_to {
    () => {
        " coalesce(r.complete_to, (
            select min(m.message_key) from message m where m.room_id = r.room_id and m.origin = 'posted')) "
    };
}

impl Store {
    /// Up to where the history of a room holds everything that the platform had; none where nothing was heard in it yet.
    /// Until somebody says so, that is the first message that was heard as it was posted: a process may have been killed
    /// before it could say more.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn complete_to(&self, room: RoomId) -> Result<Option<MessageKey>> {
        let key: Option<Option<i64>> =
            sqlx::query_scalar(concat!("select", complete_to!(), "from room r where r.room_id = $1"))
                .bind(room.0)
                .fetch_optional(&self.pool)
                .await?;
        Ok(key.flatten().map(MessageKey))
    }

    /// The same of all rooms of a community, oldest room first, with what the platform calls each.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn complete_to_of(&self, community: CommunityId) -> Result<Vec<(RoomId, String, Option<MessageKey>)>> {
        let rows: Vec<(i32, String, Option<i64>)> = sqlx::query_as(concat!(
            "select r.room_id, r.external_id,",
            complete_to!(),
            "from room r where r.community_id = $1 order by r.room_id"
        ))
        .bind(community.0)
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(|(room, external_id, key)| (RoomId(room), external_id, key.map(MessageKey))).collect())
    }

    /// Says up to where rooms are complete. A key smaller than the one that is known changes nothing.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn set_complete_to(&self, rooms: &[(RoomId, MessageKey)]) -> Result<()> {
        sqlx::query(
            "with given as (
                select room_id, max(complete_to) as complete_to
                from unnest($1::int[], $2::bigint[]) g (room_id, complete_to) group by 1
             ), behind as (
                select r.room_id, given.complete_to from room r join given using (room_id)
                where r.complete_to is null or r.complete_to < given.complete_to
                order by r.room_id for no key update of r
             )
             update room r set complete_to = behind.complete_to from behind where r.room_id = behind.room_id",
        )
        .bind(rooms.iter().map(|(room, _)| room.0).collect::<Vec<_>>())
        .bind(rooms.iter().map(|(_, key)| key.0).collect::<Vec<_>>())
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// How far reading backwards has come in a room; none where nobody asked for it.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn backfill(&self, room: RoomId) -> Result<Option<Backfill>> {
        let row: Option<BackfillRow> = sqlx::query_as(
            "select before_key, read, stored, state, started_by, report_to from backfill where room_id = $1",
        )
        .bind(room.0)
        .fetch_optional(&self.pool)
        .await?;
        row.map(|row| row.of(room)).transpose()
    }

    /// Writes down how far reading backwards has come.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn save_backfill(&self, backfill: &Backfill, at: DateTime<Utc>) -> Result<()> {
        sqlx::query(
            "insert into backfill (room_id, before_key, read, stored, state, started_by, report_to, changed_at)
             values ($1, $2, $3, $4, $5, $6, $7, $8)
             on conflict (room_id) do update set
                before_key = excluded.before_key, read = excluded.read, stored = excluded.stored,
                state = excluded.state, started_by = excluded.started_by, report_to = excluded.report_to,
                changed_at = excluded.changed_at",
        )
        .bind(backfill.room.0)
        .bind(backfill.before.map(|key| key.0))
        .bind(backfill.read as i64)
        .bind(backfill.stored as i64)
        .bind(backfill.state.as_str())
        .bind(backfill.started_by.map(|member| member.0))
        .bind(backfill.report_to.as_deref())
        .bind(at)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// What is to be read on with in the rooms of a platform, except in communities that the bot was removed from.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn running_backfills(&self, platform: Platform) -> Result<Vec<(Room, Backfill)>> {
        let rows: Vec<RunningRow> = sqlx::query_as(concat!(
            "select b.before_key, b.read, b.stored, b.state, b.started_by, b.report_to,",
            room_columns!(),
            "from backfill b join room r on r.room_id = b.room_id",
            join_room!(),
            "where b.state = 'running' and c.platform = $1 and c.left_at is null order by r.room_id"
        ))
        .bind(platform.as_str())
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(<(Room, Backfill)>::try_from).collect()
    }
}

#[cfg(test)]
mod tests {
    use chat::Origin;

    use super::*;
    use crate::{
        NewMessage,
        scene::{Scene, at, room, said},
    };

    #[tokio::test]
    async fn a_room_never_becomes_less_complete() {
        let scene = Scene::new().await;
        let (store, lounge) = (scene.store(), scene.room);
        let elsewhere = room(store, &scene.community, "elsewhere").await.id;
        assert_eq!(store.complete_to(lounge).await.unwrap(), None);
        store.set_complete_to(&[(lounge, MessageKey(5)), (lounge, MessageKey(7))]).await.unwrap();
        store.set_complete_to(&[(lounge, MessageKey(6)), (RoomId(999), MessageKey(1))]).await.unwrap();
        store.set_complete_to(&[]).await.unwrap();
        assert_eq!(store.complete_to(lounge).await.unwrap(), Some(MessageKey(7)));
        assert_eq!(store.complete_to(RoomId(999)).await.unwrap(), None);
        let all = store.complete_to_of(scene.community.id).await.unwrap();
        let expected = [(lounge, "lounge".to_owned(), Some(MessageKey(7))), (elsewhere, "elsewhere".to_owned(), None)];
        assert_eq!(all, expected);
    }

    #[tokio::test]
    async fn a_room_that_was_heard_is_complete_from_its_first_word_on() {
        let scene = Scene::new().await;
        let read_later = NewMessage { origin: Origin::Imported, ..said(1, scene.ada.id, "long ago") };
        let batch = [read_later, said(5, scene.ada.id, "hi"), said(6, scene.bob.id, "ho")];
        scene.store().record_batch(scene.room, &batch).await.unwrap();
        assert_eq!(scene.store().complete_to(scene.room).await.unwrap(), Some(MessageKey(5)));
        scene.store().set_complete_to(&[(scene.room, MessageKey(6))]).await.unwrap();
        assert_eq!(scene.store().complete_to(scene.room).await.unwrap(), Some(MessageKey(6)));
    }

    #[tokio::test]
    async fn reading_backwards_goes_on_where_it_was() {
        let scene = Scene::new().await;
        let store = scene.store();
        assert_eq!(store.backfill(scene.room).await.unwrap(), None);
        let mut backfill = Backfill {
            room: scene.room,
            before: None,
            read: 0,
            stored: 0,
            state: BackfillState::Running,
            started_by: Some(scene.bob.id),
            report_to: Some("there".to_owned()),
        };
        store.save_backfill(&backfill, at(1)).await.unwrap();
        backfill = Backfill { before: Some(MessageKey(900)), read: 100, stored: 90, ..backfill };
        store.save_backfill(&backfill, at(2)).await.unwrap();
        assert_eq!(store.backfill(scene.room).await.unwrap().as_ref(), Some(&backfill));
        let lounge = store.room_by_id(scene.room).await.unwrap().unwrap();
        assert_eq!(store.running_backfills(Platform::Web).await.unwrap(), [(lounge, backfill.clone())]);
        assert_eq!(store.running_backfills(Platform::Discord).await.unwrap(), []);
        store.community_left(scene.community.id, at(3)).await.unwrap();
        assert_eq!(store.running_backfills(Platform::Web).await.unwrap(), []);
        store.community_joined(scene.community.id).await.unwrap();
        for state in [BackfillState::Stopped, BackfillState::Done] {
            store.save_backfill(&Backfill { state, ..backfill.clone() }, at(4)).await.unwrap();
            assert_eq!(store.backfill(scene.room).await.unwrap().unwrap().state, state);
            assert_eq!(store.running_backfills(Platform::Web).await.unwrap(), []);
        }
    }
}
