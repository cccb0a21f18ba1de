//! Which adapter the personas of a community speak with, and that the model runner offers it before it is asked for.
//!
//! What is served follows the history: a new version takes the place of the old one, and one that became stale is served
//! no longer, from the moment at which the news of it comes. It knows nothing of rooms; only our own runner is told.

mod choice;
mod register;

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
};

use chat::{AdapterId, CommunityId};
use dashmap::DashMap;
use store::{Adapter, Store};

use self::choice::{Choice, choose};
pub use self::register::{read_header, register};
use crate::runner::{RunnerClient, RunnerError};

/// What is said once an adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Notice {
    Stale,
    Missing,
    Refused,
}

/// An adapter that a runner offers.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Served {
    id: AdapterId,
    /// What people call it.
    name: String,
    /// What the runner calls it.
    model: String,
}

impl Served {
    fn of(adapter: &Adapter) -> Self {
        let Adapter { id, name, community, .. } = adapter;
        // Two communities may call theirs the same.
        Self { id: *id, name: name.clone(), model: format!("{name}{}", mark(*community)) }
    }
}

/// How the runner's name of each adapter of a community ends.
fn mark(community: CommunityId) -> String {
    format!("@{community}")
}

/// What was settled for a community with one life of a runner; without an adapter the base speaks.
#[derive(Debug, Clone)]
struct Settled {
    runner: RunnerClient,
    adapter: Option<Served>,
}

/// What is known of one community.
#[derive(Debug, Default)]
struct Desk {
    settled: Mutex<Option<Settled>>,
    /// Held by whoever changes what is settled.
    changing: tokio::sync::Mutex<()>,
    /// Whether somebody waits for that already, who will read all that is new by then.
    is_awaited: AtomicBool,
}

impl Desk {
    /// What is settled with this life of the runner.
    fn settled(&self, runner: &RunnerClient) -> Option<Settled> {
        self.lock().clone().filter(|settled| settled.runner.is_of_the_same_server(runner))
    }

    fn settle(&self, runner: &RunnerClient, adapter: Option<Served>) {
        *self.lock() = Some(Settled { runner: runner.clone(), adapter });
    }

    fn unsettle(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> MutexGuard<'_, Option<Settled>> {
        self.settled.lock().expect("no code panics while it holds this lock")
    }
}

/// The adapters of all communities.
#[derive(Debug)]
pub struct Adapters {
    store: Store,
    desks: DashMap<CommunityId, Arc<Desk>>,
    said: Mutex<HashSet<(AdapterId, Notice)>>,
}

impl Adapters {
    /// Nothing is looked up before somebody asks.
    pub fn new(store: Store) -> Self {
        Self { store, desks: DashMap::new(), said: Mutex::default() }
    }

    /// The runner, asked for what a community speaks with. The first request to each life of a runner waits until that
    /// offers the community's adapter; where it cannot, the base speaks.
    pub async fn client_for(&self, runner: &RunnerClient, community: CommunityId) -> RunnerClient {
        let desk = self.desks.entry(community).or_default().clone();
        if desk.settled(runner).is_none() && runner.is_ours().await {
            let _changing = desk.changing.lock().await;
            if desk.settled(runner).is_none() {
                self.settle(&desk, runner, community).await;
            }
        }
        match desk.settled(runner).and_then(|settled| settled.adapter) {
            Some(adapter) => runner.with_model(&adapter.model),
            None => runner.clone(),
        }
    }

    /// What people call the adapter that a community speaks with, if it does.
    pub fn name(&self, runner: &RunnerClient, community: CommunityId) -> Option<String> {
        Some(self.desks.get(&community)?.settled(runner)?.adapter?.name)
    }

    /// Follows a change of a community's adapters, or of its members' minds.
    pub async fn changed(&self, runner: &RunnerClient, community: CommunityId) {
        let Some(desk) = self.desks.get(&community).map(|desk| desk.clone()) else { return };
        if desk.is_awaited.swap(true, Ordering::SeqCst) {
            return;
        }
        let _changing = desk.changing.lock().await;
        desk.is_awaited.store(false, Ordering::SeqCst);
        // What is not settled is read by the first who asks.
        if desk.settled(runner).is_some() {
            self.settle(&desk, runner, community).await;
        }
    }

    /// Follows whatever may have changed.
    pub async fn all_changed(&self, runner: &RunnerClient) {
        let communities: Vec<CommunityId> = self.desks.iter().map(|desk| *desk.key()).collect();
        for community in communities {
            self.changed(runner, community).await;
        }
    }

    /// Hears that the runner does not offer what a community speaks with. Whether it was to offer something, and another
    /// request may find it there again.
    pub fn is_gone(&self, runner: &RunnerClient, community: CommunityId) -> bool {
        let Some(desk) = self.desks.get(&community) else { return false };
        let had_adapter = desk.settled(runner).is_some_and(|settled| settled.adapter.is_some());
        if had_adapter {
            desk.unsettle();
        }
        had_adapter
    }

