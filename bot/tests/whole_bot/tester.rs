//! The tester: a group with a little history, and a bot that is started as in production.

use std::{sync::Arc, time::Duration};

use bot::{
    App, AppOptions, Clock,
    commands::{self, Answer},
    event::{Event, Happening, Person, Place, Posted},
    platform::Platform,
    quotas::Limits,
    runner::RunnerClient,
    voice::Voice,
};
use chat::{Author, MemberKey, MessageKey, Origin, OutboxId, Pacing, Provenance, RoomSettings};
use chrono::{DateTime, Utc};
use store::{NewCommunity, NewMember, NewMessage, NewRoom, Recorded, Room, Store, testing::TestDatabase};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    fake_runner::FakeRunner,
    memory_platform::{MemoryPlatform, Said},
};

/// Nothing that is expected takes this long.
const PATIENCE: Duration = Duration::from_secs(20);

pub struct BotTester {
    pub app: App,
    pub store: Store,
    pub platform: Arc<MemoryPlatform>,
    pub runner: FakeRunner,
    pub room: Room,
    pub place: Place,
    shutdown: DropGuard,
    database: TestDatabase,
}

pub fn place(community: &str) -> Place {
    Place {
        platform: chat::Platform::Telegram,
        community: community.to_owned(),
        community_title: "The Crew".to_owned(),
        room: "general".to_owned(),
        room_title: "General".to_owned(),
    }
}

pub fn person(name: &str) -> Person {
    Person { key: MemberKey(name.to_lowercase()), name: name.to_owned(), is_bot: false, avatar_url: None }
}

impl BotTester {
    /// Ada, Bo and Cleo with a little history each; they agreed, and nobody has been summoned. Pacing answers everything
    /// at once.
    pub async fn new() -> Self {
        let database = TestDatabase::new().await;
        let store = database.store.clone();
        let room = history(&store, &place("crew")).await;
        let settings = RoomSettings { pacing: Pacing::custom(1.0, 0.0, 0.0).unwrap(), ..RoomSettings::default() };
        store.save_settings(room.id, &settings, None, Utc::now()).await.unwrap();
        Self::start(database, Arc::new(MemoryPlatform::new()), FakeRunner::start().await, room).await
    }

    /// Ada and Bo are in the room.
    pub async fn with_cast() -> Self {
        let tester = Self::new().await;
        assert!(tester.command("Dora", "/summon Ada Bo").await.done);
        tester
    }

    async fn start(database: TestDatabase, platform: Arc<MemoryPlatform>, runner: FakeRunner, room: Room) -> Self {
        let store = database.store.clone();
        let shutdown = CancellationToken::new();
        let client = RunnerClient::new(&runner.url, None, None).unwrap();
        let app = App::new(AppOptions {
            store: store.clone(),
            platforms: vec![platform.clone() as Arc<dyn Platform>],
            voice: Voice::remote(client),
            limits: Limits::default(),
            clock: Clock::system(),
            seed: 7,
            shutdown: shutdown.clone(),
        });
        app.start().await.unwrap();
        Self { app, store, platform, runner, room, place: place("crew"), shutdown: shutdown.drop_guard(), database }
    }

    /// Ends the bot politely and starts another on the same database and platform.
    pub async fn restart(self) -> Self {
        let Self { app, platform, runner, room, shutdown, database, .. } = self;
        drop(shutdown);
        app.stopped().await;
        drop(app);
        Self::start(database, platform, runner, room).await
    }

    /// Says something as a human.
    pub async fn says(&self, who: &str, text: &str) -> MessageKey {
        self.replies(who, text, None).await
    }

    pub async fn replies(&self, who: &str, text: &str, reply_to: Option<MessageKey>) -> MessageKey {
        let posted = Posted {
            key: self.platform.next_key(),
            author: person(who),
            sent_at: Utc::now(),
            text: text.to_owned(),
            reply_to,
            nonce: None,
        };
        match self.post(posted).await {
            Recorded::New(key) => key,
            other => panic!("not new: {other:?}"),
        }
    }

    pub async fn post(&self, posted: Posted) -> Recorded {
        self.happens(Happening::Posted(posted)).await.unwrap()
    }

    pub async fn happens(&self, what: Happening) -> Option<Recorded> {
        let event = Event { place: self.place.clone(), what };
        self.app.handle(event).await.unwrap().recorded
    }

    /// Gives a command as somebody, the way it is typed.
    pub async fn command(&self, who: &str, typed: &str) -> Answer {
        let command = commands::parse(typed).unwrap_or_else(|usage| panic!("{typed}: {usage}"));
        self.app.command(&self.place, &person(who), command).await
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

/// Writes a little history of Ada, Bo and Cleo, who agreed to be imitated, and of Dora, who was not asked.
pub async fn history(store: &Store, place: &Place) -> Room {
    let Place { platform, community, community_title, room, room_title } = place;
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
