//! Talk: who is answered, by whom, with what in view, and what a newer message does to an older reply.

use bot::event::{Happening, Person, Posted};
use store::Recorded;

use super::{
    memory_platform::Trouble,
    tester::{BotTester, person},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_answered_and_the_answer_becomes_history() {
    let bot = BotTester::with_cast().await;
    bot.runner.will_say(&["Ada: aye aye captain"]);
    bot.says("Dora", "Ada, can we sail?").await;
    let said = bot.next_by("Ada").await;
    assert_eq!(said.text, "aye aye captain", "her own name before it is dropped");
    bot.settled().await;
    let history = bot.history().await;
    assert!(history.iter().any(|line| line == "Dora: Ada, can we sail?"));
    assert_eq!(history.iter().filter(|line| *line == "Ada: aye aye captain").count(), 1);
    let stored = bot.store.message(bot.room.id, said.key).await.unwrap().unwrap();
    assert_eq!(stored.origin, chat::Origin::Generated);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_prompt_holds_the_five_latest_messages() {
    let bot = BotTester::with_cast().await;
    bot.command("Dora", "/pace off").await;
    for i in 1..=6 {
        bot.says("Dora", &format!("message {i}")).await;
    }
    bot.command("Dora", "/speaker Bo").await;
    bot.command("Dora", "/more").await;
    bot.next_by("Bo").await;
    let prompt = bot.runner.prompts().pop().unwrap();
    let shown: Vec<&str> = prompt.lines().filter(|line| line.starts_with("Dora: ")).collect();
    assert_eq!(shown, ["Dora: message 2", "Dora: message 3", "Dora: message 4", "Dora: message 5", "Dora: message 6"]);
    assert!(prompt.ends_with("\n\nRespond as Bo:"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_message_overtakes_a_reply_that_is_being_drawn() {
    let bot = BotTester::with_cast().await;
    bot.runner.set_open(false);
    bot.says("Dora", "Ada, what is one and one?").await;
    bot.soon(bot.runner.is_asked_as("Ada")).await;
    bot.says("Dora", "Bo, never mind her, what do you think?").await;
    bot.soon(bot.runner.a_request_was_given_up()).await;
    bot.runner.set_open(true);
    bot.next_by("Bo").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_posted_is_drawn_again() {
    let bot = BotTester::with_cast().await;
    bot.runner.will_say(&["https://example.com/x", "   ", "a decent line"]);
    bot.says("Dora", "Ada?").await;
    assert_eq!(bot.next().await.text, "a decent line");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_is_never_said_twice() {
    let bot = BotTester::with_cast().await;
    bot.command("Dora", "/pace off").await;
    bot.runner.will_say(&["ship it", "Ship it", "SHIP IT", "sink it"]);
    bot.command("Dora", "/more 2").await;
    assert_eq!(bot.next().await.text, "ship it");
    assert_eq!(bot.next().await.text, "sink it");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_bot_is_recorded_and_not_answered() {
    let bot = BotTester::with_cast().await;
    let author = Person { is_bot: true, ..person("Spammer") };
    let posted = Posted {
        key: bot.platform.next_key(),
        author,
        sent_at: chrono::Utc::now(),
        text: "Ada, buy coins".to_owned(),
        reply_to: None,
        nonce: None,
    };
    assert!(matches!(bot.post(posted).await, Recorded::New(_)));
    bot.command("Dora", "/say Bo still quiet here").await;
    assert_eq!(bot.next().await.text, "still quiet here");
    assert!(bot.history().await.iter().any(|line| line == "Spammer: Ada, buy coins"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_delivered_twice_is_stored_and_answered_once() {
    let bot = BotTester::with_cast().await;
    let posted = Posted {
        key: bot.platform.next_key(),
        author: person("Dora"),
        sent_at: chrono::Utc::now(),
        text: "Ada?".to_owned(),
        reply_to: None,
        nonce: Some("page-1".to_owned()),
    };
    let first = bot.post(posted.clone()).await;
    let again = Posted { key: bot.platform.next_key(), ..posted };
    let Recorded::New(key) = first else { panic!("{first:?}") };
    assert_eq!(bot.post(again).await, Recorded::Known(key));
    assert_eq!(bot.history().await.iter().filter(|line| *line == "Dora: Ada?").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_and_a_deletion_change_what_the_model_sees() {
    let bot = BotTester::with_cast().await;
    bot.command("Dora", "/pace off").await;
    let secret = bot.says("Dora", "the code is 1234").await;
    let typo = bot.says("Dora", "the regata").await;
    let at = chrono::Utc::now();
    bot.happens(Happening::Deleted { keys: vec![secret], at }).await;
    bot.happens(Happening::Edited { key: typo, text: "the regatta".to_owned(), at }).await;
    bot.command("Dora", "/more").await;
    bot.next().await;
    let prompt = bot.runner.prompts().pop().unwrap();
    assert!(!prompt.contains("1234") && prompt.contains("Dora: the regatta\n"), "{prompt}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_of_the_platform_doubles_nothing() {
    let bot = BotTester::with_cast().await;
    bot.platform.expect_trouble(Trouble::AnswerLost);
    bot.command("Dora", "/say Ada once only").await;
    assert_eq!(bot.next().await.text, "once only");
    bot.command("Dora", "/say Bo next").await;
    assert_eq!(bot.next().await.text, "next");
    bot.settled().await;
    assert_eq!(bot.history().await.iter().filter(|line| line.ends_with("once only")).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_platform_is_tried_again_and_a_refusal_is_not() {
    let bot = BotTester::with_cast().await;
    bot.platform.expect_trouble(Trouble::Busy);
    bot.platform.expect_trouble(Trouble::Busy);
    bot.command("Dora", "/say Ada third time lucky").await;
    assert_eq!(bot.next().await.text, "third time lucky");
    bot.platform.expect_trouble(Trouble::Refused);
    bot.command("Dora", "/say Ada forbidden").await;
    bot.command("Dora", "/say Ada allowed").await;
    assert_eq!(bot.next().await.text, "allowed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_that_fails_once_is_asked_again_and_then_the_reply_is_dropped() {
    let bot = BotTester::with_cast().await;
    bot.command("Dora", "/pace off").await;
    bot.runner.will_fail(500);
    bot.runner.will_say(&["second try"]);
    bot.command("Dora", "/more").await;
    assert_eq!(bot.next().await.text, "second try");
    bot.runner.will_fail(500);
    bot.runner.will_fail(500);
    bot.runner.will_say(&["the room goes on"]);
    bot.command("Dora", "/more 2").await;
    assert_eq!(bot.next().await.text, "the room goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_other_settings_take_back_while_it_is_typed_is_decided_again() {
    let bot = BotTester::with_cast().await;
    bot.command("Dora", "/pace 1 0 3").await;
    bot.runner.will_say(&["a line so long that typing it takes a while"]);
    bot.says("Dora", "Ada?").await;
    bot.soon(async { while bot.store.unfinished_turns(bot.room.id).await.unwrap().is_empty() {} }).await;
    bot.command("Dora", "/topic the sea").await;
    bot.next_by("Ada").await;
}
