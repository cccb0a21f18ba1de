//! The personas of a community speak with its adapter, for as long as its members want that.

use std::path::PathBuf;

use bot::{
    adapters::{Adapters, register},
    runner::RunnerClient,
};
use chat::{AdapterId, MemberId};
use chrono::{TimeDelta, Utc};
use model_runner::testing::TinyAdapter;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::tester::{BotTester, Setup, no_limits};

/// Adapters in files, which a bot is told of.
struct Shelf {
    folder: TempDir,
}

impl Shelf {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn file(&self, seed: u64) -> PathBuf {
        let file = self.folder.path().join(format!("{seed}.gguf"));
        TinyAdapter { seed, ..TinyAdapter::default() }.write(&file).unwrap();
        file
    }

    /// Makes an adapter known that was trained on these members; the greater its seed, the newer it is.
    async fn register(&self, bot: &BotTester, name: &str, seed: u64, members: &[&str]) -> AdapterId {
        let mut ids: Vec<MemberId> = Vec::new();
        for name in members {
            let found = bot.store.find_members(bot.room.community, &name.to_lowercase()).await.unwrap();
            ids.push(found[0].id);
        }
        let at = Utc::now() + TimeDelta::seconds(seed as i64);
        register(&bot.store, bot.room.community, name, &self.file(seed), &ids, at).await.unwrap()
    }

    fn path(&self, seed: u64) -> String {
        self.file(seed).canonicalize().unwrap().display().to_string()
    }
}

/// What an adapter of the bot's community is called towards the runner.
fn model(bot: &BotTester, name: &str) -> String {
    format!("{name}@{}", bot.room.community)
}

/// A bot whose personas speak when they are asked to and not else.
async fn quiet_bot() -> BotTester {
    let bot = BotTester::set_up(Setup { limits: no_limits(), ..Setup::default() }).await;
    assert!(bot.command("Dora", "/pace 0 0 0").await.done);
    bot
}

