//! The tester: a group with a little history, and a bot that is started as in production.

use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use bot::{
    App, AppOptions, Clock,
    commands::{self, Answer, Rank},
    community::Learning,
    event::{Event, GroupHappening, Happening, Person, Place, Posted},
    platform::Platform,
    quotas::Limits,
    runner::RunnerClient,
    voice::Voice,
};
use chat::{Author, MemberKey, MessageKey, Origin, OutboxId, Pacing, Provenance, RoomSettings};
use chrono::{DateTime, TimeDelta, Utc};
use store::{
    Lease, NewCommunity, NewMember, NewMessage, NewRoom, NewTurn, Recorded, Room, Store, Verdict, testing::TestDatabase,
};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    fake_runner::FakeRunner,
    memory_platform::{MemoryPlatform, Said},
};

/// Nothing that is expected takes this long.
const PATIENCE: Duration = Duration::from_secs(20);

/// No two bots have one name, since they may share a history.
static BOTS: AtomicU32 = AtomicU32::new(0);

/// How a bot is set up. What is changed counts from the next start.
#[derive(Debug, Clone)]
pub struct Setup {
    pub platform: chat::Platform,
    pub grace: TimeDelta,
    pub learning: Learning,
    /// Without one the members' Markov chains speak.
    pub has_runner: bool,
    pub limits: Limits,
    /// A server that stands in for the fake runner.
    pub server: Option<RunnerClient>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            platform: chat::Platform::Telegram,
            grace: TimeDelta::days(1),
            learning: Learning::default(),
            has_runner: true,
            limits: Limits::default(),
            server: None,
        }
    }
}

/// Enough for a Markov chain to say something of its own.
pub const LINES: [&str; 6] = [
    "the harbour is full of little lights tonight",
    "little boats are tied up at the harbour wall",
    "tonight the lights are out and the wall is wet",
    "a full moon over the wet boats is a sight",
    "the sight of the moon tonight is worth the walk",
    "we walk along the harbour wall with little lights",
];

/// For tests that ask again and again until something is so.
pub fn no_limits() -> Limits {
    let plenty = NonZeroU32::new(1_000_000).unwrap();
    Limits { commands: plenty, community_commands: plenty, ..Limits::default() }
}

/// One of several processes that share a history and a platform.
pub struct Process {
    pub app: App,
    pub owner: String,
    shutdown: DropGuard,
}

pub struct BotTester {
    pub setup: Setup,
    pub app: App,
    pub owner: String,
    pub store: Store,
    pub platform: Arc<MemoryPlatform>,
    pub runner: FakeRunner,
    pub room: Room,
    pub place: Place,
    shutdown: DropGuard,
    database: TestDatabase,
}

pub fn place(community: &str) -> Place {
    place_on(chat::Platform::Telegram, community)
}

pub fn place_on(platform: chat::Platform, community: &str) -> Place {
    Place {
        platform,
        community: community.to_owned(),
        community_title: "The Crew".to_owned(),
        room: "general".to_owned(),
        room_title: "General".to_owned(),
        parent: None,
    }
}

pub fn person(name: &str) -> Person {
    Person { key: MemberKey(name.to_lowercase()), name: name.to_owned(), is_bot: false, avatar_url: None }
}

impl BotTester {
    /// Ada, Bo and Cleo with a little history each; they agreed, and nobody has been summoned. Pacing answers everything
    /// at once.
    pub async fn new() -> Self {
        Self::set_up(Setup::default()).await
    }

    pub async fn set_up(setup: Setup) -> Self {
        let database = TestDatabase::new().await;
        let store = database.store.clone();
        let room = history(&store, &place_on(setup.platform, "crew")).await;
        let settings = RoomSettings { pacing: Pacing::custom(1.0, 0.0, 0.0).unwrap(), ..RoomSettings::default() };
        store.save_settings(room.id, &settings, None, Utc::now()).await.unwrap();
        let platform = Arc::new(MemoryPlatform::new(setup.platform));
        Self::start(setup, database, platform, FakeRunner::start().await, room).await
    }

    /// Ada and Bo are in the room.
    pub async fn with_cast() -> Self {
        let tester = Self::new().await;
        assert!(tester.command("Dora", "/summon Ada Bo").await.done);
        tester
    }

