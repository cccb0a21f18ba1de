//! Leases: which process may speak in a room, so that two never do.
//!
//! A lease runs out unless it is renewed, and then another process may take it. Its fence tells the two apart: what the
//! former owner still writes under its own fence is refused.
//!
//! The clock is that of the database, and this is the one exception to passing "now" in: the processes that compete for
//! a room may be on machines that do not agree on the time.

use std::time::Duration;

use chat::RoomId;

use crate::{Result, Store, rooms::is_alive};

/// The right to speak in a room, as it was granted: only the database knows whether it still stands.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lease {
    /// The room.
    pub room: RoomId,
    /// How often the room has changed hands.
    pub fence: i64,
    /// Whether the room changed hands just now, so that whoever had it before may have left turns unfinished.
    pub is_new: bool,
}

impl Store {
    /// Takes or prolongs the lease of a room; none where another owner holds it. An owner is a process in one of its
    /// lives: one that starts again under its old name would not be told what it left unfinished. For the same reason,
    /// a call after one that failed may have to count as new what is not said to be.
    ///
    /// # Errors
    /// See [`StoreError`](crate::StoreError).
    pub async fn lease(&self, room: RoomId, owner: &str, ttl: Duration) -> Result<Option<Lease>> {
        let row: Option<(i64, bool)> = sqlx::query_as(
            "insert into room_lease as l (room_id, owner, fence, held_until)
             values ($1, $2, 1, clock_timestamp() + make_interval(secs => $3))
             on conflict (room_id) do update set
                owner = excluded.owner,
                fence = case when l.owner = excluded.owner then l.fence else l.fence + 1 end,
                renewals = case when l.owner = excluded.owner then l.renewals + 1 else 0 end,
                held_until = clock_timestamp() + make_interval(secs => $3)
             where l.owner = excluded.owner or l.held_until <= clock_timestamp()
             returning fence, renewals = 0",
        )
        .bind(room.0)
        .bind(owner)
        .bind(ttl.as_secs_f64())
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|(fence, is_new)| Lease { room, fence, is_new }))
    }

    /// Prolongs all leases of an owner, also those that ran out but that nobody took, and returns how many. What was
    /// given back stays so.
    ///
    /// # Errors
    /// See [`StoreError`](crate::StoreError).
    pub async fn renew_leases(&self, owner: &str, ttl: Duration) -> Result<u64> {
        let renewed = sqlx::query(
            "with mine as (
                select room_id from room_lease where owner = $1 and held_until > '-infinity'
                order by room_id for no key update
             )
             update room_lease l set renewals = renewals + 1, held_until = clock_timestamp() + make_interval(secs => $2)
             from mine where l.room_id = mine.room_id",
        )
        .bind(owner)
        .bind(ttl.as_secs_f64())
        .execute(&self.pool)
        .await?;
        Ok(renewed.rows_affected())
    }

    /// Gives a room back, if the owner has it: anybody may take it now.
    ///
    /// # Errors
    /// See [`StoreError`](crate::StoreError).
    pub async fn release_lease(&self, room: RoomId, owner: &str) -> Result<()> {
        sqlx::query("update room_lease set held_until = '-infinity' where room_id = $1 and owner = $2")
            .bind(room.0)
            .bind(owner)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Gives back all rooms of an owner.
    ///
    /// # Errors
    /// See [`StoreError`](crate::StoreError).
    pub async fn release_leases(&self, owner: &str) -> Result<()> {
        sqlx::query(
            "with mine as (select room_id from room_lease where owner = $1 order by room_id for no key update)
             update room_lease l set held_until = '-infinity' from mine where l.room_id = mine.room_id",
        )
        .bind(owner)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Ends all leases, whoever has them: for a process that knows itself to be the only one, since it holds the lock
    /// on the data folder, and need not wait until those of a former life run out.
    ///
    /// # Errors
    /// See [`StoreError`](crate::StoreError).
    pub async fn release_all_leases(&self) -> Result<()> {
        sqlx::query(
            "with held as (select room_id from room_lease order by room_id for no key update)
             update room_lease l set held_until = '-infinity' from held where l.room_id = held.room_id",
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// The rooms that another owner had and nobody looks after any more, though they have a cast or unfinished turns,
    /// by rising id. Those of communities that the bot was removed from are left out.
    ///
    /// # Errors
    /// See [`StoreError`](crate::StoreError).
    pub async fn orphaned_rooms(&self, owner: &str) -> Result<Vec<RoomId>> {
        let rooms: Vec<i32> = sqlx::query_scalar(concat!(
            "select r.room_id from room_lease l join room r using (room_id) join community c using (community_id)
             where l.owner <> $1 and l.held_until <= clock_timestamp() and",
            is_alive!(),
            "order by r.room_id"
        ))
        .bind(owner)
        .fetch_all(&self.pool)
        .await?;
        Ok(rooms.into_iter().map(RoomId).collect())
    }
}

#[cfg(test)]
mod tests {
    use chat::MessageKey;

    use super::*;
    use crate::scene::{Scene, at, room};

    const LONG: Duration = Duration::from_secs(600);

    async fn lease(scene: &Scene, owner: &str, ttl: Duration) -> Option<(i64, bool)> {
        let lease = scene.store().lease(scene.room, owner, ttl).await.unwrap();
        lease.map(|lease| (lease.fence, lease.is_new))
    }

    #[tokio::test]
    async fn a_room_has_one_owner_until_its_lease_runs_out() {
        let scene = Scene::new().await;
        assert_eq!(lease(&scene, "a", LONG).await, Some((1, true)));
        assert_eq!(lease(&scene, "b", LONG).await, None);
        assert_eq!(lease(&scene, "a", Duration::ZERO).await, Some((1, false)), "and runs out at once");
        assert_eq!(lease(&scene, "b", LONG).await, Some((2, true)));
        assert_eq!(lease(&scene, "a", LONG).await, None);
        assert_eq!(lease(&scene, "b", LONG).await, Some((2, false)));
    }

    #[tokio::test]
    async fn of_several_that_want_a_room_at_once_one_gets_it() {
        let scene = Scene::new().await;
        for fence in 1..=5 {
            let owners: Vec<String> = (0..4).map(|number| format!("{fence}-{number}")).collect();
            let [a, b, c, d] = [0, 1, 2, 3].map(|number| scene.store().lease(scene.room, &owners[number], LONG));
            let (a, b, c, d) = tokio::join!(a, b, c, d);
            let granted: Vec<_> = [a, b, c, d].into_iter().filter_map(|lease| lease.unwrap()).collect();
            assert_eq!(granted, [Lease { room: scene.room, fence, is_new: true }]);
            scene.store().release_all_leases().await.unwrap();
        }
    }

    #[tokio::test]
    async fn what_ran_out_can_be_renewed_but_not_what_was_given_back_or_taken() {
        let scene = Scene::new().await;
        let store = scene.store();
        let (second, third) =
            (room(store, &scene.community, "second").await.id, room(store, &scene.community, "third").await.id);
        for room in [scene.room, second, third] {
            assert!(store.lease(room, "a", Duration::ZERO).await.unwrap().is_some());
        }
        store.release_lease(scene.room, "a").await.unwrap();
        store.release_lease(third, "b").await.unwrap();
        assert!(store.lease(second, "b", LONG).await.unwrap().is_some());
        assert_eq!(store.renew_leases("a", LONG).await.unwrap(), 1);
        assert!(store.lease(third, "b", LONG).await.unwrap().is_none(), "renewed");
        assert_eq!(lease(&scene, "a", LONG).await, Some((1, false)), "nobody wanted it meanwhile");
        store.release_leases("a").await.unwrap();
        for room in [scene.room, third] {
            let taken = store.lease(room, "b", LONG).await.unwrap().unwrap();
            assert_eq!((taken.fence, taken.is_new), (2, true));
        }
    }

    #[tokio::test]
    async fn a_room_with_something_to_do_whose_owner_is_gone_is_an_orphan_to_others() {
        let scene = Scene::new().await;
        let store = scene.store();
        lease(&scene, "a", Duration::ZERO).await;
        assert_eq!(store.orphaned_rooms("b").await.unwrap(), [], "nothing to do");
        scene.summon_ada().await;
        assert_eq!(store.orphaned_rooms("b").await.unwrap(), [scene.room]);
        assert_eq!(store.orphaned_rooms("a").await.unwrap(), []);
        lease(&scene, "a", LONG).await;
        assert_eq!(store.orphaned_rooms("b").await.unwrap(), []);
        store.release_leases("a").await.unwrap();
        assert_eq!(store.orphaned_rooms("b").await.unwrap(), [scene.room]);
        store.community_left(scene.community.id, at(9)).await.unwrap();
        assert_eq!(store.orphaned_rooms("b").await.unwrap(), []);
    }

    #[tokio::test]
    async fn the_former_owner_neither_queues_nor_posts_but_what_it_posted_counts() {
        let scene = Scene::new().await;
        let store = scene.store();
        let persona = scene.summon_ada().await;
        let old = store.lease(scene.room, "a", Duration::ZERO).await.unwrap().unwrap();
        let turn = scene.enqueue_under(&old, &persona, "reply:1").await.unwrap();
        assert!(store.begin_post(turn.id, at(10), &old).await.unwrap(), "nobody else wanted the room yet");

        let new = store.lease(scene.room, "b", LONG).await.unwrap().unwrap();
        assert!(!store.begin_post(turn.id, at(10), &old).await.unwrap());
        assert_eq!(scene.enqueue_under(&old, &persona, "reply:2").await, None);
        assert!(store.begin_post(turn.id, at(10), &new).await.unwrap());
        assert!(scene.enqueue_under(&new, &persona, "reply:2").await.is_some());
        store.finish_post(&turn, MessageKey(40), at(11)).await.unwrap();
        assert_eq!(scene.texts().await, ["as I said"]);
    }

    #[tokio::test]
    async fn a_lease_is_good_for_its_own_room() {
        let scene = Scene::new().await;
        let store = scene.store();
        let persona = scene.summon_ada().await;
        let turn = scene.enqueue(&persona, "reply:1").await.unwrap();
        let elsewhere = room(store, &scene.community, "elsewhere").await;
        let lease = store.lease(elsewhere.id, "us", LONG).await.unwrap().unwrap();
        assert!(!store.begin_post(turn.id, at(10), &lease).await.unwrap());
        assert_eq!(scene.enqueue_under(&lease, &persona, "reply:2").await, None);
    }

    #[tokio::test]
    async fn a_takeover_waits_for_what_is_being_queued() {
        let scene = Scene::new().await;
        let persona = scene.summon_ada().await;
        for attempt in 0..20 {
            let (a, b) = (format!("a{attempt}"), format!("b{attempt}"));
            let old = scene.store().lease(scene.room, &a, Duration::ZERO).await.unwrap().unwrap();
            let cause = format!("reply:{attempt}");
            let takeover = async {
                let new = scene.store().lease(scene.room, &b, Duration::ZERO).await.unwrap().unwrap();
                assert!(new.is_new);
                scene.store().unfinished_turns(scene.room).await.unwrap()
            };
            let (queued, seen) = tokio::join!(scene.enqueue_under(&old, &persona, &cause), takeover);
            assert!(queued.is_none_or(|turn| seen.contains(&turn)), "a turn that the new owner does not know of");
        }
    }
}
