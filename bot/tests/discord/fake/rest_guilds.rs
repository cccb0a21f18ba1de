//! The routes below `/users` and `/guilds`: who the bot is, where it is, and who and what is there.

use serde_json::{Value, json};

use super::errors::{self, ApiError};
use super::events::{GUILD_MEMBERS, GUILDS};
use super::form::Call;
use super::payload::{self, id};
use super::rest::{Answer, read_id};
use super::world::{Guild, World};

pub fn route(world: &mut World, call: &Call, parts: &[&str]) -> Answer {
    match (call.method.as_str(), parts) {
        ("GET", ["users", "@me"]) => Ok(Some(world.user_json(world.bot))),
        ("GET", ["users", "@me", "guilds"]) => Ok(Some(own_guilds(world))),
        ("DELETE", ["users", "@me", "guilds", guild]) => {
            let guild = world.guild_of_bot(read_id(guild)?)?.id;
            world.remove_bot(guild);
            Ok(None)
        }
        ("POST", ["users", "@me", "channels"]) => open_direct(world, call),
        ("GET", ["users", user]) => {
            let user = world.users.get(&read_id(user)?).ok_or_else(errors::unknown_user)?;
            Ok(Some(payload::user(user)))
        }
        (_, ["guilds", guild, rest @ ..]) => in_guild(world, call, read_id(guild)?, rest),
        _ => world.no_such_route(call),
    }
}

fn in_guild(world: &mut World, call: &Call, guild_id: u64, rest: &[&str]) -> Answer {
    let guild = world.guild_of_bot(guild_id)?;
    match (call.method.as_str(), rest) {
        ("GET", []) => Ok(Some(world.guild_json(guild))),
        ("GET", ["channels"]) => Ok(Some(channels(world, guild_id))),
        ("GET", ["roles"]) => Ok(Some(guild.roles.values().map(payload::role).collect())),
        ("GET", ["members"]) => members(world, guild, call),
        ("GET", ["members", user]) => {
            let user = if *user == "@me" { world.bot } else { read_id(user)? };
            let member = guild.members.get(&user).ok_or_else(errors::unknown_member)?;
            Ok(Some(world.member_json(member)))
        }
        ("GET", ["threads", "active"]) => Ok(Some(active_threads(world, guild_id))),
        _ => world.no_such_route(call),
    }
}

impl World {
    /// A guild, if it exists and the bot is in it.
    pub fn guild_of_bot(&self, guild: u64) -> Result<&Guild, ApiError> {
        let guild = self.guilds.get(&guild).ok_or_else(errors::unknown_guild)?;
        if self.has_bot(guild) { Ok(guild) } else { Err(errors::missing_access()) }
    }

    /// Takes the bot out of a guild, by its own will or not. It hears of it either way.
    pub fn remove_bot(&mut self, guild_id: u64) {
        let bot = self.bot;
        let Some(guild) = self.guilds.get_mut(&guild_id) else { return };
        if guild.members.remove(&bot).is_some() {
            guild.roles.retain(|_, role| role.of_bot != Some(bot));
            self.dispatch_anyway(Some(guild_id), GUILDS, "GUILD_DELETE", &json!({ "id": id(guild_id) }));
        }
    }

    pub fn direct_channel(&mut self, user: u64) -> u64 {
        let known = self.channels.values().find(|c| c.guild.is_none() && c.owner == Some(user)).map(|c| c.id);
        known.unwrap_or_else(|| {
            let channel = self.add_channel(None, None, super::world::DIRECT, "");
            if let Some(channel) = self.channels.get_mut(&channel) {
                channel.owner = Some(user);
            }
            channel
        })
    }
}

fn own_guilds(world: &World) -> Value {
    let guilds = world.guilds.values().filter(|guild| world.has_bot(guild));
    let info = |guild: &Guild| {
        json!({
            "id": id(guild.id),
            "name": guild.name,
            "icon": null,
            "owner": guild.owner == world.bot,
            "permissions": guild.permissions(world.bot).to_string(),
            "features": [],
        })
    };
    guilds.map(info).collect()
}

fn open_direct(world: &mut World, call: &Call) -> Answer {
    let user = call.body["recipient_id"].as_str().and_then(|id| id.parse().ok());
    let user = user.filter(|user| world.users.contains_key(user)).ok_or_else(errors::unknown_user)?;
    let channel = world.direct_channel(user);
    Ok(world.channels.get(&channel).map(|channel| world.channel_json(channel)))
}

/// All channels but threads, also those that the bot does not see.
fn channels(world: &World, guild: u64) -> Value {
    let mut channels: Vec<_> = world.channels.values().filter(|c| c.guild == Some(guild) && !c.is_thread()).collect();
    channels.sort_unstable_by_key(|channel| channel.id);
    channels.into_iter().map(|channel| world.channel_json(channel)).collect()
}

fn active_threads(world: &World, guild: u64) -> Value {
    let threads = world.channels.values().filter(|c| c.guild == Some(guild) && c.is_thread() && !c.archived);
    let seen = threads.filter(|thread| world.visible_channel(thread.id).is_ok());
    let threads: Vec<Value> = seen.map(|thread| world.channel_json(thread)).collect();
    json!({ "threads": threads, "members": [] })
}

/// Listing members needs their intent, as reading them one by one does not.
fn members(world: &World, guild: &Guild, call: &Call) -> Answer {
    if world.options.privileged_intents & GUILD_MEMBERS == 0 {
        return Err(errors::missing_access());
    }
    let limit = usize::try_from(call.number("limit").unwrap_or(1)).unwrap_or(usize::MAX);
    let members = guild.members.range(call.number("after").unwrap_or(0) + 1..).take(limit);
    Ok(Some(members.map(|(_, member)| world.member_json(member)).collect()))
}
