//! The state: bots, people, chats and messages.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    time::Instant,
};

use chrono::Utc;
use serde_json::Value;

/// What a chat is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Private,
    Group,
    Supergroup,
    Forum,
}

#[derive(Debug, Clone)]
pub(super) struct User {
    pub id: i64,
    pub first_name: String,
    pub last_name: Option<String>,
    pub username: Option<String>,
    pub is_bot: bool,
}

#[derive(Debug, Default)]
pub(super) struct Bot {
    pub id: i64,
    pub reads_all: bool,
    pub updates: VecDeque<(u32, Value)>,
    pub next_update: u32,
    /// What it has said that it wants to hear; none for what is told without being asked.
    pub allowed: Option<Vec<String>>,
    /// Counts requests for updates: a new one ends the one before.
    pub polls: u64,
    pub webhook: Option<(String, Option<String>)>,
    pub commands: HashMap<String, Value>,
    /// Who has opened a chat with it.
    pub started_by: BTreeSet<i64>,
    /// The last id of a message in a private chat or small group.
    pub last_own_id: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Creator,
    Administrator,
    Member,
    Muted,
    Left,
    Kicked,
}

impl Status {
    pub(super) fn is_present(self) -> bool {
        !matches!(self, Status::Left | Status::Kicked)
    }

    pub(super) fn manages(self) -> bool {
        matches!(self, Status::Creator | Status::Administrator)
    }
}

#[derive(Debug)]
pub(super) struct Chat {
    pub id: i64,
    pub kind: Kind,
    pub title: String,
    pub members: BTreeMap<i64, Status>,
    pub topics: BTreeMap<i64, String>,
    pub moved_to: Option<i64>,
    pub last_id: i64,
    pub sent: Vec<Instant>,
}

/// A message as everybody sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct FakeMessage {
    /// Its place in all that was ever said.
    pub number: usize,
    pub chat: i64,
    pub topic: Option<i64>,
    /// Its id in a supergroup.
    pub id: i64,
    pub from: i64,
    /// The chat in whose name it is.
    pub sender_chat: Option<i64>,
    pub date: i64,
    pub text: String,
    pub entities: Vec<Value>,
    /// The number of what it answers.
    pub answers: Option<usize>,
    pub keyboard: Option<Value>,
    pub edited: Option<i64>,
    pub is_deleted: bool,
    pub is_silent: bool,
    /// Name and content of a document.
    pub file: Option<(String, String)>,
    /// What stands in a message beside these, such as that somebody joined.
    pub more: Value,
    /// Its ids in a small group or a private chat, one for each account.
    pub own_ids: BTreeMap<i64, i64>,
}

impl FakeMessage {
    /// Its id for an account.
    pub fn id_for(&self, account: i64) -> i64 {
        self.own_ids.get(&account).copied().unwrap_or(self.id)
    }

    /// The words below the first line.
    pub fn words(&self) -> &str {
        self.text.split_once('\n').map_or("", |(_, words)| words)
    }

    /// The first line, where it is bold.
    pub fn label(&self) -> Option<&str> {
        let first = self.text.lines().next()?;
        let is_bold = self.entities.iter().any(|entity| {
            entity["type"] == "bold" && entity["offset"] == 0 && entity["length"] == first.encode_utf16().count()
        });
        is_bold.then_some(first)
    }

    /// The labels of its buttons with what they carry.
    pub fn buttons(&self) -> Vec<(String, String)> {
        let rows = self.keyboard.as_ref().and_then(|keyboard| keyboard["inline_keyboard"].as_array());
        let buttons = rows.into_iter().flatten().flat_map(|row| row.as_array().unwrap());
        let text = |button: &Value, key: &str| button[key].as_str().unwrap().to_owned();
        buttons.map(|button| (text(button, "text"), text(button, "callback_data"))).collect()
    }
}

