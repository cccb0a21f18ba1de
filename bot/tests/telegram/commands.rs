//! Commands as Telegram offers them: typed, from the menu, and as buttons.

use chat::Pacing;

use crate::{
    fake::{BOT, Kind, Say},
    tester::TelegramTester,
};

#[tokio::test(flavor = "multi_thread")]
async fn menus_are_registered_once_for_members_and_for_administrators() {
    let bot = TelegramTester::new().await;
    let names = |menu: Vec<serde_json::Value>| -> Vec<String> {
        menu.iter().map(|command| command["command"].as_str().unwrap().to_owned()).collect()
    };
    let for_members = names(bot.telegram.menu("all_group_chats", "").await);
    let for_administrators = names(bot.telegram.menu("all_chat_administrators", "").await);
    assert_eq!(for_administrators.len(), bot::commands::SPECS.len());
    assert!(for_members.contains(&"summon".to_owned()) && !for_members.contains(&"say".to_owned()));
    let german = bot.telegram.menu("all_chat_administrators", "de").await;
    assert_eq!(german[0]["description"], "Holt Personas in den Raum.");
    bot.telegram.menu("all_private_chats", "de").await;
    let bot = bot.restart().await;
    bot.summon("Ada").await;
    assert_eq!(bot.telegram.requests("SetMyCommands").len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_are_read_with_and_without_the_bots_name_and_are_no_part_of_the_history() {
    let bot = TelegramTester::new().await;
    let answer = bot.command(bot.friends.dora, "/summon@crewbot Ada").await;
    assert!(answer.text.contains("Ada joined the room") && answer.text.contains("/privacy"), "{}", answer.text);
    assert!(answer.is_silent);
    bot.says(bot.friends.dora, "/summon@AnotherBot Bo");
    bot.says(bot.friends.dora, "/weather");
    let topic = bot.command(bot.friends.dora, "/topic the sea").await;
    assert_eq!(topic.text, "The topic is now: the sea");
    assert_eq!(bot.telegram.said_after(&answer).len(), 1, "the others are not ours");
    assert!(bot.command(bot.friends.dora, "/idle soon").await.text.contains("is no time"));
    assert!(bot.history().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_counts_for_all_is_for_administrators() {
    let bot = TelegramTester::with_cast().await;
    for typed in ["/say Ada hi", "/pace off", "/idle 2h", "/reset", "/policy opt-out", "/tune top_k=3"] {
        let refused = bot.command(bot.friends.bo, typed).await;
        assert_eq!(refused.text, "That is for those who manage this group.", "{typed}");
    }
    assert!(bot.command(bot.friends.bo, "/pace").await.text.starts_with("The pace is"));
    assert!(bot.command(bot.friends.dora, "/policy opt-out").await.text.contains("summoned freely"));
    assert!(bot.telegram.requests("GetChatAdministrators").len() == 1, "they are remembered for a while");
    bot.telegram.set_status(bot.friends.group, BOT, "administrator");
    bot.telegram.set_status(bot.friends.group, bot.friends.bo, "administrator");
    bot.soon("his new rights are known", async || {
        bot.command(bot.friends.bo, "/pace off").await.text.starts_with("They are quiet")
    })
    .await;
    let unnamed = Say { as_group: true, ..Say::text("/pace calm") };
    let given = bot.telegram.says(bot.friends.group, bot.friends.dora, unnamed);
    assert_eq!(bot.telegram.answer(&given).await.text, "The pace is now calm.");
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_to_summon_is_chosen_with_buttons_by_whoever_asked() {
    let bot = TelegramTester::new().await;
    let choice = bot.command(bot.friends.dora, "/summon").await;
    let mut labels: Vec<String> = choice.buttons().into_iter().map(|(label, _)| label).collect();
    labels.sort();
    assert_eq!(labels, ["Ada", "Bo"]);
    let press = bot.telegram.presses(&choice, bot.friends.bo, "Ada");
    assert_eq!(bot.telegram.popped_up(&press).await.as_deref(), Some("That is for whoever asked."));
    let press = bot.telegram.presses(&choice, bot.friends.dora, "Ada");
    assert_eq!(bot.telegram.popped_up(&press).await, None);
    let came = bot.telegram.answer(&choice).await;
    assert!(came.text.contains("Ada joined the room"), "{}", came.text);
    let forged = bot.telegram.presses_with(&choice, bot.friends.dora, "0123456789abcdef");
    assert!(bot.telegram.popped_up(&forged).await.unwrap().contains("too old"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_button_of_one_group_is_none_of_another() {
    let bot = TelegramTester::new().await;
    let choice = bot.command(bot.friends.dora, "/summon").await;
    let (_, data) = choice.buttons().remove(0);
    let other = bot.telegram.group(Kind::Supergroup, "Strangers", bot.friends.dora, BOT);
    let given = bot.telegram.says(other, bot.friends.dora, Say::text("/help"));
    let help = bot.telegram.answer(&given).await;
    let press = bot.telegram.presses_with(&help, bot.friends.dora, &data);
    assert!(bot.telegram.popped_up(&press).await.unwrap().contains("too old"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cast_is_a_panel() {
    let bot = TelegramTester::with_cast().await;
    let panel = bot.command(bot.friends.bo, "/cast").await;
    let press = async |label: &str| {
        let press = bot.telegram.presses(&panel, bot.friends.bo, label);
        bot.telegram.popped_up(&press).await
    };
    assert!(press("More").await.unwrap().contains("One more"));
    bot.telegram.persona_says(&panel).await;
    assert_eq!(press("Quieter").await.as_deref(), Some("That is for those who manage this group."));
    assert_eq!(press("Dismiss Bo").await, None);
    assert_eq!(bot.telegram.answer(&panel).await.text, "Bo left the room.");
    let panel = bot.command(bot.friends.dora, "/cast").await;
    let press = bot.telegram.presses(&panel, bot.friends.dora, "Quieter");
    assert_eq!(bot.telegram.popped_up(&press).await, None);
    let room = bot.room(&bot.friends.group.to_string()).await;
    assert_eq!(bot.store().settings(room.id).await.unwrap().pacing, Pacing::Calm);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_for_one_person_alone_goes_to_their_private_chat() {
    let bot = TelegramTester::new().await;
    let refused = bot.command(bot.friends.ada, "/mydata").await;
    assert!(refused.text.contains("t.me/CrewBot") && refused.file.is_none(), "{}", refused.text);
    bot.telegram.starts(bot.friends.ada, BOT);
    let given = bot.says(bot.friends.ada, "/mydata");
    let file = bot.telegram.said(&given, |message| message.file.is_some()).await;
    let (name, content) = file.file.unwrap();
    assert_eq!((file.chat, name.as_str()), (bot.friends.ada, "mydata.json"));
    assert!(content.contains("hello, it is me") && !content.contains("Dora"), "{content}");
    assert!(bot.telegram.answer(&given).await.text.contains("to you alone"));
}

#[tokio::test(flavor = "multi_thread")]
async fn privacy_is_told_in_private_too() {
    let bot = TelegramTester::new().await;
    bot.telegram.starts(bot.friends.bo, BOT);
    let asked = bot.telegram.says(bot.friends.bo, bot.friends.bo, Say::text("/privacy"));
    assert!(bot.telegram.said(&asked, |_| true).await.text.contains("What I keep"));
    let asked = bot.telegram.says(bot.friends.bo, bot.friends.bo, Say::text("/start"));
    assert!(bot.telegram.said(&asked, |_| true).await.text.contains("I talk in groups"));
}

#[tokio::test(flavor = "multi_thread")]
async fn consent_counts_at_once() {
    let bot = TelegramTester::with_cast().await;
    let cleo = bot.telegram.user("Cleo");
    bot.telegram.join(bot.friends.group, cleo);
    let refused = bot.command(bot.friends.dora, "/summon Cleo").await;
    assert!(refused.text.contains("has not agreed"), "{}", refused.text);
    let choice = bot.command(cleo, "/consent").await;
    let press = bot.telegram.presses(&choice, cleo, "Yes, there may be one");
    assert!(bot.telegram.popped_up(&press).await.unwrap().contains("Thank you"));
    bot.summon("Cleo").await;
    assert!(bot.command(bot.friends.ada, "/consent no").await.text.contains("no persona of you any more"));
    let cast = bot.command(bot.friends.dora, "/cast").await;
    assert!(cast.text.starts_with("in the room: Bo and Cleo"), "{}", cast.text);
}
