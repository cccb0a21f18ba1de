//! Humans using the bot's commands and buttons, and what they get to see for it.

use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::FakeDiscord;
use super::payload::{self, id, partial_member};
use super::world::{FakeMessage, Interaction, World};

/// What the user of a command or button sees in the end.
#[derive(Clone, Debug)]
pub struct Answer {
    pub message: u64,
    pub content: String,
    pub ephemeral: bool,
    pub components: Value,
    pub files: Vec<(String, Vec<u8>)>,
    /// Whether the user first saw that the bot is thinking.
    pub deferred: bool,
    pub took: Duration,
}

impl FakeDiscord {
    /// Uses a command. `name` may hold a subcommand (`persona add`); `options` are in the documented shape, an array
    /// of `{"name", "value"}` whose types are those of the registered command.
    pub fn slash(&self, channel: u64, user: u64, name: &str, options: Value) -> u64 {
        let mut world = self.world();
        let data = world.command_data(channel, name, options, None);
        world.interact(2, name, (channel, user), data, None)
    }

    /// Types into an option and returns the choices that the bot offers.
    pub async fn autocomplete(
        &self,
        channel: u64,
        user: u64,
        name: &str,
        option: &str,
        typed: &str,
    ) -> Vec<(String, String)> {
        let interaction = {
            let mut world = self.world();
            let data = world.command_data(channel, name, json!([{ "name": option, "value": typed }]), Some(option));
            world.interact(4, name, (channel, user), data, None)
        };
        let what = format!("choices for {option} of /{name}");
        self.wait_for(&what, |world| world.interactions[&interaction].choices.clone()).await
    }

    /// Uses a command from the menu of a message.
    pub fn message_command(&self, channel: u64, user: u64, name: &str, message: u64) -> u64 {
        let mut world = self.world();
        let command = world.registered(channel, name, 3);
        let target = world.message(channel, message).expect("the message exists");
        let mut resolved = Map::new();
        resolved.insert(message.to_string(), world.message_json(target));
        let data = json!({
            "id": command["id"],
            "name": name,
            "type": 3,
            "target_id": id(message),
            "resolved": { "messages": resolved },
        });
        world.interact(2, name, (channel, user), data, None)
    }

    /// Presses a button of a message, also of one that only this user sees.
    pub fn press(&self, channel: u64, message: u64, user: u64, custom_id: &str) -> u64 {
        let data = json!({ "custom_id": custom_id, "component_type": 2 });
        self.use_component(channel, message, user, data)
    }

    /// Chooses from a menu of strings.
    pub fn select(&self, channel: u64, message: u64, user: u64, custom_id: &str, values: &[&str]) -> u64 {
        let data = json!({ "custom_id": custom_id, "component_type": 3, "values": values });
        self.use_component(channel, message, user, data)
    }

    fn use_component(&self, channel: u64, message: u64, user: u64, data: Value) -> u64 {
        let mut world = self.world();
        let source = world.message_shown_to_user(channel, message).expect("the message exists").clone();
        let custom_id = data["custom_id"].as_str().unwrap_or_default().to_owned();
        assert!(has_component(&source.components, &custom_id), "message {message} has no component {custom_id}");
        world.interact(3, &custom_id, (channel, user), data, Some(source))
    }

    /// Waits for the final text of an answer: an immediate one, or the edit of a deferred one.
    pub async fn answer(&self, interaction: u64) -> Answer {
        let name = self.world().interactions[&interaction].name.clone();
        let finished = |world: &mut World| answered(&world.interactions[&interaction]);
        self.wait_for(&format!("the answer to {name}"), finished).await
    }

    /// Waits until an interaction was acknowledged at all, be it by a deferral.
    pub async fn acknowledged(&self, interaction: u64) {
        let seen = |world: &mut World| world.interactions[&interaction].acknowledged.then_some(());
        self.wait_for("an interaction to be acknowledged", seen).await;
    }

    pub fn followups(&self, interaction: u64) -> Vec<FakeMessage> {
        self.world().interactions[&interaction].followups.clone()
    }
}

