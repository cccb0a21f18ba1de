//! Another Bot API server than our fake: the npm package `telegram-test-api`, with people who act through its own client. What
//! it lacks of the documented API `proxy` adds.
//!
//! `scripts/setup.sh test` installs the package. Where it is missing, the test says so and checks nothing.

mod process;
mod proxy;

use std::time::Duration;

use chat::{Message, RoomId};
use serde_json::json;
use store::{NewCommunity, NewRoom, Store, testing::TestDatabase};

use self::{
    process::{Person, Posted, TestApi},
    proxy::Proxy,
};
use crate::{
    fake::TOKEN,
    fake_runner::FakeRunner,
    tester::{Bot, settings_at, start_with},
};

const CREW: i64 = -1_001_500_000_001;
const ADA: Person = Person { id: 11, name: "Ada", chat: CREW, chat_title: "The Crew" };
const DORA: Person = Person { id: 12, name: "Dora", ..ADA };
/// Nothing that is expected takes this long.
const PATIENCE: Duration = Duration::from_secs(30);

struct Scene {
    api: TestApi,
    _proxy: Proxy,
    runner: FakeRunner,
    database: TestDatabase,
    bot: Bot,
}

impl Scene {
    /// A supergroup that Dora made, with Ada and the bot; none where the package is not here.
    async fn new() -> Option<Self> {
        let api = TestApi::start(TOKEN).await?;
        let chat = json!({ "id": CREW, "type": "supergroup", "title": DORA.chat_title });
        let owner = json!({ "id": DORA.id, "is_bot": false, "first_name": DORA.name });
        let proxy = Proxy::start(&api.url, chat, owner).await;
        let (runner, database) = (FakeRunner::start().await, TestDatabase::new().await);
        let bot = start_with(settings_at(proxy.url.clone()), &database.store, &runner).await;
        Some(Self { api, _proxy: proxy, runner, database, bot })
    }

    fn store(&self) -> &Store {
        &self.database.store
    }

    async fn room(&self) -> RoomId {
        let id = CREW.to_string();
        let new = NewCommunity { platform: chat::Platform::Telegram, external_id: &id, title: "" };
        let community = self.store().community(&new).await.unwrap().id;
        self.store().room(&NewRoom { community, external_id: &id, title: "", parent: None }).await.unwrap().id
    }

    /// Waits until the history has a message of this author with these words.
    async fn kept(&self, author: &str, text: &str) -> Message {
        let room = self.room().await;
        soon(text, async || {
            let messages = self.store().latest(room, 100).await.unwrap();
            messages.into_iter().find(|message| message.author_name == author && message.text == text)
        })
        .await
    }

    /// Waits until the bot has posted something like this.
    async fn posted(&self, what: &str, is_it: impl Fn(&Posted) -> bool) -> Posted {
        soon(what, async || self.api.posted().await.into_iter().find(&is_it)).await
    }

    /// Gives a command and waits for an answer that begins so.
    async fn command(&self, who: Person, typed: &str, beginning: &str) -> Posted {
        self.api.commands(who, typed, None).await;
        self.posted(beginning, |posted| posted.text().starts_with(beginning)).await
    }
}

async fn soon<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let waiting = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("it should be by now: {what}"))
}

/// Says that nothing is checked; past the harness, which shows what tests print only where they fail.
#[expect(clippy::explicit_write, reason = "what eprintln writes is kept back by the harness")]
fn skip() {
    use std::io::Write;
    let why = "SKIPPED: the bot does not talk to telegram-test-api: node or the package is not here";
    writeln!(std::io::stderr(), "{why}; scripts/setup.sh test installs it").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_api_server_that_was_not_written_here_is_understood_and_understands() {
    let Some(scene) = Scene::new().await else { return skip() };
    scene.api.says(ADA, "the <boat> leaks again").await;
    let heard = scene.kept("Ada", "the <boat> leaks again").await;
    assert!(heard.is_human());

    scene.command(ADA, "/consent yes", "Thank you").await;
    // Whoever is spoken to answers at once.
    scene.command(DORA, "/pace 0 0 0", "They answer").await;
    scene.command(ADA, "/topic the sea", "The topic is now: the sea").await;
    let joined = scene.command(DORA, "/summon Ada", "Ada joined").await;
    assert_eq!(joined.message["chat_id"], CREW);

    scene.runner.will_say(&["5 > 3, aye <captain>"]);
    scene.api.says(DORA, "Ada, can we sail?").await;
    let said = scene.posted("a persona's reply", |posted| posted.text().starts_with("<b>")).await;
    assert_eq!(said.text(), "<b>Ada (AI)</b>\n5 &gt; 3, aye &lt;captain&gt;");
    assert_eq!(said.message["parse_mode"], "HTML");
    let kept = scene.kept("Ada", "5 > 3, aye <captain>").await;
    assert_eq!((kept.is_human(), kept.key), (false, chat::MessageKey(said.id)), "as the package numbers it");
    let unread = scene.api.unread(DORA).await;
    assert!(unread.iter().any(|posted| posted.id == said.id), "who is in the chat gets it: {unread:?}");

    scene.api.commands(DORA, "/who", Some(&said)).await;
    let who = scene.posted("who it was", |posted| posted.text().contains("my persona of Ada")).await;
    scene.api.presses(DORA, &who, "🔁").await;
    let edited = scene.posted("other words", |posted| posted.id == said.id && posted.text() != said.text()).await;
    let words = edited.text().strip_prefix("<b>Ada (AI)</b>\n").expect("the name stays above the words");
    assert_eq!(edited.message["parse_mode"], "HTML");
    assert_eq!(scene.kept("Ada", words).await.key, kept.key);
    scene.bot.stop().await;
}
