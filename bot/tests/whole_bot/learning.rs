//! From which messages the members' Markov voices learn, by platform.

use bot::community::Learning;

use super::tester::{BotTester, LINES, Setup};

/// Without a model, on Discord. Eve has come after the import, agreed, and said a lot.
async fn with_eve(from_discord_api: bool) -> BotTester {
    let learning = Learning { from_discord_api };
    let setup = Setup { platform: chat::Platform::Discord, has_runner: false, learning, ..Setup::default() };
    let bot = BotTester::set_up(setup).await;
    bot.command("Dora", "/pace 0 0 0").await;
    for line in LINES {
        bot.says("Eve", line).await;
    }
    bot.command("Eve", "/consent yes").await;
    assert!(bot.command("Dora", "/summon Ada Eve").await.done);
    bot
}

async fn has_a_voice(bot: &BotTester, name: &str) {
    bot.says("Dora", "what of the boats at the harbour?").await;
    bot.command("Dora", &format!("/speaker {name}")).await;
    bot.command("Dora", "/more").await;
    bot.next_by(name).await;
}

async fn has_no_voice(bot: &BotTester, name: &str) {
    bot.command("Dora", &format!("/speaker {name}")).await;
    bot.command("Dora", "/more").await;
    assert_eq!(bot.soon(bot.platform.gives_up()).await, name);
    assert_eq!(bot.platform.said(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_through_discord_s_api_teaches_nobody() {
    let bot = with_eve(false).await;
    has_no_voice(&bot, "Eve").await;
    assert_eq!(bot.history().await.iter().filter(|line| line.starts_with("Eve: ")).count(), LINES.len());
    let bot = bot.restart().await;
    has_no_voice(&bot, "Eve").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_members_exported_teaches_on_discord_too() {
    let bot = with_eve(false).await;
    has_a_voice(&bot, "Ada").await;
    assert_eq!(bot.command("Dora", "/model").await.text.split('.').next(), Some("They speak with: Markov chain"));
}

#[tokio::test(flavor = "multi_thread")]
async fn with_discord_s_permission_its_messages_teach_as_they_come_and_at_a_start() {
    let bot = with_eve(true).await;
    has_a_voice(&bot, "Eve").await;
    let bot = bot.restart().await;
    has_a_voice(&bot, "Eve").await;
}

/// Telegram's terms want that of each member; a policy of the group cannot say it for them.
#[tokio::test(flavor = "multi_thread")]
async fn on_telegram_only_who_agreed_teaches_whatever_the_policy() {
    let bot = BotTester::set_up(Setup { has_runner: false, ..Setup::default() }).await;
    bot.command("Dora", "/pace 0 0 0").await;
    bot.command("Dora", "/policy opt-out").await;
    for line in LINES {
        bot.says("Eve", line).await;
    }
    assert!(bot.command("Dora", "/summon Eve").await.done);
    has_no_voice(&bot, "Eve").await;
    bot.command("Eve", "/consent yes").await;
    has_a_voice(&bot, "Eve").await;
    let bot = bot.restart().await;
    has_a_voice(&bot, "Eve").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn elsewhere_everything_teaches() {
    let setup = Setup { platform: chat::Platform::Web, has_runner: false, ..Setup::default() };
    let bot = BotTester::set_up(setup).await;
    bot.command("Dora", "/pace 0 0 0").await;
    for line in LINES {
        bot.says("Eve", line).await;
    }
    bot.command("Eve", "/consent yes").await;
    assert!(bot.command("Dora", "/summon Eve").await.done);
    has_a_voice(&bot, "Eve").await;
}