    async fn start(
        setup: Setup,
        database: TestDatabase,
        platform: Arc<MemoryPlatform>,
        runner: FakeRunner,
        room: Room,
    ) -> Self {
        let store = database.store.clone();
        let Process { app, owner, shutdown } = Process::start(&setup, &store, &platform, &runner).await;
        let place = place_on(setup.platform, "crew");
        Self { setup, app, owner, store, platform, runner, room, place, shutdown, database }
    }

    /// Another process on the same history, platform and runner.
    pub async fn another_process(&self) -> Process {
        Process::start(&self.setup, &self.store, &self.platform, &self.runner).await
    }

    /// Ends the bot politely, but not the test.
    pub async fn stop(&self) {
        self.app.shutdown().cancel();
        self.app.stopped().await;
    }

    /// Ends the bot politely and starts another on the same database and platform.
    pub async fn restart(self) -> Self {
        let Self { setup, app, platform, runner, room, shutdown, database, .. } = self;
        drop(shutdown);
        app.stopped().await;
        drop(app);
        Self::start(setup, database, platform, runner, room).await
    }

    /// Says something as a human.
    pub async fn says(&self, who: &str, text: &str) -> MessageKey {
        self.replies(who, text, None).await
    }

    pub async fn replies(&self, who: &str, text: &str, reply_to: Option<MessageKey>) -> MessageKey {
        let posted = Posted { reply_to, ..self.message(person(who), text) };
        match self.post(posted).await {
            Recorded::New(key) => key,
            other => panic!("not new: {other:?}"),
        }
    }

    /// A message as the platform delivers it now.
    pub fn message(&self, author: Person, text: &str) -> Posted {
        let key = self.platform.next_key();
        Posted { key, author, sent_at: Utc::now(), text: text.to_owned(), reply_to: None, nonce: None }
    }

    pub async fn post(&self, posted: Posted) -> Recorded {
        self.happens(Happening::Posted(posted)).await.unwrap()
    }

    pub async fn happens(&self, what: Happening) -> Option<Recorded> {
        let event = Event { place: self.place.clone(), what };
        self.app.handle(event).await.unwrap().recorded
    }

    pub async fn happens_to_group(&self, what: GroupHappening) {
        self.app.handle_group(&self.place.group(), what).await.unwrap();
    }

    pub async fn reacts(&self, who: &str, emoji: &str, key: MessageKey) {
        let (emoji, by) = (emoji.to_owned(), person(who));
        self.happens(Happening::Reacted { key, emoji, by, is_moderator: false }).await;
    }

    /// What people thought of a message.
    pub async fn feedback(&self, key: MessageKey) -> Vec<(Verdict, i64)> {
        let feedback = self.store.feedback(self.room.id, &[key]).await.unwrap();
        feedback.into_iter().map(|(_, verdict, count)| (verdict, count)).collect()
    }

    /// Gives a command as somebody who manages the group, the way it is typed.
    pub async fn command(&self, who: &str, typed: &str) -> Answer {
        self.command_as(who, Rank::Administrator, typed).await
    }

    pub async fn command_as(&self, who: &str, rank: Rank, typed: &str) -> Answer {
        let command = commands::parse(typed).unwrap_or_else(|usage| panic!("{typed}: {usage}"));
        self.app.command(&self.place, &person(who), rank, command).await
    }

    /// The next thing that a persona says.
    pub async fn next(&self) -> Said {
        let next = tokio::time::timeout(PATIENCE, self.platform.next());
        next.await.unwrap_or_else(|_| panic!("nobody spoke; so far: {:?}", self.platform.said()))
    }

    pub async fn next_by(&self, name: &str) -> Said {
        let said = self.next().await;
        assert_eq!(said.name, name, "{said:?}");
        said
    }

    /// Waits for something that comes.
    pub async fn soon<T>(&self, what: impl Future<Output = T>) -> T {
        tokio::time::timeout(PATIENCE, what).await.expect("it should have happened by now")
    }

    /// Waits until something that is looked at again and again is so.
    pub async fn until(&self, is_so: impl AsyncFn() -> bool) {
        self.soon(async { while !is_so().await {} }).await;
    }

    /// The next thing that a persona says, once it stands in the history too.
    pub async fn next_kept(&self) -> Said {
        let said = self.next().await;
        self.until(async || self.store.message(self.room.id, said.key).await.unwrap().is_some()).await;
        said
    }

