//! The app: where events and commands come in, are recorded, and are handed to the task of their room.

mod chores;

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
    Author, CommunityId, Consent, Member, MemberKey, Message, MessageKey, Origin, Persona, Platform as PlatformKind,
    Provenance, RoomId, RoomSettings,
};
use chrono::TimeDelta;
use dashmap::DashMap;
use futures_util::future::BoxFuture;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use store::{
    Community, NewCommunity, NewMember, NewMessage, NewReaction, NewRoom, Recorded, Room, Sighting, Store, Verdict,
};
use tokio::sync::{OnceCell, mpsc, oneshot};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument;

use self::chores::Chore;
use crate::{
    Clock,
    adapters::Adapters,
    commands::{self, Answer, Caller, Command, Rank},
    community::{Knowledge, Learning},
    event::{Event, Group, GroupHappening, Happening, Person, Place, Posted},
    platform::{Platform, PostError},
    quotas::{Limits, Quotas},
    reactions::{self, Meaning},
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

/// How many places are remembered.
const REMEMBERED_PLACES: usize = 50_000;

/// How long a shutdown waits for replies in hand.
const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(20);

/// How long a process has the right to speak in a room after it last said that it is alive. A room of one that was killed
/// is silent for so long, and not longer than two seconds more.
pub(crate) const LEASE: Duration = Duration::from_secs(6);

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
    /// Which messages the members' Markov voices may learn from, by platform.
    pub learning: Learning,
    /// How long somebody who left a community keeps their persona.
    pub grace: TimeDelta,
    /// What this process is called among those that share the history; no two may have one name.
    pub owner: String,
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
    pub owner: String,
    learning: Learning,
    grace: TimeDelta,
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
        let AppOptions { store, platforms, voice, limits, learning, grace, owner, clock, seed, shutdown } = options;
        let shared = Shared {
            voice: voice.with_adapters(Adapters::new(store.clone())),
            store,
            quotas: Quotas::new(limits),
            clock,
            shutdown,
            owner,
            learning,
            grace,
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
        for chore in [Chore::Tidy, Chore::Leases, Chore::Listen, Chore::Departures] {
            self.shared.tracker.spawn(self.shared.clone().keep_doing(chore));
        }
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
        if let Err(error) = self.shared.store.release_leases(&self.shared.owner).await {
            tracing::warn!(%error, "the rooms could not be given back; another process has them in some seconds");
        }
    }

    /// Whether this process is the one that speaks in a place. It is, unless another process that is alive was there
    /// first.
    ///
    /// # Errors
    /// Where the history cannot be asked.
    pub async fn speaks_in(&self, place: &Place) -> anyhow::Result<bool> {
        let room = self.shared.resolve(place).await?;
        self.shared.holds(&room).await
    }

    /// Says that the history knows all that was said in a room, so that its personas may speak.
    pub fn room_is_ready(&self, room: RoomId) {
        self.shared.tell_awake(room, || Input::HistoryChanged);
    }

    /// The same for every room that is awake.
    pub fn all_rooms_are_ready(&self) {
        self.shared.tell_all(|| Input::HistoryChanged);
    }

    /// The community that a platform means, made known if it is new.
    ///
    /// # Errors
    /// Where the history cannot be asked.
    pub async fn community(&self, group: &Group) -> anyhow::Result<CommunityId> {
        Ok(self.shared.community(group).await?.id)
    }

    /// The room that a platform means, made known if it is new.
    ///
    /// # Errors
    /// Where the history cannot be asked.
    pub async fn room(&self, place: &Place) -> anyhow::Result<Room> {
        self.shared.resolve(place).await
    }

    /// The member that somebody is.
    ///
    /// # Errors
    /// Where the history cannot be asked.
    pub async fn member(&self, community: CommunityId, person: &Person) -> anyhow::Result<Member> {
        self.shared.member(community, person).await
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
            Happening::Reacted { key, emoji, by, is_moderator } => {
                let by = shared.member(room.community, &by).await?;
                let reaction = NewReaction { key, emoji: &emoji, by: Some(by.id), count: 1 };
                store.react_batch(room.id, &[reaction]).await?;
                if !by.is_bot {
                    shared.reacted(&room, key, &emoji, &by, is_moderator).await?;
                }
            }
            Happening::Unreacted { key, emoji, by } => {
                let by = shared.member(room.community, &by).await?;
                store.unreact(room.id, key, &emoji, by.id).await?;
                let verdict = match reactions::meaning(&emoji) {
                    Some(Meaning::Verdict(verdict)) => Some(verdict),
                    Some(Meaning::Reroll) => Some(Verdict::Reroll),
                    Some(Meaning::Delete) | None => None,
                };
                if let Some(verdict) = verdict {
                    store.take_back_feedback(room.id, key, by.id, verdict).await?;
                }
            }
            Happening::ReactionsCleared { key, emoji } => {
                store.clear_reactions(room.id, key, emoji.as_deref()).await?;
            }
            Happening::Typing => shared.tell(&room, Input::Typing).await?,
            Happening::Arrived => shared.tell(&room, Input::Arrived).await?,
        }
        Ok(Outcome { room, recorded })
    }

    /// Records what happened to a server or group as a whole.
    ///
    /// # Errors
    /// Where it could not be recorded. The same may be handed in again.
    pub async fn handle_group(&self, group: &Group, what: GroupHappening) -> anyhow::Result<()> {
        let shared = &self.shared;
        let (store, now) = (&shared.store, shared.clock.now());
        let community = shared.community(group).await?.id;
        match what {
            GroupHappening::Seen(person) => {
                shared.member(community, &person).await?;
            }
            GroupHappening::Left(key) => {
                store.member_left(community, &key, now).await?;
                shared.people.remove(&(community, key));
            }
            GroupHappening::Returned(person) => {
                store.member_returned(community, &person.key).await?;
                shared.people.remove(&(community, person.key.clone()));
                shared.member(community, &person).await?;
            }
            GroupHappening::Joined => store.community_joined(community).await?,
            GroupHappening::PutOut => store.community_left(community, now).await?,
        }
        Ok(())
    }

    /// The platform calls a group, and its room of that name, otherwise from now on. Where there is another group of the
    /// new name here, the two become one; false says that they cannot and that both stay as they are.
    ///
    /// # Errors
    /// Where it could not be recorded. The same may be handed in again.
    pub async fn group_moved(&self, platform: PlatformKind, from: &str, to: &str) -> anyhow::Result<bool> {
        let shared = &self.shared;
        let Some(community) = shared.store.community_moved(platform, from, to).await? else { return Ok(false) };
        // Of another group's rooms and members some are others now.
        shared.places.retain(|_, room| room.platform != platform);
        shared.people.clear();
        for room in shared.store.rooms_of(platform).await?.into_iter().filter(|room| room.community == community) {
            shared.tell_awake(room.id, || Input::Moved(room.clone()));
            shared.tell_awake(room.id, || Input::HistoryChanged);
        }
        Ok(true)
    }

    /// What is kept and for what, for somebody who asks outside of any group.
    pub fn privacy(&self) -> Answer {
        commands::privacy(&self.shared.voice)
    }

    /// Does what somebody asked for, and says what came of it.
    pub async fn command(&self, place: &Place, who: &Person, rank: Rank, command: Command) -> Answer {
        let span = tracing::info_span!("command", room = tracing::field::Empty);
        let answer = self.try_command(place, who, rank, command).instrument(span).await;
        answer.unwrap_or_else(|error| {
            tracing::error!("a command failed: {error:#}");
            Answer::refused("That did not work just now. Nothing was changed; please try again in a moment.")
        })
    }

    async fn try_command(&self, place: &Place, who: &Person, rank: Rank, command: Command) -> anyhow::Result<Answer> {
        let shared = &self.shared;
        let room = shared.resolve(place).await?;
        tracing::Span::current().record("room", tracing::field::display(room.id));
        let member = shared.member(room.community, who).await?;
        if !shared.quotas.may_command(member.id, room.community) {
            return Ok(Answer::refused("That was a lot at once; give me a minute, please."));
        }
        let (answer, answered) = oneshot::channel();
        let command = Input::Command { caller: Caller { member, rank }, command, answer };
        let answering = async {
            // Unlike a message, a command is nowhere else: it waits for its place in the mailbox.
            shared.ask(&room, command).await?;
            answered.await.context("the room stopped before it answered")
        };
        tokio::time::timeout(COMMAND_PATIENCE, answering).await.context("the room took too long")?
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
        Ok(RoomView {
            settings: store.settings(room).await?,
            others,
            voice: self.shared.voice.describe(known.community),
            cast,
        })
    }
}

