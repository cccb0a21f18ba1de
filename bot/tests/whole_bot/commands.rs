//! Each command, given as it is typed, and what comes of it.

use std::time::Duration;

use bot::{
    commands::{self, Answer, Audience, Rank},
    event::Place,
};
use chat::{Pacing, Sampling};

use super::tester::{BotTester, person, place};

#[tokio::test(flavor = "multi_thread")]
async fn summon_brings_personas_in() {
    let bot = BotTester::new().await;
    let answer = bot.command("Dora", "/summon ada, Cleo").await;
    assert_eq!(answer.text.lines().next(), Some("Ada and Cleo joined the room."));
    assert_eq!(answer.audience, Audience::Room);
    assert_eq!(bot.cast().await, ["Ada", "Cleo"]);
    assert_eq!(bot.command("Dora", "/summon Ada").await.text, "Ada is here already.");
    assert!(bot.command("Dora", "/summon Zoe").await.text.contains("nobody called Zoe"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_summons_in_a_room_tells_once_what_is_kept() {
    let bot = BotTester::new().await;
    let first = bot.command("Dora", "/summon Ada").await;
    assert!(first.text.contains("/privacy") && first.text.contains("/forgetme"), "{}", first.text);
    assert_eq!(bot.command("Dora", "/summon Bo").await.text, "Bo joined the room.");
    bot.command("Dora", "/dismiss").await;
    let bot = bot.restart().await;
    assert_eq!(bot.command("Dora", "/summon Ada").await.text, "Ada joined the room.");
    let elsewhere = Place { room: "boats".to_owned(), ..place("crew") };
    let summon = commands::parse("/summon Ada").unwrap();
    let there = bot.app.command(&elsewhere, &person("Dora"), Rank::Member, summon).await;
    assert!(there.text.contains("/privacy"), "another room has other readers: {}", there.text);
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
async fn after_every_fresh_start_they_can_be_asked_for_more() {
    let bot = BotTester::with_cast().await;
    bot.command("Dora", "/pace 0 0 0").await;
    for asking in ["/more", "/say Ada hello", "/more", "/say Ada hello again"] {
        bot.command("Dora", "/reset").await;
        bot.command("Dora", asking).await;
        bot.next_kept().await;
    }
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

#[tokio::test(flavor = "multi_thread")]
async fn who_tells_whose_words_the_latest_message_was() {
    let bot = BotTester::with_cast().await;
    bot.command("Dora", "/pace 0 0 0").await;
    let nobody = bot.command("Dora", "/who").await;
    assert_eq!(nobody, Answer::refused("No persona has said anything here yet."));
    bot.command("Dora", "/speaker Ada").await;
    bot.command("Dora", "/more").await;
    bot.next_kept().await;
    let drawn = bot.command("Dora", "/who").await;
    assert_eq!((drawn.done, drawn.audience), (true, Audience::Asker));
    assert!(drawn.text.contains("my persona of Ada, not Ada: drawn with "), "{}", drawn.text);
    assert!(drawn.text.contains(&bot.app.view(bot.room.id).await.unwrap().voice), "{}", drawn.text);
    bot.command("Dora", "/say Bo I owe you all a pizza").await;
    bot.next_kept().await;
    let given = bot.command("Dora", "/who").await;
    assert!(given.text.contains("my persona of Bo, not Bo: somebody put the words in its mouth"), "{}", given.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_tells_of_the_words_that_stand_there_now() {
    let bot = BotTester::with_cast().await;
    bot.command("Dora", "/pace 0 0 0").await;
    bot.command("Dora", "/say Bo I owe you all a pizza").await;
    let key = bot.next_kept().await.key;
    bot.runner.will_say(&["pizza is on Ada"]);
    bot.reacts("Eve", "🔁", key).await;
    bot.until(async || bot.history().await.contains(&"Bo: pizza is on Ada".to_owned())).await;
    let drawn = bot.command("Dora", "/who").await;
    assert!(drawn.text.contains("drawn with"), "nobody put these words in a mouth: {}", drawn.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_looks_past_what_humans_say() {
    let bot = BotTester::with_cast().await;
    bot.command("Dora", "/pace off").await;
    bot.command("Dora", "/say Ada mine").await;
    bot.next_kept().await;
    bot.says("Eve", "and mine").await;
    assert!(bot.command("Dora", "/who").await.text.contains("my persona of Ada"));
}

#[tokio::test(flavor = "multi_thread")]
async fn model_names_what_they_speak_with() {
    let bot = BotTester::new().await;
    let answer = bot.command_as("Dora", Rank::Member, "/model").await;
    assert_eq!((answer.done, answer.audience), (true, Audience::Asker));
    assert!(answer.text.contains(&bot.app.view(bot.room.id).await.unwrap().voice), "{}", answer.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn history_is_for_those_who_manage_and_for_platforms_that_can() {
    let bot = BotTester::new().await;
    for reading in ["/history backfill", "/history stop"] {
        let refused = bot.command_as("Dora", Rank::Member, reading).await;
        assert_eq!(refused, Answer::refused("That is for those who manage this group."));
        let refused = bot.command("Dora", reading).await;
        assert!(!refused.done && refused.text.contains("cannot be read here"), "{refused:?}");
    }
    let shown = bot.command_as("Dora", Rank::Member, "/history").await;
    assert!(shown.text.contains("groupchat import"), "it says what to do instead: {shown:?}");
}
