//! Messages coming into the world, changing and leaving it, each with its event. Whoever calls has checked that they
//! may; what a body must look like is checked here.

use serde_json::{Value, json};

use super::clock::now;
use super::errors::{self, ApiError};
use super::events::{GUILD_MESSAGES, GUILD_REACTIONS, GUILDS};
use super::form::Call;
use super::payload::id;
use super::world::{APPLICATION, Attached, EPHEMERAL, FORUM, FakeMessage, PUBLIC_THREAD, World};

pub const LONGEST_CONTENT: usize = 2_000;

/// Flags that a sender may set: no embeds, ephemeral, no notifications.
const SETTABLE_FLAGS: u64 = 1 << 2 | EPHEMERAL | 1 << 12;

/// What the body of a post asks for, within Discord's bounds.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    pub content: String,
    pub flags: u64,
    pub nonce: Option<Value>,
    pub files: Vec<(String, Vec<u8>)>,
    pub components: Value,
    pub embeds: Value,
    pub allowed_mentions: Option<Value>,
}

impl Draft {
    /// Reads a body; `files` come from the parts of a multipart form.
    pub fn read(body: &Value, files: &[(String, Vec<u8>)]) -> Result<Self, ApiError> {
        let content = read_content(body)?.unwrap_or_default();
        let components = read_list(body, "components", 5)?;
        let embeds = read_list(body, "embeds", 10)?;
        let nothing = content.trim().is_empty() && files.is_empty();
        if nothing && embeds.as_array().is_none_or(Vec::is_empty) && components.as_array().is_none_or(Vec::is_empty) {
            return Err(errors::empty_message());
        }
        Ok(Self {
            content,
            flags: body["flags"].as_u64().unwrap_or(0) & SETTABLE_FLAGS,
            nonce: body.get("nonce").filter(|nonce| !nonce.is_null()).cloned(),
            files: files.to_vec(),
            components,
            embeds,
            allowed_mentions: body.get("allowed_mentions").filter(|allowed| !allowed.is_null()).cloned(),
        })
    }

    pub fn of(call: &Call) -> Result<Self, ApiError> {
        Self::read(&call.body, &call.files)
    }

    pub fn apply(self, world: &mut World, message: &mut FakeMessage) {
        message.content = self.content;
        message.flags |= self.flags;
        message.nonce = self.nonce;
        message.components = self.components;
        message.embeds = self.embeds;
        message.allowed_mentions = self.allowed_mentions;
        message.attachments = attach(world, self.files);
    }
}

/// The content of a body, if it has one. Discord counts characters, not bytes.
pub fn read_content(body: &Value) -> Result<Option<String>, ApiError> {
    let Some(content) = body.get("content").filter(|content| !content.is_null()) else { return Ok(None) };
    let wrong = || ApiError::invalid_form("content", "STRING_TYPE_CONVERT", "Could not interpret value as string.");
    let content = content.as_str().ok_or_else(wrong)?;
    if content.chars().count() > LONGEST_CONTENT {
        return Err(ApiError::too_long("content", LONGEST_CONTENT));
    }
    // Discord shows no white space around a message, and does not keep it.
    Ok(Some(content.trim().to_owned()))
}

fn read_list(body: &Value, field: &str, longest: usize) -> Result<Value, ApiError> {
    let list = body.get(field).filter(|list| !list.is_null()).cloned().unwrap_or_else(|| json!([]));
    if list.as_array().is_none_or(|list| list.len() > longest) {
        return Err(ApiError::too_long(field, longest));
    }
    Ok(list)
}

pub fn attach(world: &mut World, files: Vec<(String, Vec<u8>)>) -> Vec<Attached> {
    files.into_iter().map(|(name, bytes)| Attached { id: world.snowflakes.next(), name, bytes }).collect()
}

impl World {
    /// A message with a new id; the caller fills it and then posts it. The first message of a forum's post has the id
    /// of the post.
    pub fn new_message(&mut self, channel: u64, author: u64) -> FakeMessage {
        let place = self.channels.get(&channel);
        let parent = place.and_then(|place| place.parent).and_then(|parent| self.channels.get(&parent));
        let is_first = place.is_some_and(|place| place.last_message.is_none());
        let starts_post = is_first && parent.is_some_and(|parent| parent.kind == FORUM);
        let id = if starts_post { channel } else { self.snowflakes.next() };
        FakeMessage::written(id, channel, author, self.shown_name(channel, author), "")
    }

    /// Puts a message into its channel and tells of it. Writing in an archived thread opens it again.
    pub fn post(&mut self, message: FakeMessage) -> u64 {
        let channel = self.channels.get_mut(&message.channel).expect("the caller has found the channel");
        channel.last_message = Some(message.id);
        channel.messages.insert(message.id, message.clone());
        if message.webhook == Some(message.author) && message.application == Some(APPLICATION) {
            self.webhook_posts.push((message.channel, message.id));
        }
        if std::mem::take(&mut channel.archived) {
            self.dispatch_channel("THREAD_UPDATE", message.channel);
        }
        self.dispatch_message("MESSAGE_CREATE", &message);
        message.id
    }

    /// Changes a message as the body of a PATCH asks.
    pub fn edit_as_asked(&mut self, place: (u64, u64), call: &Call) -> Result<FakeMessage, ApiError> {
        let mut message = self.message(place.0, place.1).ok_or_else(errors::unknown_message)?.clone();
        self.change(&mut message, call)?;
        self.replace(message.clone());
        Ok(message)
    }

