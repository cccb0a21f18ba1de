//! What people do.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    FakeTelegram,
    world::{Chat, FakeMessage, Kind, Status, User, World},
};

/// How far the ids of people and chats lie above the bots'.
const FIRST_ID: i64 = 1_000;
const SUPERGROUPS: i64 = -1_000_000_000_000;

/// Something that somebody says.
#[derive(Debug, Clone, Default)]
pub struct Say {
    pub text: String,
    pub entities: Vec<Value>,
    /// The message that it answers.
    pub answers: Option<FakeMessage>,
    pub topic: Option<i64>,
    /// Whether it is said in the name of the group.
    pub as_group: bool,
    pub more: Value,
    /// How many seconds ago.
    pub seconds_ago: i64,
}

impl Say {
    pub fn text(text: &str) -> Self {
        Self { text: text.to_owned(), ..Self::default() }
    }

    pub fn answering(text: &str, message: &FakeMessage) -> Self {
        Self { answers: Some(message.clone()), topic: message.topic, ..Self::text(text) }
    }
}

impl FakeTelegram {
    pub fn user(&self, first_name: &str) -> i64 {
        self.shared.change(|world| {
            let id = FIRST_ID + world.fresh_id();
            let first_name = first_name.to_owned();
            world.users.insert(id, User { id, first_name, last_name: None, username: None, is_bot: false });
            let private = Chat {
                id,
                kind: Kind::Private,
                title: "private".to_owned(),
                members: BTreeMap::from([(id, Status::Member)]),
                topics: BTreeMap::new(),
                moved_to: None,
                last_id: 0,
                sent: Vec::new(),
            };
            world.chats.insert(id, private);
            id
        })
    }

    pub fn rename(&self, user: i64, first_name: &str, last_name: Option<&str>) {
        self.shared.change(|world| {
            let user = world.users.get_mut(&user).unwrap();
            (user.first_name, user.last_name) = (first_name.to_owned(), last_name.map(str::to_owned));
        });
    }

    /// A further bot, by its token.
    pub fn bot(&self, username: &str) -> (i64, String) {
        self.shared.change(|world| {
            let id = 800 + world.fresh_id();
            let token = format!("{id}:the-token-of-{username}");
            world.add_bot(id, &token, username);
            (id, token)
        })
    }

    /// A group that `owner` made, with the bot taken in.
    pub fn group(&self, kind: Kind, title: &str, owner: i64, bot: i64) -> i64 {
        let chat = self.shared.change(|world| world.make_group(kind, title, owner));
        self.set_status(chat, bot, "member");
        chat
    }

    pub fn join(&self, chat: i64, user: i64) {
        self.set_status(chat, user, "member");
        let more = self.shared.change(|world| json!({ "new_chat_members": [world.user_json(user)] }));
        self.notice(chat, user, more);
    }

    pub fn leave(&self, chat: i64, user: i64) {
        self.set_status(chat, user, "left");
        let more = self.shared.change(|world| json!({ "left_chat_member": world.user_json(user) }));
        self.notice(chat, user, more);
    }

    /// What an administrator makes of somebody: `member`, `administrator`, `muted`, `left`, `kicked`.
    pub fn set_status(&self, chat: i64, user: i64, status: &str) {
        let status = match status {
            "member" => Status::Member,
            "administrator" => Status::Administrator,
            "muted" => Status::Muted,
            "left" => Status::Left,
            "kicked" => Status::Kicked,
            other => panic!("{other} is no status"),
        };
        self.shared.change(|world| {
            let owner = world.owner(chat);
            world.change_member(chat, owner, user, status);
        });
    }

    fn notice(&self, chat: i64, by: i64, more: Value) -> FakeMessage {
        self.says(chat, by, Say { more, ..Say::default() })
    }

    pub fn topic(&self, chat: i64, name: &str) -> i64 {
        let more = json!({ "forum_topic_created": { "name": name, "icon_color": 7_322_096 } });
        self.shared.change(|world| {
            let id = world.chats[&chat].last_id + 1;
            world.chats.get_mut(&chat).unwrap().topics.insert(id, name.to_owned());
            let owner = world.owner(chat);
            let opening = world.put(FakeMessage { topic: Some(id), more, ..world.message(chat, owner, "") });
            world.tell_message("message", &opening);
            id
        })
    }

