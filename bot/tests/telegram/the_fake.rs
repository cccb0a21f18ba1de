//! The fake itself, against what the Bot API's documentation says.

use serde_json::{Value, json};

use crate::fake::{BOT, FakeTelegram, Kind, Say, TOKEN};

async fn call(telegram: &FakeTelegram, method: &str, parameters: Value) -> Value {
    let url = format!("{}/bot{TOKEN}/{method}", telegram.url());
    reqwest::Client::new().post(url).json(&parameters).send().await.unwrap().json().await.unwrap()
}

fn group(telegram: &FakeTelegram) -> (i64, i64) {
    let dora = telegram.user("Dora");
    (telegram.group(Kind::Supergroup, "Crew", dora, BOT), dora)
}

#[tokio::test]
async fn text_is_read_as_html_and_refused_where_it_is_none() {
    let telegram = FakeTelegram::start().await;
    let (chat, _) = group(&telegram);
    let send = async |text: &str| {
        call(&telegram, "sendMessage", json!({ "chat_id": chat, "text": text, "parse_mode": "HTML" })).await
    };
    let sent = send("<b>🍲 a &lt; b</b> &amp; more").await;
    assert_eq!(sent["result"]["text"], "🍲 a < b & more");
    assert_eq!(sent["result"]["entities"], json!([{ "type": "bold", "offset": 0, "length": 8 }]));
    for wrong in ["<b>open", "a < b", "</b>", "<blink>x</blink>"] {
        let refused = send(wrong).await;
        assert_eq!(refused["error_code"], 400);
        assert!(refused["description"].as_str().unwrap().starts_with("Bad Request: can't parse entities"), "{refused}");
    }
    assert_eq!(send(" ").await["description"], "Bad Request: message text is empty");
    assert_eq!(send(&"x".repeat(4_097)).await["description"], "Bad Request: message is too long");
    assert_eq!(send(&"x".repeat(4_096)).await["ok"], true);
}

#[tokio::test]
async fn updates_are_brought_until_a_later_one_is_asked_for() {
    let telegram = FakeTelegram::start().await;
    let (chat, dora) = group(&telegram);
    let get =
        async |parameters: Value| call(&telegram, "getUpdates", parameters).await["result"].as_array().unwrap().clone();
    telegram.says(chat, dora, Say::text("hi"));
    let first = get(json!({})).await;
    assert_eq!(first, get(json!({})).await, "again");
    let last = first.last().unwrap();
    assert_eq!(last["message"]["text"], "hi");
    let next = last["update_id"].as_u64().unwrap() + 1;
    assert_eq!(get(json!({ "offset": next })).await, [] as [Value; 0]);
    let waiting = get(json!({ "offset": next, "timeout": 20 }));
    let saying = async {
        telegram.called("getUpdates", 4).await;
        telegram.says(chat, dora, Say::text("later"))
    };
    let (brought, _) = tokio::join!(waiting, saying);
    assert_eq!(brought[0]["message"]["text"], "later");
}

#[tokio::test]
async fn reactions_are_told_to_administrators_who_asked_for_them() {
    let telegram = FakeTelegram::start().await;
    let (chat, dora) = group(&telegram);
    let message = telegram.says(chat, dora, Say::text("hi"));
    let reactions =
        || telegram.waiting_updates().iter().filter(|update| update["message_reaction"].is_object()).count();
    call(&telegram, "getUpdates", json!({ "allowed_updates": ["message", "message_reaction"] })).await;
    telegram.reacts(&message, dora, &[], &["👍"]);
    assert_eq!(reactions(), 0);
    telegram.set_status(chat, BOT, "administrator");
    telegram.reacts(&message, dora, &[], &["👍"]);
    assert_eq!(reactions(), 1);
}

#[tokio::test]
async fn one_request_for_updates_ends_the_other_and_a_webhook_ends_both() {
    let telegram = FakeTelegram::start().await;
    let first = call(&telegram, "getUpdates", json!({ "timeout": 20 }));
    let second = async {
        telegram.called("getUpdates", 1).await;
        call(&telegram, "getUpdates", json!({})).await
    };
    let (first, second) = tokio::join!(first, second);
    assert_eq!((first["error_code"].as_u64(), second["ok"].as_bool()), (Some(409), Some(true)));
    let set = call(&telegram, "setWebhook", json!({ "url": "http://insecure.example.org" })).await;
    assert_eq!(set["error_code"], 400);
    call(&telegram, "setWebhook", json!({ "url": "https://example.org" })).await;
    assert_eq!(call(&telegram, "getUpdates", json!({})).await["error_code"], 409);
}

#[tokio::test]
async fn a_group_that_grew_says_where_to() {
    let telegram = FakeTelegram::start().await;
    let dora = telegram.user("Dora");
    let small = telegram.group(Kind::Group, "Few", dora, BOT);
    let large = telegram.grows(small);
    let refused = call(&telegram, "sendMessage", json!({ "chat_id": small, "text": "hi" })).await;
    assert_eq!(refused["parameters"]["migrate_to_chat_id"], large);
    assert_eq!(call(&telegram, "sendMessage", json!({ "chat_id": large, "text": "hi" })).await["ok"], true);
}

#[tokio::test]
async fn connections_break_and_what_was_done_is_done() {
    let telegram = FakeTelegram::start().await;
    let (chat, dora) = group(&telegram);
    let client = reqwest::Client::new();
    // None where the connection breaks.
    let ask = async |method: &str, parameters: Value| -> Option<Value> {
        let url = format!("{}/bot{TOKEN}/{method}", telegram.url());
        client.post(url).json(&parameters).send().await.ok()?.json().await.ok()
    };
    let waiting = ask("getUpdates", json!({ "offset": 100_000, "timeout": 20 }));
    let cutting = async {
        telegram.called("getUpdates", 1).await;
        telegram.cut_polls();
    };
    let (answer, ()) = tokio::join!(waiting, cutting);
    assert_eq!(answer, None);
    let given = telegram.says(chat, dora, Say::text("hi"));
    telegram.cut_answer("sendMessage");
    let hello = json!({ "chat_id": chat, "text": "hello" });
    assert_eq!(ask("sendMessage", hello.clone()).await, None);
    assert_eq!(telegram.said_after(&given).len(), 1);
    telegram.break_off("sendMessage");
    assert_eq!(ask("sendMessage", hello.clone()).await, None);
    assert_eq!(telegram.said_after(&given).len(), 1, "that one was not done");
    telegram.limit("sendMessage", 60, 2);
    assert_eq!(ask("sendMessage", hello.clone()).await.unwrap()["parameters"]["retry_after"], 60);
    assert_eq!(telegram.violations(), Vec::<String>::new());
    telegram.mend();
    ask("sendMessage", hello).await.unwrap();
    assert!(telegram.violations()[0].contains("before the time that was told"), "{:?}", telegram.violations());
    assert_eq!(telegram.messages().last().unwrap().text, "hello");
}