/// What the next reply of a persona is drawn with.
async fn speaks_with(bot: &BotTester, name: &str) -> Value {
    bot.command("Dora", &format!("/speaker {name}")).await;
    bot.command("Dora", "/more").await;
    bot.next_by(name).await;
    bot.runner.request()["model"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_adapter_is_loaded_before_the_first_request_and_named_in_each() {
    let (bot, shelf) = (quiet_bot().await, Shelf::new());
    shelf.register(&bot, "crew", 1, &["Ada", "Bo"]).await;
    bot.command("Dora", "/summon Ada Bo").await;
    assert_eq!(speaks_with(&bot, "Ada").await, json!(model(&bot, "crew")));
    assert_eq!(speaks_with(&bot, "Bo").await, json!(model(&bot, "crew")));
    assert_eq!(bot.runner.has_loaded(1).await, [(model(&bot, "crew"), shelf.path(1))]);
    // What one adapter has computed is of no use to another.
    assert!(bot.runner.prefilled_with().iter().all(|with| *with == Some(model(&bot, "crew"))));
    assert!(bot.command("Dora", "/model").await.text.contains("with the adapter crew."));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_bot_speaks_with_what_is_registered_and_with_each_new_version() {
    let (bot, shelf) = (quiet_bot().await, Shelf::new());
    bot.command("Dora", "/summon Ada Bo").await;
    assert_eq!(speaks_with(&bot, "Ada").await, Value::Null);
    shelf.register(&bot, "crew", 1, &["Ada", "Bo"]).await;
    bot.soon(bot.runner.offers(&[&model(&bot, "crew")])).await;
    bot.until(async || speaks_with(&bot, "Ada").await == json!(model(&bot, "crew"))).await;

    // The new version takes the place of the old one, which is offered until then.
    shelf.register(&bot, "crew", 2, &["Ada", "Bo"]).await;
    let loads = bot.soon(bot.runner.has_loaded(2)).await;
    assert_eq!(loads[1], (model(&bot, "crew"), shelf.path(2)));
    assert_eq!(speaks_with(&bot, "Bo").await, json!(model(&bot, "crew")));

    // One of another name is newer still; the old one is let go.
    shelf.register(&bot, "autumn", 3, &["Bo"]).await;
    bot.soon(bot.runner.offers(&[&model(&bot, "autumn")])).await;
    assert_eq!(speaks_with(&bot, "Ada").await, json!(model(&bot, "autumn")));

    bot.store.forget_adapter(bot.room.community, "autumn").await.unwrap();
    bot.soon(bot.runner.offers(&[&model(&bot, "crew")])).await;
    bot.store.forget_adapter(bot.room.community, "crew").await.unwrap();
    bot.soon(bot.runner.offers(&[])).await;
    assert_eq!(speaks_with(&bot, "Ada").await, Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_learned_from_a_member_who_withdraws_is_served_no_longer() {
    for withdrawal in ["/consent no", "/forgetme confirm"] {
        let (bot, shelf) = (quiet_bot().await, Shelf::new());
        bot.command("Dora", "/summon Ada Bo").await;
        shelf.register(&bot, "crew", 1, &["Ada", "Bo"]).await;
        bot.until(async || speaks_with(&bot, "Ada").await == json!(model(&bot, "crew"))).await;
        assert!(bot.command("Bo", withdrawal).await.done);
        bot.soon(bot.runner.offers(&[])).await;
        assert_eq!(speaks_with(&bot, "Ada").await, Value::Null);
        assert!(!bot.command("Dora", "/model").await.text.contains("adapter"));

        // One that was trained without them is another matter.
        shelf.register(&bot, "crew", 2, &["Ada"]).await;
        bot.soon(bot.runner.offers(&[&model(&bot, "crew")])).await;
        bot.until(async || speaks_with(&bot, "Ada").await == json!(model(&bot, "crew"))).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_adapter_is_not_served_by_the_next_start_either() {
    let (bot, shelf) = (quiet_bot().await, Shelf::new());
    bot.command("Dora", "/summon Ada Bo").await;
    shelf.register(&bot, "crew", 1, &["Bo"]).await;
    bot.until(async || speaks_with(&bot, "Ada").await == json!(model(&bot, "crew"))).await;
    bot.stop().await;
    // While nobody was there to hear of it.
    let bo = bot.store.find_members(bot.room.community, "bo").await.unwrap()[0].id;
    bot.store.set_consent(bo, chat::Consent::Refused, Utc::now()).await.unwrap();
    let bot = bot.restart().await;
    assert_eq!(speaks_with(&bot, "Ada").await, Value::Null);
    bot.soon(bot.runner.offers(&[])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_runner_refuses_an_adapter_the_base_speaks() {
    let (bot, shelf) = (quiet_bot().await, Shelf::new());
    bot.runner.refuses_adapters("the adapter was trained on another file");
    shelf.register(&bot, "crew", 1, &["Ada"]).await;
    bot.command("Dora", "/summon Ada Bo").await;
    assert_eq!(speaks_with(&bot, "Ada").await, Value::Null);
    assert_eq!(speaks_with(&bot, "Bo").await, Value::Null);
    assert_eq!(bot.runner.has_loaded(1).await.len(), 1, "it is asked once");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_adapter_whose_file_is_gone_is_left_out() {
    let (bot, shelf) = (quiet_bot().await, Shelf::new());
    shelf.register(&bot, "crew", 1, &["Ada"]).await;
    std::fs::remove_file(shelf.folder.path().join("1.gguf")).unwrap();
    bot.command("Dora", "/summon Ada").await;
    assert_eq!(speaks_with(&bot, "Ada").await, Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_adapter_that_the_runner_lost_is_loaded_again_under_the_reply() {
    let (bot, shelf) = (quiet_bot().await, Shelf::new());
    shelf.register(&bot, "crew", 1, &["Ada"]).await;
    bot.command("Dora", "/summon Ada").await;
    assert_eq!(speaks_with(&bot, "Ada").await, json!(model(&bot, "crew")));
    bot.runner.loses_adapters();
    assert_eq!(speaks_with(&bot, "Ada").await, json!(model(&bot, "crew")));
    assert_eq!(bot.runner.has_loaded(2).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_life_of_a_runner_is_told_once() {
    let (bot, shelf) = (quiet_bot().await, Shelf::new());
    shelf.register(&bot, "crew", 1, &["Ada"]).await;
    let adapters = Adapters::new(bot.store.clone());
    let community = bot.room.community;
    for life in 1..=2 {
        let runner = RunnerClient::new(&bot.runner.url, None, None).unwrap();
        for _ in 0..2 {
            let client = adapters.client_for(&runner, community).await;
            assert_eq!(client.model_name(), model(&bot, "crew"));
        }
        assert_eq!(bot.runner.has_loaded(life).await.len(), life);
        assert_eq!(adapters.name(&runner, community).as_deref(), Some("crew"));
        bot.runner.loses_adapters();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_ours_hears_nothing_of_adapters() {
    let (bot, shelf) = (quiet_bot().await, Shelf::new());
    bot.runner.is_foreign();
    shelf.register(&bot, "crew", 1, &["Ada"]).await;
    bot.command("Dora", "/summon Ada").await;
    assert_eq!(speaks_with(&bot, "Ada").await, Value::Null);
    bot.soon(bot.runner.offers(&[])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_adapter_is_not_registered() {
    let (bot, shelf) = (quiet_bot().await, Shelf::new());
    let ada = bot.store.find_members(bot.room.community, "ada").await.unwrap()[0].id;
    let model = shelf.folder.path().join("model.gguf");
    model_runner::testing::TinyModel::default().write(&model).unwrap();
    let file = shelf.file(1);
    let register = async |name: &str, file: &std::path::Path, members: &[MemberId]| {
        let registered = register(&bot.store, bot.room.community, name, file, members, Utc::now()).await;
        format!("{:#}", registered.unwrap_err()).replace(&shelf.folder.path().display().to_string(), "FOLDER")
    };
    expect_test::expect![[r#"
        there is no FOLDER/none.gguf; give the adapter's file: No such file or directory (os error 2)
        cannot use FOLDER/model.gguf as an adapter: it is a GGUF file of type "model", not a LoRA adapter; give the adapter that training wrote
        "a/b" is no name for an adapter; give one of 1 to 64 bytes without a slash
        it is not known whom FOLDER/1.gguf was trained on; say it with --members-of
        the adapter was trained on people who are no members of this community; choose theirs with --community"#]].assert_eq(
        &[
            register("crew", &shelf.folder.path().join("none.gguf"), &[ada]).await,
            register("crew", &model, &[ada]).await,
            register("a/b", &file, &[ada]).await,
            register("crew", &file, &[]).await,
            register("crew", &file, &[MemberId(4711)]).await,
        ]
        .join("\n"),
    );
}
