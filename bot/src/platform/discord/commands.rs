//! Offering the commands on Discord, which keeps them: they are sent again only when they have changed.

use serde_json::{Map, Value, json};
use serenity::{
    http::{Http, LightMethod, Request, Route},
    model::{
        Permissions,
        id::{ApplicationId, GuildId},
    },
};

use super::{Settings, api::Fault, options};
use crate::commands::{Language, SPECS, Spec};

/// What the entry in a message's menu is called that says who wrote it.
pub(super) const WHO_WROTE_THIS: &str = "Who wrote this?";

/// Who may use a command until a server's own settings say otherwise.
fn default_permissions(command: &str) -> Option<Permissions> {
    match command {
        "pace" | "say" | "tune" | "reset" => Some(Permissions::MANAGE_MESSAGES),
        // Discord's policy is against bots that keep a server active by themselves, so that is its managers' decision.
        "idle" | "policy" | "history" => Some(Permissions::MANAGE_GUILD),
        _ => None,
    }
}

/// All commands as Discord's "Application Command Structure" has them.
pub(super) fn all() -> Vec<Value> {
    SPECS.iter().map(chat_input).chain([message_entry()]).collect()
}

fn chat_input(spec: &Spec) -> Value {
    let options: Vec<Value> = options::of(spec.name).iter().map(options::json_of).collect();
    let localised: Map<String, Value> = Language::ALL
        .into_iter()
        .filter_map(|language| Some((language.code().to_owned(), spec.does_in(language)?.into())))
        .collect();
    json!({
        "type": 1,
        "name": spec.name,
        "description": spec.does,
        "description_localizations": localised,
        "options": options,
        "default_member_permissions": default_permissions(spec.name).map(|needed| needed.bits().to_string()),
        "contexts": [0],
    })
}

fn message_entry() -> Value {
    json!({ "type": 3, "name": WHO_WROTE_THIS, "default_member_permissions": null, "contexts": [0] })
}

/// Registers the commands where they are not, or are others than ours. Returns where that was.
///
/// # Errors
/// What Discord says to it.
pub(super) async fn register(http: &Http, us: ApplicationId, settings: &Settings) -> Result<Vec<String>, Fault> {
    let mut changed = Vec::new();
    for (scope, route) in scopes(us, settings) {
        if !is_registered(http, route).await? {
            let body = Value::from(all()).to_string().into_bytes();
            let _registered: Vec<Value> = http.fire(Request::new(route, LightMethod::Put).body(Some(body))).await?;
            changed.push(scope);
        }
    }
    if !settings.command_guilds.is_empty() && put_away_global(http, us).await? {
        changed.push("nowhere else any more".to_owned());
    }
    Ok(changed)
}

/// Takes back what was offered everywhere before servers were named: it would be there twice.
async fn put_away_global(http: &Http, us: ApplicationId) -> Result<bool, Fault> {
    let route = Route::Commands { application_id: us };
    let there: Vec<Value> = http.fire(Request::new(route, LightMethod::Get)).await?;
    if there.is_empty() {
        return Ok(false);
    }
    let _none: Vec<Value> = http.fire(Request::new(route, LightMethod::Put).body(Some(b"[]".to_vec()))).await?;
    Ok(true)
}

/// Where commands are offered: everywhere, or in the servers that the settings name.
pub(super) fn scopes(us: ApplicationId, settings: &Settings) -> Vec<(String, Route<'static>)> {
    if settings.command_guilds.is_empty() {
        return vec![("everywhere".to_owned(), Route::Commands { application_id: us })];
    }
    let of = |guild: &u64| {
        let guild_id = GuildId::new((*guild).max(1));
        (format!("in server {guild}"), Route::GuildCommands { application_id: us, guild_id })
    };
    settings.command_guilds.iter().map(of).collect()
}

/// Whether what is offered there is what we offer.
pub(super) async fn is_registered(http: &Http, route: Route<'static>) -> Result<bool, Fault> {
    let whole = Some(vec![("with_localizations", "true".to_owned())]);
    let there: Vec<Value> = http.fire(Request::new(route, LightMethod::Get).params(whole)).await?;
    let mut there: Vec<Value> = there.iter().map(shape).collect();
    let mut ours: Vec<Value> = all().iter().map(shape).collect();
    there.sort_by_key(Value::to_string);
    ours.sort_by_key(Value::to_string);
    Ok(there == ours)
}

/// What of a command, or an option, makes it another one. What Discord adds to it or leaves out as a default does not.
fn shape(command: &Value) -> Value {
    let or = |key: &str, default: Value| match &command[key] {
        Value::Null => default,
        value => value.clone(),
    };
    let number = |key: &str| command[key].as_f64().map_or(Value::Null, Value::from);
    let options = command["options"].as_array().map(|options| options.iter().map(shape).collect::<Vec<_>>());
    let choices = command["choices"]
        .as_array()
        .map(|choices| choices.iter().map(|choice| json!([choice["name"], choice["value"]])).collect::<Vec<_>>());
    json!({
        "type": or("type", json!(1)),
        "name": command["name"],
        "description": or("description", json!("")),
        "localized": or("description_localizations", json!({})),
        "options": options.unwrap_or_default(),
        "choices": choices.unwrap_or_default(),
        "required": or("required", json!(false)),
        "autocomplete": or("autocomplete", json!(false)),
        "range": [number("min_value"), number("max_value"), number("max_length")],
        "permissions": command["default_member_permissions"],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_within_discords_limits() {
        let all = all();
        assert!(all.len() <= 100);
        for command in &all {
            let is_typed = command["type"] == 1;
            let name = command["name"].as_str().unwrap();
            assert!(!is_typed || name.chars().all(|c| c.is_ascii_lowercase()) && name.len() <= 32, "{name}");
            let describes = |value: &Value| (1..=100).contains(&value["description"].as_str().unwrap().chars().count());
            assert!(!is_typed || describes(command), "{name}");
            let options = command["options"].as_array().cloned().unwrap_or_default();
            assert!(options.len() <= 25 && options.iter().all(describes), "{name}");
            let required: Vec<bool> = options.iter().map(|option| option["required"] == true).collect();
            assert!(required.is_sorted_by(|a, b| a >= b), "{name}: what is required comes first");
            if let Some(localised) = command["description_localizations"].as_object() {
                assert!(localised.values().all(|text| text.as_str().unwrap().chars().count() <= 100), "{name}");
            }
        }
    }

    #[test]
    fn what_discord_adds_to_a_command_does_not_make_it_another() {
        let ours = &all()[0];
        let mut theirs = ours.clone();
        theirs["id"] = json!("123");
        theirs["version"] = json!("1");
        theirs["options"][0].as_object_mut().unwrap().retain(|_, value| *value != json!(false));
        assert_eq!(shape(ours), shape(&theirs));
        theirs["description"] = json!("something else");
        assert_ne!(shape(ours), shape(&theirs));
    }
}
