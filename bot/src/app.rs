//! The app: where events and commands come in, are recorded, and are handed to the task of their room.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::Context;
use chat::{
    Author, CommunityId, Consent, Member, MemberKey, Message, Origin, Persona, Platform as PlatformKind, Provenance,
    RoomId, RoomSettings,
};
use dashmap::DashMap;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use store::{NewCommunity, NewMember, NewMessage, NewReaction, NewRoom, Recorded, Room, Store};
use tokio::sync::{OnceCell, mpsc, oneshot};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument;

use crate::{
    Clock,
    commands::{Answer, Caller, Command},
    community::Knowledge,
    event::{Event, Happening, Person, Place, Posted},
    platform::Platform,
    quotas::{Limits, Quotas},
    room::{Input, RoomTask},
    voice::Voice,
};

/// How many things may wait for a room. What comes while its mailbox is full is in the history all the same: the room is
/// told to read it again.
const MAILBOX: usize = 256;

/// How long a room may take to answer a command.
const COMMAND_PATIENCE: Duration = Duration::from_secs(20);

/// How many people are remembered between their messages. Beyond it all are asked for again, which costs a query each.
const REMEMBERED_PEOPLE: usize = 50_000;

/// How often the counters of those who have been quiet are let go.
const TIDYING: Duration = Duration::from_secs(600);

/// How long a shutdown waits for replies in hand.
const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(20);

/// What an app is made of.
pub struct AppOptions {
    /// The history.
    pub store: Store,
    /// The messengers that are configured.
    pub platforms: Vec<Arc<dyn Platform>>,
    /// Where words come from.
    pub voice: Voice,
    /// How much may be said.
    pub limits: Limits,
    /// The time.
    pub clock: Clock,
    /// The seed of every choice that is left to chance.
    pub seed: u64,
    /// What ends it.
    pub shutdown: CancellationToken,
}

/// What became of an event.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The room it happened in.
    pub room: Room,
    /// For a message: whether it is new to the history.
    pub recorded: Option<Recorded>,
}

/// A room as pages show it.
#[derive(Debug, Clone)]
pub struct RoomView {
    /// What is set.
    pub settings: RoomSettings,
    /// Who is in it.
    pub cast: Vec<Persona>,
    /// Who could be summoned, the busiest first.
    pub others: Vec<String>,
    /// Where words come from.
    pub voice: String,
}

/// What the rooms share.
pub(crate) struct Shared {
    pub store: Store,
    pub voice: Voice,
    pub quotas: Quotas,
    pub clock: Clock,
    pub shutdown: CancellationToken,
    platforms: HashMap<PlatformKind, Arc<dyn Platform>>,
    rooms: DashMap<RoomId, RoomHandle>,
    places: DashMap<Place, Room>,
    people: DashMap<(CommunityId, MemberKey), Member>,
    knowledge: DashMap<CommunityId, Arc<OnceCell<Arc<Knowledge>>>>,
    tracker: TaskTracker,
    seed: u64,
}

#[derive(Clone)]
struct RoomHandle {
    mailbox: mpsc::Sender<Input>,
    community: CommunityId,
    missed: Arc<AtomicBool>,
}

/// The bot, without platforms' libraries and without a command line. Clones share everything.
#[derive(Clone)]
pub struct App {
    shared: Arc<Shared>,
}

impl App {
    /// An app that has not looked at anything yet.
    pub fn new(options: AppOptions) -> Self {
        let AppOptions { store, platforms, voice, limits, clock, seed, shutdown } = options;
        let shared = Shared {
            store,
            voice,
            quotas: Quotas::new(limits),
            clock,
            shutdown,
            platforms: platforms.into_iter().map(|platform| (platform.kind(), platform)).collect(),
            rooms: DashMap::new(),
            places: DashMap::new(),
            people: DashMap::new(),
            knowledge: DashMap::new(),
            tracker: TaskTracker::new(),
            seed,
        };
        Self { shared: Arc::new(shared) }
    }

    /// Wakes the rooms that have personas in them or a turn that a crash interrupted.
    ///
    /// # Errors
    /// Where the history cannot be read.
    pub async fn start(&self) -> anyhow::Result<()> {
        let rooms = self.shared.store.rooms_with_cast().await.context("cannot read which rooms there are")?;
        for room in rooms.into_iter().filter(|room| self.shared.platforms.contains_key(&room.platform)) {
            self.shared.room(&room).await?;
        }
        self.shared.tracker.spawn(self.shared.clone().tidy());
        Ok(())
    }

    /// Waits until every room has finished what it had in hand. The shutdown token must have been cancelled.
    pub async fn stopped(&self) {
        self.shared.tracker.close();
        if tokio::time::timeout(SHUTDOWN_PATIENCE, self.shared.tracker.wait()).await.is_err() {
            tracing::warn!(
                "some rooms did not finish in time; what they had begun to post is looked up at the next start"
            );
        }
    }

