//! What the gateway tells and whom: each event with its intent, serialised once for all sessions that get it.

use std::sync::Arc;

use serde_json::{Value, json};

use super::clock::{now, timestamp};
use super::payload::{self, id};
use super::permissions::VIEW_CHANNEL;
use super::world::{FakeMessage, World};

pub const GUILDS: u64 = 1;
pub const GUILD_MEMBERS: u64 = 1 << 1;
pub const GUILD_WEBHOOKS: u64 = 1 << 5;
pub const GUILD_PRESENCES: u64 = 1 << 8;
pub const GUILD_MESSAGES: u64 = 1 << 9;
pub const GUILD_REACTIONS: u64 = 1 << 10;
pub const GUILD_TYPING: u64 = 1 << 11;
pub const MESSAGE_CONTENT: u64 = 1 << 15;

/// Intents that an application has to be allowed.
pub const PRIVILEGED: u64 = GUILD_MEMBERS | GUILD_PRESENCES | MESSAGE_CONTENT;

/// Every bit that means an intent in version 10.
pub const KNOWN: u64 = ((1 << 17) - 1) | (0b11 << 20) | (0b11 << 24);

impl World {
    /// Sends an event of a guild to the sessions that serve it, if the bot is in the guild.
    pub fn dispatch(&mut self, guild: Option<u64>, intent: u64, name: &str, data: &Value) {
        if guild.is_none() || guild.and_then(|id| self.guilds.get(&id)).is_some_and(|guild| self.has_bot(guild)) {
            self.dispatch_anyway(guild, intent, name, data);
        }
    }

    /// Sends an event even to a bot that is not, or no longer, in the guild.
    pub fn dispatch_anyway(&mut self, guild: Option<u64>, intent: u64, name: &str, data: &Value) {
        let body = frame(name, data);
        self.gateway.publish(|session| (session.serves(guild) && session.wants(intent)).then(|| body.clone()));
        self.touch();
    }

    /// Sends what happened in a channel, if the bot may see it. `intent` is the one for guilds; the one for direct
    /// messages lies three bits higher.
    pub fn dispatch_in(&mut self, channel: u64, intent: u64, name: &str, data: &Value) {
        if let Some((guild, intent)) = self.audience(channel, intent) {
            self.dispatch(guild, intent, name, data);
        }
    }

    fn audience(&self, channel: u64, intent: u64) -> Option<(Option<u64>, u64)> {
        let channel = self.channels.get(&channel)?;
        let intent = if channel.guild.is_none() { intent << 3 } else { intent };
        self.bot_may(channel, VIEW_CHANNEL).then_some((channel.guild, intent))
    }

    /// MESSAGE_CREATE or MESSAGE_UPDATE, without the content for sessions that may not read it.
    pub fn dispatch_message(&mut self, name: &str, message: &FakeMessage) {
        self.touch();
        let Some((guild, intent)) = self.audience(message.channel, GUILD_MESSAGES) else { return };
        let open = self.message_event_json(message);
        let mut closed = open.clone();
        self.hide_content(&mut closed, message);
        let (open, closed) = (frame(name, &open), frame(name, &closed));
        self.gateway.publish(|session| {
            let body = if session.wants(MESSAGE_CONTENT) { &open } else { &closed };
            (session.serves(guild) && session.wants(intent)).then(|| body.clone())
        });
    }

    /// Empties what a bot without the message content intent does not get to read.
    pub fn hide_content(&self, json: &mut Value, message: &FakeMessage) {
        if !self.is_open_to_bot(message) {
            empty(json);
        }
        let original = message.reply_to.and_then(|original| self.message(message.channel, original));
        if original.is_some_and(|original| !self.is_open_to_bot(original)) {
            empty(&mut json["referenced_message"]);
        }
    }

    fn is_open_to_bot(&self, message: &FakeMessage) -> bool {
        let direct = self.channels.get(&message.channel).is_some_and(|channel| channel.guild.is_none());
        let own = message.author == self.bot || message.application == Some(self.application);
        direct || own || message.mentions().contains(&self.bot)
    }

    pub fn dispatch_channel(&mut self, name: &str, channel: u64) {
        let Some(channel) = self.channels.get(&channel) else { return };
        let (guild, json) = (channel.guild, self.channel_json(channel));
        self.dispatch(guild, GUILDS, name, &json);
    }

    /// GUILD_CREATE to each session, with all members only where they were asked for.
    pub fn dispatch_guild_create(&mut self, guild_id: u64) {
        let Some(guild) = self.guilds.get(&guild_id) else { return };
        let few = frame("GUILD_CREATE", &self.full_guild_json(guild, false));
        let all = frame("GUILD_CREATE", &self.full_guild_json(guild, true));
        self.gateway.publish(|session| {
            let body = if session.wants(GUILD_PRESENCES) { &all } else { &few };
            (session.serves(Some(guild_id)) && session.wants(GUILDS)).then(|| body.clone())
        });
        self.touch();
    }

