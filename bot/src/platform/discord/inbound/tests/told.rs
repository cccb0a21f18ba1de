//! What is made of an event, in a few words for people to compare.

use std::fmt::{Debug, Write};

use serenity::model::{
    application::{CommandInteraction, CommandType, ComponentInteraction, Interaction},
    channel::GuildChannel,
    guild::{Member, Role},
};

use super::super::*;
use crate::platform::discord::options::{self, Chosen};

pub(super) fn event(event: &Event, us: Us, directory: &Directory) -> String {
    match translate(event, us, directory) {
        Some(Heard::InRoom(channel, what)) => format!("in {}: {}", short(channel.get()), in_room(&what)),
        Some(Heard::InGroup(guild, happening)) => format!("in {}: {}", short(guild.get()), in_group(&happening)),
        None => format!("nothing: {}", known(event)),
    }
}

/// The ids of servers, people and channels differ in their last digits only.
fn short(id: u64) -> String {
    format!("#{}", id % 1_000)
}

fn short_key(key: MessageKey) -> String {
    format!("m{}", key.0 & 0xff)
}

fn in_room(what: &What) -> String {
    match what {
        What::Posted(read) => posted(read),
        What::Edited { key, text, at, whole } => {
            let whole = whole.as_deref().map_or_else(|| "not told whole".to_owned(), posted);
            format!("{} is {text:?} since {}\n{whole}", short_key(*key), at.time())
        }
        What::Deleted(keys) => {
            let keys: Vec<String> = keys.iter().copied().map(short_key).collect();
            format!("deleted {}", keys.join(" "))
        }
        What::Reacted { key, emoji, by, user, roles } => {
            let roles: Vec<String> = roles.iter().map(|role| short(role.get())).collect();
            let (key, user) = (short_key(*key), short(user.get()));
            format!("{emoji} to {key} by {user} with roles {roles:?}\n{}", person(by))
        }
        What::Unreacted { key, emoji, by } => format!("{emoji} taken from {} by {}", short_key(*key), short_member(by)),
        What::ReactionsCleared { key, emoji } => format!("{emoji:?} cleared from {}", short_key(*key)),
        What::Typing => "typing".to_owned(),
    }
}

fn posted(Read { posted, edited_at }: &Read) -> String {
    let mut told = format!("{} says {:?} at {}", short_key(posted.key), posted.text, posted.sent_at.time());
    if let Some(answered) = posted.reply_to {
        write!(told, " to {}", short_key(answered)).unwrap();
    }
    if let Some(at) = edited_at {
        write!(told, ", edited at {}", at.time()).unwrap();
    }
    format!("{told}\n{}", person(&posted.author))
}

fn person(person: &Person) -> String {
    let kind = if person.is_bot { "bot" } else { "human" };
    let picture = person.avatar_url.as_deref().unwrap_or("no picture");
    let picture = picture.trim_start_matches("https://cdn.discordapp.com/").trim_end_matches("?size=1024");
    let picture = match picture.split('/').collect::<Vec<_>>()[..] {
        ["avatars", of, hash] => format!("avatar {}/{}..", short(of.parse().unwrap()), &hash[..6]),
        _ => picture.to_owned(),
    };
    format!("{} {} {:?} {picture}", kind, short_member(&person.key), person.name)
}

fn short_member(key: &MemberKey) -> String {
    short(key.0.parse().unwrap())
}

fn in_group(happening: &GroupHappening) -> String {
    match happening {
        GroupHappening::Seen(who) => format!("seen: {}", person(who)),
        GroupHappening::Left(key) => format!("left: {}", short_member(key)),
        GroupHappening::Returned(who) => format!("returned: {}", person(who)),
        GroupHappening::Joined => "we came".to_owned(),
        GroupHappening::PutOut => "we were put out".to_owned(),
    }
}

