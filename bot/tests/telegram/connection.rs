//! Telegram in trouble: limits, failures, updates that come twice, and webhooks.

use std::{net::TcpListener, time::Duration};

use bot::platform::telegram::{Pace, Webhook};
use store::TurnState;

use crate::{
    fake::{BOT, Kind, Say},
    tester::TelegramTester,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_is_waited_for_and_nothing_is_said_twice() {
    let bot = TelegramTester::with_cast().await;
    bot.telegram.limit("SendMessage", 1, 2);
    let given = bot.says(bot.friends.dora, "/say Ada after a while");
    let said = bot.telegram.persona_says(&given).await;
    assert_eq!(said.words(), "after a while");
    bot.history_becomes(&["Ada: after a while"]).await;
    let posted = bot.telegram.said_after(&given).into_iter().filter(|message| message.label().is_some()).count();
    assert_eq!(posted, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_have_arrived_is_not_said_again() {
    let bot = TelegramTester::with_cast().await;
    let given = bot.says(bot.friends.dora, "/say Ada perhaps");
    bot.telegram.answer(&given).await;
    let first = bot.telegram.persona_says(&given).await;
    bot.history_becomes(&["Ada: perhaps"]).await;
    // The answer to the command is a message too, so the trouble comes after it.
    bot.runner.set_open(false);
    let asked = bot.says(bot.friends.dora, "Bo, and you?");
    bot.runner.is_asked_as("Bo").await;
    bot.telegram.lose_answer("SendMessage");
    bot.runner.set_open(true);
    let said = bot.telegram.persona_says(&asked).await;
    bot.soon("the turn is given up", async || {
        let turns = store::testing::outbox(&bot.database.url).await;
        turns.iter().any(|turn| turn.text == said.words() && turn.state == TurnState::Failed)
    })
    .await;
    let times = bot.telegram.said_after(&first).iter().filter(|message| message.words() == said.words()).count();
    assert_eq!(times, 1);
    let cast = bot.command(bot.friends.dora, "/cast").await;
    assert!(
        cast.text.contains("not known whether it arrived") || cast.text.contains("not known what Telegram"),
        "{}",
        cast.text
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_that_a_crash_interrupted_is_posted_only_if_it_was_not_begun() {
    let bot = TelegramTester::with_cast().await;
    let room = bot.room(&bot.friends.group.to_string()).await;
    let said = bot.has_said("Ada", "before the crash").await;
    let turn = store::testing::outbox(&bot.database.url).await.pop().unwrap();
    let TelegramTester { telegram, runner, database, friends, bot: first } = bot;
    first.stop().await;
    // Between the post and our note of it, and between the outbox and the post.
    database.unmark_posted(turn.id).await;
    let store = &database.store;
    let dead = store.lease(room.id, "a process that was killed", Duration::from_millis(1)).await.unwrap().unwrap();
    let bo = store.cast(room.id).await.unwrap().into_iter().find(|persona| persona.name == "Bo").unwrap();
    let now = bot::Clock::system().now();
    let waiting = store::NewTurn {
        room: room.id,
        persona: bo.id,
        cause: "say:1",
        text: "as I was saying",
        reply_to: None,
        due_at: now,
        expires_at: now + chrono::TimeDelta::minutes(5),
        lease: &dead,
        voice: "",
        caused_by: None,
    };
    store.enqueue(&waiting).await.unwrap().unwrap();
    let second = crate::tester::start_with(crate::tester::settings(&telegram), store, &runner).await;
    let bot = TelegramTester { telegram, runner, database, friends, bot: second };
    assert_eq!(bot.telegram.persona_says(&said).await.words(), "as I was saying");
    bot.soon("the other is given up", async || {
        let turns = store::testing::outbox(&bot.database.url).await;
        turns.iter().any(|known| known.id == turn.id && known.state == TurnState::Failed)
    })
    .await;
    let again = bot.telegram.said_after(&said).into_iter().filter(|message| message.words() == "before the crash");
    assert_eq!(again.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn updates_that_come_twice_and_in_the_wrong_order_are_heard_once_in_order() {
    let bot = TelegramTester::new().await;
    bot.telegram.set_untidy(true);
    for line in ["one", "two", "three"] {
        bot.says(bot.friends.dora, line);
    }
    bot.history_becomes(&["Dora: one", "Dora: two", "Dora: three"]).await;
    let answer = bot.command(bot.friends.dora, "/topic the sea").await;
    let last = bot.command(bot.friends.dora, "/help").await;
    assert_eq!(bot.telegram.said_after(&answer), [last], "each command is answered once");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_waited_for_and_what_was_said_meanwhile_is_heard() {
    let bot = TelegramTester::new().await;
    bot.telegram.fail("GetUpdates", 502, 1);
    bot.says(bot.friends.dora, "is anybody there?");
    bot.telegram.called("GetUpdates", 3).await;
    bot.says(bot.friends.dora, "now?");
    bot.history_becomes(&["Dora: is anybody there?", "Dora: now?"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_loses_nothing_and_says_nothing_twice() {
    let bot = TelegramTester::with_cast().await;
    bot.has_said("Ada", "before").await;
    bot.bot.shutdown.cancel();
    bot.soon("nobody listens", async || bot.bot.running.is_finished()).await;
    assert_eq!(bot.telegram.waiting_updates(), [] as [serde_json::Value; 0], "what was heard is confirmed");
    let stale = Say { seconds_ago: 60, ..Say::text("/say Ada too late") };
    bot.telegram.says(bot.friends.group, bot.friends.dora, stale);
    bot.says(bot.friends.dora, "said while it was away");
    let bot = bot.restart().await;
    let topic = bot.command(bot.friends.dora, "/topic the sea").await;
    bot.soon("it is heard", async || bot.history().await.contains(&"Dora: said while it was away".to_owned())).await;
    let late = bot.telegram.said_after(&topic).into_iter().filter(|message| message.words() == "too late");
    assert_eq!(late.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_is_sent_than_telegram_allows() {
    let bot = TelegramTester::with(Kind::Supergroup, |_, settings| bot::platform::telegram::Settings {
        pace: Pace { group_minute: 4, chat_second: 100, second: 100 },
        ..settings
    })
    .await;
    bot.telegram.set_limits(true);
    let given: Vec<_> = (0..6).map(|_| bot.says(bot.friends.dora, "/help")).collect();
    bot.telegram.answer(&given[3]).await;
    // Another group has a limit of its own. By the time that it was answered some times, a fifth answer would be here.
    let elsewhere = bot.telegram.group(Kind::Supergroup, "Elsewhere", bot.friends.dora, BOT);
    for _ in 0..4 {
        let given = bot.telegram.says(elsewhere, bot.friends.dora, Say::text("/help"));
        bot.telegram.answer(&given).await;
    }
    let said = bot.telegram.said_after(&given[0]).into_iter().filter(|message| message.chat == bot.friends.group);
    assert_eq!(said.count(), 4, "the others wait for the next minute");
    bot.telegram.is_well_treated();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_takes_only_what_brings_its_secret() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let bot = TelegramTester::with(Kind::Supergroup, |telegram, settings| {
        telegram.brings_updates_to(format!("http://{port}"));
        let url = "https://bot.example.org/updates".to_owned();
        bot::platform::telegram::Settings { webhook: Some(Webhook { url, listen: port }), ..settings }
    })
    .await;
    bot.says(bot.friends.dora, "brought, not fetched");
    bot.history_becomes(&["Dora: brought, not fetched"]).await;
    let (url, secret) = bot.telegram.webhook().await;
    assert_eq!((url.as_str(), secret.len()), ("https://bot.example.org/updates", 32));
    let client = reqwest::Client::new();
    let update = r#"{"update_id":1,"message":{}}"#;
    for secret in [None, Some("guessed")] {
        let mut request = client.post(format!("http://{port}/updates")).body(update);
        if let Some(secret) = secret {
            request = request.header("X-Telegram-Bot-Api-Secret-Token", secret);
        }
        assert_eq!(request.send().await.unwrap().status(), 401);
    }
    assert_eq!(bot.telegram.requests("GetUpdates").len(), 0);
    // The next one fetches, and takes the webhook away for that.
    let bot = bot.restart().await;
    bot.says(bot.friends.dora, "fetched again");
    bot.history_becomes(&["Dora: brought, not fetched", "Dora: fetched again"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_is_told_at_once() {
    let bot = TelegramTester::new().await;
    let settings = bot::platform::telegram::Settings {
        token: "1:wrong".to_owned().into(),
        ..crate::tester::settings(&bot.telegram)
    };
    let findings = bot::platform::telegram::doctor::examine(&settings, None).await;
    assert!(findings[0].is_wrong() && findings[0].to_string().contains("@BotFather"), "{}", findings[0]);
    let shutdown = tokio_util::sync::CancellationToken::new();
    let connected =
        bot::platform::telegram::Telegram::connect(settings, bot.store().clone(), bot::Clock::system(), 1, &shutdown)
            .await;
    assert!(format!("{:#}", connected.err().unwrap()).contains("@BotFather"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_looks_at_everything() {
    let bot = TelegramTester::new().await;
    bot.telegram.menu("all_private_chats", "de").await;
    let settings = crate::tester::settings(&bot.telegram);
    let examine = async || -> String {
        let findings = bot::platform::telegram::doctor::examine(&settings, Some(bot.store())).await;
        findings.iter().map(|finding| format!("{finding}\n")).collect()
    };
    let told = examine().await;
    assert!(told.contains("ok     Telegram: token") && told.contains("ok     Telegram: commands"), "{told}");
    assert!(told.contains("note   Telegram: The Crew: the bot hears what is said, but no reactions"), "{told}");
    bot.telegram.set_reads_all(BOT, false);
    let told = examine().await;
    assert!(told.contains("note   Telegram: privacy mode") && told.contains("WRONG  Telegram: The Crew"), "{told}");
    bot.telegram.set_status(bot.friends.group, BOT, "administrator");
    assert!(examine().await.contains("ok     Telegram: The Crew"));
}
