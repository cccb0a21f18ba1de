//! The connection to Discord breaks in every way it can, and nothing is lost or said twice.

use std::time::Duration;

use bot::{Clock, platform::discord::Discord};
use tokio_util::sync::CancellationToken;

use crate::{
    fake::{self, FakeDiscord, Options},
    tester::{DiscordTester, settings},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_resumed_and_nothing_is_missed_or_doubled() {
    let bot = DiscordTester::with_cast().await;
    bot.says(bot.friends.dora, "before");
    bot.next().await;
    bot.discord.send_reconnect();
    bot.says(bot.friends.dora, "in between");
    bot.discord.resumed_times(1).await;
    bot.says(bot.friends.dora, "Ada, after?");
    bot.soon("all of it is stored", async || {
        bot.history(bot.friends.channel).await.contains(&"Dora: Ada, after?".to_owned())
    })
    .await;
    let history = bot.history(bot.friends.channel).await;
    for line in ["Dora: before", "Dora: in between", "Dora: Ada, after?"] {
        assert_eq!(history.iter().filter(|stored| *stored == line).count(), 1, "{line} in {history:?}");
    }
    bot.next().await;
    bot.is_well_behaved();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_not_resumed_is_begun_anew_and_what_was_missed_is_fetched() {
    let bot = DiscordTester::with_cast().await;
    bot.discord.refuse_resume(true);
    bot.discord.drop_gateway(4000);
    bot.discord.disconnected().await;
    bot.says(bot.friends.dora, "nobody heard this");
    bot.discord.identified_times(2).await;
    bot.soon("it is fetched", async || {
        bot.history(bot.friends.channel).await.contains(&"Dora: nobody heard this".to_owned())
    })
    .await;
    bot.has_said("Ada", "and we go on").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_fails_for_a_while_costs_time_and_nothing_else() {
    let bot = DiscordTester::with_cast().await;
    bot.discord.fail("/webhooks/", 500, 2);
    bot.has_said("Ada", "third time lucky").await;
    bot.discord.limit_unannounced("/webhooks/", Duration::from_millis(500), 1);
    bot.has_said("Bo", "after a pause").await;
    bot.history_becomes(&["Ada: third time lucky", "Bo: after a pause"]).await;
    bot.channel_is_history().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_or_missing_intents_end_the_program_with_a_sentence() {
    let bot = DiscordTester::new().await;
    let mut wrong = settings(&bot.discord, &bot.ca, None);
    wrong.token = "wrong".to_owned().into();
    let shutdown = CancellationToken::new();
    let refused = Discord::connect(wrong, bot.store().clone(), Clock::system(), 1, &shutdown).await.err().unwrap();
    assert!(format!("{refused:#}").contains("Reset Token"), "{refused:#}");

    let DiscordTester { discord, runner, database, ca, bot: running, .. } = bot;
    running.stop().await;
    discord.enabled_intents(fake::GUILD_MEMBERS);
    let running = crate::tester::start_bot(&discord, &database.store, &runner, &ca, None).await;
    let ended = tokio::time::timeout(Duration::from_secs(20), running.running).await.expect("it ends").unwrap();
    assert!(ended.unwrap_err().to_string().contains("Message Content Intent"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_discord_that_is_away_at_the_start_is_waited_for() {
    let discord = FakeDiscord::start_with(Options::default()).await;
    discord.outage(Some(503));
    let mut ca = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut ca, discord.ca_pem().as_bytes()).unwrap();
    let database = store::testing::TestDatabase::new().await;
    let shutdown = CancellationToken::new();
    let connecting =
        Discord::connect(settings(&discord, &ca, None), database.store.clone(), Clock::system(), 1, &shutdown);
    let ending = async {
        while !discord.requests().iter().any(|(_, _, status)| *status == 503) {
            tokio::task::yield_now().await;
        }
        discord.outage(None);
    };
    let (connected, ()) = tokio::join!(connecting, ending);
    assert!(connected.unwrap().invite_link().contains("permissions="));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_says_what_is_wrong_and_how_to_mend_it() {
    let bot = DiscordTester::new().await;
    bot.discord.commands_registered(None).await;
    let examine = async || -> Vec<String> {
        let findings = bot::platform::discord::doctor::examine(&settings(&bot.discord, &bot.ca, None)).await;
        findings.iter().map(ToString::to_string).collect()
    };
    let fine = examine().await;
    assert!(fine.iter().all(|finding| finding.starts_with("ok ")), "{fine:#?}");
    bot.discord.deny(bot.friends.channel, fake::MANAGE_WEBHOOKS);
    bot.discord.enabled_intents(fake::GUILD_MEMBERS);
    let wrong = examine().await.join("\n");
    assert!(wrong.contains("#general lacks Manage Webhooks"), "{wrong}");
    assert!(wrong.contains("WRONG  Discord: Message Content Intent"), "{wrong}");
}
