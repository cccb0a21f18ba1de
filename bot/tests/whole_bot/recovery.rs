//! What a restart finds and what it makes of it.

use std::time::Duration;

use chat::OutboxId;
use chrono::{TimeDelta, Utc};
use store::NewTurn;

use super::tester::BotTester;

#[tokio::test(flavor = "multi_thread")]
async fn settings_and_cast_outlive_a_restart() {
    let bot = BotTester::with_cast().await;
    bot.command("Dora", "/topic the sea").await;
    let bot = bot.restart().await;
    bot.says("Dora", "Ada?").await;
    bot.next_by("Ada").await;
    assert!(bot.runner.prompts().last().unwrap().contains("ONLY about the sea"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_that_was_written_but_not_posted_is_posted_once() {
    let bot = BotTester::with_cast().await;
    bot.command("Dora", "/pace off").await;
    let ada = bot.store.cast(bot.room.id).await.unwrap().remove(0);
    let now = Utc::now();
    let lease = bot.store.lease(bot.room.id, &bot.owner, Duration::from_secs(60)).await.unwrap().unwrap();
    let mut turn = NewTurn {
        room: bot.room.id,
        persona: ada.id,
        cause: "after:1",
        text: "as I was saying",
        reply_to: None,
        due_at: now,
        expires_at: now + TimeDelta::minutes(5),
        lease: &lease,
        voice: "",
        caused_by: None,
    };
    bot.store.enqueue(&turn).await.unwrap().unwrap();
    turn = NewTurn { cause: "after:2", text: "too late", expires_at: now - TimeDelta::minutes(1), ..turn };
    bot.store.enqueue(&turn).await.unwrap().unwrap();
    let bot = bot.restart().await;
    assert_eq!(bot.next().await.text, "as I was saying");
    let bot = bot.restart().await;
    bot.command("Dora", "/say Bo the end").await;
    assert_eq!(bot.next().await.text, "the end");
    assert_eq!(bot.platform.said().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_that_was_posted_but_not_marked_is_recognised() {
    let bot = BotTester::with_cast().await;
    bot.command("Dora", "/say Ada only once, please").await;
    let said = bot.next().await;
    bot.command("Dora", "/say Bo so that the first is stored").await;
    bot.next().await;
    bot.unmark(OutboxId(said.nonce.strip_prefix("outbox:").unwrap().parse().unwrap())).await;
    let bot = bot.restart().await;
    bot.command("Dora", "/say Bo the end").await;
    assert_eq!(bot.next().await.text, "the end");
    assert_eq!(bot.platform.said().iter().filter(|s| s.text == said.text).count(), 1);
    assert_eq!(bot.history().await.iter().filter(|line| line.ends_with("only once, please")).count(), 1);
    // What was just posted is marked a moment later; a polite end waits for that.
    let bot = bot.restart().await;
    assert!(bot.store.unfinished_turns(bot.room.id).await.unwrap().is_empty());
}
