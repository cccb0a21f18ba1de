//! Several processes on one history and one Discord.

use bot::platform::discord::Shards;
use serde_json::json;

use crate::tester::DiscordTester;

#[tokio::test(flavor = "multi_thread")]
async fn of_two_processes_one_speaks_and_the_other_goes_on_when_it_ends() {
    let bot = DiscordTester::with_cast().await;
    bot.has_said("Ada", "I am the first").await;
    let second = bot.another_bot().await;
    bot.discord.connected_times(2).await;
    for line in ["Ada, one?", "Ada, two?", "Ada, three?"] {
        bot.says(bot.friends.dora, line);
        bot.next().await;
    }
    let answer = bot.command(bot.friends.dora, "topic", json!([{ "name": "text", "value": "the sea" }])).await;
    assert!(answer.content.contains("the sea"));
    bot.channel_is_history().await;
    let DiscordTester { discord, runner, database, friends, bot: first, ca } = bot;
    first.stop().await;
    let bot = DiscordTester { discord, runner, database, friends, bot: second, ca };
    bot.says(bot.friends.dora, "Ada, are you still there?");
    bot.next().await;
    bot.channel_is_history().await;
    let causes = store::testing::outbox(&bot.database.url).await;
    assert!(causes.len() >= 5, "somebody answers each time: {causes:?}");
    bot.is_well_behaved();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_process_left_unfinished_another_one_finishes() {
    let bot = DiscordTester::with_cast().await;
    let room = bot.room(bot.friends.channel).await;
    let DiscordTester { discord, runner, database, friends, bot: first, ca } = bot;
    first.stop().await;
    // What a process leaves that is killed between the outbox and the post.
    let store = &database.store;
    let dead = store.lease(room.id, "a process that was killed", std::time::Duration::from_millis(1)).await.unwrap();
    let ada = store.cast(room.id).await.unwrap().remove(0);
    let now = bot::Clock::system().now();
    let turn = store::NewTurn {
        room: room.id,
        persona: ada.id,
        cause: "say:1",
        text: "as I was saying",
        reply_to: None,
        due_at: now,
        expires_at: now + chrono::TimeDelta::minutes(5),
        lease: &dead.unwrap(),
        voice: "",
        caused_by: None,
    };
    store.enqueue(&turn).await.unwrap().unwrap();
    let second = crate::tester::start_bot(&discord, store, &runner, &ca, None).await;
    let bot = DiscordTester { discord, runner, database, friends, bot: second, ca };
    assert_eq!(bot.next().await.content, "as I was saying");
    bot.history_becomes(&["Ada: as I was saying"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_can_share_the_shards() {
    let bot = DiscordTester::new().await;
    let DiscordTester { discord, runner, database, friends, bot: all, ca } = bot;
    all.stop().await;
    // A server's shard follows from its id, so there is one of each after a few.
    let shard_of = |guild: u64| (guild >> 22) % 2;
    let other = loop {
        let guild = discord.guild("Elsewhere");
        if shard_of(guild) != shard_of(friends.guild) {
            break guild;
        }
    };
    let elsewhere = discord.channel(other, "general");
    let part = |shard: u32| Some(Shards { first: shard, last: shard, total: 2 });
    let first = crate::tester::start_bot(&discord, &database.store, &runner, &ca, part(0)).await;
    let second = crate::tester::start_bot(&discord, &database.store, &runner, &ca, part(1)).await;
    discord.connected_times(2).await;
    let mut shards: Vec<(u32, u32)> = discord.sessions().into_iter().map(|(_, shard)| shard).collect();
    shards.sort_unstable();
    assert_eq!(shards, [(0, 2), (1, 2)]);
    let in_both = [(friends.channel, friends.ada), (elsewhere, discord.owner(other))];
    for (channel, user) in in_both {
        discord.say(channel, user, "who hears this?");
    }
    let bot = DiscordTester { discord, runner, database, friends, bot: first, ca };
    bot.soon("both are heard", async || {
        let rooms = bot.store().rooms_of(chat::Platform::Discord).await.unwrap();
        let heard = rooms.into_iter().filter(|room| in_both.iter().any(|(id, _)| id.to_string() == room.external_id));
        let mut count = 0;
        for room in heard {
            let latest = bot.store().latest(room.id, 1).await.unwrap();
            count += usize::from(latest.last().is_some_and(|message| message.text == "who hears this?"));
        }
        count == 2
    })
    .await;
    second.stop().await;
}