impl Shared {
    /// Does what a reaction asks for.
    async fn reacted(
        self: &Arc<Self>,
        room: &Room,
        key: MessageKey,
        emoji: &str,
        by: &Member,
        is_moderator: bool,
    ) -> anyhow::Result<()> {
        let now = self.clock.now();
        match reactions::meaning(emoji) {
            Some(Meaning::Verdict(verdict)) => {
                self.store.record_feedback(room.id, key, by.id, verdict, now).await?;
            }
            // Another process may have the room; then that one does it.
            Some(Meaning::Reroll) if self.holds(room).await? => {
                if self.store.record_feedback(room.id, key, by.id, Verdict::Reroll, now).await? {
                    self.tell(room, Input::Reroll(key)).await?;
                }
            }
            Some(Meaning::Delete) => self.take_away(room, key, by, is_moderator).await?,
            Some(Meaning::Reroll) | None => {}
        }
        Ok(())
    }

    /// Takes away what a persona said, if whoever asks may: the member it speaks like, who it was said for, or somebody
    /// who may delete what others write.
    async fn take_away(
        self: &Arc<Self>,
        room: &Room,
        key: MessageKey,
        by: &Member,
        is_moderator: bool,
    ) -> anyhow::Result<()> {
        let Some(written) = self.store.authorship(room.id, key).await? else { return Ok(()) };
        if !is_moderator && written.persona.member != by.id && written.caused_by != Some(by.id) {
            return Ok(());
        }
        match self.platform(room)?.delete(room, key).await {
            Ok(()) => {}
            Err(error @ PostError::Refused(_)) => tracing::warn!(%error, %key, "a message cannot be taken away"),
            Err(error) => return Err(error.into()),
        }
        self.store.delete_messages(room.id, &[key], self.clock.now()).await?;
        self.tell(room, Input::HistoryChanged).await
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
        let community = self.community(&place.group()).await?.id;
        let parent = match &place.parent {
            None => None,
            Some(parent) => {
                let parent = NewRoom { community, external_id: &parent.room, title: &parent.title, parent: None };
                Some(self.store.room(&parent).await?.id)
            }
        };
        let room = NewRoom { community, external_id: &place.room, title: &place.room_title, parent };
        let room = self.store.room(&room).await?;
        if self.places.len() >= REMEMBERED_PLACES {
            self.places.clear();
        }
        self.places.insert(place.clone(), room.clone());
        Ok(room)
    }