    /// The history.
    pub fn store(&self) -> &Store {
        &self.shared.store
    }

    /// What ends the app.
    pub fn shutdown(&self) -> &CancellationToken {
        &self.shared.shutdown
    }

    /// Records what happened and tells the room.
    ///
    /// # Errors
    /// Where nothing could be recorded. The same event may be handed in again.
    pub async fn handle(&self, event: Event) -> anyhow::Result<Outcome> {
        let room = self.shared.resolve(&event.place).await?;
        let span = tracing::info_span!("event", room = %room.id);
        self.handle_in(room, event.what).instrument(span).await
    }

    async fn handle_in(&self, room: Room, what: Happening) -> anyhow::Result<Outcome> {
        let shared = &self.shared;
        let store = &shared.store;
        let mut recorded = None;
        match what {
            Happening::Posted(posted) => recorded = Some(shared.posted(&room, posted).await?),
            Happening::Edited { key, text, at } => {
                store.edit_message(room.id, key, &text, at).await?;
                shared.tell(&room, Input::HistoryChanged).await?;
            }
            Happening::Deleted { keys, at } => {
                store.delete_messages(room.id, &keys, at).await?;
                shared.tell(&room, Input::HistoryChanged).await?;
            }
            Happening::Reacted { key, emoji, by } => {
                let by = shared.member(room.community, &by).await?;
                let reaction = NewReaction { key, emoji: &emoji, by: Some(by.id), count: 1 };
                store.react_batch(room.id, &[reaction]).await?;
            }
            Happening::Unreacted { key, emoji, by } => {
                let by = shared.member(room.community, &by).await?;
                store.unreact(room.id, key, &emoji, by.id).await?;
            }
            Happening::Typing => shared.tell(&room, Input::Typing).await?,
            Happening::Arrived => shared.tell(&room, Input::Arrived).await?,
        }
        Ok(Outcome { room, recorded })
    }

    /// Does what somebody asked for, and says what came of it.
    pub async fn command(&self, place: &Place, who: &Person, command: Command) -> Answer {
        let span = tracing::info_span!("command", room = tracing::field::Empty);
        let answer = self.try_command(place, who, command).instrument(span).await;
        answer.unwrap_or_else(|error| {
            tracing::error!("a command failed: {error:#}");
            Answer::refused("That did not work just now. Nothing was changed; please try again in a moment.")
        })
    }

    async fn try_command(&self, place: &Place, who: &Person, command: Command) -> anyhow::Result<Answer> {
        let shared = &self.shared;
        let room = shared.resolve(place).await?;
        tracing::Span::current().record("room", tracing::field::display(room.id));
        let member = shared.member(room.community, who).await?;
        if !shared.quotas.may_command(member.id) {
            return Ok(Answer::refused("That was a lot at once; give me a minute, please."));
        }
        let (answer, answered) = oneshot::channel();
        shared.tell(&room, Input::Command { caller: Caller { member }, command, answer }).await?;
        let answered = tokio::time::timeout(COMMAND_PATIENCE, answered).await.context("the room took too long")?;
        answered.context("the room stopped before it answered")
    }

    /// A room as pages show it.
    ///
    /// # Errors
    /// Where the history cannot be read.
    pub async fn view(&self, room: RoomId) -> anyhow::Result<RoomView> {
        let store = &self.shared.store;
        let known = store.room_by_id(room).await?.context("there is no such room")?;
        let cast = store.cast(room).await?;
        let active = store.activity(known.community).await?;
        let is_here = |member: &Member| cast.iter().any(|persona| persona.member == member.id);
        let others = active.into_iter().filter(|a| a.member.may_imitate().is_some() && a.messages > 0);
        let others = others.filter(|a| !is_here(&a.member)).map(|a| a.member.name).collect();
        Ok(RoomView { settings: store.settings(room).await?, others, voice: self.shared.voice.describe(), cast })
    }
}

impl Shared {
    async fn tidy(self: Arc<Self>) {
        while tokio::time::timeout(TIDYING, self.shutdown.cancelled()).await.is_err() {
            self.quotas.tidy();
        }
    }

    /// The platform that a room is on.
    fn platform(&self, room: &Room) -> anyhow::Result<Arc<dyn Platform>> {
        let platform = self.platforms.get(&room.platform);
        platform.cloned().with_context(|| format!("room {} is on {}, which is not configured", room.id, room.platform))
    }

    /// The room that a platform means.
    async fn resolve(&self, place: &Place) -> anyhow::Result<Room> {
        if let Some(room) = self.places.get(place) {
            return Ok(room.clone());
        }
        let community =
            NewCommunity { platform: place.platform, external_id: &place.community, title: &place.community_title };
        let community = self.store.community(&community).await?;
        let room =
            NewRoom { community: community.id, external_id: &place.room, title: &place.room_title, parent: None };
        let room = self.store.room(&room).await?;
        self.places.insert(place.clone(), room.clone());
        Ok(room)
    }

