//! What is said on Discord becomes history: as it comes, after an outage, and from before the bot came.

use serde_json::json;

use crate::{fake, tester::DiscordTester};

#[tokio::test(flavor = "multi_thread")]
async fn messages_edits_and_deletions_are_followed() {
    let bot = DiscordTester::new().await;
    let first = bot.says(bot.friends.dora, "the **regata** is on");
    let second = bot.says(bot.friends.ada, "no");
    let third = bot.discord.reply(bot.friends.channel, bot.friends.bo, first, "yes");
    bot.history_becomes(&["Dora: the regata is on", "Ada: no", "Bo: yes"]).await;
    bot.discord.edit(bot.friends.channel, first, "the regatta is on");
    bot.discord.delete(bot.friends.channel, second);
    bot.history_becomes(&["Dora: the regatta is on", "Bo: yes"]).await;
    let room = bot.room(bot.friends.channel).await;
    let reply = bot.store().message(room.id, crate::tester::key(third)).await.unwrap().unwrap();
    assert_eq!(reply.reply_to, Some(crate::tester::key(first)));
    bot.discord.delete_bulk(bot.friends.channel, &[first, third]);
    bot.history_becomes(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mentions_are_names_and_system_lines_and_our_own_words_are_not_kept() {
    let bot = DiscordTester::with_cast().await;
    let (ada, bo) = (bot.friends.ada, bot.friends.bo);
    bot.says(bot.friends.dora, &format!("<@{ada}> and <@{bo}>: <#{}>", bot.friends.channel));
    bot.next().await;
    bot.discord.system_message(bot.friends.channel, ada, 7);
    bot.discord.foreign_webhook_says(bot.friends.channel, "Gazette", "news!");
    bot.soon("the news is stored", async || {
        bot.history(bot.friends.channel).await.iter().any(|line| line == "Gazette: news!")
    })
    .await;
    let history = bot.history(bot.friends.channel).await;
    assert!(history.contains(&"Dora: @Ada and @Bo: #general".to_owned()), "{history:?}");
    assert!(history.iter().all(|line| !line.contains("joined the room") && !line.contains("(AI)")), "{history:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_is_called_what_the_server_calls_them_now() {
    let bot = DiscordTester::with_cast().await;
    bot.discord.rename(bot.friends.guild, bot.friends.ada, Some("Captain Ada"));
    bot.soon("the new name is known", async || {
        let names = bot.store().members(bot.community(bot.friends.guild).await).await.unwrap();
        names.iter().any(|member| member.name == "Captain Ada")
    })
    .await;
    bot.soon("the persona is called so", async || {
        let cast = bot.bot.app.view(bot.room(bot.friends.channel).await.id).await.unwrap().cast;
        cast.iter().any(|persona| persona.name == "Captain Ada")
    })
    .await;
    bot.says(bot.friends.dora, "Captain, are you there?");
    assert_eq!(bot.next().await.author_name, "Captain Ada (AI)");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_missed_is_fetched_before_anybody_speaks_again() {
    let bot = DiscordTester::new().await;
    let typo = bot.says(bot.friends.dora, "a tpyo");
    let secret = bot.says(bot.friends.dora, "the code is 1234");
    bot.history_becomes(&["Dora: a tpyo", "Dora: the code is 1234"]).await;
    bot.summon("Ada").await;
    let DiscordTester { discord, runner, database, friends, bot: running, ca } = bot;
    running.stop().await;
    for i in 0..130 {
        discord.say(friends.channel, friends.dora, &format!("while you were away, part {i}"));
    }
    discord.edit(friends.channel, typo, "a typo");
    discord.delete(friends.channel, secret);
    // Reading takes a while, so that speaking too early would show.
    discord.delay("/messages", std::time::Duration::from_millis(300));
    let running = crate::tester::start_bot(&discord, &database.store, &runner, &ca, None).await;
    discord.connected().await;
    let bot = DiscordTester { discord, runner, database, friends, bot: running, ca };
    bot.has_said("Ada", "I am back").await;
    let history = bot.history(bot.friends.channel).await;
    assert_eq!(history.iter().filter(|line| line.contains("while you were away")).count(), 130);
    assert!(history.iter().any(|line| line == "Dora: a typo") && !history.iter().any(|line| line.contains("1234")));
}

#[tokio::test(flavor = "multi_thread")]
async fn older_messages_are_read_page_by_page_and_go_on_after_a_restart() {
    let discord_messages = 450;
    let bot = DiscordTester::new().await;
    let old = bot.discord.channel(bot.friends.guild, "old");
    // They were posted before the bot came: nobody told it of them.
    bot.discord.drop_gateway(4000);
    let DiscordTester { discord, runner, database, friends, bot: running, ca } = bot;
    running.stop().await;
    for i in 0..discord_messages {
        discord.say(old, if i % 2 == 0 { friends.ada } else { friends.dora }, &format!("memory {i}"));
    }
    let running = crate::tester::start_bot(&discord, &database.store, &runner, &ca, None).await;
    discord.connected().await;
    let bot = DiscordTester { discord, runner, database, friends, bot: running, ca };
    bot.discord.delay("/messages", std::time::Duration::from_millis(200));
    let given = bot.discord.slash(old, bot.friends.dora, "history", json!([{ "name": "what", "value": "backfill" }]));
    let answer = bot.discord.answer(given).await;
    assert!(answer.content.contains("Reading older messages"), "{answer:?}");
    let count = async |bot: &DiscordTester| bot.history(old).await.len();
    bot.soon("a page is stored", async || count(&bot).await >= 100).await;
    let bot = bot.restart().await;
    bot.soon("all is stored", async || count(&bot).await == discord_messages).await;
    bot.soon("the channel says so", async || {
        let shown = bot.discord.messages(old);
        shown.iter().any(|message| message.content.contains("read to its beginning"))
    })
    .await;
    let room = bot.room(old).await;
    let again = bot.discord.slash(old, bot.friends.dora, "history", json!([{ "name": "what", "value": "backfill" }]));
    assert!(bot.discord.answer(again).await.content.contains("to its beginning"));
    assert_eq!(bot.store().room_message_count(room.id).await.unwrap(), discord_messages as i64);
    let history = bot.history(old).await;
    assert_eq!(history.first().map(String::as_str), Some("Ada: memory 0"));
    bot.is_well_behaved();
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_can_be_stopped_and_needs_the_permission_to_read() {
    let bot = DiscordTester::new().await;
    for i in 0..300 {
        bot.says(bot.friends.ada, &format!("memory {i}"));
    }
    bot.discord.delay("/messages", std::time::Duration::from_millis(500));
    let what = |what: &str| json!([{ "name": "what", "value": what }]);
    bot.command(bot.friends.dora, "history", what("backfill")).await;
    let answer = bot.command(bot.friends.dora, "history", what("stop")).await;
    assert!(answer.content.contains("Stopped"), "{answer:?}");
    let answer = bot.command(bot.friends.dora, "history", what("status")).await;
    assert!(answer.content.contains("in part"), "{answer:?}");
    bot.discord.deny(bot.friends.channel, fake::READ_MESSAGE_HISTORY | fake::VIEW_CHANNEL);
    let answer = bot.command(bot.friends.dora, "history", what("backfill")).await;
    assert!(answer.content.contains("Read Message History"), "{answer:?}");
}
