//! Commands as Discord offers them.

use std::time::Duration;

use chat::Pacing;
use serde_json::json;

use crate::{fake, tester::DiscordTester};

fn who(names: &str) -> serde_json::Value {
    json!([{ "name": "who", "value": names }])
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_are_registered_once_and_again_only_when_they_changed() {
    let bot = DiscordTester::new().await;
    let commands = bot.discord.commands_registered(None).await;
    assert_eq!(commands.len(), bot::commands::SPECS.len() + 1);
    assert!(commands.iter().any(|command| command["type"] == 3 && command["name"] == "Who wrote this?"));
    let summon = commands.iter().find(|command| command["name"] == "summon").unwrap();
    assert_eq!(summon["description_localizations"]["de"], "Holt Personas in den Raum.");
    let bot = bot.restart().await;
    bot.summon("Ada").await;
    let registrations =
        bot.discord.requests().into_iter().filter(|(method, path, _)| method == "PUT" && path.ends_with("/commands"));
    assert_eq!(registrations.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_can_be_offered_in_named_servers_only() {
    let bot = DiscordTester::new().await;
    bot.discord.commands_registered(None).await;
    let DiscordTester { discord, runner, database, friends, bot: everywhere, ca } = bot;
    everywhere.stop().await;
    let here = crate::tester::start_bot_in(&discord, &database.store, &runner, &ca, vec![friends.guild]).await;
    let commands = discord.commands_registered(Some(friends.guild)).await;
    let bot = DiscordTester { discord, runner, database, friends, bot: here, ca };
    assert_eq!(commands.len(), bot::commands::SPECS.len() + 1);
    bot.soon("they are there once", async || bot.discord.commands(None).is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_completed_from_members_and_cast() {
    let bot = DiscordTester::with_cast().await;
    let complete = async |command: &str, typed: &str| -> Vec<String> {
        let choices = bot.discord.autocomplete(bot.friends.channel, bot.friends.dora, command, "who", typed).await;
        choices.into_iter().map(|(_, value)| value).collect()
    };
    assert_eq!(complete("dismiss", "b").await, ["Bo"]);
    assert_eq!(complete("speaker", "Ada, b").await, ["Ada, Bo"]);
    bot.command(bot.friends.dora, "dismiss", who("Bo")).await;
    assert_eq!(complete("summon", "").await, ["Bo"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_concerns_only_the_asker_only_the_asker_sees() {
    let bot = DiscordTester::with_cast().await;
    for command in ["cast", "help", "privacy", "model", "who", "consent", "mydata"] {
        let answer = bot.command(bot.friends.dora, command, json!([])).await;
        assert!(answer.ephemeral && !answer.content.is_empty(), "{command}: {answer:?}");
    }
    let topic = bot.command(bot.friends.dora, "topic", json!([{ "name": "text", "value": "the sea" }])).await;
    assert!(!topic.ephemeral && topic.content == "The topic is now: the sea", "{topic:?}");
    let bad = bot.command(bot.friends.dora, "idle", json!([{ "name": "after", "value": "soon" }])).await;
    assert!(bad.ephemeral && bad.content.contains("is no time"), "{bad:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_takes_long_is_deferred() {
    let bot = DiscordTester::new().await;
    bot.discord.delay("/webhooks", Duration::from_secs(4));
    let answer = bot.command(bot.friends.dora, "summon", who("Ada")).await;
    assert!(answer.deferred && answer.content.contains("Ada joined"), "{answer:?}");
    bot.is_well_behaved();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cast_has_buttons() {
    let bot = DiscordTester::with_cast().await;
    let cast = bot.command(bot.friends.dora, "cast", json!([])).await;
    let press = async |user: u64, button: &str| {
        let pressed = bot.discord.press(bot.friends.channel, cast.message, user, button);
        bot.discord.answer(pressed).await
    };
    assert!(press(bot.friends.bo, "quieter").await.content.contains("manage messages"));
    press(bot.friends.dora, "quieter").await;
    let room = bot.room(bot.friends.channel).await;
    assert_eq!(bot.store().settings(room.id).await.unwrap().pacing, Pacing::Calm);
    assert!(press(bot.friends.dora, "more").await.content.contains("One more"));
    bot.next().await;
    let selected = bot.discord.select(bot.friends.channel, cast.message, bot.friends.dora, "dismiss-one", &["Bo"]);
    assert_eq!(bot.discord.answer(selected).await.content, "Bo left the room.");
    assert_eq!(press(bot.friends.dora, "dismiss").await.content, "Ada left the room.");
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_can_see_who_wrote_a_message_and_get_what_is_kept_of_them() {
    let bot = DiscordTester::with_cast().await;
    let said = bot.has_said("Ada", "in her name").await;
    bot.history_becomes(&["Ada: in her name"]).await;
    let asked = bot.discord.message_command(bot.friends.channel, bot.friends.bo, "Who wrote this?", said.id);
    let answer = bot.discord.answer(asked).await;
    assert!(answer.ephemeral && answer.content.contains("my persona of Ada"), "{answer:?}");
    let data = bot.command(bot.friends.ada, "mydata", json!([])).await;
    let (name, file) = &data.files[0];
    let text = String::from_utf8_lossy(file);
    assert_eq!(name, "mydata.json");
    assert!(text.contains("hello, it is me") && text.contains("in her name") && !text.contains("Dora"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_commands_is_refused_politely() {
    let bot = DiscordTester::new().await;
    let given: Vec<u64> =
        (0..35).map(|_| bot.discord.slash(bot.friends.channel, bot.friends.bo, "help", json!([]))).collect();
    let mut refused = 0;
    for given in given {
        refused += usize::from(bot.discord.answer(given).await.content.contains("give me a minute"));
    }
    assert!((1..=6).contains(&refused), "{refused}");
    bot.is_well_behaved();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_is_forbidden_or_slow_holds_up_no_other() {
    let bot = DiscordTester::with_cast().await;
    let other = bot.discord.channel(bot.friends.guild, "forbidden");
    bot.discord.deny(other, fake::MANAGE_WEBHOOKS | fake::SEND_MESSAGES);
    bot.discord.delay(&format!("/channels/{other}"), Duration::from_secs(10));
    bot.discord.slash(other, bot.friends.dora, "summon", who("Ada"));
    bot.discord.say(other, bot.friends.dora, "anybody?");
    bot.has_said("Ada", "over here nobody waits").await;
}
