//! Which bot is told of what, and when.

use serde_json::{Value, json};

use super::world::{FakeMessage, Kind, Status, World};

/// What a bot hears only when it has asked for it.
const ON_REQUEST: [&str; 3] = ["message_reaction", "message_reaction_count", "chat_member"];
/// How many updates wait at most; Telegram keeps them for a day.
const MOST_WAITING: usize = 10_000;

impl World {
    fn tell(&mut self, bot: i64, kind: &str, what: Value) {
        let Some(bot) = self.bots.values_mut().find(|known| known.id == bot) else { return };
        let is_wanted = match &bot.allowed {
            Some(allowed) if !allowed.is_empty() => allowed.iter().any(|allowed| allowed == kind),
            _ => !ON_REQUEST.contains(&kind),
        };
        if self.is_deaf || !is_wanted || bot.updates.len() >= MOST_WAITING {
            return;
        }
        let id = bot.next_update;
        bot.next_update += 1;
        bot.updates.push_back((id, json!({ "update_id": id, kind: what })));
    }

    fn bots_in(&self, chat: i64) -> Vec<(i64, Status)> {
        let members = self.chats[&chat].members.iter();
        let bots = members.filter(|(id, status)| status.is_present() && self.bot_by_id(**id).is_some());
        bots.map(|(id, status)| (*id, *status)).collect()
    }

    /// Tells the bots of a chat of a message, but for those that may not hear it.
    pub(super) fn tell_message(&mut self, kind: &str, message: &FakeMessage) {
        for (bot, status) in self.bots_in(message.chat) {
            if self.hears(bot, status, message) {
                let json = self.message_json(message, bot);
                self.tell(bot, kind, json);
            }
        }
    }

    /// "Privacy mode" of the documentation: commands, answers to the bot, and what is no word of anybody. Bots do not hear
    /// bots.
    fn hears(&self, bot: i64, status: Status, message: &FakeMessage) -> bool {
        if self.users[&message.from].is_bot && message.sender_chat.is_none() {
            return false;
        }
        let answers_it = message.answers.is_some_and(|number| self.messages[number].from == bot);
        self.bot_by_id(bot).is_some_and(|bot| bot.reads_all)
            || status.manages()
            || self.chats[&message.chat].kind == Kind::Private
            || message.text.starts_with('/')
            || answers_it
            || message.more.is_object()
    }

    /// A member's place in a chat has changed.
    pub(super) fn change_member(&mut self, chat: i64, by: i64, user: i64, status: Status) {
        let old = self.chats[&chat].members.get(&user).copied().unwrap_or(Status::Left);
        let change = json!({
            "chat": self.chat_json(chat), "from": self.user_json(by), "date": self.now(),
            "old_chat_member": self.status_json(user, old), "new_chat_member": self.status_json(user, status),
        });
        self.chats.get_mut(&chat).unwrap().members.insert(user, status);
        if self.bot_by_id(user).is_some() {
            self.tell(user, "my_chat_member", change.clone());
        }
        for (bot, _) in self.bots_in(chat).into_iter().filter(|(bot, status)| *bot != user && status.manages()) {
            self.tell(bot, "chat_member", change.clone());
        }
    }

    pub(super) fn tell_reaction(&mut self, number: usize, user: i64, old: &[&str], new: &[&str]) {
        let message = self.messages[number].clone();
        let list = |emoji: &[&str]| -> Value {
            emoji.iter().map(|emoji| json!({ "type": "emoji", "emoji": emoji })).collect()
        };
        for (bot, _) in self.bots_in(message.chat).into_iter().filter(|(_, status)| status.manages()) {
            let change = json!({
                "chat": self.chat_json(message.chat), "message_id": message.id_for(bot), "user": self.user_json(user),
                "date": self.now(), "old_reaction": list(old), "new_reaction": list(new),
            });
            self.tell(bot, "message_reaction", change);
        }
    }

    /// Somebody pressed a button of a bot's message.
    pub(super) fn tell_press(&mut self, message: &FakeMessage, user: i64, data: &str) -> String {
        self.presses += 1;
        let id = self.presses.to_string();
        let press = json!({
            "id": id, "from": self.user_json(user), "message": self.message_json(message, message.from),
            "chat_instance": "1", "data": data,
        });
        self.tell(message.from, "callback_query", press);
        id
    }
}
