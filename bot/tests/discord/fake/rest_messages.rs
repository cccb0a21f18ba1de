//! The routes below `/channels/{id}`: the channel, its messages and reactions, typing, and its webhooks.

use serde_json::{Value, json};

use super::errors::{self, ApiError};
use super::events::MESSAGE_CONTENT;
use super::form::Call;
use super::messages::Draft;
use super::permissions::{ADD_REACTIONS, MANAGE_MESSAGES, READ_MESSAGE_HISTORY, VIEW_CHANNEL};
use super::rest::{Answer, read_id};
use super::rest_webhooks;
use super::world::{Channel, FakeMessage, REPLY, World};

pub fn route(world: &mut World, call: &Call, channel: u64, rest: &[&str]) -> Answer {
    world.visible_channel(channel)?;
    match (call.method.as_str(), rest) {
        ("GET", []) => world.visible_channel(channel).map(|channel| Some(world.channel_json(channel))),
        ("GET", ["messages"]) => list(world, call, channel),
        ("POST", ["messages"]) => create(world, call, channel),
        ("POST", ["messages", "bulk-delete"]) => bulk_delete(world, call, channel),
        ("GET", ["messages", message]) => get(world, channel, read_id(message)?),
        ("PATCH", ["messages", message]) => edit(world, call, (channel, read_id(message)?)),
        ("DELETE", ["messages", message]) => delete(world, (channel, read_id(message)?)),
        ("PUT", ["messages", message, "reactions", emoji, "@me"]) => react(world, (channel, read_id(message)?), emoji),
        ("DELETE", ["messages", message, "reactions", emoji, "@me"]) => {
            world.remove_reaction((channel, read_id(message)?), world.bot, emoji).map(|()| None)
        }
        ("POST", ["typing"]) => typing(world, channel),
        ("GET", ["webhooks"]) => rest_webhooks::list(world, channel),
        ("POST", ["webhooks"]) => rest_webhooks::create(world, call, channel),
        _ => world.no_such_route(call),
    }
}

impl World {
    /// The channel, if it exists and the bot sees it.
    pub fn visible_channel(&self, channel: u64) -> Result<&Channel, ApiError> {
        let channel = self.channels.get(&channel).ok_or_else(errors::unknown_channel)?;
        if self.bot_may(channel, VIEW_CHANNEL) { Ok(channel) } else { Err(errors::missing_access()) }
    }

    /// A message as REST gives it to the bot: without its content where the intent for it is not enabled.
    pub fn rest_message(&self, message: &FakeMessage) -> Value {
        let mut json = self.message_json(message);
        if self.options.privileged_intents & MESSAGE_CONTENT == 0 {
            self.hide_content(&mut json, message);
        }
        json
    }

    fn require(&self, channel: u64, permission: u64) -> Result<(), ApiError> {
        let channel = self.visible_channel(channel)?;
        if self.bot_may(channel, permission) { Ok(()) } else { Err(errors::missing_permissions()) }
    }
}

/// Newest first. `around` and `before` look back from an id, `after` gives those that follow it most closely.
fn list(world: &mut World, call: &Call, channel_id: u64) -> Answer {
    let channel = world.visible_channel(channel_id)?;
    let limit = call.query.get("limit").map_or(Ok(50), |limit| limit.parse()).unwrap_or(0);
    if !(1..=100).contains(&limit) {
        return Err(ApiError::invalid_form("limit", "NUMBER_TYPE_MAX", "int value should be between 1 and 100."));
    }
    // Without the right to read the past it is empty, not an error.
    if !world.bot_may(channel, READ_MESSAGE_HISTORY) {
        return Ok(Some(json!([])));
    }
    let messages = &channel.messages;
    let (before, after) = (call.number("before"), call.number("after"));
    let mut found: Vec<&FakeMessage> = match (before, after, call.number("around")) {
        (Some(before), ..) => messages.range(..before).rev().take(limit).map(|(_, message)| message).collect(),
        (_, Some(after), _) => messages.range(after + 1..).take(limit).map(|(_, message)| message).collect(),
        (_, _, Some(around)) => {
            let half = limit / 2;
            let older = messages.range(..around).rev().take(half);
            older.chain(messages.range(around..).take(limit - half)).map(|(_, message)| message).collect()
        }
        _ => messages.values().rev().take(limit).collect(),
    };
    found.sort_unstable_by_key(|message| std::cmp::Reverse(message.id));
    Ok(Some(found.into_iter().map(|message| world.rest_message(message)).collect()))
}