    /// Applies the body of a PATCH to a message that need not lie in a channel.
    pub fn change(&mut self, message: &mut FakeMessage, call: &Call) -> Result<(), ApiError> {
        let mut changed = message.clone();
        if let Some(content) = read_content(&call.body)? {
            changed.content = content;
        }
        for (field, longest) in [("components", 5), ("embeds", 10)] {
            if call.body.get(field).is_some() {
                let list = read_list(&call.body, field, longest)?;
                *if field == "components" { &mut changed.components } else { &mut changed.embeds } = list;
            }
        }
        if let Some(allowed) = call.body.get("allowed_mentions") {
            changed.allowed_mentions = Some(allowed.clone());
        }
        if let Some(kept) = call.body["attachments"].as_array() {
            let kept: Vec<u64> = kept.iter().filter_map(|file| file["id"].as_str()?.parse().ok()).collect();
            changed.attachments.retain(|file| kept.contains(&file.id));
        }
        changed.attachments.extend(attach(self, call.files.clone()));
        if changed.is_empty() {
            return Err(errors::empty_message());
        }
        changed.edited_at = Some(now());
        *message = changed;
        Ok(())
    }

    /// Puts a changed message in the place of the one with its id, and tells of it.
    pub fn replace(&mut self, message: FakeMessage) {
        if let Some(old) = self.message_mut(message.channel, message.id) {
            *old = message.clone();
            self.dispatch_message("MESSAGE_UPDATE", &message);
        }
    }

    /// Removes messages and tells of it, of several in one event. Those that do not exist are passed over.
    pub fn remove(&mut self, channel_id: u64, messages: &[u64]) {
        let Some(channel) = self.channels.get_mut(&channel_id) else { return };
        let removed: Vec<u64> =
            messages.iter().filter(|message| channel.messages.remove(message).is_some()).copied().collect();
        let guild = channel.guild.map(id);
        if let [message] = removed[..] {
            let json = json!({ "id": id(message), "channel_id": id(channel_id), "guild_id": guild });
            self.dispatch_in(channel_id, GUILD_MESSAGES, "MESSAGE_DELETE", &json);
        } else if !removed.is_empty() {
            let ids: Vec<Value> = removed.iter().map(|message| id(*message)).collect();
            let json = json!({ "ids": ids, "channel_id": id(channel_id), "guild_id": guild });
            self.dispatch_in(channel_id, GUILD_MESSAGES, "MESSAGE_DELETE_BULK", &json);
        }
    }

    pub fn add_reaction(&mut self, place: (u64, u64), user: u64, emoji: &str) -> Result<(), ApiError> {
        let message = self.message_mut(place.0, place.1).ok_or_else(errors::unknown_message)?;
        let index = message.reactions.iter().position(|(name, _)| name == emoji).unwrap_or_else(|| {
            message.reactions.push((emoji.to_owned(), Vec::new()));
            message.reactions.len() - 1
        });
        let users = &mut message.reactions[index].1;
        if !users.contains(&user) {
            users.push(user);
            self.dispatch_reaction("MESSAGE_REACTION_ADD", place, user, emoji);
        }
        Ok(())
    }

    pub fn remove_reaction(&mut self, place: (u64, u64), user: u64, emoji: &str) -> Result<(), ApiError> {
        let message = self.message_mut(place.0, place.1).ok_or_else(errors::unknown_message)?;
        let Some((_, users)) = message.reactions.iter_mut().find(|(name, _)| name == emoji) else { return Ok(()) };
        users.retain(|other| *other != user);
        message.reactions.retain(|(_, users)| !users.is_empty());
        self.dispatch_reaction("MESSAGE_REACTION_REMOVE", place, user, emoji);
        Ok(())
    }

    pub fn remove_reactions(&mut self, place: (u64, u64)) -> Result<(), ApiError> {
        self.message_mut(place.0, place.1).ok_or_else(errors::unknown_message)?.reactions.clear();
        let guild = self.channels.get(&place.0).and_then(|channel| channel.guild).map(id);
        let json = json!({ "channel_id": id(place.0), "message_id": id(place.1), "guild_id": guild });
        self.dispatch_in(place.0, GUILD_REACTIONS, "MESSAGE_REACTION_REMOVE_ALL", &json);
        Ok(())
    }

    /// Opens a thread, or a post in a forum, in which its owner may write at once.
    pub fn open_thread(&mut self, parent: u64, name: &str, owner: u64) -> Result<u64, ApiError> {
        let guild = self.channels.get(&parent).ok_or_else(errors::unknown_channel)?.guild;
        let thread = self.add_channel(guild, Some(parent), PUBLIC_THREAD, name);
        if let Some(thread) = self.channels.get_mut(&thread) {
            thread.owner = Some(owner);
        }
        let Some(channel) = self.channels.get(&thread) else { return Err(errors::unknown_channel()) };
        let mut json = self.channel_json(channel);
        json["newly_created"] = json!(true);
        self.dispatch(guild, GUILDS, "THREAD_CREATE", &json);
        Ok(thread)
    }
}

impl FakeMessage {
    fn is_empty(&self) -> bool {
        let none = |list: &Value| list.as_array().is_none_or(Vec::is_empty);
        self.content.is_empty() && self.attachments.is_empty() && none(&self.embeds) && none(&self.components)
    }
}
