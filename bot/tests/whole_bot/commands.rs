//! Each command, given as it is typed, and what comes of it.

use std::time::Duration;

use bot::commands::Audience;
use chat::{Pacing, Sampling};

use super::tester::BotTester;

#[tokio::test(flavor = "multi_thread")]
async fn summon_brings_personas_in() {
    let bot = BotTester::new().await;
    let answer = bot.command("Dora", "/summon ada, Cleo").await;
    assert_eq!((answer.text.as_str(), answer.audience), ("Ada and Cleo joined the room.", Audience::Room));
    assert_eq!(bot.cast().await, ["Ada", "Cleo"]);
    assert_eq!(bot.command("Dora", "/summon Ada").await.text, "Ada is here already.");
    assert!(bot.command("Dora", "/summon Zoe").await.text.contains("nobody called Zoe"));
}

#[tokio::test(flavor = "multi_thread")]
async fn summon_needs_consent() {
    let bot = BotTester::new().await;
    bot.says("Eve", "hello all").await;
    let answer = bot.command("Dora", "/summon Eve").await;
    assert!(!answer.done && answer.text.contains("/consent yes"), "{answer:?}");
    assert!(bot.cast().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn dismiss_sends_them_away_and_forces_them_no_more() {
    let bot = BotTester::with_cast().await;
    bot.command("Dora", "/speaker Ada").await;
    assert_eq!(bot.command("Dora", "/dismiss ada").await.text, "Ada left the room.");
    assert_eq!(bot.cast().await, ["Bo"]);
    assert!(bot.settings().await.speakers.is_empty());
    bot.says("Dora", "who is left?").await;
    bot.next_by("Bo").await;
    assert_eq!(bot.command("Dora", "/dismiss").await.text, "Bo left the room.");
    assert!(!bot.command("Dora", "/dismiss").await.done);
}

#[tokio::test(flavor = "multi_thread")]
async fn cast_shows_who_is_here_and_who_could_be() {
    let bot = BotTester::with_cast().await;
    let answer = bot.command("Dora", "/cast").await;
    assert_eq!(answer.audience, Audience::Asker);
    assert!(answer.text.contains("in the room: Ada and Bo"), "{}", answer.text);
    assert!(answer.text.contains("could be summoned: Cleo"), "{}", answer.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn topic_stands_in_the_prompt_until_it_is_lifted() {
    let bot = BotTester::with_cast().await;
    bot.command("Dora", "/topic the regatta").await;
    bot.says("Dora", "hm").await;
    bot.next().await;
    assert!(bot.runner.prompts().last().unwrap().contains("\nTalk ONLY about the regatta\nRespond as "));
    bot.command("Dora", "/topic").await;
    bot.says("Dora", "hm?").await;
    bot.next().await;
    assert!(!bot.runner.prompts().last().unwrap().contains("ONLY"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forced_speaker_holds_a_monologue() {
    let bot = BotTester::with_cast().await;
    assert_eq!(bot.command("Dora", "/speaker bo").await.text, "Only Bo will speak.");
    bot.command("Dora", "/more 4").await;
    for _ in 0..4 {
        bot.next_by("Bo").await;
    }
    assert!(!bot.command("Dora", "/speaker Cleo").await.done, "Cleo is not in the room");
    assert_eq!(bot.command("Dora", "/speaker").await.text, "Anyone may speak again.");
    assert!(bot.settings().await.speakers.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn pace_off_is_silence_until_more_is_asked_for() {
    let bot = BotTester::with_cast().await;
    bot.command("Dora", "/pace off").await;
    assert_eq!(bot.settings().await.pacing, Pacing::Off);
    bot.says("Dora", "Ada?").await;
    bot.command("Dora", "/say Bo nothing was said before this").await;
    assert_eq!(bot.next().await.text, "nothing was said before this");
    bot.command("Dora", "/more").await;
    bot.next().await;
    assert_eq!(bot.command("Dora", "/pace").await.text, "The pace is off.");
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_chat_begins_by_itself() {
    let bot = BotTester::with_cast().await;
    assert_eq!(bot.command("Dora", "/idle").await.text, "Idle chat is off.");
    assert_eq!(bot.command("Dora", "/idle 5s").await.text, "They chat among themselves after 5 seconds of silence.");
    let first = bot.next().await;
    let second = bot.next().await;
    assert_ne!(first.name, second.name, "idle chat is between two at least");
    bot.command("Dora", "/idle off").await;
    assert_eq!(bot.settings().await.idle(), None);
    bot.command("Dora", "/idle 2h").await;
    assert_eq!(bot.settings().await.idle(), Some(Duration::from_secs(7200)));
}

#[tokio::test(flavor = "multi_thread")]
async fn say_puts_words_in_a_mouth_as_they_are() {
    let bot = BotTester::with_cast().await;
    bot.command("Dora", "/say bo I owe\nyou all a pizza").await;
    let said = bot.next_by("Bo").await;
    assert_eq!(said.text, "I owe you all a pizza");
    assert!(bot.runner.prompts().is_empty(), "no model was asked");
    assert!(!bot.command("Dora", "/say Cleo hi").await.done);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_brings_exactly_so_many() {
    let bot = BotTester::with_cast().await;
    bot.command("Dora", "/pace off").await;
    bot.command("Dora", "/more 3").await;
    for _ in 0..3 {
        bot.next().await;
    }
    bot.command("Dora", "/say Ada that was all").await;
    assert_eq!(bot.next().await.text, "that was all");
    let empty = BotTester::new().await;
    assert!(!empty.command("Dora", "/more").await.done);
}

#[tokio::test(flavor = "multi_thread")]
async fn reset_empties_the_window_and_lifts_the_topic() {
    let bot = BotTester::with_cast().await;
    bot.command("Dora", "/topic boats").await;
    bot.command("Dora", "/reset").await;
    bot.says("Dora", "Ada, something new").await;
    bot.next_by("Ada").await;
    let prompt = bot.runner.prompts().last().unwrap().clone();
    assert!(prompt.ends_with("Recent messages:\nDora: Ada, something new\n\nRespond as Ada:"), "{prompt}");
    assert!(bot.history().await.len() > 12, "nothing was erased");
}

#[tokio::test(flavor = "multi_thread")]
async fn tune_changes_what_it_names() {
    let bot = BotTester::with_cast().await;
    bot.command("Dora", "/tune temperature=0.5").await;
    bot.command("Dora", "/tune top_k=7").await;
    assert_eq!(bot.settings().await.sampling, Sampling { temperature: 0.5, top_k: 7, ..Sampling::default() });
    let refused = bot.command("Dora", "/tune temperature=9").await;
    assert!(!refused.done && refused.text.contains("between 0 and 2"), "{refused:?}");
    assert_eq!(bot.settings().await.sampling.temperature, 0.5);
}

#[tokio::test(flavor = "multi_thread")]
async fn privacy_and_help_are_for_the_asker() {
    let bot = BotTester::new().await;
    for command in ["/privacy", "/help"] {
        let answer = bot.command("Dora", command).await;
        assert!(answer.done && answer.audience == Audience::Asker);
        assert!(answer.text.contains("/forgetme"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_commands_is_refused_politely() {
    let bot = BotTester::new().await;
    let mut refused = None;
    for _ in 0..40 {
        refused = Some(bot.command("Dora", "/help").await).filter(|answer| !answer.done);
    }
    assert!(refused.unwrap().text.contains("please"));
    assert!(bot.command("Eve", "/help").await.done, "somebody else is not affected");
}