    async fn community(&self, group: &Group) -> anyhow::Result<Community> {
        let Group { platform, community, title } = group;
        Ok(self.store.community(&NewCommunity { platform: *platform, external_id: community, title }).await?)
    }

    /// The member that somebody is. The history is asked only about those whose name or picture is new to us.
    async fn member(&self, community: CommunityId, person: &Person) -> anyhow::Result<Member> {
        let key = (community, person.key.clone());
        if let Some(known) = self.people.get(&key).filter(|known| looks_like(known, person)) {
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
        let Sighting { member, is_other } = self.store.see(&member).await?;
        if let Some(knowledge) = self.knowledge.get(&community).and_then(|cell| cell.get().cloned()) {
            knowledge.meet(&member);
        }
        if self.people.len() >= REMEMBERED_PEOPLE {
            self.people.clear();
        }
        self.people.insert(key, member.clone());
        if is_other {
            // A persona is called and looks like its member from now on.
            self.tell_community(community, || Input::MembersChanged);
        }
        Ok(member)
    }

    async fn posted(self: &Arc<Self>, room: &Room, posted: Posted) -> anyhow::Result<Recorded> {
        let author = self.member(room.community, &posted.author).await?;
        let knowledge = self.knowledge(room).await?;
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
        let (key, is_new) = match recorded {
            Recorded::New(key) => (key, true),
            Recorded::Known(key) => (key, false),
            Recorded::Forgotten => return Ok(recorded),
        };
        tracing::debug!(%key, is_new, "recorded");
        if !author.is_bot && author.consent != Consent::Refused {
            let words = knowledge.may_learn_from(author.id);
            knowledge.learn(room.id, key, author.id, words.then_some(posted.text.as_str()), posted.sent_at);
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
        self.tell(room, Input::Said { message, by_bot: author.is_bot, is_new }).await?;
        Ok(recorded)
    }

    /// What is known of a room's community, read from the history the first time.
    pub async fn knowledge(&self, room: &Room) -> anyhow::Result<Arc<Knowledge>> {
        let cell = self.knowledge.entry(room.community).or_default().clone();
        let load =
            || async { Knowledge::load(&self.store, room.community, room.platform, self.learning).await.map(Arc::new) };
        cell.get_or_try_init(load).await.cloned()
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
            // It has retired this moment.
            Err(mpsc::error::TrySendError::Closed(input)) => {
                self.rooms.remove_if(&room.id, |_, handle| handle.mailbox.is_closed());
                let again = self.room(room).await?;
                again.mailbox.try_send(input).map_err(|_| anyhow::anyhow!("the room has stopped"))
            }
        }
    }

    /// Hands something to a room's task that must not be dropped.
    async fn ask(self: &Arc<Self>, room: &Room, input: Input) -> anyhow::Result<()> {
        let handle = self.room(room).await?;
        let Err(mpsc::error::SendError(input)) = handle.mailbox.send(input).await else { return Ok(()) };
        self.rooms.remove_if(&room.id, |_, handle| handle.mailbox.is_closed());
        let again = self.room(room).await?;
        again.mailbox.send(input).await.map_err(|_| anyhow::anyhow!("the room has stopped"))
    }

    /// A room's task has ended. One that was asked for while it ended is started again.
    pub async fn retired(self: &Arc<Self>, room: &Room, is_wanted: bool) {
        self.rooms.remove_if(&room.id, |_, handle| handle.mailbox.is_closed());
        if self.shutdown.is_cancelled() {
            return;
        }
        let left = match is_wanted {
            true => self.wake(room).await.map(|_handle| ()),
            // Or the right to speak in it would be renewed for as long as the program runs.
            false => self.store.release_lease(room.id, &self.owner).await.map_err(anyhow::Error::from),
        };
        if let Err(error) = left {
            tracing::warn!("a room was not left in good order: {error:#}");
        }
    }

    /// [`Shared::room`] for a room's own task: a future of a named type, since that task is a part of what it starts.
    fn wake(self: &Arc<Self>, room: &Room) -> BoxFuture<'static, anyhow::Result<RoomHandle>> {
        let (shared, room) = (self.clone(), room.clone());
        Box::pin(async move { shared.room(&room).await })
    }

