//! How personas speak on Telegram, and what people think of it.

use store::Verdict;

use crate::{
    fake::{BOT, Kind, Say},
    tester::TelegramTester,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_persona_answers_with_its_name_in_bold_above_its_words() {
    let bot = TelegramTester::new().await;
    bot.summon("Ada").await;
    bot.runner.will_say(&["5 > 3, aye <captain>"]);
    let asked = bot.says(bot.friends.dora, "Ada, can we sail?");
    let said = bot.telegram.persona_says(&asked).await;
    assert_eq!((said.from, said.label(), said.words()), (BOT, Some("Ada (AI)"), "5 > 3, aye <captain>"));
    bot.history_becomes(&["Dora: Ada, can we sail?", "Ada: 5 > 3, aye <captain>"]).await;
    assert!(bot.telegram.typing_seen().contains(&(bot.friends.group, None)));
    bot.telegram.is_well_treated();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_answers_a_persona_is_answered_by_it_and_can_ask_who_it_was() {
    let bot = TelegramTester::with_cast().await;
    let said = bot.has_said("Bo", "I like the sea").await;
    let answer = bot.telegram.says(bot.friends.group, bot.friends.dora, Say::answering("do you really?", &said));
    assert_eq!(bot.telegram.persona_says(&answer).await.label(), Some("Bo (AI)"));
    let who = bot.telegram.says(bot.friends.group, bot.friends.dora, Say::answering("/who", &said));
    assert!(bot.telegram.answer(&who).await.text.contains("my persona of Bo"));
}

#[tokio::test(flavor = "multi_thread")]
async fn thumbs_are_kept_where_the_bot_is_told_of_them() {
    let bot = TelegramTester::with_cast().await;
    bot.telegram.set_status(bot.friends.group, BOT, "administrator");
    let said = bot.has_said("Ada", "how was I?").await;
    bot.telegram.reacts(&said, bot.friends.bo, &[], &["👍"]);
    bot.telegram.reacts(&said, bot.friends.dora, &[], &["👎"]);
    let room = bot.room(&bot.friends.group.to_string()).await.id;
    let key = chat::MessageKey(said.id);
    let feedback = async || bot.store().feedback(room, &[key]).await.unwrap();
    bot.soon("both are kept", async || feedback().await == [(key, Verdict::Up, 1), (key, Verdict::Down, 1)]).await;
    bot.telegram.reacts(&said, bot.friends.dora, &["👎"], &["👍"]);
    bot.soon("one is changed", async || feedback().await == [(key, Verdict::Up, 2)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn buttons_judge_redraw_and_take_away() {
    let bot = TelegramTester::with_cast().await;
    bot.command(bot.friends.dora, "/pace off").await;
    let said = bot.has_said("Ada", "how was I?").await;
    let who = bot.telegram.says(bot.friends.group, bot.friends.bo, Say::answering("/who", &said));
    let answer = bot.telegram.answer(&who).await;
    let room = bot.room(&bot.friends.group.to_string()).await.id;
    let key = chat::MessageKey(said.id);
    let press = async |user, label| {
        let press = bot.telegram.presses(&answer, user, label);
        bot.telegram.popped_up(&press).await.unwrap()
    };
    assert!(press(bot.friends.dora, "👍").await.contains("kept"));
    assert_eq!(bot.store().feedback(room, &[key]).await.unwrap(), [(key, Verdict::Up, 1)]);
    bot.runner.will_say(&["a better line"]);
    press(bot.friends.bo, "🔁").await;
    bot.soon("it reads otherwise", async || {
        bot.telegram.now(&said).is_some_and(|now| now.words() == "a better line" && now.label() == Some("Ada (AI)"))
    })
    .await;
    bot.soon("in the history too", async || bot.history().await.contains(&"Ada: a better line".to_owned())).await;
    assert!(press(bot.friends.bo, "❌").await.starts_with("Only who it speaks like"));
    assert!(bot.telegram.now(&said).is_some());
    assert_eq!(press(bot.friends.ada, "❌").await, "It is gone.");
    assert!(bot.telegram.now(&said).is_none());
    bot.soon("the history has none of it", async || !bot.history().await.iter().any(|line| line.contains("better")))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_of_one_name_can_be_told_apart_and_nobody_is_pinged() {
    let bot = TelegramTester::with_cast().await;
    let other = bot.telegram.user("Ada");
    bot.telegram.join(bot.friends.group, other);
    bot.agree(bot.friends.group, other).await;
    let refused = bot.command(bot.friends.dora, "/summon Ada").await;
    assert!(refused.text.contains("could be Ada and Ada"), "{}", refused.text);
    let given = bot.says(bot.friends.dora, "/say Bo hey @someone_else and https://example.org");
    let shown = "hey @\u{200b}someone_else and https://example.org";
    bot.telegram.said(&given, |message| message.words() == shown).await;
    let kept = "Bo: hey @someone_else and https://example.org".to_owned();
    bot.soon("it is kept as it was put", async || bot.history().await.contains(&kept)).await;
    bot.telegram.is_well_treated();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_telegram_refuses_reaches_whoever_asked() {
    let bot = TelegramTester::of(Kind::Supergroup).await;
    bot.telegram.set_status(bot.friends.group, BOT, "muted");
    let given = bot.says(bot.friends.dora, "/summon Ada");
    bot.telegram.called("SendMessage", 1).await;
    bot.telegram.set_status(bot.friends.group, BOT, "member");
    let shown = bot.command(bot.friends.dora, "/cast").await;
    assert!(shown.text.starts_with("in the room: nobody"), "{}", shown.text);
    assert_eq!(bot.telegram.said_after(&given), [shown]);
}
