//! Updates as Telegram's documentation describes them.

use expect_test::{Expect, expect};
use serde_json::{Value, json};
use teloxide::types::Update;

use super::*;

const BOT: u64 = 900;

fn check(update: Value, expected: Expect) {
    // From text, as it comes: the library cannot read an update from a value.
    let update: Update = serde_json::from_str(&update.to_string()).unwrap();
    let us = Us { bot: UserId(BOT), all: HashSet::from([UserId(BOT), UserId(901)]) };
    let heard: Vec<String> = translate(update.kind, &us).iter().map(shown).collect();
    expected.assert_eq(&heard.join("\n"));
}

fn shown(heard: &Heard) -> String {
    let read = |what: &str, chat: &Chat, topic: &Option<ThreadId>, read: &Read| {
        let posted = &read.posted;
        let (author, key) = (&posted.author, posted.key);
        let topic = topic.map(|topic| format!("/{topic}")).unwrap_or_default();
        let answers = posted.reply_to.map(|key| format!(" ->{key}")).unwrap_or_default();
        let bot = if author.is_bot { " (bot)" } else { "" };
        format!("{what} {}{topic} {key} {}={:?}{bot}: {:?}{answers}", chat.id, author.key, author.name, posted.text)
    };
    match heard {
        Heard::Posted(chat, topic, message) => read("posted", chat, topic, message),
        Heard::Edited(chat, topic, message) => read("edited", chat, topic, message),
        Heard::Reacted { chat, message, by, added, removed } => {
            format!("reacted {} {message} {}: +{added:?} -{removed:?}", chat.id, by.key)
        }
        Heard::InGroup(chat, what) => format!("in {}: {what:?}", chat.id),
        Heard::Command(message) => format!("command {:?}", message.text()),
        Heard::Pressed(pressed) => format!("pressed {:?}", pressed.data),
        other => format!("{other:?}"),
    }
}

fn crew() -> Value {
    json!({ "id": -1_001_500_000_001_i64, "type": "supergroup", "title": "Crew", "is_forum": true })
}

fn ada() -> Value {
    json!({ "id": 11, "is_bot": false, "first_name": "Ada", "last_name": "Lovelace", "username": "ada_l" })
}

/// A message of Ada's in the supergroup, with more fields.
fn message(more: Value) -> Value {
    let mut message = json!({ "message_id": 7, "date": 1_709_287_260, "chat": crew(), "from": ada() });
    message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    message
}

fn update(kind: &str, what: Value) -> Value {
    json!({ "update_id": 1, kind: what })
}

