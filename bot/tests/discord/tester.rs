//! The tester: a server with a few friends on a Discord of its own, and a bot that is started as in production.

use std::{
    io::Write,
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
        discord::{Discord, Settings, Shards},
    },
    quotas::Limits,
    runner::RunnerClient,
    voice::Voice,
};
use chat::{Consent, MemberKey, MessageKey, Pacing, RoomSettings};
use chrono::TimeDelta;
use serde_json::{Value, json};
use store::{NewCommunity, NewRoom, Room, Store, testing::TestDatabase};
use tempfile::NamedTempFile;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{
    fake::{Answer, FakeDiscord, FakeMessage, Options},
    fake_runner::FakeRunner,
};

/// Nothing that is expected takes this long.
const PATIENCE: Duration = Duration::from_secs(20);
/// No two bots have one name, since they may share a history.
static BOTS: AtomicU32 = AtomicU32::new(0);

/// A server on Discord with a channel and three people in it.
#[derive(Debug, Clone, Copy)]
pub struct Friends {
    pub guild: u64,
    pub channel: u64,
    pub ada: u64,
    pub bo: u64,
    pub dora: u64,
}

/// A running bot.
pub struct Bot {
    pub app: App,
    pub running: JoinHandle<anyhow::Result<()>>,
    pub shutdown: CancellationToken,
}

pub struct DiscordTester {
    pub discord: FakeDiscord,
    pub runner: FakeRunner,
    pub database: TestDatabase,
    pub friends: Friends,
    pub bot: Bot,
    pub ca: NamedTempFile,
}

impl DiscordTester {
    /// The bot is connected; Ada and Bo have agreed, Dora owns the server. Pacing answers everything at once, which is set
    /// before anybody is summoned.
    pub async fn new() -> Self {
        // Bots are started again more often here than Discord would have it.
        Self::with(Options { identify_interval: Duration::ZERO, ..Options::default() }).await
    }

    pub async fn with(options: Options) -> Self {
        // Shown with a test that fails. A second test of the same process finds it set up.
        tracing_subscriber::fmt().with_max_level(tracing::Level::WARN).with_test_writer().try_init().ok();
        let discord = FakeDiscord::start_with(options).await;
        let guild = discord.guild("The Crew");
        let friends = Friends {
            guild,
            channel: discord.channel(guild, "general"),
            ada: discord.user("Ada"),
            bo: discord.user("Bo"),
            dora: discord.owner(guild),
        };
        discord.join(guild, friends.ada, None);
        discord.join(guild, friends.bo, None);
        discord.rename(guild, friends.dora, Some("Dora"));
        let database = TestDatabase::new().await;
        let runner = FakeRunner::start().await;
        let mut ca = NamedTempFile::new().unwrap();
        ca.write_all(discord.ca_pem().as_bytes()).unwrap();
        let bot = start_bot(&discord, &database.store, &runner, &ca, None).await;
        let tester = Self { discord, runner, database, friends, bot, ca };
        tester.discord.connected().await;
        tester.agree(friends.guild, friends.ada).await;
        tester.agree(friends.guild, friends.bo).await;
        tester.answer_everything(friends.channel).await;
        tester
    }

    /// Ada and Bo are in the channel.
    pub async fn with_cast() -> Self {
        let tester = Self::new().await;
        tester.summon("Ada, Bo").await;
        tester
    }

    /// The words that somebody puts into a persona's mouth, up to the moment when they are posted.
    pub async fn has_said(&self, who: &str, text: &str) -> FakeMessage {
        let options = json!([{ "name": "who", "value": who }, { "name": "text", "value": text }]);
        let answer = self.command(self.friends.dora, "say", options).await;
        assert!(answer.content.contains("will say it"), "{answer:?}");
        // Somebody else may have been about to speak.
        loop {
            let said = self.next().await;
            if said.content == text {
                return said;
            }
        }
    }

