//! Answers to interactions: once, within three seconds; then edits and followups for fifteen minutes.

use serde_json::{Value, json};
use tokio::time::Instant;

use super::errors::{self, ApiError};
use super::form::Call;
use super::messages::Draft;
use super::payload::id;
use super::rest::{Answer, read_id};
use super::world::{EPHEMERAL, FakeMessage, INTERACTION_LIFE, INTERACTION_PATIENCE, Interaction, LOADING, World};

const COMMAND: u8 = 2;
const COMPONENT: u8 = 3;
const AUTOCOMPLETE: u8 = 4;
const CHOICES: usize = 25;
const COMMAND_ANSWER: u8 = 20;

/// `POST /interactions/{id}/{token}/callback`
pub fn callback(world: &mut World, call: &Call, interaction: u64, token: &str) -> Answer {
    let found = world.interactions.get(&interaction).filter(|found| found.token == token);
    let found = found.ok_or_else(errors::unknown_interaction)?;
    let (kind, name, late) = (found.kind, found.name.clone(), found.created.elapsed() > INTERACTION_PATIENCE);
    if found.acknowledged {
        world.violation(format!("interaction {name} was answered twice"));
        return Err(errors::already_acknowledged());
    }
    if late {
        world.violation(format!("interaction {name} was answered after three seconds"));
        return Err(errors::unknown_interaction());
    }
    let data = &call.body["data"];
    match (call.body["type"].as_u64(), kind) {
        (Some(4), COMMAND | COMPONENT) => say(world, interaction, Draft::read(data, &call.files)?),
        (Some(5), COMMAND | COMPONENT) => defer(world, interaction, data["flags"].as_u64().unwrap_or(0) & EPHEMERAL),
        (Some(6), COMPONENT) => world.interaction(interaction).deferred = true,
        (Some(7), COMPONENT) => update(world, interaction, call)?,
        (Some(8), AUTOCOMPLETE) => choose(world, interaction, &data["choices"])?,
        (Some(9), COMMAND | COMPONENT) => {}
        _ => return Err(ApiError::invalid_form("type", "BASE_TYPE_CHOICES", "Value must be one of {4, 5, 8, 9}.")),
    }
    world.interaction(interaction).acknowledged = true;
    world.touch();
    if !call.flag("with_response") {
        return Ok(None);
    }
    let json = json!({ "id": id(interaction), "type": kind });
    let message = world.interaction(interaction).original.clone();
    let resource = message.map(|message| json!({ "type": 4, "message": world.message_json(&message) }));
    Ok(Some(json!({ "interaction": json, "resource": resource })))
}

/// The routes below `/webhooks/{application}/{token}`.
pub fn followup(world: &mut World, call: &Call, token: &str, rest: &[&str]) -> Answer {
    let Some(found) = world.interactions.values().find(|found| found.token == token) else {
        return Err(errors::invalid_webhook_token());
    };
    let interaction = found.id;
    if found.created.elapsed() > INTERACTION_LIFE {
        return Err(errors::invalid_webhook_token());
    }
    // Before the first answer Discord does not know the token as a webhook's yet.
    if !found.acknowledged {
        return Err(errors::unknown_webhook());
    }
    match (call.method.as_str(), rest) {
        ("POST", []) => follow_up(world, call, interaction),
        ("GET", ["messages", message]) => {
            let message = find(world, interaction, message)?;
            Ok(Some(world.message_json(&message)))
        }
        ("PATCH", ["messages", message]) => edit(world, call, interaction, message),
        ("DELETE", ["messages", message]) => {
            let message = find(world, interaction, message)?;
            world.remove(message.channel, &[message.id]);
            let interaction = world.interaction(interaction);
            interaction.followups.retain(|other| other.id != message.id);
            interaction.original.take_if(|original| original.id == message.id);
            Ok(None)
        }
        _ => world.no_such_route(call),
    }
}

impl World {
    fn interaction(&mut self, interaction: u64) -> &mut Interaction {
        self.interactions.get_mut(&interaction).expect("the caller has found it, and none is ever removed")
    }

