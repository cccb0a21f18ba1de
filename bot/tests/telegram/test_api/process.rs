//! The package as a process of its own, and people who act through its client.

use std::{path::Path, process::Stdio};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    sync::Mutex,
};

/// Where the package is installed.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/telegram/test_api");

/// Somebody in a chat.
#[derive(Debug, Clone, Copy)]
pub struct Person {
    pub id: i64,
    pub name: &'static str,
    pub chat: i64,
    pub chat_title: &'static str,
}

impl Person {
    fn options(self) -> Value {
        let Person { id, name, chat, chat_title } = self;
        json!({ "userId": id, "firstName": name, "userName": name, "chatId": chat, "chatTitle": chat_title,
            "type": "supergroup" })
    }
}

/// A message of the bot as the package keeps it.
#[derive(Debug, Clone)]
pub struct Posted {
    pub id: i64,
    /// What the bot has sent.
    pub message: Value,
}

impl Posted {
    fn read(entry: &Value) -> Option<Self> {
        let message = entry["message"].clone();
        let is_the_bots = message["chat_id"].is_i64();
        is_the_bots.then(|| Posted { id: entry["messageId"].as_i64().unwrap(), message })
    }

    pub fn text(&self) -> &str {
        self.message["text"].as_str().unwrap()
    }

    /// What a button carries.
    pub fn button(&self, label: &str) -> String {
        let rows = self.message["reply_markup"]["inline_keyboard"].as_array().expect("there are buttons");
        let mut buttons = rows.iter().flat_map(|row| row.as_array().unwrap());
        let button = buttons.find(|button| button["text"] == label).expect("the button is there");
        button["callback_data"].as_str().unwrap().to_owned()
    }
}

/// The running package.
pub struct TestApi {
    pub url: String,
    talk: Mutex<(ChildStdin, Lines<BufReader<ChildStdout>>)>,
    _program: Child,
}

impl TestApi {
    /// Starts it for a bot of this token; none where node or the package is not here.
    pub async fn start(token: &str) -> Option<Self> {
        if !Path::new(FOLDER).join("node_modules/telegram-test-api").is_dir() {
            return None;
        }
        let mut node = Command::new("node");
        node.args(["server.mjs", token]).current_dir(FOLDER).kill_on_drop(true);
        let mut program = node.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
        let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
        let first = read(&mut lines).await;
        let url = first["url"].as_str().unwrap().to_owned();
        let talk = Mutex::new((program.stdin.take().unwrap(), lines));
        Some(Self { url, talk, _program: program })
    }

    async fn ask(&self, request: Value) -> Value {
        let mut talk = self.talk.lock().await;
        talk.0.write_all(format!("{request}\n").as_bytes()).await.unwrap();
        read(&mut talk.1).await
    }

    pub async fn says(&self, who: Person, text: &str) {
        self.ask(json!({ "act": "say", "who": who.options(), "text": text })).await;
    }

    /// Gives a command, which may answer a message of the bot.
    pub async fn commands(&self, who: Person, text: &str, answering: Option<&Posted>) {
        let more = match answering {
            Some(posted) => json!({ "reply_to_message": as_shown(who, posted) }),
            None => json!({}),
        };
        self.ask(json!({ "act": "command", "who": who.options(), "text": text, "more": more })).await;
    }

    /// Presses a button of a message of the bot.
    pub async fn presses(&self, who: Person, posted: &Posted, label: &str) {
        // The client takes whoever wrote the message for whoever presses, so that is left as it makes it.
        let message = json!({ "message_id": posted.id, "date": 1, "text": posted.text() });
        let (data, more) = (posted.button(label), json!({ "message": message }));
        self.ask(json!({ "act": "press", "who": who.options(), "data": data, "more": more })).await;
    }

    /// What the bot has posted, oldest first, as it reads now.
    pub async fn posted(&self) -> Vec<Posted> {
        let history = self.ask(json!({ "act": "history" })).await;
        history.as_array().unwrap().iter().filter_map(Posted::read).collect()
    }

    /// What the bot has posted and nobody in the chat has read yet.
    pub async fn unread(&self, who: Person) -> Vec<Posted> {
        let unread = self.ask(json!({ "act": "unread", "who": who.options() })).await;
        unread["result"].as_array().unwrap().iter().filter_map(Posted::read).collect()
    }
}

/// A message of the bot as somebody in the chat has it before them. Its time is not in the package's answers.
fn as_shown(who: Person, posted: &Posted) -> Value {
    json!({
        "message_id": posted.id,
        "date": 1,
        "from": { "id": super::proxy::BOT, "is_bot": true, "first_name": "Bot" },
        "chat": { "id": who.chat, "type": "supergroup", "title": who.chat_title },
        "text": posted.text(),
    })
}

async fn read(lines: &mut Lines<BufReader<ChildStdout>>) -> Value {
    let line =
        lines.next_line().await.unwrap().expect("the package's program goes on; what it said on stderr tells more");
    serde_json::from_str(&line).unwrap()
}