    pub fn dispatch_member(&mut self, name: &str, guild: u64, user: u64) {
        let Some(member) = self.member_of(Some(guild), user) else { return };
        let mut json = self.member_json(member);
        json["guild_id"] = id(guild);
        // Changes of the bot itself arrive without the intent.
        let intent = if user == self.bot && name == "GUILD_MEMBER_UPDATE" { 0 } else { GUILD_MEMBERS };
        self.dispatch(Some(guild), intent, name, &json);
    }

    pub fn dispatch_role(&mut self, name: &str, guild: u64, role: u64) {
        let role = self.guilds.get(&guild).and_then(|guild| guild.roles.get(&role)).map(payload::role);
        self.dispatch(Some(guild), GUILDS, name, &json!({ "guild_id": id(guild), "role": role }));
    }

    pub fn dispatch_reaction(&mut self, name: &str, place: (u64, u64), user: u64, emoji: &str) {
        let (channel, message) = place;
        let guild = self.channels.get(&channel).and_then(|channel| channel.guild);
        let mut json = json!({
            "user_id": id(user),
            "channel_id": id(channel),
            "message_id": id(message),
            "emoji": payload::emoji(emoji),
            "burst": false,
            "type": 0,
        });
        json["guild_id"] = guild.map(id).into();
        if name == "MESSAGE_REACTION_ADD" {
            json["message_author_id"] = self.message(channel, message).map(|message| id(message.author)).into();
            json["member"] = self.member_of(guild, user).map(|member| self.member_json(member)).into();
        }
        drop_nulls(&mut json);
        self.dispatch_in(channel, GUILD_REACTIONS, name, &json);
    }

    pub fn dispatch_typing(&mut self, channel: u64, user: u64) {
        let guild = self.channels.get(&channel).and_then(|channel| channel.guild);
        let mut json = json!({ "channel_id": id(channel), "user_id": id(user), "timestamp": now().timestamp() });
        json["guild_id"] = guild.map(id).into();
        json["member"] = self.member_of(guild, user).map(|member| self.member_json(member)).into();
        drop_nulls(&mut json);
        self.dispatch_in(channel, GUILD_TYPING, "TYPING_START", &json);
    }

    pub fn dispatch_webhooks(&mut self, channel: u64) {
        let guild = self.channels.get(&channel).and_then(|channel| channel.guild);
        let json = json!({ "guild_id": guild.map(id), "channel_id": id(channel) });
        self.dispatch(guild, GUILD_WEBHOOKS, "WEBHOOKS_UPDATE", &json);
    }

    /// READY's payload; the guilds in it become available with the GUILD_CREATE events that follow.
    pub fn greeting(&self, session: &str, shard: (u32, u32), url: &str) -> Value {
        let serves = |guild: u64| (guild >> 22) % u64::from(shard.1) == u64::from(shard.0);
        let guilds = self.guilds.values().filter(|guild| serves(guild.id) && self.has_bot(guild));
        json!({
            "v": 10,
            "user": self.user_json(self.bot),
            "guilds": guilds.map(|guild| json!({ "id": id(guild.id), "unavailable": true })).collect::<Vec<_>>(),
            "session_id": session,
            "resume_gateway_url": url,
            "shard": [shard.0, shard.1],
            "application": { "id": id(self.application), "flags": self.application_flags() },
            "private_channels": [],
            "session_type": "normal",
            "sent_at": timestamp(now()),
        })
    }

    /// The flags of the application tell which privileged intents it may ask for (the "limited" ones, for bots in
    /// fewer than 100 guilds).
    pub fn application_flags(&self) -> u64 {
        let limited = [(GUILD_PRESENCES, 1 << 13), (GUILD_MEMBERS, 1 << 15), (MESSAGE_CONTENT, 1 << 19)];
        let enabled = limited.iter().filter(|(intent, _)| self.options.privileged_intents & intent != 0);
        enabled.map(|(_, flag)| flag).sum()
    }
}

/// A gateway frame without its head, which holds the number that differs from session to session.
pub fn frame(name: &str, data: &Value) -> Arc<str> {
    format!(r#""t":"{name}","d":{data}}}"#).into()
}

fn empty(json: &mut Value) {
    if json.is_null() {
        return;
    }
    json["content"] = json!("");
    for list in ["embeds", "attachments", "components"] {
        json[list] = json!([]);
    }
}

fn drop_nulls(json: &mut Value) {
    if let Some(fields) = json.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
}
