//! The tester: a group of a few friends on a Telegram of its own, and a bot that is started as in production.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use bot::{
    App, AppOptions, Clock,
    community::Learning,
    platform::{
        Platform,
        telegram::{Pace, Settings, Telegram},
    },
    quotas::Limits,
    runner::RunnerClient,
    voice::Voice,
};
use chat::{CommunityId, Consent, MemberKey, Pacing, RoomSettings};
use chrono::TimeDelta;
use store::{NewCommunity, NewRoom, Room, Store, testing::TestDatabase};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{
    fake::{BOT, FakeMessage, FakeTelegram, Kind, Say, TOKEN},
    fake_runner::FakeRunner,
};

/// Nothing that is expected takes this long.
const PATIENCE: Duration = Duration::from_secs(30);
/// No two bots have one name, since they may share a history.
static BOTS: AtomicU32 = AtomicU32::new(0);

/// A group with three people in it.
#[derive(Debug, Clone, Copy)]
pub struct Friends {
    pub group: i64,
    pub ada: i64,
    pub bo: i64,
    pub dora: i64,
}

/// A running bot.
pub struct Bot {
    pub app: App,
    pub running: JoinHandle<anyhow::Result<()>>,
    pub shutdown: CancellationToken,
}

pub struct TelegramTester {
    pub telegram: FakeTelegram,
    pub runner: FakeRunner,
    pub database: TestDatabase,
    pub friends: Friends,
    pub bot: Bot,
}

impl TelegramTester {
    /// A supergroup; Ada and Bo have agreed, Dora made the group. Pacing answers everything at once.
    pub async fn new() -> Self {
        Self::of(Kind::Supergroup).await
    }

    pub async fn of(kind: Kind) -> Self {
        Self::with(kind, |_, settings| settings).await
    }

    /// With other settings, which may need something of the fake.
    pub async fn with(kind: Kind, set: impl FnOnce(&FakeTelegram, Settings) -> Settings) -> Self {
        let telegram = FakeTelegram::start().await;
        let (ada, bo, dora) = (telegram.user("Ada"), telegram.user("Bo"), telegram.user("Dora"));
        let settings = set(&telegram, settings(&telegram));
        let database = TestDatabase::new().await;
        let runner = FakeRunner::start().await;
        let bot = start_with(settings, &database.store, &runner).await;
        let group = telegram.group(kind, "The Crew", dora, BOT);
        telegram.join(group, ada);
        telegram.join(group, bo);
        let tester = Self { telegram, runner, database, friends: Friends { group, ada, bo, dora }, bot };
        tester.agree(group, ada).await;
        tester.agree(group, bo).await;
        tester.answer_everything(&group.to_string()).await;
        tester
    }

    /// Ada and Bo are in the room.
    pub async fn with_cast() -> Self {
        let tester = Self::new().await;
        tester.summon("Ada, Bo").await;
        tester
    }

    pub async fn summon(&self, names: &str) -> FakeMessage {
        let answer = self.command(self.friends.dora, &format!("/summon {names}")).await;
        assert!(answer.text.contains("joined the room"), "{}", answer.text);
        answer
    }

    /// A command in the friends' group, to its answer.
    pub async fn command(&self, user: i64, typed: &str) -> FakeMessage {
        let given = self.says(user, typed);
        self.telegram.answer(&given).await
    }

    /// Says something in the friends' group.
    pub fn says(&self, user: i64, text: &str) -> FakeMessage {
        self.telegram.says(self.friends.group, user, Say::text(text))
    }

    /// The words that somebody puts into a persona's mouth, up to the moment when they are posted and in the history.
    pub async fn has_said(&self, who: &str, text: &str) -> FakeMessage {
        let given = self.says(self.friends.dora, &format!("/say {who} {text}"));
        let said = self.telegram.said(&given, |message| message.label().is_some() && message.words() == text).await;
        self.soon("it is in the history", async || self.history().await.contains(&format!("{who}: {text}"))).await;
        said
    }

    /// A member says a word, so that the history knows them, and agrees to be imitated.
    pub async fn agree(&self, group: i64, user: i64) {
        self.telegram.says(group, user, Say::text("hello, it is me"));
        let community = self.community(group).await;
        let key = MemberKey(format!("user{user}"));
        let member = async || {
            let members = self.store().members(community).await.unwrap();
            members.into_iter().find(|member| member.key == key)
        };
        self.soon("the member is known", async || member().await.is_some()).await;
        let member = member().await.unwrap();
        self.store().set_consent(member.id, Consent::Granted, Clock::system().now()).await.unwrap();
    }

