//! News for the other processes that share the database: it is delivered with the commit of what changed, or not at
//! all. Whoever keeps a copy of what the database holds listens and reads again; the news itself only names what to
//! read.

use std::fmt;

use chat::{CommunityId, RoomId};
use sqlx::{
    PgPool, PgTransaction,
    postgres::{PgListener, PgNotification, PgPoolOptions},
};

use crate::{ACQUIRE_TIMEOUT, Result, Store, StoreError};

const MEMBERS: &str = "groupchat_members";
const ROOMS: &str = "groupchat_rooms";
const ADAPTERS: &str = "groupchat_adapters";

/// The columns that tell of a change to the members of a community.
macro_rules! announce_members_in {
    ($community:literal) => {
        concat!(" pg_notify('groupchat_members', ", $community, "::text)::text ")
    };
}
pub(crate) use announce_members_in;

/// The end of a statement that changed rooms: one row each, so that the rows affected count the changes. PostgreSQL
/// sends it once the statement is committed.
macro_rules! announce_rooms {
    ($changed:literal) => {
        concat!("select pg_notify('groupchat_rooms', room_id::text)::text from ", $changed)
    };
}
pub(crate) use announce_rooms;

pub(crate) async fn announce_members(transaction: &mut PgTransaction<'_>, communities: &[i32]) -> Result<()> {
    sqlx::query(concat!("select", announce_members_in!("changed"), "from unnest($1::int[]) changed"))
        .bind(communities)
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

/// What another process may have changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Change {
    /// Who of a community may be imitated.
    Members(CommunityId),
    /// The cast or the settings of a room.
    Room(RoomId),
    /// Which adapters a community has. That one became stale is told as a change of its members.
    Adapters(CommunityId),
    /// The connection was lost in between: assume that everything changed.
    Lost,
}

/// The news, in the order of the commits. It holds a connection of its own, so that it neither takes one from the
/// queries nor keeps the store from closing.
pub struct Changes {
    pool: PgPool,
    /// None after the connection was lost, until there is a new one and that was said.
    listener: Option<PgListener>,
}

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changes").field("is_connected", &self.listener.is_some()).finish_non_exhaustive()
    }
}

impl Store {
    /// Listens to what changes from now on, also by this very process.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn listen(&self) -> Result<Changes> {
        let options = self.pool.connect_options().as_ref().clone();
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            // A listener that is replaced in passing would miss something without a word.
            .max_lifetime(None)
            .idle_timeout(None)
            .connect_lazy_with(options);
        let listener = Some(listener(&pool).await?);
        Ok(Changes { pool, listener })
    }
}

impl Changes {
    /// Waits for the next change. Whoever stops waiting and asks again misses nothing.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] where the server is away. Call again a little later; the first answer is then
    /// [`Change::Lost`].
    pub async fn next(&mut self) -> Result<Change> {
        loop {
            let Some(listener) = &mut self.listener else {
                self.listener = Some(listener(&self.pool).await?);
                return Ok(Change::Lost);
            };
            match listener.try_recv().await {
                Ok(Some(news)) => return read(&news),
                Ok(None) => self.listener = None,
                Err(error) => {
                    // It may keep a connection that is dead.
                    self.listener = None;
                    return Err(error.into());
                }
            }
        }
    }
}

async fn listener(pool: &PgPool) -> Result<PgListener> {
    let mut listener = PgListener::connect_with(pool).await?;
    // It would reconnect before it says that it lost something, and a caller that stops waiting then would never hear
    // it.
    listener.eager_reconnect(false);
    listener.listen_all([MEMBERS, ROOMS, ADAPTERS]).await?;
    Ok(listener)
}

fn read(news: &PgNotification) -> Result<Change> {
    match (news.channel(), news.payload().parse()) {
        (MEMBERS, Ok(community)) => Ok(Change::Members(CommunityId(community))),
        (ROOMS, Ok(room)) => Ok(Change::Room(RoomId(room))),
        (ADAPTERS, Ok(community)) => Ok(Change::Adapters(CommunityId(community))),
        _ => Err(StoreError::Corrupt { what: format!("news of {} without an id", news.channel()) }),
    }
}

#[cfg(test)]
mod tests {
    use chat::{Consent, ConsentPolicy, RoomSettings};

    use super::*;
    use crate::scene::{Scene, at};

    #[tokio::test]
    async fn who_listens_hears_of_members_and_rooms_in_order() {
        let scene = Scene::new().await;
        let (store, community) = (scene.store(), scene.community.id);
        let mut changes = store.listen().await.unwrap();
        let ada = scene.summon_ada().await;
        assert_eq!(changes.next().await.unwrap(), Change::Room(scene.room));
        assert!(!store.summon(scene.room, ada.id, None, at(2)).await.unwrap(), "which is no news");
        assert!(store.dismiss(scene.room, ada.id).await.unwrap());
        assert_eq!(changes.next().await.unwrap(), Change::Room(scene.room));
        store.set_consent(scene.bob.id, Consent::Granted, at(3)).await.unwrap();
        assert_eq!(changes.next().await.unwrap(), Change::Members(community));
        assert_eq!(store.declare_consent(community, at(4)).await.unwrap(), 0, "which is no news");
        store.save_settings(scene.room, &RoomSettings::default(), None, at(5)).await.unwrap();
        assert_eq!(changes.next().await.unwrap(), Change::Room(scene.room));
        store.set_consent(scene.bob.id, Consent::Unasked, at(6)).await.unwrap();
        assert_eq!(changes.next().await.unwrap(), Change::Members(community));
        assert_eq!(store.declare_consent(community, at(7)).await.unwrap(), 1);
        assert_eq!(changes.next().await.unwrap(), Change::Members(community));
        store.set_consent_policy(community, ConsentPolicy::OptOut, at(8)).await.unwrap();
        assert_eq!(changes.next().await.unwrap(), Change::Members(community));
        store.member_left(community, &scene.ada.key, at(9)).await.unwrap();
        store.dismiss_departed(at(10), at(10)).await.unwrap();
        assert_eq!(changes.next().await.unwrap(), Change::Members(community));
        store.forget_member(scene.ada.id, at(11)).await.unwrap();
        assert_eq!(changes.next().await.unwrap(), Change::Members(community));
    }

    #[tokio::test]
    async fn who_lost_the_connection_is_told_and_listens_on() {
        let scene = Scene::new().await;
        let mut changes = scene.store().listen().await.unwrap();
        let killed: i64 = sqlx::query_scalar(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity
             where datname = current_database() and query like 'LISTEN%'",
        )
        .fetch_one(&mut scene.database.connection().await)
        .await
        .unwrap();
        assert_eq!(killed, 1);
        assert_eq!(changes.next().await.unwrap(), Change::Lost);
        scene.summon_ada().await;
        assert_eq!(changes.next().await.unwrap(), Change::Room(scene.room));
    }
}
