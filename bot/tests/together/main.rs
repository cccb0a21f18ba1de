//! One program on Discord, on Telegram and on its page at the same time, with fakes of both over the network: each group
//! has rooms of its own, and nothing crosses.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there")]

#[path = "../discord/fake/mod.rs"]
#[expect(dead_code, unused_imports, reason = "the tests of Discord use more of it")]
mod discord;
#[path = "../whole_bot/fake_runner.rs"]
#[expect(dead_code, reason = "the other tests of the whole bot use more of it")]
mod fake_runner;
#[path = "../telegram/fake/mod.rs"]
#[expect(dead_code, unused_imports, reason = "the tests of Telegram use more of it")]
mod telegram;

use std::{io::Write, net::Ipv4Addr, sync::Arc, time::Duration};

use bot::{
    App, AppOptions, Clock,
    community::Learning,
    event::Place,
    platform::{
        Platform, discord as on_discord, telegram as on_telegram,
        web::{self, WebPlatform},
    },
    quotas::Limits,
    runner::RunnerClient,
    voice::Voice,
};
use chat::{CommunityId, Pacing, RoomId, RoomSettings};
use serde_json::{Value, json};
use store::{NewCommunity, NewRoom, Room, Store, testing::TestDatabase};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use discord::FakeDiscord;
use fake_runner::FakeRunner;
use telegram::{FakeTelegram, Kind, Say};

/// Nothing that is expected takes this long.
const PATIENCE: Duration = Duration::from_secs(30);

struct Together {
    discord: FakeDiscord,
    telegram: FakeTelegram,
    runner: FakeRunner,
    database: TestDatabase,
    page: String,
    page_room: Room,
    client: reqwest::Client,
    shutdown: CancellationToken,
    running: Vec<JoinHandle<anyhow::Result<()>>>,
}

impl Together {
    async fn start() -> Self {
        tracing_subscriber::fmt().with_max_level(tracing::Level::WARN).with_test_writer().try_init().ok();
        let (discord, telegram) = (FakeDiscord::start().await, FakeTelegram::start().await);
        let (runner, database) = (FakeRunner::start().await, TestDatabase::new().await);
        let (store, clock, shutdown) = (database.store.clone(), Clock::system(), CancellationToken::new());
        let mut ca = tempfile::NamedTempFile::new().unwrap();
        ca.write_all(discord.ca_pem().as_bytes()).unwrap();
        let settings = discord_settings(&discord, &ca);
        let on_discord = on_discord::Discord::connect(settings, store.clone(), clock, 7, &shutdown).await.unwrap();
        let settings = telegram_settings(&telegram);
        let on_telegram = on_telegram::Telegram::connect(settings, store.clone(), clock, 7, &shutdown).await.unwrap();
        let (place, page_room) = page_place(&store).await;
        let on_page = WebPlatform::new(store.clone(), place, page_room.clone(), clock, None);
        let app = App::new(AppOptions {
            store,
            platforms: vec![on_discord.clone() as Arc<dyn Platform>, on_telegram.clone(), on_page.clone()],
            voice: Voice::remote(RunnerClient::new(&runner.url, None, None).unwrap()),
            limits: Limits::default(),
            learning: Learning::default(),
            grace: chrono::TimeDelta::zero(),
            owner: "one process".to_owned(),
            clock,
            seed: 7,
            shutdown: shutdown.clone(),
        });
        app.start().await.unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let page = format!("http://{}", listener.local_addr().unwrap());
        let running = vec![
            tokio::spawn(on_discord.run(app.clone(), shutdown.clone())),
            tokio::spawn(on_telegram.run(app.clone(), shutdown.clone())),
            tokio::spawn(web::serve(listener, on_page, app, Vec::new(), shutdown.clone())),
        ];
        discord.connected().await;
        let client = reqwest::Client::new();
        Self { discord, telegram, runner, database, page, page_room, client, shutdown, running }
    }

    fn store(&self) -> &Store {
        &self.database.store
    }

    async fn on_page(&self, path: &str, body: Value) -> Value {
        let answered = self.client.post(format!("{}{path}", self.page)).json(&body).send().await.unwrap();
        answered.json().await.unwrap()
    }

    async fn community(&self, platform: chat::Platform, id: &str) -> CommunityId {
        let new = NewCommunity { platform, external_id: id, title: "" };
        self.store().community(&new).await.unwrap().id
    }

    async fn room(&self, community: CommunityId, id: &str) -> RoomId {
        self.store().room(&NewRoom { community, external_id: id, title: "", parent: None }).await.unwrap().id
    }

    async fn answer_everything(&self, room: RoomId) {
        let settings = RoomSettings { pacing: Pacing::custom(1.0, 0.0, 0.0).unwrap(), ..RoomSettings::default() };
        self.store().save_settings(room, &settings, None, Clock::system().now()).await.unwrap();
    }

    async fn texts(&self, room: RoomId) -> Vec<String> {
        self.store().latest(room, 500).await.unwrap().into_iter().map(|message| message.text).collect()
    }