    /// Brings the runner to offer what the history says, and nothing that it forbids.
    async fn settle(&self, desk: &Desk, runner: &RunnerClient, community: CommunityId) {
        let adapters = match self.store.adapters(community).await {
            Ok(adapters) => adapters,
            Err(error) => {
                return tracing::warn!(%error, %community, "cannot read which adapter the personas speak with");
            }
        };
        let Choice { adapter, stale, missing } = choose(&adapters);
        stale.into_iter().for_each(|adapter| self.say_stale(adapter));
        missing.into_iter().for_each(|adapter| self.say_missing(adapter));
        let settled = desk.settled(runner);
        let offered = match &settled {
            Some(settled) => settled.adapter.iter().map(|adapter| adapter.model.clone()).collect(),
            None => left_over(runner, community).await,
        };
        let old = settled.and_then(|settled| settled.adapter);
        let new = adapter.map(|adapter| (Served::of(adapter), adapter));
        if old.as_ref().map(|old| old.id) == new.as_ref().map(|(new, _)| new.id) {
            desk.settle(runner, old.clone());
            return unload(runner, offered, old.as_ref()).await;
        }
        if old.as_ref().is_some_and(|old| !may_be_served(old.id, &adapters)) {
            // No request may name it any more, however long the rest takes.
            desk.settle(runner, None);
        }
        let now = match new {
            Some((new, adapter)) => self.load(desk, runner, new, adapter).await,
            None => {
                desk.settle(runner, None);
                None
            }
        };
        unload(runner, offered, now.as_ref()).await;
    }

    /// Has the runner offer an adapter, and settles what came of it. Returns what is served then.
    async fn load(&self, desk: &Desk, runner: &RunnerClient, new: Served, adapter: &Adapter) -> Option<Served> {
        let (name, community) = (&adapter.name, adapter.community);
        match runner.load_adapter(&new.model, adapter.path.as_ref()).await {
            Ok(()) => {
                tracing::info!(%community, "the personas speak with the adapter {name}");
                desk.settle(runner, Some(new.clone()));
                Some(new)
            }
            Err(RunnerError::Rejected { sentence }) => {
                if self.is_news(new.id, Notice::Refused) {
                    tracing::warn!(%community, "the personas speak without the adapter {name}: {sentence}");
                }
                desk.settle(runner, None);
                None
            }
            Err(error) => {
                // Neither it nor the adapter is at fault for good: the next request tries again.
                tracing::warn!(%community, %error, "the adapter {name} cannot be loaded now");
                desk.unsettle();
                None
            }
        }
    }

    fn say_stale(&self, adapter: &Adapter) {
        let Adapter { id, name, community, stale: Some(stale), .. } = adapter else { return };
        if self.is_news(*id, Notice::Stale) {
            let reason = &stale.reason;
            tracing::warn!(%community, "the adapter {name} is served no longer: {reason}; train it again without them");
        }
    }

    fn say_missing(&self, adapter: &Adapter) {
        let Adapter { id, name, community, path, .. } = adapter;
        if self.is_news(*id, Notice::Missing) {
            tracing::warn!(
                %community,
                "the adapter {name} cannot be served: there is no {path}; put the file back, or `groupchat adapter \
                 forget {name}`"
            );
        }
    }

    fn is_news(&self, adapter: AdapterId, notice: Notice) -> bool {
        self.said.lock().expect("no code panics while it holds this lock").insert((adapter, notice))
    }
}

fn may_be_served(id: AdapterId, adapters: &[Adapter]) -> bool {
    adapters.iter().any(|adapter| adapter.id == id && adapter.stale.is_none())
}

/// The adapters of a community that a runner offers from before our time, under its names for them. One that somebody else
/// looks after may outlive us.
async fn left_over(runner: &RunnerClient, community: CommunityId) -> Vec<String> {
    match runner.models().await {
        Ok(models) => models.into_iter().map(|model| model.id).filter(|id| id.ends_with(&mark(community))).collect(),
        Err(error) => {
            tracing::debug!(%error, "the model runner does not say what it offers");
            Vec::new()
        }
    }
}

/// Has the runner offer these no longer, but for the one that is served now.
async fn unload(runner: &RunnerClient, offered: Vec<String>, now: Option<&Served>) {
    for model in offered.iter().filter(|model| now.is_none_or(|now| now.model != **model)) {
        match runner.unload_adapter(model).await {
            // That there is none of its name is what was wanted.
            Ok(()) | Err(RunnerError::Rejected { .. }) => {}
            Err(error) => tracing::warn!(%error, "the adapter {model} stays in memory, though nobody asks for it"),
        }
    }
}
