//! Groups that grow, put the bot out, or have nothing to do with each other.

use serde_json::json;

use crate::{
    fake::{BOT, Kind, Say},
    tester::TelegramTester,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_becomes_a_supergroup_keeps_its_history_cast_and_settings() {
    let mut bot = TelegramTester::of(Kind::Group).await;
    bot.summon("Ada").await;
    bot.command(bot.friends.dora, "/topic the sea").await;
    let before = bot.has_said("Ada", "while we were few").await;
    let community = bot.community(bot.friends.group).await;
    let room = bot.room(&bot.friends.group.to_string()).await;
    bot.friends.group = bot.telegram.grows(bot.friends.group);
    let asked = bot.says(bot.friends.dora, "Ada, are we many now?");
    let said = bot.telegram.persona_says(&asked).await;
    assert_eq!(said.chat, bot.friends.group);
    assert_eq!(bot.community(bot.friends.group).await, community);
    assert_eq!(bot.room(&bot.friends.group.to_string()).await.id, room.id);
    let history = bot.history().await;
    assert_eq!(history[0], "Ada: while we were few");
    bot.soon("what is said since then comes after it", async || bot.history().await.len() >= 3).await;
    assert!(bot.command(bot.friends.dora, "/cast").await.text.contains("topic: the sea"));
    assert!(bot.telegram.now(&before).is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_becomes_a_supergroup_with_a_history_here_is_joined_with_it() {
    let mut bot = TelegramTester::of(Kind::Group).await;
    bot.summon("Ada").await;
    bot.command(bot.friends.dora, "/topic the sea").await;
    let few = bot.says(bot.friends.dora, "while we were few");
    bot.telegram.persona_says(&few).await;
    let community = bot.community(bot.friends.group).await;
    // What is heard in the supergroup is heard before it is known what that was.
    bot.telegram.set_deaf(true);
    let small = bot.friends.group;
    let large = bot.telegram.grows(small);
    bot.telegram.set_deaf(false);
    bot.telegram.says(large, bot.friends.bo, Say::text("are we many now?"));
    bot.soon("it is heard", async || !bot.texts_in(large).await.is_empty()).await;
    assert_ne!(bot.community(large).await, community);
    bot.telegram.says(
        large,
        bot.friends.dora,
        Say { more: json!({ "migrate_from_chat_id": small }), ..Say::default() },
    );
    bot.friends.group = large;
    bot.soon("they are one", async || bot.community(large).await == community).await;
    let asked = bot.says(bot.friends.dora, "Ada, are you with us?");
    bot.telegram.persona_says(&asked).await;
    let history = bot.history().await;
    let wanted = ["Dora: while we were few", "Bo: are we many now?", "Dora: Ada, are you with us?"];
    let found: Vec<_> = history.iter().filter(|line| wanted.contains(&line.as_str())).collect();
    assert_eq!(found, wanted, "{history:?}");
    assert!(bot.command(bot.friends.dora, "/cast").await.text.contains("topic: the sea"));
    let members = bot.store().members(community).await.unwrap();
    let people: Vec<_> = members.iter().filter(|member| !member.is_bot).map(|member| member.name.as_str()).collect();
    assert_eq!(people, ["Ada", "Bo", "Dora"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_learns_that_the_group_has_grown() {
    let bot = TelegramTester::of(Kind::Group).await;
    bot.summon("Ada").await;
    bot.runner.set_open(false);
    bot.says(bot.friends.dora, "Ada, are you there?");
    bot.runner.is_asked_as("Ada").await;
    // Nobody hears it: the post itself finds out.
    bot.telegram.set_deaf(true);
    let large = bot.telegram.grows(bot.friends.group);
    let last = bot.telegram.last();
    bot.runner.set_open(true);
    let said = bot.telegram.persona_says(&last).await;
    assert_eq!(said.chat, large);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_puts_the_bot_out_is_left_in_peace_and_remembered() {
    let bot = TelegramTester::with_cast().await;
    bot.has_said("Ada", "I was here").await;
    bot.runner.set_open(false);
    bot.says(bot.friends.dora, "Ada, say something");
    bot.runner.is_asked_as("Ada").await;
    bot.telegram.set_status(bot.friends.group, BOT, "kicked");
    let last = bot.telegram.last();
    bot.runner.set_open(true);
    let rooms = async || bot.store().rooms_with_cast().await.unwrap().len();
    bot.soon("it counts as left", async || rooms().await == 0).await;
    bot.soon("what was on its way is given up", async || {
        let turns = store::testing::outbox(&bot.database.url).await;
        turns.last().is_some_and(|turn| turn.state == store::TurnState::Failed)
    })
    .await;
    assert!(bot.history().await.contains(&"Ada: I was here".to_owned()));
    bot.telegram.set_status(bot.friends.group, BOT, "member");
    bot.soon("it is back", async || rooms().await == 1).await;
    let asked = bot.says(bot.friends.dora, "Bo, are you back?");
    let said = bot.telegram.persona_says(&asked).await;
    assert_eq!(said.label(), Some("Bo (AI)"));
    let meanwhile = bot.telegram.said_after(&last).into_iter().filter(|message| message.number < asked.number);
    assert_eq!(meanwhile.count(), 0, "nothing was said while it was out");
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_know_nothing_of_each_other() {
    let bot = TelegramTester::with_cast().await;
    let other = bot.telegram.group(Kind::Supergroup, "Strangers", bot.friends.dora, BOT);
    bot.telegram.says(other, bot.friends.dora, Say::text("who is here?"));
    let given = bot.telegram.says(other, bot.friends.dora, Say::text("/summon Ada"));
    assert!(bot.telegram.answer(&given).await.text.contains("I know nobody called Ada"));
    assert!(!bot.history().await.contains(&"Dora: who is here?".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn in_privacy_mode_the_bot_does_what_it_can() {
    let bot = TelegramTester::with_cast().await;
    bot.telegram.set_reads_all(BOT, false);
    let said = bot.has_said("Ada", "I hear little").await;
    bot.says(bot.friends.bo, "nobody of us hears that");
    let answer = bot.telegram.says(bot.friends.group, bot.friends.bo, Say::answering("do you hear this?", &said));
    bot.telegram.persona_says(&answer).await;
    let history = bot.history().await;
    assert!(
        history.contains(&"Bo: do you hear this?".to_owned()) && !history.iter().any(|line| line.contains("nobody"))
    );
}
