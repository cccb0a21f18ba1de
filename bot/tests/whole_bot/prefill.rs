//! What the model runner is shown before anybody speaks, and what it is told with a request.

use bot::event::Happening;
use expect_test::expect;

use super::tester::BotTester;

#[tokio::test(flavor = "multi_thread")]
async fn the_runner_is_shown_each_window_before_it_is_asked_for_a_reply() {
    let bot = BotTester::with_cast().await;
    bot.command("Dora", "/pace off").await;
    bot.says("Dora", "who has the keys").await;
    bot.soon(bot.runner.is_shown("Dora: who has the keys")).await;
    let prefix = bot
        .soon(async {
            bot.says("Dora", "Ada?").await;
            bot.runner.is_shown("Dora: Ada?").await
        })
        .await;
    assert!(bot.runner.prompts().is_empty(), "nobody was to speak");
    bot.runner.will_say(&["not me"]);
    bot.command("Dora", "/speaker Ada").await;
    bot.command("Dora", "/more").await;
    bot.next_by("Ada").await;
    let prompt = bot.runner.prompts().pop().unwrap();
    assert_eq!(prompt.strip_prefix(&prefix), Some("Respond as Ada:"));
    // What we say ourselves is shown too.
    let after = bot.soon(bot.runner.is_shown("Ada: not me")).await;
    assert!(after.contains("Dora: Ada?\n"), "{after}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_edit_or_a_deletion_leaves_is_shown_again() {
    let bot = BotTester::with_cast().await;
    bot.command("Dora", "/pace off").await;
    let typo = bot.says("Dora", "the regata").await;
    let secret = bot.says("Dora", "the code is 1234").await;
    let at = chrono::Utc::now();
    bot.soon(bot.runner.is_shown("Dora: the code is 1234")).await;
    bot.happens(Happening::Deleted { keys: vec![secret], at }).await;
    bot.happens(Happening::Edited { key: typo, text: "the regatta".to_owned(), at }).await;
    bot.soon(bot.runner.is_shown("Dora: the regatta")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_without_personas_is_shown_to_nobody() {
    let bot = BotTester::new().await;
    bot.says("Dora", "anybody here?").await;
    // A command is answered after what came before it.
    bot.command("Dora", "/who").await;
    assert!(bot.runner.prefills().is_empty());
    bot.command("Dora", "/pace off").await;
    bot.command("Dora", "/summon Ada").await;
    bot.soon(bot.runner.is_shown("Dora: anybody here?")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_window_takes_the_place_of_one_that_is_being_shown_and_no_reply_waits_for_it() {
    let bot = BotTester::with_cast().await;
    bot.runner.set_prefilling(false);
    bot.command("Dora", "/pace off").await;
    bot.says("Dora", "one").await;
    bot.soon(bot.runner.is_shown("Dora: one")).await;
    bot.says("Dora", "two").await;
    bot.soon(bot.runner.is_shown("Dora: two")).await;
    bot.soon(bot.runner.prefills_were_given_up(1)).await;
    bot.command("Dora", "/more").await;
    bot.next().await;
    bot.stop().await;
    // None is left behind.
    bot.soon(bot.runner.prefills_were_given_up(bot.runner.prefills().len() - 1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_that_refuses_to_be_shown_anything_still_answers() {
    for status in [400, 500, 503] {
        let bot = BotTester::new().await;
        bot.runner.answers_prefills_with(status);
        bot.command("Dora", "/summon Ada Bo").await;
        bot.says("Dora", "Ada?").await;
        bot.next_by("Ada").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_the_path_is_shown_windows_by_a_request_for_one_token() {
    let bot = BotTester::new().await;
    bot.runner.is_foreign();
    bot.command("Dora", "/pace off").await;
    bot.command("Dora", "/summon Ada Bo").await;
    bot.says("Dora", "who has the keys").await;
    bot.soon(bot.runner.is_shown("Dora: who has the keys")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn our_runner_is_told_whose_request_it_is_and_what_may_be_said() {
    let bot = BotTester::with_cast().await;
    bot.says("Dora", "Ada?").await;
    bot.next_by("Ada").await;
    let told = |fields: [&str; 5]| {
        let request = bot.runner.request();
        fields
            .map(|field| format!("{field}: {}", request[field]))
            .join("\n")
            .replace(&format!("room-{}", bot.room.id), "room-17")
    };
    const FIELDS: [&str; 5] = ["prompt_cache_key", "priority", "timeout", "allowed_scripts", "no_urls"];
    expect![[r#"
        prompt_cache_key: "room-17"
        priority: 0
        timeout: 60.0
        allowed_scripts: ["latin"]
        no_urls: true"#]]
    .assert_eq(&told(FIELDS));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_server_is_told_nothing_that_it_might_not_know() {
    let bot = BotTester::new().await;
    bot.runner.is_foreign();
    bot.command("Dora", "/summon Ada Bo").await;
    bot.says("Dora", "Ada?").await;
    bot.next_by("Ada").await;
    let request = bot.runner.request();
    let fields: Vec<&str> = request.as_object().unwrap().keys().map(String::as_str).collect();
    expect!["max_tokens messages seed stop temperature top_k top_p"].assert_eq(&fields.join(" "));
}
