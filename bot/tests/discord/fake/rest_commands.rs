//! The application and its commands, everywhere and in single guilds, with the rules for their names and texts.

use serde_json::{Value, json};

use super::errors::{self, ApiError};
use super::form::Call;
use super::payload::id;
use super::rest::Answer;
use super::world::World;

const COMMANDS: usize = 100;
const OPTIONS: usize = 25;
const CHAT_INPUT: u64 = 1;

/// The routes below `/applications/{id}`.
pub fn route(world: &mut World, call: &Call, application: &str, rest: &[&str]) -> Answer {
    if application == "@me" {
        return Ok(Some(application_json(world)));
    }
    if application != world.application.to_string() {
        return Err(errors::unknown_application());
    }
    match rest {
        ["commands", rest @ ..] => commands(world, call, None, rest),
        ["guilds", guild, "commands", rest @ ..] => {
            let guild = world.guild_of_bot(super::rest::read_id(guild)?)?.id;
            commands(world, call, Some(guild), rest)
        }
        _ => world.no_such_route(call),
    }
}

fn application_json(world: &World) -> Value {
    json!({
        "id": id(world.application),
        "name": "groupchat",
        "icon": null,
        "description": "",
        "summary": "",
        "bot_public": true,
        "bot_require_code_grant": false,
        "verify_key": "00".repeat(32),
        "team": null,
        "flags": world.application_flags(),
        "approximate_guild_count": world.guilds.len(),
        "bot": world.user_json(world.bot),
        "owner": { "id": "1100000000000000003", "username": "owner", "discriminator": "0", "avatar": null },
    })
}

fn commands(world: &mut World, call: &Call, guild: Option<u64>, rest: &[&str]) -> Answer {
    match (call.method.as_str(), rest) {
        ("GET", []) => Ok(Some(world.commands.get(&guild).cloned().unwrap_or_default().into())),
        ("PUT", []) => replace_all(world, guild, call.body.as_array().cloned().unwrap_or_default()),
        ("POST", []) => {
            check(&call.body)?;
            let command = completed(world, guild, call.body.clone());
            let known = world.commands.entry(guild).or_default();
            known.retain(|other| other["id"] != command["id"]);
            known.push(command.clone());
            world.touch();
            Ok(Some(command))
        }
        ("GET", [command]) => find(world, guild, command).map(Some),
        ("PATCH", [command]) => change(world, guild, command, &call.body),
        ("DELETE", [command]) => {
            find(world, guild, command)?;
            world.commands.entry(guild).or_default().retain(|other| other["id"] != *command);
            Ok(None)
        }
        _ => world.no_such_route(call),
    }
}

fn find(world: &World, guild: Option<u64>, command: &str) -> Result<Value, ApiError> {
    let mut known = world.commands.get(&guild).into_iter().flatten();
    known.find(|other| other["id"] == command).cloned().ok_or_else(errors::unknown_command)
}

fn replace_all(world: &mut World, guild: Option<u64>, bodies: Vec<Value>) -> Answer {
    if bodies.len() > COMMANDS {
        return Err(ApiError::too_long("commands", COMMANDS));
    }
    bodies.iter().try_for_each(check)?;
    let commands: Vec<Value> = bodies.into_iter().map(|body| completed(world, guild, body)).collect();
    world.commands.insert(guild, commands.clone());
    world.touch();
    Ok(Some(commands.into()))
}

fn change(world: &mut World, guild: Option<u64>, command: &str, body: &Value) -> Answer {
    let mut changed = find(world, guild, command)?;
    for (field, value) in body.as_object().into_iter().flatten() {
        changed[field] = value.clone();
    }
    check(&changed)?;
    let known = world.commands.entry(guild).or_default();
    if let Some(old) = known.iter_mut().find(|other| other["id"] == *command) {
        *old = changed.clone();
    }
    Ok(Some(changed))
}

/// Adds what Discord adds. A command with the name and type of a registered one is that one and keeps its id.
fn completed(world: &mut World, guild: Option<u64>, mut command: Value) -> Value {
    let kind = command["type"].as_u64().unwrap_or(CHAT_INPUT);
    let known = world.commands.get(&guild).into_iter().flatten();
    let mut same = known.filter(|other| other["name"] == command["name"] && other["type"] == kind);
    let kept = same.next().map(|other| other["id"].clone());
    command["type"] = json!(kind);
    command["id"] = kept.unwrap_or_else(|| id(world.snowflakes.next()));
    command["application_id"] = id(world.application);
    command["version"] = id(world.snowflakes.next());
    if let Some(guild) = guild {
        command["guild_id"] = id(guild);
    }
    let missing = [("default_member_permissions", Value::Null), ("description", json!("")), ("nsfw", json!(false))];
    for (field, value) in missing {
        if command.get(field).is_none() {
            command[field] = value;
        }
    }
    command
}

fn check(command: &Value) -> Result<(), ApiError> {
    let name = command["name"].as_str().unwrap_or_default();
    if command["type"].as_u64().unwrap_or(CHAT_INPUT) != CHAT_INPUT {
        return check_length("name", name, 32);
    }
    check_name(name)?;
    check_length("description", command["description"].as_str().unwrap_or_default(), 100)?;
    check_options(&command["options"])
}

/// Required options come first, names differ, and each option obeys the rules of a command itself.
fn check_options(options: &Value) -> Result<(), ApiError> {
    let options = options.as_array().map(Vec::as_slice).unwrap_or_default();
    if options.len() > OPTIONS {
        return Err(ApiError::too_long("options", OPTIONS));
    }
    let mut optional_seen = false;
    for (index, option) in options.iter().enumerate() {
        check_name(option["name"].as_str().unwrap_or_default())?;
        check_length("description", option["description"].as_str().unwrap_or_default(), 100)?;
        let required = option["required"].as_bool().unwrap_or(false);
        if required && optional_seen {
            let message = "Required options must be placed before non-required options";
            return Err(ApiError::invalid_form("options", "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID", message));
        }
        optional_seen |= !required;
        if options[..index].iter().any(|other| other["name"] == option["name"]) {
            let message = "Option names must be unique";
            return Err(ApiError::invalid_form("options", "APPLICATION_COMMAND_OPTIONS_NAME_ALREADY_EXISTS", message));
        }
        let choices = option["choices"].as_array().map_or(0, Vec::len);
        if choices > OPTIONS {
            return Err(ApiError::too_long("choices", OPTIONS));
        }
        if choices > 0 && option["autocomplete"] == true {
            let message = "Autocomplete may not be set to true if choices are present";
            return Err(ApiError::invalid_form("choices", "APPLICATION_COMMAND_AUTOCOMPLETE_NOT_ALLOWED", message));
        }
        check_options(&option["options"])?;
    }
    Ok(())
}

/// `^[-_'\p{L}\p{N}]{1,32}$` without upper case where a letter has a lower one.
fn check_name(name: &str) -> Result<(), ApiError> {
    check_length("name", name, 32)?;
    let fits = |letter: char| letter.is_alphanumeric() || matches!(letter, '-' | '_' | '\'');
    if name.chars().all(fits) && name.to_lowercase() == name {
        return Ok(());
    }
    Err(ApiError::invalid_form("name", "APPLICATION_COMMAND_INVALID_NAME", "Command name is invalid"))
}

fn check_length(field: &str, text: &str, longest: usize) -> Result<(), ApiError> {
    if (1..=longest).contains(&text.chars().count()) {
        return Ok(());
    }
    let message = format!("Must be between 1 and {longest} in length.");
    Err(ApiError::invalid_form(field, "BASE_TYPE_BAD_LENGTH", &message))
}
