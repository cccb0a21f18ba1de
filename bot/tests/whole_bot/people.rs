//! Consent and forgetting, which must count at once and everywhere.

use bot::{
    commands::{self, Answer, Audience, Rank},
    event::{Event, Happening},
};
use chat::Consent;
use store::Recorded;

use super::tester::{BotTester, history, person, place};

#[tokio::test(flavor = "multi_thread")]
async fn who_says_yes_can_be_summoned() {
    let bot = BotTester::new().await;
    bot.says("Eve", "count me in").await;
    assert!(bot.command("Eve", "/consent").await.text.contains("not said anything"));
    bot.command("Eve", "/consent yes").await;
    assert!(bot.command("Dora", "/summon Eve").await.done);
    assert!(bot.command("Eve", "/consent").await.text.contains("You agreed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_no_is_gone_at_once_and_stays_away() {
    let bot = BotTester::with_cast().await;
    bot.command("Dora", "/speaker Ada").await;
    bot.platform.set_open(true);
    bot.command("Ada", "/consent no").await;
    assert_eq!(bot.cast().await, ["Bo"]);
    bot.says("Dora", "Ada, are you there?").await;
    bot.next_by("Bo").await;
    let refused = bot.command("Dora", "/summon Ada").await;
    assert_eq!(refused.text, "Ada does not want to be imitated.");
    bot.store.declare_consent(bot.room.community, chrono::Utc::now()).await.unwrap();
    assert!(!bot.command("Dora", "/summon Ada").await.done, "an operator cannot overrule a member");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_on_its_way_is_taken_back_when_its_member_says_no() {
    let bot = BotTester::with_cast().await;
    bot.runner.set_open(false);
    bot.command("Dora", "/speaker Ada").await;
    bot.says("Dora", "well?").await;
    bot.soon(bot.runner.is_asked_as("Ada")).await;
    bot.command("Ada", "/consent no").await;
    bot.soon(bot.runner.a_request_was_given_up()).await;
    bot.runner.set_open(true);
    bot.command("Dora", "/say Bo just me now").await;
    assert_eq!(bot.next().await.text, "just me now");
    assert!(bot.platform.said().iter().all(|said| said.name != "Ada"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_forgotten_leaves_nothing_behind() {
    let bot = BotTester::with_cast().await;
    bot.command("Dora", "/say Ada in her words").await;
    bot.next_by("Ada").await;
    bot.settled().await;
    assert!(bot.command("Ada", "/forgetme").await.text.contains("/forgetme confirm"));
    assert!(bot.history().await.iter().any(|line| line.starts_with("Ada: ")));
    let answer = bot.command("Ada", "/forgetme confirm").await;
    assert!(answer.text.starts_with("Erased: 4 messages of yours and 1 that"), "{}", answer.text);
    assert!(bot.history().await.iter().all(|line| !line.contains("Ada says") && !line.contains("in her words")));
    assert_eq!(bot.cast().await, ["Bo"]);
    let later = bot.post(bot.message(person("Ada"), "one more thing")).await;
    assert_eq!(later, Recorded::Forgotten);
    assert!(bot.history().await.iter().all(|line| !line.contains("one more thing")));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_one_community_is_seen_in_another() {
    let bot = BotTester::with_cast().await;
    let elsewhere = place("others");
    let other = history(&bot.store, &elsewhere).await;
    let summon = commands::parse("/summon Ada").unwrap();
    assert!(bot.app.command(&elsewhere, &person("Zed"), Rank::Member, summon).await.done);
    bot.command("Ada", "/consent no").await;
    let there = bot.store.cast(other.id).await.unwrap();
    assert_eq!(there.len(), 1, "the Ada of another group is somebody else");
    let members = bot.store.members(other.community).await.unwrap();
    assert!(members.iter().all(|member| member.consent != Consent::Refused && member.name != "Dora"));
    let cast = commands::parse("/cast").unwrap();
    assert!(!bot.app.command(&elsewhere, &person("Zed"), Rank::Member, cast).await.text.contains("Dora"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_opts_in_until_somebody_who_manages_it_says_otherwise() {
    let bot = BotTester::new().await;
    assert!(bot.command("Dora", "/policy").await.text.contains("must opt in"));
    let refused = bot.command_as("Dora", Rank::Member, "/policy opt-out").await;
    assert_eq!(refused, Answer::refused("That is for those who manage this group."));
    let shown = bot.command_as("Dora", Rank::Member, "/policy").await;
    assert!(shown.done && shown.text.contains("must opt in"), "anybody may ask, and nothing was changed: {shown:?}");
    let set = bot.command("Dora", "/policy opt-out").await;
    assert_eq!((set.done, set.audience), (true, Audience::Room), "it concerns everybody");
    assert_eq!(bot.command("Eve", "/policy").await.text, set.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_opt_out_can_be_summoned_until_they_do() {
    let bot = BotTester::new().await;
    bot.says("Eve", "hello all").await;
    bot.command("Cleo", "/consent no").await;
    assert!(!bot.command("Dora", "/summon Eve").await.done, "silence is a no at first");
    bot.command("Dora", "/policy opt-out").await;
    assert!(bot.command("Dora", "/summon Eve").await.done);
    assert_eq!(bot.command("Dora", "/summon Cleo").await.text, "Cleo does not want to be imitated.");
    bot.says("Dora", "well?").await;
    bot.next_by("Eve").await;
    bot.command("Eve", "/consent no").await;
    assert!(bot.cast().await.is_empty());
    assert!(!bot.command("Dora", "/summon Eve").await.done);
}

#[tokio::test(flavor = "multi_thread")]
async fn back_at_opt_in_who_said_nothing_is_gone_at_once_with_the_line_on_its_way() {
    let bot = BotTester::new().await;
    bot.says("Eve", "hello all").await;
    bot.command("Dora", "/policy opt-out").await;
    bot.command("Dora", "/summon Eve Ada").await;
    bot.command("Dora", "/speaker Eve").await;
    bot.runner.set_open(false);
    bot.says("Dora", "well?").await;
    bot.soon(bot.runner.is_asked_as("Eve")).await;
    bot.command("Dora", "/policy opt-in").await;
    assert_eq!(bot.cast().await, ["Ada"], "Ada had agreed");
    assert!(bot.settings().await.speakers.is_empty());
    bot.soon(bot.runner.a_request_was_given_up()).await;
    bot.runner.set_open(true);
    bot.command("Dora", "/say Ada just me now").await;
    while bot.next().await.text != "just me now" {}
    assert!(bot.platform.said().iter().all(|said| said.name != "Eve"));
    assert!(!bot.command("Dora", "/summon Eve").await.done);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_their_data_gets_all_of_it_and_nothing_of_others() {
    let bot = BotTester::new().await;
    let elsewhere = place("others");
    history(&bot.store, &elsewhere).await;
    let secret = Happening::Posted(bot.message(person("Ada"), "a secret of the others"));
    bot.app.handle(Event { place: elsewhere, what: secret }).await.unwrap();
    bot.says("Ada", "this is mine").await;
    bot.says("Dora", "this is hers").await;
    let answer = bot.command("Ada", "/mydata").await;
    assert_eq!((answer.done, answer.audience), (true, Audience::Asker));
    let (texts, file) = texts_in(&answer);
    assert_eq!(answer.file.unwrap().name, "mydata.json");
    assert_eq!(texts.len(), 5, "{texts:?}");
    assert!(texts.iter().all(|text| text.starts_with("Ada says") || text == "this is mine"), "{texts:?}");
    for not_theirs in ["this is hers", "Bo", "Cleo", "Dora", "secret"] {
        assert!(!file.contains(not_theirs), "{not_theirs} in {file}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_forgotten_gets_a_file_without_a_word() {
    let bot = BotTester::new().await;
    bot.says("Ada", "this is mine").await;
    bot.command("Ada", "/forgetme confirm").await;
    let answer = bot.command("Ada", "/mydata").await;
    let (texts, file) = texts_in(&answer);
    assert!(texts.is_empty(), "{texts:?}");
    assert!(!file.contains("mine") && !file.contains("boat") && !file.contains("Ada"), "{file}");
}

/// What the asker wrote according to the file, and the whole file.
fn texts_in(answer: &Answer) -> (Vec<String>, String) {
    let file = answer.file.clone().expect("a file comes with it").text;
    let data: serde_json::Value = serde_json::from_str(&file).unwrap();
    let messages = data["messages"].as_array().unwrap();
    (messages.iter().map(|message| message["text"].as_str().unwrap().to_owned()).collect(), file)
}