fn answered(interaction: &Interaction) -> Option<Answer> {
    let (message, at) = (interaction.original.as_ref()?, interaction.answered?);
    Some(Answer {
        message: message.id,
        content: message.content.clone(),
        ephemeral: message.is_ephemeral(),
        components: message.components.clone(),
        files: message.attachments.iter().map(|file| (file.name.clone(), file.bytes.clone())).collect(),
        deferred: interaction.deferred,
        took: at - interaction.created,
    })
}

fn has_component(components: &Value, custom_id: &str) -> bool {
    match components {
        Value::Array(parts) => parts.iter().any(|part| has_component(part, custom_id)),
        Value::Object(part) => {
            let inner = part.get("components").or_else(|| part.get("accessory"));
            part.get("custom_id").is_some_and(|id| id == custom_id) && part.get("disabled") != Some(&json!(true))
                || inner.is_some_and(|inner| has_component(inner, custom_id))
        }
        _ => false,
    }
}

impl World {
    fn message_shown_to_user(&self, channel: u64, message: u64) -> Option<&FakeMessage> {
        let mut hidden = self.interactions.values().flat_map(|i| i.original.iter().chain(&i.followups));
        self.message(channel, message).or_else(|| hidden.find(|hidden| hidden.id == message))
    }

    /// A command of the guild or, failing that, of all guilds. A user could not choose one that is not registered.
    fn registered(&self, channel: u64, name: &str, kind: u64) -> Value {
        let guild = self.channels[&channel].guild;
        let known = [guild, None].into_iter().filter_map(|place| self.commands.get(&place)).flatten();
        let mut wanted = known.filter(|command| command["name"] == name && command["type"] == kind);
        wanted.next().cloned().unwrap_or_else(|| panic!("no command {name} is registered"))
    }

    fn command_data(&mut self, channel: u64, name: &str, options: Value, focused: Option<&str>) -> Value {
        let mut words = name.split(' ');
        let command = self.registered(channel, words.next().unwrap_or_default(), 1);
        let path: Vec<&str> = words.collect();
        let mut resolved = json!({});
        let options = self.typed(&command["options"], &path, &options, focused, &mut resolved);
        let guild = self.channels[&channel].guild.map(id);
        let mut data = json!({ "id": command["id"], "name": command["name"], "type": 1, "options": options });
        if command.get("guild_id").is_some() {
            data["guild_id"] = guild.into();
        }
        if resolved.get("users").is_some() {
            resolved["members"] = self.resolved_members(channel, &resolved["users"]);
        }
        if resolved.as_object().is_some_and(|resolved| !resolved.is_empty()) {
            data["resolved"] = resolved;
        }
        data
    }

    /// The options with the types of their registration, below the subcommands of the path.
    fn typed(&self, known: &Value, path: &[&str], given: &Value, focused: Option<&str>, resolved: &mut Value) -> Value {
        let definition = |name: &Value| known.as_array().into_iter().flatten().find(|option| option["name"] == *name);
        if let [first, rest @ ..] = path {
            let found = definition(&json!(first)).unwrap_or_else(|| panic!("there is no subcommand {first}"));
            let inner = self.typed(&found["options"], rest, given, focused, resolved);
            return json!([{ "name": first, "type": found["type"], "options": inner }]);
        }
        let type_of = |option: &Value| {
            let found = definition(&option["name"]).unwrap_or_else(|| panic!("there is no option {}", option["name"]));
            let mut option = option.clone();
            option["type"] = found["type"].clone();
            if let Some(inner) = option.get("options") {
                option["options"] = self.typed(&found["options"], &[], inner, focused, &mut json!({}));
            }
            if focused.is_some_and(|focused| option["name"] == focused) {
                option["focused"] = json!(true);
            }
            option
        };
        let options: Vec<Value> = given.as_array().into_iter().flatten().map(type_of).collect();
        self.resolve(&options, resolved);
        for required in known.as_array().into_iter().flatten().filter(|option| option["required"] == true) {
            let missing = !options.iter().any(|option| option["name"] == required["name"]);
            assert!(!missing || focused.is_some(), "the option {} is required", required["name"]);
        }
        options.into()
    }