fn get(world: &mut World, channel: u64, message: u64) -> Answer {
    world.require(channel, READ_MESSAGE_HISTORY)?;
    let message = world.message(channel, message).ok_or_else(errors::unknown_message)?;
    Ok(Some(world.rest_message(message)))
}

fn create(world: &mut World, call: &Call, channel_id: u64) -> Answer {
    let channel = world.visible_channel(channel_id)?;
    if !channel.holds_messages() {
        return Err(errors::not_a_text_channel());
    }
    if !world.bot_may_write(channel) {
        return Err(errors::missing_permissions());
    }
    if channel.archived && channel.locked {
        return Err(errors::thread_is_archived());
    }
    let draft = Draft::of(call)?;
    let reply_to = read_reference(world, channel, &call.body["message_reference"])?;
    let mut message = world.new_message(channel_id, world.bot);
    draft.apply(world, &mut message);
    message.reply_to = reply_to;
    message.kind = if reply_to.is_some() { REPLY } else { 0 };
    let message_id = world.post(message);
    get_own(world, channel_id, message_id)
}

pub fn get_own(world: &World, channel: u64, message: u64) -> Answer {
    let message = world.message(channel, message).ok_or_else(errors::unknown_message)?;
    Ok(Some(world.message_json(message)))
}

fn read_reference(world: &World, channel: &Channel, reference: &Value) -> Result<Option<u64>, ApiError> {
    let id = match &reference["message_id"] {
        Value::String(id) => id.parse().ok(),
        number => number.as_u64(),
    };
    let Some(id) = id else { return Ok(None) };
    if !world.bot_may(channel, READ_MESSAGE_HISTORY) {
        return Err(errors::reply_needs_history());
    }
    match (channel.messages.contains_key(&id), reference["fail_if_not_exists"].as_bool()) {
        (true, _) => Ok(Some(id)),
        // The message is then sent, as an ordinary one.
        (false, Some(false)) => Ok(None),
        (false, _) => Err(ApiError::invalid_form("message_reference", "REPLIES_UNKNOWN_MESSAGE", "Unknown message")),
    }
}

fn edit(world: &mut World, call: &Call, place: (u64, u64)) -> Answer {
    let message = world.message(place.0, place.1).ok_or_else(errors::unknown_message)?;
    if message.author != world.bot {
        return Err(errors::not_the_author());
    }
    let edited = world.edit_as_asked(place, call)?;
    Ok(Some(world.message_json(&edited)))
}

fn delete(world: &mut World, place: (u64, u64)) -> Answer {
    let message = world.message(place.0, place.1).ok_or_else(errors::unknown_message)?;
    if message.author != world.bot {
        world.require(place.0, MANAGE_MESSAGES)?;
    }
    world.remove(place.0, &[place.1]);
    Ok(None)
}

fn bulk_delete(world: &mut World, call: &Call, channel: u64) -> Answer {
    world.require(channel, MANAGE_MESSAGES)?;
    let ids = call.body["messages"].as_array().into_iter().flatten();
    let ids: Vec<u64> = ids.filter_map(|id| id.as_str()?.parse().ok()).collect();
    if !(2..=100).contains(&ids.len()) {
        return Err(ApiError::invalid_form("messages", "BASE_TYPE_BAD_LENGTH", "Must be between 2 and 100 in length."));
    }
    world.remove(channel, &ids);
    Ok(None)
}

fn react(world: &mut World, place: (u64, u64), emoji: &str) -> Answer {
    world.require(place.0, READ_MESSAGE_HISTORY)?;
    let message = world.message(place.0, place.1).ok_or_else(errors::unknown_message)?;
    // An emoji that is there already may be joined without the permission.
    if !message.reactions.iter().any(|(name, _)| name == emoji) {
        world.require(place.0, ADD_REACTIONS)?;
    }
    world.add_reaction(place, world.bot, emoji).map(|()| None)
}

fn typing(world: &mut World, channel_id: u64) -> Answer {
    if !world.bot_may_write(world.visible_channel(channel_id)?) {
        return Err(errors::missing_permissions());
    }
    if let Some(channel) = world.channels.get_mut(&channel_id) {
        channel.typing_by_bot += 1;
    }
    world.dispatch_typing(channel_id, world.bot);
    Ok(None)
}
