//! What reactions to what personas said bring about: opinions, other words, and an end.

use bot::event::{Happening, Person};
use chat::MessageKey;
use store::Verdict;

use super::{
    memory_platform::Said,
    tester::{BotTester, person},
};

/// A bot that is quiet unless it is asked to speak, in which Ada's persona has answered Dora.
async fn answered(text: &str) -> (BotTester, Said) {
    let bot = BotTester::with_cast().await;
    bot.command("Dora", "/pace 0 0 0").await;
    bot.command("Dora", "/speaker Ada").await;
    bot.says("Dora", "what do you say?").await;
    bot.runner.will_say(&[text]);
    bot.command("Eve", "/more").await;
    let said = bot.next_kept().await;
    assert_eq!((said.name.as_str(), said.text.as_str()), ("Ada", text));
    (bot, said)
}

async fn is_kept(bot: &BotTester, key: MessageKey) -> bool {
    let latest = bot.store.latest(bot.room.id, 500).await.unwrap();
    latest.iter().any(|message| message.key == key)
}

#[tokio::test(flavor = "multi_thread")]
async fn thumbs_are_opinions_that_can_be_taken_back() {
    let (bot, Said { key, .. }) = answered("aye").await;
    bot.reacts("Dora", "👍", key).await;
    bot.reacts("Dora", "👍", key).await;
    bot.reacts("Eve", "👎🏿", key).await;
    bot.reacts("Bo", "👍🏻", key).await;
    bot.reacts("Bo", "😂", key).await;
    assert_eq!(bot.feedback(key).await, [(Verdict::Up, 2), (Verdict::Down, 1)]);
    bot.happens(Happening::Unreacted { key, emoji: "👍".to_owned(), by: person("Dora") }).await;
    bot.happens(Happening::Unreacted { key, emoji: "👎🏿".to_owned(), by: person("Eve") }).await;
    assert_eq!(bot.feedback(key).await, [(Verdict::Up, 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_humans_say_is_neither_judged_nor_changed_nor_taken_away() {
    let bot = BotTester::with_cast().await;
    bot.command("Dora", "/pace off").await;
    let key = bot.says("Dora", "my own words").await;
    for emoji in ["👍", "👎", "🔁", "❌"] {
        let by = person("Eve");
        bot.happens(Happening::Reacted { key, emoji: emoji.to_owned(), by, is_moderator: true }).await;
    }
    bot.settled().await;
    assert_eq!(bot.feedback(key).await, []);
    assert!(bot.history().await.contains(&"Dora: my own words".to_owned()));
    assert!(bot.runner.prompts().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_has_no_opinion() {
    let (bot, Said { key, .. }) = answered("aye").await;
    for emoji in ["👍", "🔁", "❌"] {
        let by = Person { is_bot: true, ..person("Spammer") };
        bot.happens(Happening::Reacted { key, emoji: emoji.to_owned(), by, is_moderator: true }).await;
    }
    bot.settled().await;
    assert_eq!(bot.feedback(key).await, []);
    assert!(is_kept(&bot, key).await);
    assert_eq!(bot.runner.prompts().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_words_stand_in_place_of_the_first_once() {
    let (bot, Said { key, .. }) = answered("first words").await;
    let (shown, kept) = (bot.platform.said().len(), bot.history().await.len());
    bot.runner.will_say(&["first words", "second words", "third words"]);
    bot.reacts("Eve", "🔁", key).await;
    bot.until(async || bot.history().await.contains(&"Ada: second words".to_owned())).await;
    assert_eq!(bot.platform.text_of(key).as_deref(), Some("second words"));
    assert_eq!((bot.platform.said().len(), bot.history().await.len()), (shown, kept));
    assert_eq!(bot.feedback(key).await, [(Verdict::Reroll, 1)]);
    bot.reacts("Eve", "🔁", key).await;
    // A line to be said comes before other words, so one line alone would not show that there are none to come.
    bot.settled().await;
    bot.settled().await;
    assert_eq!(bot.platform.text_of(key).as_deref(), Some("second words"), "the same wish again is no other wish");
    let prompts = bot.runner.prompts();
    assert_eq!(prompts.len(), 3, "what was said already is drawn again");
    assert!(prompts.iter().all(|prompt| *prompt == prompts[0]), "it answers what the first answered: {prompts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_words_are_what_the_next_reply_sees() {
    let (bot, Said { key, .. }) = answered("first words").await;
    bot.runner.will_say(&["second words"]);
    bot.reacts("Eve", "🔁", key).await;
    bot.until(async || bot.history().await.contains(&"Ada: second words".to_owned())).await;
    bot.command("Dora", "/more").await;
    bot.next().await;
    let prompt = bot.runner.prompts().pop().unwrap();
    assert!(prompt.contains("Ada: second words\n") && !prompt.contains("first words"), "{prompt}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_persona_that_has_left_the_room_finds_no_other_words() {
    let (bot, Said { key, .. }) = answered("first words").await;
    bot.command("Dora", "/dismiss Ada").await;
    bot.reacts("Eve", "🔁", key).await;
    bot.settled().await;
    assert_eq!(bot.platform.text_of(key).as_deref(), Some("first words"));
    assert_eq!(bot.runner.prompts().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_imitated_takes_their_persona_s_words_away() {
    let (bot, Said { key, .. }) = answered("not in my name").await;
    bot.reacts("Ada", "❌", key).await;
    assert_eq!(bot.platform.text_of(key), None);
    assert!(!is_kept(&bot, key).await);
    bot.says("Dora", "as she likes").await;
    bot.command("Dora", "/more").await;
    bot.next().await;
    assert!(!bot.runner.prompts().pop().unwrap().contains("not in my name"));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_something_was_taken_away_they_can_be_asked_for_more() {
    let (bot, Said { key, .. }) = answered("never mind").await;
    bot.reacts("Ada", "❌", key).await;
    bot.command("Dora", "/more").await;
    bot.next_by("Ada").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_answered_takes_the_answer_away() {
    let (bot, Said { key, .. }) = answered("mind your own business").await;
    bot.reacts("Dora", "🗑️", key).await;
    assert_eq!(bot.platform.text_of(key), None);
    assert!(!is_kept(&bot, key).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_put_words_in_a_mouth_takes_them_away() {
    let bot = BotTester::with_cast().await;
    bot.command("Eve", "/say Ada oops").await;
    let Said { key, .. } = bot.next_kept().await;
    bot.reacts("Dora", "❌", key).await;
    assert!(is_kept(&bot, key).await, "Dora had no part in it");
    bot.reacts("Eve", "❌", key).await;
    assert_eq!(bot.platform.text_of(key), None);
    assert!(!is_kept(&bot, key).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_moderates_takes_anything_of_ours_away_and_nobody_else_does() {
    let (bot, Said { key, .. }) = answered("still here").await;
    bot.reacts("Bo", "❌", key).await;
    bot.reacts("Eve", "❌", key).await;
    assert_eq!(bot.platform.text_of(key).as_deref(), Some("still here"));
    assert!(is_kept(&bot, key).await);
    let by = person("Eve");
    bot.happens(Happening::Reacted { key, emoji: "❌".to_owned(), by, is_moderator: true }).await;
    assert_eq!(bot.platform.text_of(key), None);
    assert!(!is_kept(&bot, key).await);
    assert_eq!(bot.command("Dora", "/who").await.text, "No persona has said anything here yet.");
}