    /// Tells a room that is awake; one that is not reads its history when it wakes.
    fn tell_awake(&self, room: RoomId, input: impl FnOnce() -> Input) {
        if let Some(handle) = self.rooms.get(&room)
            && handle.mailbox.try_send(input()).is_err()
        {
            handle.missed.store(true, Ordering::Relaxed);
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

    fn tell_all(&self, mut input: impl FnMut() -> Input) {
        for handle in &self.rooms {
            if handle.mailbox.try_send(input()).is_err() {
                handle.missed.store(true, Ordering::Relaxed);
            }
        }
    }

    /// What was remembered of a member is read again at the next occasion.
    pub fn member_changed(&self, community: CommunityId, member: &Member) {
        self.people.remove(&(community, member.key.clone()));
    }

    /// The same for all members of a community.
    pub fn policy_changed(&self, community: CommunityId) {
        self.people.retain(|(of, _), _| *of != community);
    }

    /// The handle of a room's task, which is started if it is not running.
    async fn room(self: &Arc<Self>, room: &Room) -> anyhow::Result<RoomHandle> {
        if let Some(handle) = self.rooms.get(&room.id) {
            return Ok(handle.clone());
        }
        let platform = self.platform(room)?;
        let knowledge = self.knowledge(room).await?;
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

/// Whether somebody is as we know them. What the platform did not say is no difference.
fn looks_like(known: &Member, person: &Person) -> bool {
    (person.name.is_empty() || known.name == person.name)
        && (person.avatar_url.is_none() || known.avatar_url == person.avatar_url)
}