    /// Waits until what personas said in the friends' channel is in the history, each message once and nothing else.
    pub async fn channel_is_history(&self) {
        let room = self.room(self.friends.channel).await;
        let both = async || {
            let stored = self.store().latest(room.id, 500).await.unwrap();
            let generated = stored.into_iter().filter(|message| !message.is_human());
            let channel = self.friends.channel;
            let posted = self.discord.webhook_messages().into_iter().filter(|message| message.channel == channel);
            let generated: Vec<_> = generated.map(|message| (message.key, message.text)).collect();
            let posted: Vec<_> = posted.map(|message| (key(message.id), message.content)).collect();
            (generated, posted)
        };
        let waiting = async {
            loop {
                let (generated, posted) = both().await;
                if generated.iter().map(|(key, _)| key).eq(posted.iter().map(|(key, _)| key)) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if tokio::time::timeout(PATIENCE, waiting).await.is_err() {
            panic!("the channel is not the history: {:#?}", both().await);
        }
    }

    pub async fn summon(&self, names: &str) -> Answer {
        let answer = self.command(self.friends.dora, "summon", json!([{ "name": "who", "value": names }])).await;
        assert!(answer.content.contains("joined the room"), "{}", answer.content);
        answer
    }

    /// A member says a word, so that the history knows them, and agrees to be imitated.
    async fn agree(&self, guild: u64, user: u64) {
        let first = self.discord.say(self.friends.channel, user, "hello, it is me");
        let room = self.room(self.friends.channel).await;
        self.soon("the first word is stored", async || {
            self.store().message(room.id, key(first)).await.unwrap().is_some()
        })
        .await;
        let community = self.community(guild).await;
        let members = self.store().members(community).await.unwrap();
        let member = members.into_iter().find(|member| member.key == MemberKey(user.to_string())).unwrap();
        self.store().set_consent(member.id, Consent::Granted, Clock::system().now()).await.unwrap();
    }

    pub async fn answer_everything(&self, channel: u64) {
        let room = self.room(channel).await;
        let settings = RoomSettings { pacing: Pacing::custom(1.0, 0.0, 0.0).unwrap(), ..RoomSettings::default() };
        self.store().save_settings(room.id, &settings, None, Clock::system().now()).await.unwrap();
    }

    pub fn store(&self) -> &Store {
        &self.database.store
    }

    pub async fn community(&self, guild: u64) -> chat::CommunityId {
        let id = guild.to_string();
        let new = NewCommunity { platform: chat::Platform::Discord, external_id: &id, title: "" };
        self.store().community(&new).await.unwrap().id
    }

    /// The room that a channel of the friends' server is.
    pub async fn room(&self, channel: u64) -> Room {
        let community = self.community(self.friends.guild).await;
        let id = channel.to_string();
        self.store().room(&NewRoom { community, external_id: &id, title: "", parent: None }).await.unwrap()
    }

    /// A command in the friends' channel, to its answer.
    pub async fn command(&self, user: u64, name: &str, options: Value) -> Answer {
        let given = self.discord.slash(self.friends.channel, user, name, options);
        self.discord.answer(given).await
    }

    /// Says something in the friends' channel.
    pub fn says(&self, user: u64, text: &str) -> u64 {
        self.discord.say(self.friends.channel, user, text)
    }

    /// The next thing that a persona says anywhere.
    pub async fn next(&self) -> FakeMessage {
        self.discord.next_webhook_message().await
    }

    /// Names and texts of the history of a channel, oldest first.
    pub async fn history(&self, channel: u64) -> Vec<String> {
        let room = self.room(channel).await;
        let messages = self.store().latest(room.id, 500).await.unwrap();
        messages.into_iter().map(|message| format!("{}: {}", message.author_name, message.text)).collect()
    }

    /// Waits until the history of the friends' channel is `wanted` after the greetings.
    pub async fn history_becomes(&self, wanted: &[&str]) {
        let waiting = async {
            loop {
                let mut history = self.history(self.friends.channel).await;
                history.retain(|line| !line.ends_with(": hello, it is me"));
                if history == wanted {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if tokio::time::timeout(PATIENCE, waiting).await.is_err() {
            panic!("the history should be {wanted:?} by now, not {:?}", self.history(self.friends.channel).await);
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

    /// Ends the bot politely and starts another on the same database and Discord.
    pub async fn restart(self) -> Self {
        let Self { discord, runner, database, friends, bot, ca } = self;
        bot.stop().await;
        let bot = start_bot(&discord, &database.store, &runner, &ca, None).await;
        discord.connected().await;
        Self { discord, runner, database, friends, bot, ca }
    }

    /// Another bot on the same history.
    pub async fn another_bot(&self) -> Bot {
        start_bot(&self.discord, self.store(), &self.runner, &self.ca, None).await
    }

    /// The bot has done nothing that Discord's documentation forbids.
    pub fn is_well_behaved(&self) {
        let violations = self.discord.violations();
        assert!(violations.is_empty(), "{violations:#?}");
    }
}

impl Bot {
    pub async fn stop(self) {
        self.shutdown.cancel();
        self.running.await.unwrap().unwrap();
        self.app.stopped().await;
    }
}

pub fn settings(discord: &FakeDiscord, ca: &NamedTempFile, shards: Option<Shards>) -> Settings {
    Settings {
        token: discord.token().to_owned().into(),
        address: Some(discord.address().to_string()),
        tls_ca: Some(ca.path().to_owned()),
        persona_name: "{name} (AI)".to_owned(),
        command_guilds: Vec::new(),
        shards,
    }
}

pub async fn start_bot(
    discord: &FakeDiscord,
    store: &Store,
    runner: &FakeRunner,
    ca: &NamedTempFile,
    shards: Option<Shards>,
) -> Bot {
    start_with(settings(discord, ca, shards), store, runner).await
}

/// A bot that offers its commands in these servers only.
pub async fn start_bot_in(
    discord: &FakeDiscord,
    store: &Store,
    runner: &FakeRunner,
    ca: &NamedTempFile,
    command_guilds: Vec<u64>,
) -> Bot {
    start_with(Settings { command_guilds, ..settings(discord, ca, None) }, store, runner).await
}

async fn start_with(settings: Settings, store: &Store, runner: &FakeRunner) -> Bot {
    let shutdown = CancellationToken::new();
    let clock = Clock::system();
    let platform = Discord::connect(settings, store.clone(), clock, 7, &shutdown).await.unwrap();
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

pub fn key(id: u64) -> MessageKey {
    MessageKey(id as i64)
}
