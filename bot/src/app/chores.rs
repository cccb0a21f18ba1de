//! What the app does again and again, whatever happens in its rooms: it keeps its right to speak, hears what other
//! processes change, and lets go of those who left.

use std::{sync::Arc, time::Duration};

use chat::CommunityId;
use store::{Change, Room};

use super::{LEASE, Shared};
use crate::room::Input;

/// How often a process says that it is alive, and looks for rooms whose process is not.
const LEASE_BEAT: Duration = Duration::from_secs(2);
/// How long a listener for other processes' changes waits before it connects again.
const LISTEN_RETRY: Duration = Duration::from_secs(2);
/// How often those are looked for who left longer ago than the grace period.
const DEPARTURES: Duration = Duration::from_secs(600);
/// How often the counters of those who have been quiet are let go.
const TIDYING: Duration = Duration::from_secs(600);

/// Something that is done again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chore {
    Tidy,
    Leases,
    Listen,
    Departures,
}

impl Chore {
    fn pause(self) -> Duration {
        match self {
            Chore::Tidy => TIDYING,
            Chore::Leases => LEASE_BEAT,
            Chore::Listen => LISTEN_RETRY,
            Chore::Departures => DEPARTURES,
        }
    }
}

impl Shared {
    /// Does a chore again and again until the shutdown.
    pub(super) async fn keep_doing(self: Arc<Self>, chore: Chore) {
        let doing = async {
            loop {
                if let Err(error) = self.do_chore(chore).await {
                    tracing::warn!("{chore:?} will be tried again: {error:#}");
                }
                tokio::time::sleep(chore.pause()).await;
            }
        };
        tokio::select! {
            () = self.shutdown.cancelled() => {}
            () = doing => {}
        }
    }

    async fn do_chore(self: &Arc<Self>, chore: Chore) -> anyhow::Result<()> {
        match chore {
            Chore::Tidy => self.quotas.tidy(),
            Chore::Leases => self.keep_leases().await?,
            Chore::Listen => self.listen().await?,
            Chore::Departures => {
                let now = self.clock.now();
                for community in self.store.dismiss_departed(now - self.grace, now).await? {
                    self.policy_changed(community);
                    self.tell_community(community, || Input::MembersChanged);
                }
            }
        }
        Ok(())
    }

    /// Says that this process is alive, and takes care of the rooms of those that are not.
    async fn keep_leases(self: &Arc<Self>) -> anyhow::Result<()> {
        self.store.renew_leases(&self.owner, LEASE).await?;
        for id in self.store.orphaned_rooms(&self.owner).await? {
            let Some(room) = self.store.room_by_id(id).await? else { continue };
            if self.platforms.contains_key(&room.platform) && self.holds(&room).await? {
                tracing::info!(room = %id, "the process that spoke here is gone; going on");
            }
        }
        Ok(())
    }

    /// Hears what other processes have changed. Ends with an error when the connection cannot be had again.
    async fn listen(self: &Arc<Self>) -> anyhow::Result<()> {
        let mut changes = self.store.listen().await?;
        // Whatever changed before there was a connection has not been heard.
        let mut change = Change::Lost;
        loop {
            match change {
                Change::Members(community) => {
                    // First, since nobody may be imitated any longer by what learned from who withdrew.
                    self.adapters_changed(community);
                    self.members_changed(community).await?;
                }
                Change::Adapters(community) => self.adapters_changed(community),
                Change::Room(room) => self.tell_awake(room, || Input::HistoryChanged),
                Change::Lost => {
                    self.all_adapters_changed();
                    self.people.clear();
                    let known: Vec<CommunityId> = self.knowledge.iter().map(|entry| *entry.key()).collect();
                    for community in known {
                        self.members_changed(community).await?;
                    }
                    self.tell_all(|| Input::MembersChanged);
                }
            }
            change = changes.next().await?;
        }
    }

    /// Brings the runner to serve what it may. That can take a while, and others' news do not wait for it.
    fn adapters_changed(self: &Arc<Self>, community: CommunityId) {
        let shared = self.clone();
        self.follow(async move {
            shared.voice.adapters_changed(community).await;
            shared.tell_community(community, || Input::VoiceChanged);
        });
    }

    /// The same for all communities.
    fn all_adapters_changed(self: &Arc<Self>) {
        let shared = self.clone();
        self.follow(async move {
            shared.voice.all_adapters_changed().await;
            shared.tell_all(|| Input::VoiceChanged);
        });
    }

    fn follow(&self, following: impl Future<Output = ()> + Send + 'static) {
        let shutdown = self.shutdown.clone();
        self.tracker.spawn(async move { shutdown.run_until_cancelled(following).await });
    }

    async fn members_changed(&self, community: CommunityId) -> anyhow::Result<()> {
        self.policy_changed(community);
        let knowledge = self.knowledge.get(&community).and_then(|cell| cell.get().cloned());
        if let Some(knowledge) = knowledge {
            for member in self.store.refusing_members(community).await? {
                knowledge.forget(member);
            }
            knowledge.members_changed(&self.store).await?;
        }
        self.tell_community(community, || Input::MembersChanged);
        Ok(())
    }

    /// Whether this process has, or now takes, the right to speak in a room. Where another process had it before, the
    /// room looks after what that one left.
    pub(super) async fn holds(self: &Arc<Self>, room: &Room) -> anyhow::Result<bool> {
        let Some(lease) = self.store.lease(room.id, &self.owner, LEASE).await? else { return Ok(false) };
        if lease.is_new {
            self.tell(room, Input::Orphaned).await?;
        }
        Ok(true)
    }
}