    pub fn says(&self, chat: i64, user: i64, say: Say) -> FakeMessage {
        self.shared.change(|world| {
            let mut entities = say.entities;
            if let Some(command) = say.text.split_whitespace().next().filter(|word| word.starts_with('/')) {
                entities.push(json!({ "type": "bot_command", "offset": 0, "length": command.encode_utf16().count() }));
            }
            let mut message = world.message(chat, user, &say.text);
            message.date -= say.seconds_ago;
            (message.entities, message.topic, message.more) = (entities, say.topic, say.more);
            message.answers = say.answers.map(|answered| answered.number);
            message.sender_chat = say.as_group.then_some(chat);
            let message = world.put(message);
            world.tell_message("message", &message);
            message
        })
    }

    pub fn edits(&self, message: &FakeMessage, text: &str) {
        self.shared.change(|world| {
            let now = world.now();
            let message = &mut world.messages[message.number];
            (message.text, message.edited) = (text.to_owned(), Some(now));
            let message = message.clone();
            world.tell_message("edited_message", &message);
        });
    }

    /// Somebody reacts otherwise than before.
    pub fn reacts(&self, message: &FakeMessage, user: i64, old: &[&str], new: &[&str]) {
        self.shared.change(|world| world.tell_reaction(message.number, user, old, new));
    }

    /// Opens a chat with the bot.
    pub fn starts(&self, user: i64, bot: i64) {
        self.shared.change(|world| {
            let bot = world.bots.values_mut().find(|known| known.id == bot).unwrap();
            bot.started_by.insert(user);
            let bot = bot.id;
            world.chats.get_mut(&user).unwrap().members.insert(bot, Status::Member);
        });
    }

    /// Presses a button, by its label. Returns the press, to ask for its answer.
    pub fn presses(&self, message: &FakeMessage, user: i64, label: &str) -> String {
        let (_, data) = message.buttons().into_iter().find(|(known, _)| known == label).expect("the button is there");
        self.presses_with(message, user, &data)
    }

    pub fn presses_with(&self, message: &FakeMessage, user: i64, data: &str) -> String {
        self.shared.change(|world| world.tell_press(message, user, data))
    }

    /// A small group becomes a supergroup.
    pub fn grows(&self, chat: i64) -> i64 {
        self.shared.change(|world| {
            let owner = world.owner(chat);
            let title = world.chats[&chat].title.clone();
            let large = world.make_group(Kind::Supergroup, &title, owner);
            let members = world.chats[&chat].members.clone();
            world.chats.get_mut(&large).unwrap().members = members;
            let to = json!({ "migrate_to_chat_id": large });
            let last = world.put(FakeMessage { more: to, ..world.message(chat, owner, "") });
            world.tell_message("message", &last);
            world.chats.get_mut(&chat).unwrap().moved_to = Some(large);
            let from = json!({ "migrate_from_chat_id": chat });
            let first = world.put(FakeMessage { more: from, ..world.message(large, owner, "") });
            world.tell_message("message", &first);
            large
        })
    }

    /// Turns "privacy mode" of a bot on or off.
    pub fn set_reads_all(&self, bot: i64, reads_all: bool) {
        self.shared.change(|world| {
            world.bots.values_mut().find(|known| known.id == bot).unwrap().reads_all = reads_all;
        });
    }
}

impl World {
    fn make_group(&mut self, kind: Kind, title: &str, owner: i64) -> i64 {
        let bare = 1_500_000_000 + self.fresh_id();
        let id = match kind {
            Kind::Supergroup | Kind::Forum => SUPERGROUPS - bare,
            _ => -bare,
        };
        let chat = Chat {
            id,
            kind,
            title: title.to_owned(),
            members: BTreeMap::from([(owner, Status::Creator)]),
            topics: BTreeMap::new(),
            moved_to: None,
            last_id: 0,
            sent: Vec::new(),
        };
        self.chats.insert(id, chat);
        id
    }

    fn owner(&self, chat: i64) -> i64 {
        let mut members = self.chats[&chat].members.iter();
        *members.find(|(_, status)| **status == Status::Creator).expect("every group has an owner").0
    }
}