    async fn soon(&self, what: &str, is_so: impl AsyncFn() -> bool) {
        let waiting = async {
            while !is_so().await {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("it should be by now: {what}"));
    }

    async fn stop(self) {
        self.shutdown.cancel();
        for running in self.running {
            running.await.unwrap().unwrap();
        }
    }
}

fn discord_settings(discord: &FakeDiscord, ca: &tempfile::NamedTempFile) -> on_discord::Settings {
    on_discord::Settings {
        token: discord.token().to_owned().into(),
        address: Some(discord.address().to_string()),
        tls_ca: Some(ca.path().to_owned()),
        persona_name: "{name} (AI)".to_owned(),
        command_guilds: Vec::new(),
        shards: None,
    }
}

fn telegram_settings(telegram: &FakeTelegram) -> on_telegram::Settings {
    on_telegram::Settings {
        token: telegram::TOKEN.to_owned().into(),
        persona_bots: Vec::new(),
        persona_line: "{name} (AI)".to_owned(),
        webhook: None,
        api_url: Some(telegram.url()),
        pace: on_telegram::Pace { chat_second: 1_000, group_minute: 1_000, second: 1_000 },
    }
}

async fn page_place(store: &Store) -> (Place, Room) {
    let place = Place {
        platform: chat::Platform::Web,
        community: "local".to_owned(),
        community_title: "Local".to_owned(),
        room: "lobby".to_owned(),
        room_title: "Lobby".to_owned(),
        parent: None,
    };
    let community = NewCommunity { platform: chat::Platform::Web, external_id: "local", title: "Local" };
    let community = store.community(&community).await.unwrap().id;
    let room = NewRoom { community, external_id: "lobby", title: "Lobby", parent: None };
    (place, store.room(&room).await.unwrap())
}

/// In each group an Ada says a secret of that group, agrees, is summoned and answers; then each is asked for the others'.
#[tokio::test(flavor = "multi_thread")]
async fn one_group_on_three_platforms_at_once_and_nothing_crosses() {
    let all = Together::start().await;
    let guild = all.discord.guild("The Crew");
    let channel = all.discord.channel(guild, "general");
    let (dora_there, ada_there) = (all.discord.owner(guild), all.discord.user("Ada"));
    all.discord.join(guild, ada_there, None);
    let (ada, dora) = (all.telegram.user("Ada"), all.telegram.user("Dora"));
    let group = all.telegram.group(Kind::Supergroup, "The Crew", dora, telegram::BOT);
    all.telegram.join(group, ada);

    all.discord.say(channel, ada_there, "the discord secret is herring");
    all.telegram.says(group, ada, Say::text("the telegram secret is cod"));
    let said = json!({ "name": "Ada", "text": "the page secret is plaice", "nonce": "1" });
    all.on_page("/api/say", said).await;
    let on_discord = all.community(chat::Platform::Discord, &guild.to_string()).await;
    let on_telegram = all.community(chat::Platform::Telegram, &group.to_string()).await;
    let rooms = [
        (all.room(on_discord, &channel.to_string()).await, "herring"),
        (all.room(on_telegram, &group.to_string()).await, "cod"),
        (all.page_room.id, "plaice"),
    ];
    for (room, secret) in rooms {
        all.soon(secret, async || all.texts(room).await.iter().any(|text| text.ends_with(secret))).await;
        all.answer_everything(room).await;
    }

    let consent = json!([{ "name": "answer", "value": "yes" }]);
    let given = all.discord.slash(channel, ada_there, "consent", consent);
    assert!(all.discord.answer(given).await.content.starts_with("Thank you"));
    let given = all.telegram.says(group, ada, Say::text("/consent yes"));
    assert!(all.telegram.answer(&given).await.text.starts_with("Thank you"));
    all.on_page("/api/command", json!({ "name": "Ada", "text": "/consent yes" })).await;

    let given = all.discord.slash(channel, dora_there, "summon", json!([{ "name": "who", "value": "Ada" }]));
    assert!(all.discord.answer(given).await.content.contains("Ada joined"));
    let given = all.telegram.says(group, dora, Say::text("/summon Ada"));
    assert!(all.telegram.answer(&given).await.text.contains("Ada joined"));
    let answer = all.on_page("/api/command", json!({ "name": "Dora", "text": "/summon Ada" })).await;
    assert_eq!(answer["done"], true, "{answer}");

    all.discord.say(channel, dora_there, "Ada, one on discord?");
    let asked = all.telegram.says(group, dora, Say::text("Ada, one on telegram?"));
    all.on_page("/api/say", json!({ "name": "Dora", "text": "Ada, one on the page?", "nonce": "2" })).await;
    let on_discord_said = all.discord.next_webhook_message().await;
    let on_telegram_said = all.telegram.persona_says(&asked).await;
    let is_generated = async |room| {
        let latest = all.store().latest(room, 500).await.unwrap();
        latest.iter().any(|message| !message.is_human())
    };
    for (room, secret) in rooms {
        all.soon(secret, async || is_generated(room).await).await;
    }
    assert!(!on_discord_said.content.is_empty() && !on_telegram_said.words().is_empty());

    // Each room holds its own secret and no other's, and so did each prompt.
    for (room, secret) in rooms {
        let texts = all.texts(room).await.join("\n");
        for (_, other) in rooms {
            assert_eq!(texts.contains(other), other == secret, "{secret}: {texts}");
        }
    }
    let secrets = rooms.map(|(_, secret)| secret);
    for prompt in all.runner.prompts() {
        let told = secrets.iter().filter(|secret| prompt.contains(**secret)).count();
        assert!(told <= 1, "{prompt}");
    }
    let members = async |community| all.store().members(community).await.unwrap().len();
    assert!(members(on_discord).await >= 2 && members(on_telegram).await >= 2);
    all.telegram.is_well_treated();
    all.stop().await;
}
