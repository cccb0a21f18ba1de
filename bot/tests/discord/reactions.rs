//! Judging, changing and taking away what a persona said.

use store::Verdict;

use crate::tester::{DiscordTester, key};

async fn said(bot: &DiscordTester, text: &str) -> u64 {
    let said = bot.has_said("Ada", text).await;
    let room = bot.room(bot.friends.channel).await;
    bot.soon("it is history", async || bot.store().authorship(room.id, key(said.id)).await.unwrap().is_some()).await;
    said.id
}

#[tokio::test(flavor = "multi_thread")]
async fn thumbs_are_kept_for_later_training() {
    let bot = DiscordTester::with_cast().await;
    let message = said(&bot, "how was I?").await;
    let room = bot.room(bot.friends.channel).await.id;
    bot.discord.react(bot.friends.channel, message, bot.friends.bo, "👍");
    bot.discord.react(bot.friends.channel, message, bot.friends.dora, "👎");
    let feedback = async || bot.store().feedback(room, &[key(message)]).await.unwrap();
    bot.soon("both are kept", async || {
        feedback().await == [(key(message), Verdict::Up, 1), (key(message), Verdict::Down, 1)]
    })
    .await;
    bot.discord.unreact(bot.friends.channel, message, bot.friends.dora, "👎");
    bot.soon("one is taken back", async || feedback().await == [(key(message), Verdict::Up, 1)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reroll_says_something_else_in_the_same_place() {
    let bot = DiscordTester::with_cast().await;
    bot.says(bot.friends.dora, "what a day");
    bot.next().await;
    bot.command(bot.friends.dora, "pace", serde_json::json!([{ "name": "preset", "value": "off" }])).await;
    let message = said(&bot, "how was I?").await;
    bot.runner.will_say(&["a better line"]);
    bot.discord.react(bot.friends.channel, message, bot.friends.dora, "🔁");
    bot.soon("it reads otherwise", async || {
        bot.discord.message(bot.friends.channel, message).unwrap().content == "a better line"
    })
    .await;
    bot.soon("the history too", async || {
        bot.history(bot.friends.channel).await.contains(&"Ada: a better line".to_owned())
    })
    .await;
    bot.is_well_behaved();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_imitated_the_asker_and_moderators_can_take_a_message_away() {
    let bot = DiscordTester::with_cast().await;
    let cleo = bot.discord.user("Cleo");
    bot.discord.join(bot.friends.guild, cleo, None);
    bot.says(bot.friends.bo, "Ada, what do you think?");
    let answer = bot.next().await.id;
    let line = said(&bot, "words of mine").await;
    let other = said(&bot, "more words of mine").await;
    let gone = async |message: u64| bot.discord.message(bot.friends.channel, message).is_none();
    for (message, user) in
        [(answer, cleo), (answer, bot.friends.bo), (line, bot.friends.ada), (other, bot.friends.dora)]
    {
        bot.discord.react(bot.friends.channel, message, user, "❌");
        if user == cleo {
            said(&bot, "that was nobody's business").await;
            assert!(!gone(message).await);
        } else {
            bot.soon("it is gone", async || gone(message).await).await;
        }
    }
    bot.soon("the history has none of it", async || {
        !bot.history(bot.friends.channel).await.iter().any(|line| line.contains("words of mine"))
    })
    .await;
    bot.is_well_behaved();
}
