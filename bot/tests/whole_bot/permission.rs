//! A platform that is not ready yet, and one that does not let us speak.

use std::time::Duration;

use super::{memory_platform::Trouble, tester::BotTester};

#[tokio::test(flavor = "multi_thread")]
async fn nobody_speaks_before_the_history_knows_what_was_said() {
    let bot = BotTester::with_cast().await;
    bot.platform.set_ready(false);
    bot.says("Dora", "Ada, are you there?").await;
    bot.command("Dora", "/cast").await;
    assert!(bot.runner.prompts().is_empty(), "the room has looked, and is quiet");
    bot.platform.set_ready(true);
    bot.app.room_is_ready(bot.room.id);
    bot.next_by("Ada").await;
    assert!(bot.runner.prompts()[0].contains("Dora: Ada, are you there?\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn words_for_a_mouth_wait_until_all_rooms_are_ready() {
    let bot = BotTester::with_cast().await;
    bot.platform.set_ready(false);
    assert!(bot.command("Dora", "/say Bo at last").await.done);
    bot.command("Dora", "/cast").await;
    assert!(bot.platform.said().is_empty());
    bot.platform.set_ready(true);
    bot.app.all_rooms_are_ready();
    assert_eq!(bot.next_by("Bo").await.text, "at last");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_from_before_a_restart_waits_until_the_room_is_ready() {
    let bot = BotTester::with_cast().await;
    bot.command("Dora", "/pace off").await;
    let lease = bot.store.lease(bot.room.id, &bot.owner, Duration::from_secs(60)).await.unwrap().unwrap();
    bot.leave_pending(&lease, "as I was saying").await;
    bot.platform.set_ready(false);
    let bot = bot.restart().await;
    bot.command("Dora", "/cast").await;
    assert!(bot.platform.said().is_empty());
    assert_eq!(bot.store.unfinished_turns(bot.room.id).await.unwrap().len(), 1);
    bot.platform.set_ready(true);
    bot.app.room_is_ready(bot.room.id);
    assert_eq!(bot.next().await.text, "as I was saying");
}

#[tokio::test(flavor = "multi_thread")]
async fn cast_shows_why_the_last_message_was_refused_until_one_is_posted() {
    let bot = BotTester::with_cast().await;
    bot.command("Dora", "/pace 0 0 0").await;
    bot.runner.set_open(false);
    bot.platform.expect_trouble(Trouble::Refused);
    bot.command("Dora", "/say Ada forbidden").await;
    // That something is drawn shows that the room is done with what was there before.
    bot.command("Dora", "/more").await;
    bot.soon(bot.runner.is_asked_times(1)).await;
    let cast = bot.command("Dora", "/cast").await.text;
    assert!(cast.contains("the last message was not posted: no permission"), "{cast}");
    bot.runner.set_open(true);
    bot.next().await;
    bot.runner.set_open(false);
    bot.command("Dora", "/more").await;
    bot.soon(bot.runner.is_asked_times(2)).await;
    let cast = bot.command("Dora", "/cast").await.text;
    assert!(!cast.contains("not posted"), "{cast}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_them_to_speak_where_they_may_not_is_told_why() {
    let bot = BotTester::with_cast().await;
    bot.platform.ban(Some("I may not write in this room."));
    for asking in ["/summon Cleo", "/say Ada hello", "/more 2"] {
        let answer = bot.command("Dora", asking).await;
        assert_eq!((answer.done, answer.text.as_str()), (false, "I may not write in this room."), "{asking}");
    }
    assert_eq!(bot.cast().await, ["Ada", "Bo"]);
    assert!(bot.command("Dora", "/dismiss Bo").await.done, "that needs no permission");
    bot.platform.ban(None);
    assert!(bot.command("Dora", "/summon Cleo").await.done);
    bot.command("Dora", "/say Ada hello").await;
    assert_eq!(bot.next().await.text, "hello", "and what was refused was not put off");
}