    /// The member that somebody is. The history is asked only about those whose name or picture is new to us.
    async fn member(&self, community: CommunityId, person: &Person) -> anyhow::Result<Member> {
        let key = (community, person.key.clone());
        if let Some(known) = self.people.get(&key).filter(|known| known.name == person.name) {
            return Ok(known.clone());
        }
        let member = NewMember {
            community,
            key: &person.key,
            name: &person.name,
            is_bot: person.is_bot,
            avatar_url: person.avatar_url.as_deref(),
            seen_at: self.clock.now(),
        };
        let member = self.store.member(&member).await?;
        if self.people.len() >= REMEMBERED_PEOPLE {
            self.people.clear();
        }
        self.people.insert(key, member.clone());
        Ok(member)
    }

    async fn posted(self: &Arc<Self>, room: &Room, posted: Posted) -> anyhow::Result<Recorded> {
        let author = self.member(room.community, &posted.author).await?;
        let knowledge = self.knowledge(room.community).await?;
        let message = NewMessage {
            key: posted.key,
            author: Author::Member(author.id),
            author_name: &posted.author.name,
            sent_at: posted.sent_at,
            text: &posted.text,
            origin: Origin::Posted,
            provenance: Provenance::Api,
            reply_to: posted.reply_to,
            edited_at: None,
            nonce: posted.nonce.as_deref(),
        };
        let recorded = self.store.record(room.id, &message).await?;
        let Recorded::New(key) = recorded else { return Ok(recorded) };
        tracing::debug!(%key, "recorded");
        if !author.is_bot && author.consent != Consent::Refused {
            knowledge.learn(room.id, author.id, &posted.text, posted.sent_at);
        }
        let message = Message {
            key,
            room: room.id,
            author: Author::Member(author.id),
            author_name: posted.author.name,
            sent_at: posted.sent_at,
            text: posted.text,
            origin: Origin::Posted,
            provenance: Provenance::Api,
            reply_to: posted.reply_to,
            edited_at: None,
        };
        self.tell(room, Input::Said { message, by_bot: author.is_bot }).await?;
        Ok(recorded)
    }

    /// What is known of a community, read from the history the first time.
    pub async fn knowledge(&self, community: CommunityId) -> anyhow::Result<Arc<Knowledge>> {
        let cell = self.knowledge.entry(community).or_default().clone();
        let knowledge = cell.get_or_try_init(|| async { Knowledge::load(&self.store, community).await.map(Arc::new) });
        knowledge.await.cloned()
    }

    /// Hands something to a room's task. A room that cannot keep up is told to read its history again instead: one slow
    /// room never makes another wait.
    async fn tell(self: &Arc<Self>, room: &Room, input: Input) -> anyhow::Result<()> {
        let handle = self.room(room).await?;
        match handle.mailbox.try_send(input) {
            Ok(()) => Ok(()),
            Err(mpsc::error::TrySendError::Full(_)) => {
                handle.missed.store(true, Ordering::Relaxed);
                tracing::warn!("the room's mailbox is full; it will read its history again");
                Ok(())
            }
            Err(mpsc::error::TrySendError::Closed(_)) => anyhow::bail!("the room has stopped"),
        }
    }

    /// Tells every room of a community that is awake.
    pub fn tell_community(&self, community: CommunityId, mut input: impl FnMut() -> Input) {
        for handle in self.rooms.iter().filter(|handle| handle.community == community) {
            if handle.mailbox.try_send(input()).is_err() {
                handle.missed.store(true, Ordering::Relaxed);
            }
        }
    }

    /// What was remembered of a member is read again at the next occasion.
    pub fn member_changed(&self, community: CommunityId, member: &Member) {
        self.people.remove(&(community, member.key.clone()));
    }

    /// The handle of a room's task, which is started if it is not running.
    async fn room(self: &Arc<Self>, room: &Room) -> anyhow::Result<RoomHandle> {
        if let Some(handle) = self.rooms.get(&room.id) {
            return Ok(handle.clone());
        }
        let platform = self.platform(room)?;
        let knowledge = self.knowledge(room.community).await?;
        let handle = self.rooms.entry(room.id).or_insert_with(|| {
            let (mailbox, inputs) = mpsc::channel(MAILBOX);
            let missed = Arc::new(AtomicBool::new(false));
            let rng =
                ChaCha8Rng::seed_from_u64(self.seed ^ ChaCha8Rng::seed_from_u64(room.id.0 as u64).random::<u64>());
            let task = RoomTask::new(self.clone(), room.clone(), platform, knowledge, rng, missed.clone());
            let span = tracing::info_span!("room", room = %room.id);
            self.tracker.spawn(task.run(inputs).instrument(span));
            RoomHandle { mailbox, community: room.community, missed }
        });
        Ok(handle.clone())
    }
}