    pub async fn answer_everything(&self, room: &str) {
        let room = self.room(room).await;
        let settings = RoomSettings { pacing: Pacing::custom(1.0, 0.0, 0.0).unwrap(), ..RoomSettings::default() };
        self.store().save_settings(room.id, &settings, None, Clock::system().now()).await.unwrap();
    }

    pub fn store(&self) -> &Store {
        &self.database.store
    }

    pub async fn community(&self, group: i64) -> CommunityId {
        let id = group.to_string();
        let new = NewCommunity { platform: chat::Platform::Telegram, external_id: &id, title: "" };
        self.store().community(&new).await.unwrap().id
    }

    /// A room of the friends' group.
    pub async fn room(&self, id: &str) -> Room {
        let community = self.community(self.friends.group).await;
        self.store().room(&NewRoom { community, external_id: id, title: "", parent: None }).await.unwrap()
    }

    /// Names and texts of the history of the friends' group, oldest first, without the greetings.
    pub async fn history(&self) -> Vec<String> {
        self.history_of(&self.friends.group.to_string()).await
    }

    pub async fn history_of(&self, room: &str) -> Vec<String> {
        let room = self.room(room).await;
        let messages = self.store().latest(room.id, 500).await.unwrap().into_iter();
        let lines = messages.map(|message| format!("{}: {}", message.author_name, message.text));
        lines.filter(|line| !line.ends_with(": hello, it is me")).collect()
    }

    /// Texts of the history of a group that need not be the friends'.
    pub async fn texts_in(&self, group: i64) -> Vec<String> {
        let (community, id) = (self.community(group).await, group.to_string());
        let room = NewRoom { community, external_id: &id, title: "", parent: None };
        let room = self.store().room(&room).await.unwrap();
        let messages = self.store().latest(room.id, 500).await.unwrap();
        messages.into_iter().map(|message| message.text).collect()
    }

    /// Waits until the history of the friends' group is this after the greetings.
    pub async fn history_becomes(&self, wanted: &[&str]) {
        let waiting = async {
            while self.history().await != wanted {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if tokio::time::timeout(PATIENCE, waiting).await.is_err() {
            panic!("the history should be {wanted:?} by now, not {:?}", self.history().await);
        }
    }

    /// Waits for something that comes.
    pub async fn soon(&self, what: &str, is_so: impl AsyncFn() -> bool) {
        let waiting = async {
            while !is_so().await {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("it should be by now: {what}"));
    }

    /// Ends the bot politely and starts another on the same database and Telegram.
    pub async fn restart(self) -> Self {
        let Self { telegram, runner, database, friends, bot } = self;
        bot.stop().await;
        let bot = start_with(settings(&telegram), &database.store, &runner).await;
        Self { telegram, runner, database, friends, bot }
    }
}

impl Bot {
    pub async fn stop(self) {
        self.shutdown.cancel();
        self.running.await.unwrap().unwrap();
        self.app.stopped().await;
    }
}

pub fn settings(telegram: &FakeTelegram) -> Settings {
    settings_at(telegram.url())
}

/// As in production, but that messages need not wait for each other: no test has a minute for that.
pub fn settings_at(api_url: String) -> Settings {
    Settings {
        token: TOKEN.to_owned().into(),
        persona_bots: Vec::new(),
        persona_line: "{name} (AI)".to_owned(),
        webhook: None,
        api_url: Some(api_url),
        pace: Pace { chat_second: 1_000, group_minute: 1_000, second: 1_000 },
    }
}

pub async fn start_with(settings: Settings, store: &Store, runner: &FakeRunner) -> Bot {
    // Shown with a test that fails. A second test of the same process finds it set up.
    tracing_subscriber::fmt().with_max_level(tracing::Level::WARN).with_test_writer().try_init().ok();
    let shutdown = CancellationToken::new();
    let clock = Clock::system();
    let platform = Telegram::connect(settings, store.clone(), clock, 7, &shutdown).await.unwrap();
    let app = App::new(AppOptions {
        store: store.clone(),
        platforms: vec![platform.clone() as Arc<dyn Platform>],
        voice: Voice::remote(RunnerClient::new(&runner.url, None, None).unwrap()),
        limits: Limits::default(),
        learning: Learning::default(),
        grace: TimeDelta::zero(),
        owner: format!("bot {}", BOTS.fetch_add(1, Ordering::Relaxed)),
        clock,
        seed: 7,
        shutdown: shutdown.clone(),
    });
    app.start().await.unwrap();
    let running = tokio::spawn(platform.run(app.clone(), shutdown.clone()));
    Bot { app, running, shutdown }
}
