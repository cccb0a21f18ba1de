//! Several processes on one history: one speaks in a room, all know what is said, and another goes on when it ends.

use std::time::Duration;

use bot::{
    App,
    commands::{self, Answer, Rank},
    event::{Event, Happening, Posted},
};

use super::tester::{BotTester, LINES, Process, Setup, no_limits, person};

/// Two processes that hear of each other's changes; Ada and Bo are in the room.
async fn two() -> (BotTester, Process) {
    let bot = BotTester::set_up(Setup { limits: no_limits(), ..Setup::default() }).await;
    assert!(bot.command("Dora", "/summon Ada Bo").await.done);
    let second = bot.another_process().await;
    for (from, to) in [(&bot.app, &second.app), (&second.app, &bot.app)] {
        for (topic, shown) in [("/topic boats", "topic: boats"), ("/topic", "topic: anything")] {
            bot.until(async || {
                command(from, &bot, topic).await;
                command(to, &bot, "/cast").await.text.contains(shown)
            })
            .await;
        }
    }
    (bot, second)
}

async fn tell(app: &App, bot: &BotTester, posted: Posted) {
    app.handle(Event { place: bot.place.clone(), what: Happening::Posted(posted) }).await.unwrap();
}

async fn command(app: &App, bot: &BotTester, typed: &str) -> Answer {
    app.command(&bot.place, &person("Dora"), Rank::Administrator, commands::parse(typed).unwrap()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_that_hear_a_message_one_answers() {
    let (bot, second) = two().await;
    let posted = bot.message(person("Dora"), "Ada?");
    tokio::join!(tell(&bot.app, &bot, posted.clone()), tell(&second.app, &bot, posted));
    bot.next_by("Ada").await;
    second.stop().await;
    bot.stop().await;
    assert_eq!(bot.history().await.iter().filter(|line| *line == "Dora: Ada?").count(), 1);
    assert_eq!(asked_after(&bot, "Dora: Ada?"), 1, "the other did not even ask its runner");
}

/// How many replies to this line were asked for.
fn asked_after(bot: &BotTester, line: &str) -> usize {
    let end = format!("\n{line}\n\nRespond as ");
    bot.runner.prompts().iter().filter(|prompt| prompt.contains(&end)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_to_come_speaks_in_a_room_and_the_other_knows() {
    let (bot, second) = two().await;
    assert!(bot.app.speaks_in(&bot.place).await.unwrap());
    assert!(!second.app.speaks_in(&bot.place).await.unwrap());
    assert!(bot.app.speaks_in(&bot.place).await.unwrap());
    let posted = bot.message(person("Dora"), "Bo?");
    tell(&second.app, &bot, posted.clone()).await;
    tell(&bot.app, &bot, posted).await;
    bot.next_by("Bo").await;
    second.stop().await;
    bot.settled().await;
    assert_eq!(asked_after(&bot, "Dora: Bo?"), 1);
}

/// A process that follows one which has spoken and ended politely.
async fn follower() -> (BotTester, Process) {
    let bot = BotTester::with_cast().await;
    bot.command("Dora", "/pace 0 0 0").await;
    let second = bot.another_process().await;
    assert!(command(&second.app, &bot, "/cast").await.done, "its room is awake");
    bot.runner.will_say(&["said by the first"]);
    bot.says("Dora", "is it warm?").await;
    bot.command("Dora", "/more").await;
    bot.next_kept().await;
    bot.stop().await;
    (bot, second)
}

#[tokio::test(flavor = "multi_thread")]
async fn when_one_ends_politely_the_other_speaks_at_once_and_knows_what_was_said() {
    let (bot, second) = follower().await;
    command(&second.app, &bot, "/more").await;
    bot.next().await;
    let prompt = bot.runner.prompts().pop().unwrap();
    assert!(prompt.contains("Dora: is it warm?\n"), "what only the first was told: {prompt}");
    assert!(prompt.contains(": said by the first\n"), "what only the first said: {prompt}");
    assert!(second.app.speaks_in(&bot.place).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_over_still_knows_at_the_second_reply_what_was_said_before() {
    let (bot, second) = follower().await;
    command(&second.app, &bot, "/more").await;
    bot.next_kept().await;
    command(&second.app, &bot, "/more").await;
    bot.next().await;
    let prompt = bot.runner.prompts().pop().unwrap();
    assert!(prompt.contains(": said by the first\n"), "{prompt}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_asked_whether_it_speaks_and_takes_over_knows_what_was_said_before() {
    let (bot, second) = follower().await;
    assert!(second.app.speaks_in(&bot.place).await.unwrap(), "at once");
    command(&second.app, &bot, "/more").await;
    bot.next().await;
    let prompt = bot.runner.prompts().pop().unwrap();
    assert!(prompt.contains(": said by the first\n"), "{prompt}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_set_through_one_counts_for_the_other() {
    let (bot, second) = two().await;
    assert!(bot.app.speaks_in(&bot.place).await.unwrap());
    bot.command("Dora", "/topic the sea").await;
    bot.until(async || command(&second.app, &bot, "/cast").await.text.contains("topic: the sea")).await;
    bot.stop().await;
    tell(&second.app, &bot, bot.message(person("Dora"), "Ada?")).await;
    bot.next_by("Ada").await;
    assert!(bot.runner.prompts().last().unwrap().contains("ONLY about the sea"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_set_through_the_one_that_is_quiet_counts_for_the_one_that_speaks() {
    let (bot, second) = two().await;
    assert!(bot.app.speaks_in(&bot.place).await.unwrap());
    command(&second.app, &bot, "/topic the sea").await;
    command(&second.app, &bot, "/summon Cleo").await;
    bot.until(async || {
        let cast = bot.command("Dora", "/cast").await.text;
        cast.contains("topic: the sea") && cast.contains("in the room: Ada, Bo and Cleo")
    })
    .await;
    bot.says("Dora", "Cleo?").await;
    bot.next_by("Cleo").await;
    assert!(bot.runner.prompts().last().unwrap().contains("ONLY about the sea"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_no_to_one_is_gone_from_the_other() {
    let (bot, second) = two().await;
    bot.command("Dora", "/speaker Ada").await;
    bot.runner.set_open(false);
    bot.says("Dora", "well?").await;
    bot.soon(bot.runner.is_asked_as("Ada")).await;
    let no = commands::parse("/consent no").unwrap();
    assert!(second.app.command(&bot.place, &person("Ada"), Rank::Member, no).await.done);
    bot.soon(bot.runner.a_request_was_given_up()).await;
    bot.runner.set_open(true);
    bot.command("Dora", "/say Bo just me now").await;
    while bot.next().await.text != "just me now" {}
    assert!(bot.platform.said().iter().all(|said| said.name != "Ada"));
}

/// Leaves the room as a process does that was killed before it posted this.
async fn a_process_dies(bot: &BotTester, text: &str) {
    let lease = bot.store.lease(bot.room.id, "dead", Duration::from_secs(60)).await.unwrap().unwrap();
    bot.leave_pending(&lease, text).await;
    // It runs out at once, and not before.
    assert!(bot.store.lease(bot.room.id, "dead", Duration::ZERO).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_process_left_is_posted_by_a_living_one() {
    let bot = BotTester::with_cast().await;
    bot.command("Dora", "/pace off").await;
    a_process_dies(&bot, "as I was saying").await;
    assert_eq!(bot.next_kept().await.text, "as I was saying");
    assert!(bot.store.unfinished_turns(bot.room.id).await.unwrap().is_empty());
    bot.command("Dora", "/say Bo the end").await;
    assert_eq!(bot.next().await.text, "the end");
    assert_eq!(bot.platform.said().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_process_left_comes_before_what_is_said_next() {
    let bot = BotTester::with_cast().await;
    bot.command("Dora", "/pace off").await;
    a_process_dies(&bot, "as I was saying").await;
    bot.command("Dora", "/say Bo the end").await;
    assert_eq!(bot.next().await.text, "as I was saying");
    assert_eq!(bot.next().await.text, "the end");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_process_left_is_posted_by_one_that_was_asked_whether_it_speaks() {
    let bot = BotTester::with_cast().await;
    bot.command("Dora", "/pace off").await;
    a_process_dies(&bot, "as I was saying").await;
    bot.until(async || bot.app.speaks_in(&bot.place).await.unwrap()).await;
    assert_eq!(bot.next().await.text, "as I was saying");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_crosses_with_one_of_ours_is_answered_whoever_stores_it() {
    let (bot, second) = two().await;
    bot.command("Dora", "/say Bo hello").await;
    let crossing = bot.message(person("Dora"), "Ada, are you there?");
    bot.next_kept().await;
    bot.command("Dora", "/say Bo hello again").await;
    bot.next_kept().await;
    tell(&second.app, &bot, crossing.clone()).await;
    tell(&bot.app, &bot, crossing).await;
    bot.next_by("Ada").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_set_while_a_process_starts_counts_for_it() {
    let bot = BotTester::set_up(Setup { limits: no_limits(), ..Setup::default() }).await;
    assert!(bot.command("Dora", "/summon Ada Bo").await.done);
    let second = bot.another_process().await;
    assert!(command(&second.app, &bot, "/cast").await.done, "its room has been read");
    bot.command("Dora", "/topic the sea").await;
    bot.until(async || command(&second.app, &bot, "/cast").await.text.contains("topic: the sea")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_whose_process_is_gone_is_taken_over_once() {
    let bot = BotTester::with_cast().await;
    bot.store.lease(bot.room.id, "dead", Duration::ZERO).await.unwrap().unwrap();
    bot.until(async || bot.store.orphaned_rooms(&bot.owner).await.unwrap().is_empty()).await;
}

/// Two processes without a model. Both were told what Eve said, the first of them before the other; she agreed.
async fn two_who_know_eve() -> (BotTester, Process) {
    let setup = Setup { has_runner: false, limits: no_limits(), ..Setup::default() };
    let bot = BotTester::set_up(setup).await;
    bot.command("Dora", "/pace 0 0 0").await;
    let second = bot.another_process().await;
    assert!(command(&second.app, &bot, "/cast").await.done, "its room is awake");
    for line in LINES {
        let posted = bot.message(person("Eve"), line);
        tell(&bot.app, &bot, posted.clone()).await;
        tell(&second.app, &bot, posted).await;
    }
    bot.command("Eve", "/consent yes").await;
    (bot, second)
}

/// Summons Eve alone and asks for something through a process.
async fn ask_eve(app: &App, bot: &BotTester) {
    assert!(command(app, bot, "/summon Eve").await.done);
    let question = bot.message(person("Dora"), "what of the boats at the harbour?");
    tell(app, bot, question).await;
    command(app, bot, "/more").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_process_stored_first_teaches_too() {
    let (bot, second) = two_who_know_eve().await;
    bot.stop().await;
    ask_eve(&second.app, &bot).await;
    bot.next_by("Eve").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_forgotten_by_one_is_forgotten_by_all() {
    let (bot, second) = two_who_know_eve().await;
    // The other has learned from the history itself, so it surely knows her.
    second.stop().await;
    let second = bot.another_process().await;
    assert!(command(&second.app, &bot, "/summon Ada Eve").await.done);
    bot.command("Eve", "/forgetme confirm").await;
    bot.until(async || command(&second.app, &bot, "/cast").await.text.starts_with("in the room: Ada\n")).await;
    bot.command("Eve", "/consent yes").await;
    bot.says("Eve", "once more from the beginning").await;
    bot.stop().await;
    command(&second.app, &bot, "/dismiss Ada").await;
    ask_eve(&second.app, &bot).await;
    assert_eq!(bot.soon(bot.platform.gives_up()).await, "Eve");
    assert_eq!(bot.platform.said(), []);
}