    /// Waits until what was said so far is stored: a room begins nothing before the last thing has ended.
    pub async fn settled(&self) {
        self.command("Dora", "/pace off").await;
        self.command("Dora", "/say Bo so much for that").await;
        while self.next().await.text != "so much for that" {}
    }

    /// Leaves a turn as a crash between the platform's answer and our own note of it does.
    pub async fn unmark(&self, turn: OutboxId) {
        self.database.unmark_posted(turn).await;
    }

    /// Leaves a turn of Ada's as a process does that ended before it posted it.
    pub async fn leave_pending(&self, lease: &Lease, text: &str) {
        let persona = self.store.cast(lease.room).await.unwrap().remove(0).id;
        let due_at = Utc::now();
        let turn = NewTurn {
            room: lease.room,
            persona,
            cause: "after:1",
            text,
            reply_to: None,
            due_at,
            expires_at: due_at + TimeDelta::minutes(5),
            lease,
            voice: "",
            caused_by: None,
        };
        self.store.enqueue(&turn).await.unwrap().unwrap();
    }

    pub async fn settings(&self) -> RoomSettings {
        self.store.settings(self.room.id).await.unwrap()
    }

    pub async fn cast(&self) -> Vec<String> {
        self.store.cast(self.room.id).await.unwrap().into_iter().map(|persona| persona.name).collect()
    }

    /// Names and texts of the history, oldest first.
    pub async fn history(&self) -> Vec<String> {
        let messages = self.store.latest(self.room.id, 500).await.unwrap();
        messages.into_iter().map(|message| format!("{}: {}", message.author_name, message.text)).collect()
    }
}

impl Process {
    async fn start(setup: &Setup, store: &Store, platform: &Arc<MemoryPlatform>, runner: &FakeRunner) -> Self {
        let shutdown = CancellationToken::new();
        let owner = format!("bot {}", BOTS.fetch_add(1, Ordering::Relaxed));
        let voice = match &setup.server {
            Some(server) => Voice::remote(server.clone()),
            None if setup.has_runner => Voice::remote(RunnerClient::new(&runner.url, None, None).unwrap()),
            None => Voice::markov(),
        };
        let app = App::new(AppOptions {
            store: store.clone(),
            platforms: vec![platform.clone() as Arc<dyn Platform>],
            voice,
            limits: setup.limits,
            learning: setup.learning,
            grace: setup.grace,
            owner: owner.clone(),
            clock: Clock::system(),
            seed: 7,
            shutdown: shutdown.clone(),
        });
        app.start().await.unwrap();
        Self { app, owner, shutdown: shutdown.drop_guard() }
    }

    /// Ends it politely.
    pub async fn stop(self) {
        drop(self.shutdown);
        self.app.stopped().await;
    }
}

/// Writes a little history of Ada, Bo and Cleo, who agreed to be imitated, and of Dora, who was not asked.
pub async fn history(store: &Store, place: &Place) -> Room {
    let Place { platform, community, community_title, room, room_title, parent: _ } = place;
    let new = NewCommunity { platform: *platform, external_id: community, title: community_title };
    let community = store.community(&new).await.unwrap();
    let new = NewRoom { community: community.id, external_id: room, title: room_title, parent: None };
    let room = store.room(&new).await.unwrap();
    let began: DateTime<Utc> = "2026-01-05T18:00:00Z".parse().unwrap();
    for (i, name) in ["Ada", "Bo", "Cleo"].into_iter().enumerate() {
        let key = MemberKey(name.to_lowercase());
        let new =
            NewMember { community: community.id, key: &key, name, is_bot: false, avatar_url: None, seen_at: began };
        let member = store.member(&new).await.unwrap();
        for line in 0..4 {
            let minutes = (line * 3 + i) as i64;
            let message = NewMessage {
                key: MessageKey(minutes + 1),
                author: Author::Member(member.id),
                author_name: name,
                sent_at: began + chrono::TimeDelta::minutes(minutes),
                text: &format!("{name} says that the boat needs paint, part {line}"),
                origin: Origin::Imported,
                provenance: Provenance::Export,
                reply_to: None,
                edited_at: None,
                nonce: None,
            };
            store.record(room.id, &message).await.unwrap();
        }
    }
    store.declare_consent(community.id, began).await.unwrap();
    room
}
