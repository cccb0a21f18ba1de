//! Consent and forgetting, which must count at once and everywhere.

use chat::Consent;
use store::Recorded;

use super::tester::{BotTester, history, person, place};

#[tokio::test(flavor = "multi_thread")]
async fn who_says_yes_can_be_summoned() {
    let bot = BotTester::new().await;
    bot.says("Eve", "count me in").await;
    assert!(bot.command("Eve", "/consent").await.text.contains("not said anything"));
    bot.command("Eve", "/consent yes").await;
    assert!(bot.command("Dora", "/summon Eve").await.done);
    assert!(bot.command("Eve", "/consent").await.text.contains("You agreed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_no_is_gone_at_once_and_stays_away() {
    let bot = BotTester::with_cast().await;
    bot.command("Dora", "/speaker Ada").await;
    bot.platform.set_open(true);
    bot.command("Ada", "/consent no").await;
    assert_eq!(bot.cast().await, ["Bo"]);
    bot.says("Dora", "Ada, are you there?").await;
    bot.next_by("Bo").await;
    let refused = bot.command("Dora", "/summon Ada").await;
    assert_eq!(refused.text, "Ada does not want to be imitated.");
    bot.store.declare_consent(bot.room.community, chrono::Utc::now()).await.unwrap();
    assert!(!bot.command("Dora", "/summon Ada").await.done, "an operator cannot overrule a member");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_on_its_way_is_taken_back_when_its_member_says_no() {
    let bot = BotTester::with_cast().await;
    bot.runner.set_open(false);
    bot.command("Dora", "/speaker Ada").await;
    bot.says("Dora", "well?").await;
    bot.soon(bot.runner.is_asked_as("Ada")).await;
    bot.command("Ada", "/consent no").await;
    bot.soon(bot.runner.a_request_was_given_up()).await;
    bot.runner.set_open(true);
    bot.command("Dora", "/say Bo just me now").await;
    assert_eq!(bot.next().await.text, "just me now");
    assert!(bot.platform.said().iter().all(|said| said.name != "Ada"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_forgotten_leaves_nothing_behind() {
    let bot = BotTester::with_cast().await;
    bot.command("Dora", "/say Ada in her words").await;
    bot.next_by("Ada").await;
    bot.settled().await;
    assert!(bot.command("Ada", "/forgetme").await.text.contains("/forgetme confirm"));
    assert!(bot.history().await.iter().any(|line| line.starts_with("Ada: ")));
    let answer = bot.command("Ada", "/forgetme confirm").await;
    assert!(answer.text.starts_with("Erased: 4 messages of yours and 1 that"), "{}", answer.text);
    assert!(bot.history().await.iter().all(|line| !line.contains("Ada says") && !line.contains("in her words")));
    assert_eq!(bot.cast().await, ["Bo"]);
    let later = bot_post(&bot, "Ada", "one more thing").await;
    assert_eq!(later, Recorded::Forgotten);
    assert!(bot.history().await.iter().all(|line| !line.contains("one more thing")));
}

async fn bot_post(bot: &BotTester, who: &str, text: &str) -> Recorded {
    let posted = bot::event::Posted {
        key: bot.platform.next_key(),
        author: person(who),
        sent_at: chrono::Utc::now(),
        text: text.to_owned(),
        reply_to: None,
        nonce: None,
    };
    bot.post(posted).await
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_one_community_is_seen_in_another() {
    let bot = BotTester::with_cast().await;
    let elsewhere = place("others");
    let other = history(&bot.store, &elsewhere).await;
    let summon = bot::commands::parse("/summon Ada").unwrap();
    assert!(bot.app.command(&elsewhere, &person("Zed"), summon).await.done);
    bot.command("Ada", "/consent no").await;
    let there = bot.store.cast(other.id).await.unwrap();
    assert_eq!(there.len(), 1, "the Ada of another group is somebody else");
    let members = bot.store.members(other.community).await.unwrap();
    assert!(members.iter().all(|member| member.consent != Consent::Refused && member.name != "Dora"));
    let cast = bot::commands::parse("/cast").unwrap();
    assert!(!bot.app.command(&elsewhere, &person("Zed"), cast).await.text.contains("Dora"));
}
