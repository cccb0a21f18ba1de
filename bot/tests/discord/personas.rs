//! How personas speak on Discord.

use serde_json::json;

use crate::{
    fake,
    tester::{DiscordTester, key},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_persona_answers_through_a_webhook_with_its_members_name_and_picture() {
    let bot = DiscordTester::new().await;
    bot.discord.set_avatar(bot.friends.guild, bot.friends.ada, Some("a1b2c3d4e5f60718293a4b5c6d7e8f90"));
    bot.says(bot.friends.ada, "with a new picture");
    bot.history_becomes(&["Ada: with a new picture"]).await;
    bot.summon("Ada").await;
    bot.runner.will_say(&["aye aye *captain* @everyone"]);
    let asked = bot.says(bot.friends.dora, "Ada, can we sail?");
    let said = bot.next().await;
    assert_eq!(said.author_name, "Ada (AI)");
    assert!(said.content.ends_with("aye aye \\*captain\\* everyone"), "{said:?}");
    assert!(said.avatar_url.as_deref().unwrap().contains("a1b2c3"), "{:?}", said.avatar_url);
    assert_eq!(said.flags & 4, 4, "links show no previews");
    let room = bot.room(bot.friends.channel).await;
    bot.soon("it is history", async || bot.store().authorship(room.id, key(said.id)).await.unwrap().is_some()).await;
    let written = bot.store().authorship(room.id, key(said.id)).await.unwrap().unwrap();
    assert_eq!(written.cause, format!("after:{asked}"));
    bot.is_well_behaved();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_made_once_found_again_and_made_anew_when_it_is_deleted() {
    let bot = DiscordTester::with_cast().await;
    bot.has_said("Ada", "one").await;
    let first = bot.discord.webhooks(bot.friends.channel);
    assert_eq!(first.len(), 1);
    let bot = bot.restart().await;
    bot.has_said("Ada", "two").await;
    assert_eq!(bot.discord.webhooks(bot.friends.channel)[0].id, first[0].id, "found again");
    bot.discord.delete_webhook(first[0].id);
    bot.has_said("Ada", "three").await;
    let second = bot.discord.webhooks(bot.friends.channel);
    assert_eq!(second.len(), 1);
    assert_ne!(second[0].id, first[0].id);
    bot.is_well_behaved();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_discord_refuses_reaches_whoever_asked() {
    let bot = DiscordTester::new().await;
    bot.discord.fill_webhooks(bot.friends.channel, 15);
    let answer = bot.command(bot.friends.dora, "summon", json!([{ "name": "who", "value": "Ada" }])).await;
    assert!(answer.content.contains("15") && answer.ephemeral, "{answer:?}");
    bot.discord.deny(bot.friends.channel, fake::MANAGE_WEBHOOKS);
    let other = bot.discord.channel(bot.friends.guild, "elsewhere");
    bot.discord.deny(other, fake::MANAGE_WEBHOOKS);
    let given = bot.discord.slash(other, bot.friends.dora, "summon", json!([{ "name": "who", "value": "Ada" }]));
    let answer = bot.discord.answer(given).await;
    assert!(answer.content.contains("Manage Webhooks"), "{answer:?}");
    bot.is_well_behaved();
}

#[tokio::test(flavor = "multi_thread")]
async fn threads_and_forum_posts_are_rooms_of_their_own() {
    let bot = DiscordTester::new().await;
    let thread = bot.discord.thread(bot.friends.channel, "the boat");
    let forum = bot.discord.forum(bot.friends.guild, "questions");
    let post = bot.discord.forum_post(forum, "which paint?", bot.friends.dora, "white or blue?");
    for place in [thread, post] {
        let given = bot.discord.slash(place, bot.friends.dora, "summon", json!([{ "name": "who", "value": "Ada" }]));
        let answer = bot.discord.answer(given).await;
        assert!(answer.content.contains("joined"), "{answer:?}");
        bot.answer_everything(place).await;
        bot.discord.say(place, bot.friends.dora, "Ada, what do you say?");
        // Somebody may still be talking in the other place.
        while bot.next().await.channel != place {}
    }
    assert_eq!(bot.discord.webhooks(bot.friends.channel).len(), 1);
    assert_eq!(bot.discord.webhooks(forum).len(), 1);
    assert_eq!(bot.room(thread).await.parent_external_id, Some(bot.friends.channel.to_string()));
    bot.is_well_behaved();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_of_one_name_can_be_told_apart() {
    let bot = DiscordTester::with_cast().await;
    let other = bot.discord.user("Ada");
    bot.discord.join(bot.friends.guild, other, None);
    bot.says(other, "I am another Ada");
    let answer = bot.command(other, "consent", json!([{ "name": "answer", "value": "yes" }])).await;
    assert!(answer.ephemeral && answer.content.starts_with("Thank you"), "{answer:?}");
    let given = bot.command(bot.friends.dora, "summon", json!([{ "name": "who", "value": "Ada" }])).await;
    assert!(given.content.contains("could be Ada and Ada"), "{given:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_line_is_posted_in_pieces_and_is_one_message_of_the_history() {
    let bot = DiscordTester::with_cast().await;
    let line = "*".repeat(500);
    bot.command(bot.friends.dora, "say", json!([{ "name": "who", "value": "Ada" }, { "name": "text", "value": line }]))
        .await;
    let said = bot.next().await;
    assert_eq!(said.content.replace('\\', ""), line);
    bot.history_becomes(&[&format!("Ada: {line}")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_begins_to_write_is_waited_for() {
    let bot = DiscordTester::with_cast().await;
    bot.runner.set_open(false);
    bot.says(bot.friends.dora, "Ada, what do you think?");
    bot.runner.is_asked_as("Ada").await;
    bot.discord.starts_typing(bot.friends.channel, bot.friends.dora);
    bot.runner.a_request_was_given_up().await;
    bot.runner.set_open(true);
    bot.says(bot.friends.dora, "Bo, I meant you");
    assert_eq!(bot.next().await.author_name, "Bo (AI)");
    assert!(bot.discord.typing_seen(bot.friends.channel) > 0);
}
