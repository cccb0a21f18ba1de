//! Members who come, leave and change their names, and the bot itself, taken in and put out.

use std::time::Duration;

use bot::event::{GroupHappening, Person};
use chat::MemberKey;
use chrono::TimeDelta;

use super::tester::{BotTester, Setup, history, no_limits, person, place};

fn ada_left() -> GroupHappening {
    GroupHappening::Left(MemberKey("ada".to_owned()))
}

fn renamed(name: &str) -> Person {
    Person { name: name.to_owned(), ..person("Ada") }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_left_keeps_their_persona_for_a_while_and_then_loses_it() {
    let mut bot = BotTester::set_up(Setup { limits: no_limits(), ..Setup::default() }).await;
    bot.command("Dora", "/summon Ada Bo").await;
    bot.command("Dora", "/pace 0 0 0").await;
    bot.command("Dora", "/speaker Ada").await;
    bot.happens_to_group(ada_left()).await;
    bot = bot.restart().await;
    bot.command("Dora", "/more").await;
    bot.next_by("Ada").await;
    bot.setup.grace = TimeDelta::zero();
    bot = bot.restart().await;
    let alone = "in the room: Bo\ncould be summoned: Cleo\n";
    bot.until(async || bot.command("Dora", "/cast").await.text.starts_with(alone)).await;
    assert!(bot.settings().await.speakers.is_empty());
    assert_eq!(bot.command("Dora", "/summon Ada").await.text, "Ada has left this group.");
    assert!(bot.history().await.iter().any(|line| line.starts_with("Ada: ")), "what she wrote stays");
    bot.command("Dora", "/more").await;
    bot.next_by("Bo").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_returns_can_be_summoned_again() {
    let mut bot = BotTester::with_cast().await;
    bot.happens_to_group(ada_left()).await;
    bot.setup.grace = TimeDelta::zero();
    bot = bot.restart().await;
    bot.until(async || bot.cast().await == ["Bo"]).await;
    bot.happens_to_group(GroupHappening::Seen(person("Ada"))).await;
    assert!(!bot.command("Dora", "/summon Ada").await.done, "to be seen somewhere is not to return");
    bot.happens_to_group(GroupHappening::Returned(person("Ada"))).await;
    assert_eq!(bot.cast().await, ["Bo"], "nobody is brought in unasked");
    assert!(bot.command("Dora", "/summon Ada").await.done);
    bot = bot.restart().await;
    bot.says("Dora", "Ada?").await;
    bot.next_by("Ada").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_returns_in_time_has_never_been_away() {
    let mut bot = BotTester::with_cast().await;
    bot.happens_to_group(ada_left()).await;
    bot.happens_to_group(GroupHappening::Returned(person("Ada"))).await;
    bot.setup.grace = TimeDelta::zero();
    bot = bot.restart().await;
    bot.says("Dora", "Ada?").await;
    bot.next_by("Ada").await;
    assert_eq!(bot.cast().await, ["Ada", "Bo"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_put_the_bot_out_is_left_alone_until_it_is_taken_in_again() {
    let bot = BotTester::with_cast().await;
    let elsewhere = place("others");
    let other = history(&bot.store, &elsewhere).await;
    let summon = bot::commands::parse("/summon Bo").unwrap();
    assert!(bot.app.command(&elsewhere, &person("Zed"), bot::commands::Rank::Member, summon).await.done);
    for (room, text) in [(bot.room.id, "as I was saying"), (other.id, "meanwhile elsewhere")] {
        let lease = bot.store.lease(room, &bot.owner, Duration::from_secs(60)).await.unwrap().unwrap();
        bot.leave_pending(&lease, text).await;
    }
    bot.happens_to_group(GroupHappening::PutOut).await;
    let bot = bot.restart().await;
    assert_eq!(bot.next().await.text, "meanwhile elsewhere");
    assert_eq!(bot.store.rooms_with_cast().await.unwrap(), [other]);
    let bot = bot.restart().await;
    assert_eq!(bot.platform.said().len(), 1);
    assert_eq!(bot.store.unfinished_turns(bot.room.id).await.unwrap().len(), 1, "what waits is kept");
    assert_eq!(bot.cast().await, ["Ada", "Bo"], "and so is who was there");
    bot.happens_to_group(GroupHappening::Joined).await;
    let bot = bot.restart().await;
    assert_eq!(bot.next().await.text, "as I was saying");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_persona_is_called_and_looks_like_its_member_does_now() {
    let bot = BotTester::with_cast().await;
    bot.command("Dora", "/pace 0 0 0").await;
    bot.happens_to_group(GroupHappening::Seen(person("Ada"))).await;
    let avatar_url = Some("https://example.com/ada.png".to_owned());
    let now = Person { avatar_url: avatar_url.clone(), ..renamed("Countess") };
    bot.happens_to_group(GroupHappening::Seen(now)).await;
    bot.command("Dora", "/say Countess good evening").await;
    let said = bot.next_by("Countess").await;
    assert_eq!(said.avatar_url, avatar_url);
    bot.command("Dora", "/speaker Countess").await;
    bot.command("Dora", "/more").await;
    bot.next_by("Countess").await;
    assert!(bot.runner.prompts().last().unwrap().ends_with("Respond as Countess:"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_name_may_come_with_a_message() {
    let bot = BotTester::with_cast().await;
    bot.command("Dora", "/pace off").await;
    bot.says("Ada", "I think that I shall marry").await;
    bot.post(bot.message(renamed("Countess"), "and so I did")).await;
    bot.command("Dora", "/say Countess good evening").await;
    bot.next_by("Countess").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_name_counts_at_once_where_the_old_one_was_not_heard_since_the_start() {
    let bot = BotTester::with_cast().await;
    bot.command("Dora", "/speaker Ada").await;
    let bot = bot.restart().await;
    bot.command("Dora", "/cast").await;
    bot.post(bot.message(renamed("Countess"), "call me Countess")).await;
    bot.next_by("Countess").await;
    assert!(bot.runner.prompts().last().unwrap().ends_with("Respond as Countess:"));
    bot.command("Dora", "/pace off").await;
    assert!(bot.command("Dora", "/say Countess good evening").await.done);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_members_of_one_name_each_is_asked_for_by_a_name_of_their_own() {
    let bot = BotTester::with_cast().await;
    bot.command("Dora", "/pace off").await;
    bot.command("Dora", "/dismiss Ada").await;
    bot.says("Ada", "I was here first").await;
    bot.post(bot.message(Person { name: "Ada".to_owned(), ..person("Bo") }, "and now I am Ada too")).await;
    bot.runner.will_say(&["Ada 2: call me what you like"]);
    assert!(bot.command("Dora", "/speaker Ada").await.done);
    bot.command("Dora", "/more").await;
    let said = bot.next_by("Ada").await;
    assert_eq!(said.text, "call me what you like", "the name of the prompt is dropped");
    let prompt = bot.runner.prompts().pop().unwrap();
    let end = "Ada: I was here first\nAda 2: and now I am Ada too\n\nRespond as Ada 2:";
    assert!(prompt.ends_with(end), "{prompt}");
    bot.soon(bot.runner.is_shown("Ada 2: call me what you like")).await;
}