    /// What ids in options stand for: users (6), channels (7), roles (8), and users or roles (9).
    fn resolve(&self, options: &[Value], resolved: &mut Value) {
        for option in options {
            if let Some(inner) = option["options"].as_array() {
                self.resolve(inner, resolved);
            }
            let Some(number) = option["value"].as_str().and_then(|id| id.parse::<u64>().ok()) else { continue };
            let key = number.to_string();
            match option["type"].as_u64() {
                Some(6 | 9) if self.users.contains_key(&number) => {
                    resolved["users"][key] = self.user_json(number);
                }
                Some(7) => {
                    let channel = self.channels.get(&number).expect("an option names a channel that exists");
                    resolved["channels"][key] = self.channel_json(channel);
                }
                Some(8 | 9) => {
                    let role = self.guilds.values().find_map(|guild| guild.roles.get(&number));
                    resolved["roles"][key] = payload::role(role.expect("an option names a role that exists"));
                }
                _ => {}
            }
        }
    }

    fn resolved_members(&self, channel: u64, users: &Value) -> Value {
        let place = &self.channels[&channel];
        let mut members = Map::new();
        for user in users.as_object().into_iter().flat_map(Map::keys) {
            let number: u64 = user.parse().expect("the keys are ids");
            if let Some(member) = self.member_of(place.guild, number) {
                let mut json = partial_member(member);
                json["permissions"] = json!(self.permissions(place, number).to_string());
                members.insert(user.clone(), json);
            }
        }
        members.into()
    }

    /// Makes an interaction and tells the bot of it.
    fn interact(
        &mut self,
        kind: u8,
        name: &str,
        (channel, user): (u64, u64),
        data: Value,
        source: Option<FakeMessage>,
    ) -> u64 {
        let (number, secret) = (self.snowflakes.next(), self.secret());
        let token = format!("aW50ZXJhY3Rpb246{number}{secret}");
        let place = self.channels.get(&channel).expect("the channel exists");
        let guild = place.guild;
        let mut json = json!({
            "id": id(number),
            "application_id": id(self.application),
            "type": kind,
            "data": data,
            "channel": self.channel_json(place),
            "channel_id": id(channel),
            "token": token,
            "version": 1,
            "app_permissions": self.permissions(place, self.bot).to_string(),
            "locale": "en-US",
            "entitlements": [],
            "authorizing_integration_owners": { "0": guild.map_or_else(|| "0".to_owned(), |guild| guild.to_string()) },
            "context": u8::from(guild.is_none()),
            "attachment_size_limit": 10_485_760,
        });
        self.add_actor(&mut json, place, user);
        if let Some(source) = &source {
            json["message"] = self.message_json(source);
        }
        let interaction = Interaction {
            id: number,
            token,
            kind,
            name: name.to_owned(),
            channel,
            user,
            created: Instant::now(),
            acknowledged: false,
            deferred: false,
            answered: None,
            original: source,
            followups: Vec::new(),
            choices: None,
        };
        self.interactions.insert(number, interaction);
        self.dispatch_anyway(guild, 0, "INTERACTION_CREATE", &json);
        number
    }

    /// In a guild the member with their permissions in the channel, in a direct message the user.
    fn add_actor(&self, json: &mut Value, place: &super::world::Channel, user: u64) {
        let Some(guild) = place.guild else {
            json["user"] = self.user_json(user);
            return;
        };
        let member = self.member_of(Some(guild), user).expect("who uses a command is a member");
        let mut actor = self.member_json(member);
        actor["permissions"] = json!(self.permissions(place, user).to_string());
        json["member"] = actor;
        json["guild_id"] = id(guild);
        json["guild_locale"] = json!("en-US");
        json["guild"] = json!({ "id": id(guild), "locale": "en-US", "features": [] });
    }
}
