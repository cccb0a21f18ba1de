//! What humans and other bots do in the chat. Nobody's permissions are checked but the bot's.

use super::FakeDiscord;
use super::world::{Attached, REPLY};

impl FakeDiscord {
    pub fn say(&self, channel: u64, user: u64, text: &str) -> u64 {
        self.write(channel, user, text, None, Vec::new())
    }

    pub fn reply(&self, channel: u64, user: u64, to: u64, text: &str) -> u64 {
        self.write(channel, user, text, Some(to), Vec::new())
    }

    /// A message with files, each with its name and bytes.
    pub fn upload(&self, channel: u64, user: u64, text: &str, files: Vec<(String, Vec<u8>)>) -> u64 {
        self.write(channel, user, text, None, files)
    }

    /// What another bot says, to which this one should be deaf.
    pub fn bot_says(&self, channel: u64, bot: u64, text: &str) -> u64 {
        assert!(self.world().users[&bot].bot, "{bot} is no bot; `other_bot` makes one");
        self.say(channel, bot, text)
    }

    /// A message that Discord writes, such as the one of a member who joined (type 7) or of a pin (type 6).
    pub fn system_message(&self, channel: u64, user: u64, kind: u8) -> u64 {
        let mut world = self.world();
        let mut message = world.new_message(channel, user);
        message.kind = kind;
        world.post(message)
    }

    /// What a webhook that is not the bot's says.
    pub fn foreign_webhook_says(&self, channel: u64, name: &str, text: &str) -> u64 {
        let mut world = self.world();
        let webhook = world.snowflakes.next();
        let mut message = world.new_message(channel, webhook);
        message.content = text.to_owned();
        message.author_name = name.to_owned();
        message.webhook = Some(webhook);
        world.post(message)
    }

    fn write(&self, channel: u64, user: u64, text: &str, to: Option<u64>, files: Vec<(String, Vec<u8>)>) -> u64 {
        let mut world = self.world();
        let mut message = world.new_message(channel, user);
        message.content = text.to_owned();
        message.reply_to = to;
        message.kind = if to.is_some() { REPLY } else { 0 };
        let attached = |(name, bytes)| Attached { id: world.snowflakes.next(), name, bytes };
        message.attachments = files.into_iter().map(attached).collect();
        world.post(message)
    }

    pub fn edit(&self, channel: u64, message: u64, text: &str) {
        let mut world = self.world();
        let mut edited = world.message(channel, message).expect("the message exists").clone();
        edited.content = text.to_owned();
        edited.edited_at = Some(super::clock::now());
        world.replace(edited);
    }

    pub fn delete(&self, channel: u64, message: u64) {
        self.world().remove(channel, &[message]);
    }

    pub fn delete_bulk(&self, channel: u64, messages: &[u64]) {
        self.world().remove(channel, messages);
    }

    pub fn react(&self, channel: u64, message: u64, user: u64, emoji: &str) {
        self.world().add_reaction((channel, message), user, emoji).expect("the message exists");
    }

    pub fn unreact(&self, channel: u64, message: u64, user: u64, emoji: &str) {
        self.world().remove_reaction((channel, message), user, emoji).expect("the message exists");
    }

    /// A moderator clears all reactions from a message.
    pub fn clear_reactions(&self, channel: u64, message: u64) {
        self.world().remove_reactions((channel, message)).expect("the message exists");
    }

    pub fn starts_typing(&self, channel: u64, user: u64) {
        self.world().dispatch_typing(channel, user);
    }
}
