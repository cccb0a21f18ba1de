//! Webhooks: making, finding and deleting them with the bot's permissions, and speaking through them with their token.

use serde_json::Value;

use super::errors::{self, ApiError};
use super::form::Call;
use super::mentions::pings_nobody;
use super::messages::Draft;
use super::payload;
use super::permissions::MANAGE_WEBHOOKS;
use super::rest::{Answer, read_id};
use super::rest_messages::get_own;
use super::world::{FORUM, FakeMessage, Webhook, World};

const WEBHOOKS_A_CHANNEL: usize = 15;
const LONGEST_NAME: usize = 80;

/// The routes below `/webhooks/{id}`.
pub fn route(world: &mut World, call: &Call, webhook: u64, rest: &[&str]) -> Answer {
    if !world.webhooks.contains_key(&webhook) {
        if world.refused_webhooks.contains(&webhook) {
            world.violation(format!("called webhook {webhook} again after a 10015"));
        }
        world.refused_webhooks.push(webhook);
    }
    match (call.method.as_str(), rest) {
        ("GET", []) => world.managed(webhook).map(|webhook| Some(world.webhook_json(webhook))),
        ("PATCH", []) => modify(world, call, webhook),
        ("DELETE", []) => {
            world.managed(webhook)?;
            world.remove_webhook(webhook);
            Ok(None)
        }
        ("GET", [token]) => world.opened(webhook, token).map(|webhook| Some(payload::webhook(webhook))),
        ("POST", [token]) => execute(world, call, webhook, token),
        ("GET", [token, "messages", message]) => {
            let place = posted(world, call, (webhook, token), message)?;
            get_own(world, place.0, place.1)
        }
        ("PATCH", [token, "messages", message]) => {
            let place = posted(world, call, (webhook, token), message)?;
            let edited = world.edit_as_asked(place, call)?;
            Ok(Some(world.message_json(&edited)))
        }
        ("DELETE", [token, "messages", message]) => {
            let place = posted(world, call, (webhook, token), message)?;
            world.remove(place.0, &[place.1]);
            Ok(None)
        }
        ("DELETE", [token]) => {
            world.opened(webhook, token)?;
            world.remove_webhook(webhook);
            Ok(None)
        }
        _ => world.no_such_route(call),
    }
}

pub fn list(world: &mut World, channel: u64) -> Answer {
    world.may_manage(channel)?;
    let webhooks = world.webhooks.values().filter(|webhook| webhook.channel == channel);
    Ok(Some(webhooks.map(|webhook| world.webhook_json(webhook)).collect()))
}

pub fn create(world: &mut World, call: &Call, channel: u64) -> Answer {
    world.may_manage(channel)?;
    let name = call.body["name"].as_str().unwrap_or_default();
    check_name("name", name)?;
    if world.webhooks.values().filter(|webhook| webhook.channel == channel).count() >= WEBHOOKS_A_CHANNEL {
        return Err(errors::too_many_webhooks());
    }
    let webhook = world.add_webhook(channel, name, Some(world.application), world.bot);
    Ok(Some(world.webhook_json(&world.webhooks[&webhook])))
}

fn modify(world: &mut World, call: &Call, webhook: u64) -> Answer {
    world.managed(webhook)?;
    if let Some(name) = call.body["name"].as_str() {
        check_name("name", name)?;
        world.webhooks.entry(webhook).and_modify(|webhook| webhook.name = name.trim().to_owned());
    }
    let channel = world.webhooks[&webhook].channel;
    world.dispatch_webhooks(channel);
    Ok(Some(world.webhook_json(&world.webhooks[&webhook])))
}

/// Names of webhooks and of the messages sent through them obey the same rules.
fn check_name(field: &str, name: &str) -> Result<(), ApiError> {
    let name = name.trim();
    if !(1..=LONGEST_NAME).contains(&name.chars().count()) {
        return Err(ApiError::invalid_form(field, "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 80 in length."));
    }
    let lower = name.to_lowercase();
    for word in ["clyde", "discord"] {
        if lower.contains(word) {
            let message = format!("Username cannot contain \"{word}\"");
            return Err(ApiError::invalid_form(field, "USERNAME_INVALID_CONTAINS", &message));
        }
    }
    if ["everyone", "here"].contains(&lower.as_str()) {
        return Err(ApiError::invalid_form(field, "USERNAME_INVALID", "Username is invalid."));
    }
    Ok(())
}