#[test]
fn words_with_what_they_answer() {
    let answered = json!({ "message_id": 5, "date": 1_709_287_200, "chat": crew(), "from": ada(), "text": "hm" });
    check(
        update("message", message(json!({ "text": "  so it is ", "reply_to_message": answered }))),
        expect![[r#"posted -1001500000001 7 user11="Ada Lovelace": "so it is" ->5"#]],
    );
    check(
        update("edited_message", message(json!({ "text": "so it was", "edit_date": 1_709_287_300 }))),
        expect![[r#"edited -1001500000001 7 user11="Ada Lovelace": "so it was""#]],
    );
}

#[test]
fn a_name_that_is_a_mention_is_marked() {
    let entities = json!([
        { "type": "custom_emoji", "offset": 0, "length": 2, "custom_emoji_id": "5" },
        { "type": "text_mention", "offset": 3, "length": 2, "user": { "id": 12, "is_bot": false, "first_name": "Bodo" } },
        { "type": "spoiler", "offset": 6, "length": 5 },
    ]);
    check(
        update("message", message(json!({ "text": "🍲 Bo sails", "entities": entities }))),
        expect![[r#"posted -1001500000001 7 user11="Ada Lovelace": "🍲 @Bo sails""#]],
    );
}

#[test]
fn a_topic_has_its_first_message_as_its_name() {
    let opening = json!({ "message_id": 3, "date": 1_709_287_200, "chat": crew(), "from": ada(), "message_thread_id": 3,
        "is_topic_message": true, "forum_topic_created": { "name": "The boat", "icon_color": 7_322_096 } });
    check(
        update(
            "message",
            message(json!({ "text": "hi", "message_thread_id": 3, "is_topic_message": true,
            "reply_to_message": opening })),
        ),
        expect![[r#"
            TopicNamed { chat: ChatId(-1001500000001), topic: ThreadId(MessageId(3)), name: "The boat" }
            posted -1001500000001/3 7 user11="Ada Lovelace": "hi""#]],
    );
}

#[test]
fn small_groups_have_keys_of_time() {
    let chat = json!({ "id": -42, "type": "group", "title": "Few" });
    check(
        update("message", message(json!({ "text": "hi", "chat": chat }))),
        expect![[r#"posted -42 -5552705596270051321 user11="Ada Lovelace": "hi""#]],
    );
}

#[test]
fn what_is_not_a_members_own_words() {
    let origin = json!({ "type": "hidden_user", "sender_user_name": "Zed", "date": 1_709_287_200 });
    check(
        update("message", message(json!({ "text": "not mine", "forward_origin": origin }))),
        expect![[r#"posted -1001500000001 7 user11="Ada Lovelace": """#]],
    );
    let bot = json!({ "id": BOT, "is_bot": true, "first_name": "Crew Bot" });
    check(update("message", message(json!({ "text": "ours", "from": bot }))), expect![""]);
    let group = json!({ "id": 1_087_968_824, "is_bot": true, "first_name": "Group", "username": "GroupAnonymousBot" });
    check(
        update("message", message(json!({ "text": "rules", "from": group, "sender_chat": crew() }))),
        expect![[r#"posted -1001500000001 7 channel1500000001="Crew": "rules""#]],
    );
    let command = json!([{ "type": "bot_command", "offset": 0, "length": 5 }]);
    check(
        update("message", message(json!({ "text": "/cast", "entities": command }))),
        expect![[r#"command Some("/cast")"#]],
    );
}

#[test]
fn coming_going_and_growing() {
    let bo = json!({ "id": 12, "is_bot": false, "first_name": "Bo" });
    let ours = json!({ "id": 901, "is_bot": true, "first_name": "Ada (AI)" });
    check(
        update("message", message(json!({ "new_chat_members": [bo, ours] }))),
        expect![[
            r#"in -1001500000001: Returned(Person { key: MemberKey("user12"), name: "Bo", is_bot: false, avatar_url: None })"#
        ]],
    );
    check(
        update("message", message(json!({ "left_chat_member": bo }))),
        expect![[r#"in -1001500000001: Left(MemberKey("user12"))"#]],
    );
    check(
        update("message", message(json!({ "migrate_to_chat_id": -1_001_600_000_002_i64 }))),
        expect!["Moved { from: ChatId(-1001500000001), to: ChatId(-1001600000002) }"],
    );
    let kicked = json!({ "chat": crew(), "from": ada(), "date": 1,
        "old_chat_member": { "status": "member", "user": ours },
        "new_chat_member": { "status": "kicked", "user": ours, "until_date": 0 } });
    check(
        update("my_chat_member", kicked),
        expect![[r#"
        RightsChanged(ChatId(-1001500000001))
        in -1001500000001: PutOut"#]],
    );
}

#[test]
fn reactions_are_told_as_what_changed() {
    let emoji = |emoji: &str| json!({ "type": "emoji", "emoji": emoji });
    let paid = json!({ "type": "paid" });
    let reaction = json!({ "chat": crew(), "message_id": 7, "user": ada(), "date": 1,
        "old_reaction": [emoji("👎"), emoji("🔥")], "new_reaction": [emoji("👍"), emoji("🔥"), paid] });
    check(update("message_reaction", reaction), expect![[r#"reacted -1001500000001 7 user11: +["👍"] -["👎"]"#]]);
}