/// A way in which calls go wrong.
#[derive(Debug, Clone)]
pub(super) enum Trouble {
    Status(u16),
    RetryAfter(u64),
    /// The connection breaks before anything is done.
    BrokenOff,
    /// It is done, but the answer is lost.
    AnswerLost,
    /// It is done, but the connection breaks within the answer.
    AnswerCut,
}

/// An answer to the press of a button.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pressed {
    pub id: String,
    pub text: Option<String>,
}

#[derive(Default)]
pub(super) struct World {
    pub bots: HashMap<String, Bot>,
    pub users: BTreeMap<i64, User>,
    pub chats: BTreeMap<i64, Chat>,
    pub messages: Vec<FakeMessage>,
    pub presses: u64,
    pub answers: Vec<Pressed>,
    pub actions: Vec<(i64, Option<i64>)>,
    pub requests: Vec<(String, Value)>,
    pub violations: Vec<String>,
    pub troubles: Vec<(String, u32, Trouble)>,
    /// Until when a method may not be called for a chat, because it was too much.
    pub floods: HashMap<(String, Option<i64>), Instant>,
    /// Counts how often the held requests for updates were cut off.
    pub cuts: u64,
    /// Whether Telegram's limits on messages count.
    pub has_limits: bool,
    pub renamings: HashMap<i64, usize>,
    /// Updates are brought twice and in the wrong order.
    pub is_untidy: bool,
    /// Bots are told nothing.
    pub is_deaf: bool,
    pub next_id: i64,
}

impl World {
    pub(super) fn add_bot(&mut self, id: i64, token: &str, username: &str) {
        let user = User {
            id,
            first_name: username.to_owned(),
            last_name: None,
            username: Some(username.to_owned()),
            is_bot: true,
        };
        self.users.insert(id, user);
        let bot = Bot { id, reads_all: true, next_update: 5_000, ..Bot::default() };
        self.bots.insert(token.to_owned(), bot);
    }

    pub(super) fn fresh_id(&mut self) -> i64 {
        self.next_id += 1;
        self.next_id
    }

    #[expect(clippy::disallowed_methods, reason = "Telegram has a clock of its own")]
    pub(super) fn now(&self) -> i64 {
        Utc::now().timestamp()
    }

    pub(super) fn bot_by_id(&self, id: i64) -> Option<&Bot> {
        self.bots.values().find(|bot| bot.id == id)
    }

    /// Puts a message into its chat, with the ids that it has for each account there.
    pub(super) fn put(&mut self, mut message: FakeMessage) -> FakeMessage {
        let chat = self.chats.get_mut(&message.chat).expect("the chat exists");
        let is_numbered = matches!(chat.kind, Kind::Supergroup | Kind::Forum);
        if is_numbered {
            chat.last_id += 1;
            message.id = chat.last_id;
        } else {
            let present: Vec<i64> =
                chat.members.iter().filter(|(_, status)| status.is_present()).map(|(id, _)| *id).collect();
            for bot in self.bots.values_mut().filter(|bot| present.contains(&bot.id)) {
                bot.last_own_id += 1;
                message.own_ids.insert(bot.id, bot.last_own_id);
            }
        }
        message.number = self.messages.len();
        self.messages.push(message.clone());
        message
    }

    /// The message that an account calls so.
    pub(super) fn find(&self, chat: i64, id: i64, account: i64) -> Option<usize> {
        let is_it =
            |message: &&FakeMessage| message.chat == chat && message.id_for(account) == id && !message.is_deleted;
        self.messages.iter().find(is_it).map(|message| message.number)
    }

    pub(super) fn message(&self, chat: i64, from: i64, text: &str) -> FakeMessage {
        FakeMessage {
            number: 0,
            chat,
            topic: None,
            id: 0,
            from,
            sender_chat: None,
            date: self.now(),
            text: text.to_owned(),
            entities: Vec::new(),
            answers: None,
            keyboard: None,
            edited: None,
            is_deleted: false,
            is_silent: false,
            file: None,
            more: Value::Null,
            own_ids: BTreeMap::new(),
        }
    }
}