fn execute(world: &mut World, call: &Call, webhook: u64, token: &str) -> Answer {
    let webhook = world.opened(webhook, token)?.clone();
    if !pings_nobody(call.body.get("allowed_mentions")) {
        world.violation(format!("webhook {} spoke without switching off all pings", webhook.id));
    }
    if let Some(username) = call.body.get("username").filter(|name| !name.is_null()) {
        check_name("username", username.as_str().unwrap_or_default())?;
    }
    let draft = Draft::of(call)?;
    let channel = place(world, call, &webhook)?;
    let message = speak(world, &webhook, channel, draft, &call.body);
    let message = world.post(message);
    // Without `wait` the answer comes before Discord has tried; then there is nothing to say.
    if call.flag("wait") { get_own(world, channel, message) } else { Ok(None) }
}

fn speak(world: &mut World, webhook: &Webhook, channel: u64, draft: Draft, body: &Value) -> FakeMessage {
    let mut message = world.new_message(channel, webhook.id);
    draft.apply(world, &mut message);
    let text = |field: &str| body[field].as_str().map(str::to_owned);
    message.author_name = text("username").unwrap_or_else(|| webhook.name.clone());
    message.avatar_url = text("avatar_url");
    message.webhook = Some(webhook.id);
    message.application = webhook.application;
    message
}

/// Where the message goes: the webhook's channel, a thread of it, or a new post of its forum.
fn place(world: &mut World, call: &Call, webhook: &Webhook) -> Result<u64, ApiError> {
    if call.query.contains_key("thread_id") {
        let thread = call.number("thread_id").and_then(|thread| world.channels.get(&thread));
        let own = thread.filter(|thread| thread.is_thread() && thread.parent == Some(webhook.channel));
        return own.map(|thread| thread.id).ok_or_else(errors::unknown_channel);
    }
    let channel = world.channels.get(&webhook.channel).ok_or_else(errors::unknown_channel)?;
    if channel.kind != FORUM {
        return Ok(channel.id);
    }
    let name = call.body["thread_name"].as_str().ok_or_else(errors::forum_needs_a_thread)?.to_owned();
    world.open_thread(webhook.channel, &name, webhook.id)
}

/// A message that the webhook posted, in its channel or in the thread that the query names.
fn posted(world: &World, call: &Call, key: (u64, &str), message: &str) -> Result<(u64, u64), ApiError> {
    let webhook = world.opened(key.0, key.1)?;
    let channel = call.number("thread_id").unwrap_or(webhook.channel);
    let message = world.message(channel, read_id(message)?).filter(|message| message.webhook == Some(webhook.id));
    message.map(|message| (channel, message.id)).ok_or_else(errors::unknown_message)
}

impl World {
    fn may_manage(&self, channel: u64) -> Result<(), ApiError> {
        let channel = self.visible_channel(channel)?;
        if self.bot_may(channel, MANAGE_WEBHOOKS) { Ok(()) } else { Err(errors::missing_permissions()) }
    }

    /// A webhook that the bot may manage.
    fn managed(&self, webhook: u64) -> Result<&Webhook, ApiError> {
        let webhook = self.webhooks.get(&webhook).ok_or_else(errors::unknown_webhook)?;
        self.may_manage(webhook.channel).map(|()| webhook)
    }

    /// A webhook to which the caller has the token.
    fn opened(&self, webhook: u64, token: &str) -> Result<&Webhook, ApiError> {
        let webhook = self.webhooks.get(&webhook).ok_or_else(errors::unknown_webhook)?;
        if webhook.token == token { Ok(webhook) } else { Err(errors::invalid_webhook_token()) }
    }

    /// The webhook as its managers see it: with its maker, and with its token only if it is this application's.
    fn webhook_json(&self, webhook: &Webhook) -> Value {
        let mut json = payload::webhook(webhook);
        json["user"] = self.user_json(webhook.creator);
        if webhook.application.is_some_and(|application| application != self.application)
            && let Some(fields) = json.as_object_mut()
        {
            fields.remove("token");
            fields.remove("url");
        }
        json
    }

    pub fn add_webhook(&mut self, channel: u64, name: &str, application: Option<u64>, creator: u64) -> u64 {
        let id = self.snowflakes.next();
        let guild = self.channels[&channel].guild.expect("only channels of guilds have webhooks");
        let (name, token) = (name.trim().to_owned(), self.secret());
        self.webhooks.insert(id, Webhook { id, channel, guild, name, avatar: None, token, application, creator });
        self.dispatch_webhooks(channel);
        id
    }

    pub fn remove_webhook(&mut self, webhook: u64) {
        if let Some(webhook) = self.webhooks.remove(&webhook) {
            self.dispatch_webhooks(webhook.channel);
        }
    }
}
