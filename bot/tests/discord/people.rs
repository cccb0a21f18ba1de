//! Consent, forgetting and what members see of it on Discord.

use serde_json::json;

use crate::tester::DiscordTester;

#[tokio::test(flavor = "multi_thread")]
async fn who_has_not_agreed_is_not_imitated_until_the_policy_is_another() {
    let bot = DiscordTester::new().await;
    let cleo = bot.discord.user("Cleo");
    bot.discord.join(bot.friends.guild, cleo, None);
    bot.says(cleo, "hi all");
    bot.history_becomes(&["Cleo: hi all"]).await;
    let summon = json!([{ "name": "who", "value": "Cleo" }]);
    let refused = bot.command(bot.friends.dora, "summon", summon.clone()).await;
    assert!(refused.content.contains("has not agreed"), "{refused:?}");
    let policy = json!([{ "name": "policy", "value": "opt-out" }]);
    assert!(bot.command(cleo, "policy", policy.clone()).await.content.contains("those who manage"));
    let answer = bot.command(bot.friends.dora, "policy", policy).await;
    assert!(!answer.ephemeral && answer.content.contains("summoned freely"), "{answer:?}");
    let answer = bot.command(bot.friends.dora, "summon", summon).await;
    assert!(answer.content.contains("Cleo joined") && answer.content.contains("/privacy"), "{answer:?}");
}