/// An event that means nothing to the history or the rooms, with what others make of it.
fn known(event: &Event) -> String {
    match event {
        Event::Ready(event) => {
            let ready = &event.ready;
            format!("Ready: {} in {} servers, {:?}", short(ready.user.id.get()), ready.guilds.len(), ready.shard)
        }
        Event::GuildCreate(event) => {
            let guild = &event.guild;
            let channels = guild.channels.values().chain(&guild.threads);
            let members = guild.members.keys().map(|id| short(id.get()));
            let about = (short(guild.owner_id.get()), guild.member_count, sorted(members));
            all_of("GuildCreate", &guild.name, about, channels, guild.roles.values())
        }
        Event::GuildUpdate(event) => {
            let guild = &event.guild;
            all_of("GuildUpdate", &guild.name, short(guild.owner_id.get()), [].iter(), guild.roles.values())
        }
        Event::GuildRoleCreate(event) => {
            format!("GuildRoleCreate: {} {}", short(event.role.guild_id.get()), role(&event.role))
        }
        Event::GuildRoleUpdate(event) => {
            format!("GuildRoleUpdate: {} {}", short(event.role.guild_id.get()), role(&event.role))
        }
        Event::GuildRoleDelete(event) => format!("GuildRoleDelete: {}", short(event.role_id.get())),
        Event::ChannelCreate(event) => format!("ChannelCreate: {}", channel(&event.channel)),
        Event::ChannelUpdate(event) => format!("ChannelUpdate: {}", channel(&event.channel)),
        Event::ChannelDelete(event) => format!("ChannelDelete: {}", channel(&event.channel)),
        Event::ThreadCreate(event) => format!("ThreadCreate: {}", channel(&event.thread)),
        Event::ThreadUpdate(event) => format!("ThreadUpdate: {}", channel(&event.thread)),
        Event::ThreadDelete(event) => format!("ThreadDelete: {}", short(event.thread.id.get())),
        Event::ThreadListSync(event) => all_of("ThreadListSync", "", "", event.threads.iter(), [].iter()),
        Event::WebhookUpdate(event) => format!("WebhookUpdate: {}", short(event.channel_id.get())),
        Event::InteractionCreate(event) => interaction(&event.interaction),
        Event::Unknown(event) => format!("Unknown: {}", event.kind),
        other => format!("{other:?}").split([' ', '(']).next().unwrap_or_default().to_owned(),
    }
}

fn all_of<'a>(
    kind: &str,
    name: &str,
    about: impl Debug,
    channels: impl Iterator<Item = &'a GuildChannel>,
    roles: impl Iterator<Item = &'a Role>,
) -> String {
    let lines = sorted(channels.map(channel)).into_iter().chain(sorted(roles.map(role)));
    lines.fold(format!("{kind}: {name:?} {about:?}"), |told, line| format!("{told}\n{line}"))
}

fn sorted(lines: impl Iterator<Item = String>) -> Vec<String> {
    let mut lines: Vec<String> = lines.collect();
    lines.sort();
    lines
}

fn channel(channel: &GuildChannel) -> String {
    let GuildChannel { id, guild_id, name, kind, parent_id, last_message_id, permission_overwrites, .. } = channel;
    let parent = parent_id.map_or_else(|| "nothing".to_owned(), |parent| short(parent.get()));
    let newest = last_message_id.map(|newest| short_key(key(newest)));
    let rules = permission_overwrites.len();
    format!(
        "{} of {} {name:?} {kind:?} below {parent}, newest {newest:?}, {rules} overwrites",
        short(id.get()),
        short(guild_id.get()),
    )
}

fn role(role: &Role) -> String {
    format!("{} {:?} {:#x}", short(role.id.get()), role.name, role.permissions)
}

fn interaction(interaction: &Interaction) -> String {
    match interaction {
        Interaction::Command(given) => format!("Command {}", command(given)),
        Interaction::Autocomplete(given) => {
            let typing = given.data.autocomplete().map(|typing| (typing.name, typing.value));
            format!("Autocomplete /{} {typing:?}", given.data.name)
        }
        Interaction::Component(pressed) => format!("Component {}", component(pressed)),
        other => panic!("no interaction of ours: {other:?}"),
    }
}

fn command(given: &CommandInteraction) -> String {
    let asked = match given.data.kind {
        CommandType::Message => {
            format!("about {:?}", given.data.target_id.map(|target| short_key(key(target.to_message_id()))))
        }
        _ => match options::command(&given.data.name, &Chosen(&given.data.options)) {
            Ok(command) => format!("{command:?}"),
            Err(usage) => format!("! {usage}"),
        },
    };
    format!("{asked} in {}\n{}", short(given.channel_id.get()), asker(given.member.as_deref()))
}

fn component(pressed: &ComponentInteraction) -> String {
    let data = &pressed.data;
    let by = asker(pressed.member.as_ref());
    format!("{} {:?} in {}\n{by}", data.custom_id, data.kind, short(pressed.channel_id.get()))
}

fn asker(member: Option<&Member>) -> String {
    let Some(member) = member else { return "nobody of a server".to_owned() };
    let may = member.permissions.unwrap_or_default();
    let may = if may.manage_guild() { "may" } else { "may not" };
    format!("{} {may} manage the server", person(&reading::member(member)))
}
