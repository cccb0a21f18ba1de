//! What is heard, and how it meets what was exported.

use std::io::Write;

use bot::import::{self, Target};
use corpus::import::Options;
use serde_json::{Value, json};

use crate::{
    fake::{BOT, FakeMessage, Kind, Say},
    tester::TelegramTester,
};

#[tokio::test(flavor = "multi_thread")]
async fn messages_edits_and_answers_are_kept() {
    let bot = TelegramTester::new().await;
    let first = bot.says(bot.friends.ada, "one");
    let second = bot.telegram.says(bot.friends.group, bot.friends.bo, Say::answering("two", &first));
    bot.history_becomes(&["Ada: one", "Bo: two"]).await;
    bot.telegram.edits(&first, "uno");
    bot.history_becomes(&["Ada: uno", "Bo: two"]).await;
    let room = bot.room(&bot.friends.group.to_string()).await;
    let stored = bot.store().message(room.id, chat::MessageKey(second.id)).await.unwrap().unwrap();
    assert_eq!(stored.reply_to, Some(chat::MessageKey(first.id)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_of_what_was_never_heard_is_heard_unless_it_is_old() {
    let bot = TelegramTester::new().await;
    bot.telegram.set_reads_all(BOT, false);
    let missed = bot.says(bot.friends.ada, "nobody hears it");
    let old = bot.telegram.says(bot.friends.group, bot.friends.ada, Say { seconds_ago: 900, ..Say::text("long ago") });
    bot.telegram.set_reads_all(BOT, true);
    bot.telegram.edits(&old, "long ago, I mean");
    bot.telegram.edits(&missed, "now it is heard");
    bot.history_becomes(&["Ada: now it is heard"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_of_a_forum_are_rooms_with_names() {
    let bot = TelegramTester::of(Kind::Forum).await;
    let boat = bot.telegram.topic(bot.friends.group, "The boat");
    let room = format!("{}/{boat}", bot.friends.group);
    let said = Say { topic: Some(boat), ..Say::text("Ada, is it dry?") };
    bot.telegram.says(bot.friends.group, bot.friends.dora, said);
    bot.soon("it is heard", async || bot.history_of(&room).await == ["Dora: Ada, is it dry?"]).await;
    assert!(bot.history().await.is_empty(), "the group's own room hears none of it");
    let known = bot.room(&room).await;
    assert_eq!((known.title.as_str(), known.parent_external_id), ("The boat", Some(bot.friends.group.to_string())));
    bot.answer_everything(&room).await;
    let summon = Say { topic: Some(boat), ..Say::text("/summon Ada") };
    let given = bot.telegram.says(bot.friends.group, bot.friends.dora, summon);
    assert_eq!(bot.telegram.answer(&given).await.topic, Some(boat));
    let asked = Say { topic: Some(boat), ..Say::text("Ada, and now?") };
    let asked = bot.telegram.says(bot.friends.group, bot.friends.dora, asked);
    let said = bot.telegram.persona_says(&asked).await;
    assert_eq!(said.topic, Some(boat));
    bot.telegram.set_status(bot.friends.group, BOT, "administrator");
    let key = chat::MessageKey(said.id);
    bot.soon("it is history", async || bot.store().authorship(known.id, key).await.unwrap().is_some()).await;
    bot.telegram.reacts(&said, bot.friends.bo, &[], &["👍"]);
    bot.soon("a thumb finds its room", async || !bot.store().feedback(known.id, &[key]).await.unwrap().is_empty())
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_come_go_and_change_their_names() {
    let bot = TelegramTester::with_cast().await;
    bot.telegram.rename(bot.friends.ada, "Ada", Some("Lovelace"));
    bot.says(bot.friends.ada, "I have a new name");
    bot.soon("the persona has it too", async || {
        bot.command(bot.friends.dora, "/cast").await.text.contains("Ada Lovelace")
    })
    .await;
    bot.telegram.leave(bot.friends.group, bot.friends.bo);
    let community = bot.community(bot.friends.group).await;
    bot.soon("his leaving is known", async || {
        let left = bot.store().dismiss_departed(bot::Clock::system().now(), bot::Clock::system().now()).await.unwrap();
        left.contains(&community)
    })
    .await;
}

/// What Telegram Desktop exports of messages, as an account sees them that numbers them from `first_id` on.
fn export(
    kind: &str,
    group: i64,
    name: &str,
    messages: &[(FakeMessage, &str, Value)],
    first_id: Option<i64>,
) -> String {
    let rows: Vec<Value> = messages
        .iter()
        .enumerate()
        .map(|(place, (message, author, text))| {
            let id = first_id.map_or(message.id, |first| first + place as i64);
            json!({ "id": id, "type": "message", "date": "2024-03-01T10:00:00", "date_unixtime": message.date.to_string(),
                "from": author, "from_id": format!("user{}", message.from), "text": text })
        })
        .collect();
    document(kind, bare(group), name, rows)
}

/// What an export calls a group.
fn bare(group: i64) -> i64 {
    group.to_string().trim_start_matches("-100").trim_start_matches('-').parse().unwrap()
}

/// In the order in which Telegram Desktop writes it.
fn document(kind: &str, id: i64, name: &str, rows: Vec<Value>) -> String {
    format!(r#"{{"name": "{name}", "type": "{kind}", "id": {id}, "messages": {}}}"#, Value::from(rows))
}

async fn import(bot: &TelegramTester, export: &str) -> import::Report {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(export.as_bytes()).unwrap();
    import::file(bot.store(), file.path(), &Options::default(), &Target::AsNamed, |_| {}).await.unwrap()
}

/// Messages with everything that a text can hold, as they are heard and as they are exported.
fn rich(bot: &TelegramTester) -> Vec<(FakeMessage, &'static str, Value)> {
    let say = |user, say| bot.telegram.says(bot.friends.group, user, say);
    let mention = json!([{ "type": "text_mention", "offset": 3, "length": 2,
        "user": { "id": bot.friends.bo, "is_bot": false, "first_name": "Bo" } }]);
    let styled = json!([
        { "type": "mention", "offset": 0, "length": 6 },
        { "type": "text_link", "offset": 7, "length": 4, "url": "https://example.org/" },
        { "type": "spoiler", "offset": 12, "length": 2 },
        { "type": "code", "offset": 15, "length": 4 },
    ]);
    let entities = |entities: Value| entities.as_array().unwrap().clone();
    vec![
        (say(bot.friends.ada, Say::text("  plain words ")), "Ada", json!("  plain words ")),
        (
            say(bot.friends.ada, Say { entities: entities(mention), ..Say::text("🍲 Bo is here") }),
            "Ada",
            json!(["🍲 ", { "type": "mention_name", "text": "Bo", "user_id": bot.friends.bo }, " is here"]),
        ),
        (
            say(bot.friends.bo, Say { entities: entities(styled), ..Say::text("@ada_l look hm x=1;") }),
            "Bo",
            json!([{ "type": "mention", "text": "@ada_l" }, " ",
                { "type": "text_link", "text": "look", "href": "https://example.org/" }, " ",
                { "type": "spoiler", "text": "hm" }, " ", { "type": "code", "text": "x=1;" }]),
        ),
        (
            say(bot.friends.dora, Say::text("/help me")),
            "Dora",
            json!([{ "type": "bot_command", "text": "/help" }, " me"]),
        ),
    ]
}

const RICH: [&str; 3] = ["Ada: plain words", "Ada: 🍲 @Bo is here", "Bo: @ada_l look hm x=1;"];

#[tokio::test(flavor = "multi_thread")]
async fn an_export_of_a_supergroup_joins_the_live_one_and_nothing_is_there_twice() {
    let bot = TelegramTester::new().await;
    bot.telegram.set_reads_all(BOT, false);
    let missed = (bot.says(bot.friends.ada, "before the bot could hear"), "Ada", json!("before the bot could hear"));
    bot.telegram.set_reads_all(BOT, true);
    let mut said = rich(&bot);
    bot.history_becomes(&RICH).await;
    said.insert(0, missed);
    let file = export("private_supergroup", bot.friends.group, "The Crew", &said, None);
    let report = import(&bot, &file).await;
    assert_eq!((report.stored, report.known), (1, 3), "{report}");
    let whole = [&["Ada: before the bot could hear"], &RICH[..]].concat();
    bot.history_becomes(&whole).await;
    assert_eq!(import(&bot, &file).await.stored, 0);
    assert_eq!(report.communities, [bot.community(bot.friends.group).await]);
    let members = bot.store().members(report.communities[0]).await.unwrap();
    let people: Vec<_> = members.iter().filter(|member| !member.is_bot).map(|member| member.name.as_str()).collect();
    assert_eq!(people, ["Ada", "Bo", "Dora"], "the same members");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_heard_in_a_topic_is_not_imported_into_another_room() {
    let bot = TelegramTester::of(Kind::Forum).await;
    let boat = bot.telegram.topic(bot.friends.group, "The boat");
    let said = Say { topic: Some(boat), ..Say::text("is it dry?") };
    let said = bot.telegram.says(bot.friends.group, bot.friends.dora, said);
    let room = format!("{}/{boat}", bot.friends.group);
    bot.soon("it is heard", async || bot.history_of(&room).await == ["Dora: is it dry?"]).await;
    let exported = [(said, "Dora", json!("is it dry?"))];
    let report = import(&bot, &export("private_supergroup", bot.friends.group, "The Crew", &exported, None)).await;
    assert_eq!((report.stored, report.known), (0, 1), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_of_a_forum_joins_its_topics() {
    let bot = TelegramTester::of(Kind::Forum).await;
    let (boat, soup) =
        (bot.telegram.topic(bot.friends.group, "The boat"), bot.telegram.topic(bot.friends.group, "Soup"));
    let in_topic = |topic, text| Say { topic: Some(topic), ..Say::text(text) };
    let say = |say| bot.telegram.says(bot.friends.group, bot.friends.dora, say);
    bot.telegram.set_reads_all(BOT, false);
    let missed = [in_topic(boat, "is it dry?"), in_topic(soup, "too salty"), Say::text("hello all")].map(say);
    bot.telegram.set_reads_all(BOT, true);
    let heard = say(in_topic(boat, "it leaks"));
    let (group, room) = (bot.friends.group.to_string(), |topic| format!("{}/{topic}", bot.friends.group));
    bot.soon("it is heard", async || bot.history_of(&room(boat)).await == ["Dora: it leaks"]).await;

    let [dry, salty, hello] = missed;
    let notice = |id, title| {
        json!({ "id": id, "type": "service", "date_unixtime": "1700000000", "actor": "Dora",
            "actor_id": format!("user{}", bot.friends.dora), "action": "topic_created", "title": title, "text": "" })
    };
    let row = |said: &FakeMessage, answered: Option<i64>| {
        json!({ "id": said.id, "type": "message", "date_unixtime": said.date.to_string(), "from": "Dora",
            "from_id": format!("user{}", bot.friends.dora), "text": said.text, "reply_to_message_id": answered })
    };
    let rows = vec![
        notice(boat, "The boat"),
        notice(soup, "Soup"),
        row(&dry, Some(boat)),
        row(&salty, Some(soup)),
        row(&hello, None),
        row(&heard, Some(dry.id)),
    ];
    let file = document("private_supergroup", bare(bot.friends.group), "The Crew", rows);
    let report = import(&bot, &file).await;
    assert_eq!((report.stored, report.known, report.without_topic), (3, 1, 0), "{report}");
    assert_eq!(report.communities, [bot.community(bot.friends.group).await]);
    assert_eq!(bot.history_of(&room(boat)).await, ["Dora: is it dry?", "Dora: it leaks"]);
    assert_eq!(bot.history_of(&room(soup)).await, ["Dora: too salty"]);
    assert_eq!(bot.history().await, ["Dora: hello all"]);
    let imported = bot.room(&room(soup)).await;
    assert_eq!((imported.title.as_str(), imported.parent_external_id), ("Soup", Some(group)));
    assert_eq!(import(&bot, &file).await.stored, 0);
    say(in_topic(soup, "more water"));
    let on_it_goes = ["Dora: too salty", "Dora: more water"];
    bot.soon("what is heard goes on there", async || bot.history_of(&room(soup)).await == on_it_goes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_came_first_is_recognised_when_it_is_heard() {
    let bot = TelegramTester::new().await;
    // What Telegram brings only after the import, as if it had been away.
    bot.bot.shutdown.cancel();
    bot.soon("nobody listens", async || bot.bot.running.is_finished()).await;
    let said = rich(&bot);
    let report = import(&bot, &export("private_supergroup", bot.friends.group, "The Crew", &said, None)).await;
    assert_eq!(report.stored, 3, "{report}");
    assert_eq!(bot.history().await, RICH);
    let bot = bot.restart().await;
    let last = bot.says(bot.friends.dora, "and on it goes");
    bot.history_becomes(&[&RICH[..], &["Dora: and on it goes"]].concat()).await;
    let room = bot.room(&bot.friends.group.to_string()).await;
    assert!(bot.store().message(room.id, chat::MessageKey(last.id)).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_small_group_what_was_heard_is_recognised_by_time_author_and_words() {
    let bot = TelegramTester::of(Kind::Group).await;
    bot.summon("Ada").await;
    let said = rich(&bot);
    let spoken = bot.telegram.persona_says(&said[0].0).await;
    bot.command(bot.friends.dora, "/pace off").await;
    bot.soon("all of it is kept", async || bot.history().await.len() >= 4).await;
    let heard = bot.history().await;
    let mut exported = said.clone();
    let posted = json!([{ "type": "bold", "text": "Ada (AI)" }, format!("\n{}", spoken.words())]);
    exported.push((spoken, "CrewBot", posted));
    let older = FakeMessage { date: said[0].0.date - 3_600, ..said[0].0.clone() };
    exported.insert(0, (older, "Ada", json!("an hour before")));
    let file = export("private_group", bot.friends.group, "The Crew", &exported, Some(70_000));
    let report = import(&bot, &file).await;
    assert_eq!((report.stored, report.known), (1, 4), "{report}");
    let room = bot.room(&bot.friends.group.to_string()).await;
    let first = bot.store().latest(room.id, 500).await.unwrap().remove(0);
    assert_eq!(first.text, "an hour before", "by time, whatever its id");
    assert_eq!(bot.history().await.len(), heard.len() + 1);
    assert_eq!(import(&bot, &file).await.stored, 0);
}