    /// A message of the bot in answer to an interaction.
    fn answer_to(&mut self, interaction: u64, draft: Draft) -> FakeMessage {
        let (channel, bot) = (self.interaction(interaction).channel, self.bot);
        let mut message = self.new_message(channel, bot);
        draft.apply(self, &mut message);
        message.webhook = Some(self.application);
        message.application = Some(self.application);
        message.interaction = Some(interaction);
        message
    }

    /// Shows a message to all in the channel, or only to the user who asked.
    fn show(&mut self, message: &FakeMessage) {
        if !message.is_ephemeral() {
            self.post(message.clone());
        }
    }
}

fn say(world: &mut World, interaction: u64, draft: Draft) {
    let mut message = world.answer_to(interaction, draft);
    message.kind = if world.interaction(interaction).kind == COMMAND { COMMAND_ANSWER } else { 0 };
    world.show(&message);
    settle(world, interaction, message);
}

fn settle(world: &mut World, interaction: u64, original: FakeMessage) {
    let interaction = world.interaction(interaction);
    interaction.original = Some(original);
    interaction.answered = Some(Instant::now());
}

fn defer(world: &mut World, interaction: u64, flags: u64) {
    let draft = Draft { flags, components: json!([]), embeds: json!([]), ..Draft::default() };
    let mut message = world.answer_to(interaction, draft);
    message.kind = COMMAND_ANSWER;
    message.flags |= LOADING;
    world.show(&message);
    let interaction = world.interaction(interaction);
    interaction.deferred = true;
    interaction.original = Some(message);
}

/// Changes the message whose component was used.
fn update(world: &mut World, interaction: u64, call: &Call) -> Result<(), ApiError> {
    let mut message = world.interaction(interaction).original.clone().ok_or_else(errors::unknown_message)?;
    world.change(&mut message, &call.with_body(&call.body["data"]))?;
    world.replace(message.clone());
    settle(world, interaction, message);
    Ok(())
}

fn choose(world: &mut World, interaction: u64, choices: &Value) -> Result<(), ApiError> {
    let choices = choices.as_array().map(Vec::as_slice).unwrap_or_default();
    if choices.len() > CHOICES {
        return Err(ApiError::too_long("choices", CHOICES));
    }
    let fits = |text: &Value| text.as_str().is_none_or(|text| (1..=100).contains(&text.chars().count()));
    if !choices.iter().all(|choice| choice["name"].is_string() && fits(&choice["name"]) && fits(&choice["value"])) {
        return Err(ApiError::invalid_form("choices", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 100 in length."));
    }
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let pair = |choice: &Value| (text(&choice["name"]), text(&choice["value"]));
    let interaction = world.interaction(interaction);
    interaction.choices = Some(choices.iter().map(pair).collect());
    interaction.answered = Some(Instant::now());
    Ok(())
}

/// The first followup of a deferred answer takes the place of the waiting message.
fn follow_up(world: &mut World, call: &Call, interaction: u64) -> Answer {
    let waiting = world.interaction(interaction).original.as_ref().is_some_and(|message| message.flags & LOADING != 0);
    if waiting {
        return edit(world, call, interaction, "@original");
    }
    let message = world.answer_to(interaction, Draft::of(call)?);
    world.show(&message);
    world.interaction(interaction).followups.push(message.clone());
    world.touch();
    Ok(Some(world.message_json(&message)))
}

fn find(world: &mut World, interaction: u64, message: &str) -> Result<FakeMessage, ApiError> {
    let wanted = if message == "@original" { None } else { Some(read_id(message)?) };
    let interaction = world.interaction(interaction);
    let original = interaction.original.as_ref();
    let found = match wanted {
        None => original,
        Some(id) => interaction.followups.iter().chain(original).find(|message| message.id == id),
    };
    found.cloned().ok_or_else(errors::unknown_message)
}

fn edit(world: &mut World, call: &Call, interaction: u64, message: &str) -> Answer {
    let mut message = find(world, interaction, message)?;
    world.change(&mut message, call)?;
    message.flags &= !LOADING;
    world.replace(message.clone());
    let kept = world.interaction(interaction);
    match kept.followups.iter_mut().find(|followup| followup.id == message.id) {
        Some(followup) => *followup = message.clone(),
        None => {
            kept.original = Some(message.clone());
            kept.answered.get_or_insert_with(Instant::now);
        }
    }
    world.touch();
    Ok(Some(world.message_json(&message)))
}
