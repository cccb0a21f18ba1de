//! Personas with bots of their own.

use bot::platform::telegram::Settings;

use crate::{
    fake::{BOT, Kind, Say},
    tester::TelegramTester,
};

/// A bot with one persona bot, which is in the group or not.
async fn with_one(kind: Kind, is_there: bool) -> (TelegramTester, i64) {
    let mut persona_bot = 0;
    let bot = TelegramTester::with(kind, |telegram, settings| {
        let (id, token) = telegram.bot("FirstPersonaBot");
        persona_bot = id;
        Settings { persona_bots: vec![token.into()], ..settings }
    })
    .await;
    if is_there {
        bot.telegram.set_status(bot.friends.group, persona_bot, "member");
    }
    bot.command(bot.friends.dora, "/pace off").await;
    bot.summon("Ada, Bo").await;
    (bot, persona_bot)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_persona_speaks_as_itself_and_others_through_the_bot() {
    let (bot, persona_bot) = with_one(Kind::Supergroup, true).await;
    let given = bot.says(bot.friends.dora, "/say Ada in my own name");
    let said = bot.telegram.said(&given, |message| message.text == "in my own name").await;
    assert_eq!(said.from, persona_bot);
    assert_eq!(bot.telegram.bot_name(persona_bot), ("Ada (AI)".to_owned(), 1));
    bot.history_becomes(&["Ada: in my own name"]).await;
    let other = bot.has_said("Bo", "through the bot").await;
    assert_eq!(other.from, BOT);
    let told = |message: &crate::fake::FakeMessage| message.text.contains("Every persona bot speaks as somebody");
    bot.telegram.said(&given, told).await;
    bot.has_said("Bo", "once more").await;
    assert_eq!(bot.telegram.said_after(&given).into_iter().filter(told).count(), 1, "it is said once");
    let again = bot.says(bot.friends.dora, "/say Ada and again");
    bot.telegram.said(&again, |message| message.text == "and again").await;
    assert_eq!(bot.telegram.bot_name(persona_bot).1, 1, "its name is set once");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_persona_bot_said_can_be_asked_about_changed_and_taken_away() {
    let (bot, _) = with_one(Kind::Supergroup, true).await;
    let given = bot.says(bot.friends.dora, "/say Ada in my own name");
    let said = bot.telegram.said(&given, |message| message.text == "in my own name").await;
    bot.history_becomes(&["Ada: in my own name"]).await;
    let who = bot.telegram.says(bot.friends.group, bot.friends.dora, Say::answering("/who", &said));
    let answer = bot.telegram.answer(&who).await;
    assert!(answer.text.contains("my persona of Ada"), "{}", answer.text);
    bot.runner.will_say(&["in other words"]);
    bot.telegram.presses(&answer, bot.friends.dora, "🔁");
    bot.soon("it reads otherwise", async || bot.telegram.now(&said).is_some_and(|now| now.text == "in other words"))
        .await;
    let press = bot.telegram.presses(&answer, bot.friends.dora, "❌");
    assert_eq!(bot.telegram.popped_up(&press).await.as_deref(), Some("It is gone."));
    assert!(bot.telegram.now(&said).is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_persona_bot_is_not_in_the_group_the_bot_speaks_and_says_why_once() {
    let (bot, persona_bot) = with_one(Kind::Supergroup, false).await;
    let given = bot.says(bot.friends.dora, "/say Ada through the bot");
    let said = bot.telegram.persona_says(&given).await;
    assert_eq!((said.from, said.label()), (BOT, Some("Ada (AI)")));
    let told = |message: &crate::fake::FakeMessage| message.text.contains("FirstPersonaBot, is not in this group");
    bot.telegram.said(&given, told).await;
    bot.has_said("Ada", "still so").await;
    assert_eq!(bot.telegram.said_after(&given).into_iter().filter(told).count(), 1);
    assert_ne!(persona_bot, BOT);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_small_group_the_bot_speaks_itself() {
    let (bot, _) = with_one(Kind::Group, true).await;
    assert_eq!(bot.has_said("Ada", "we are few").await.from, BOT);
}
