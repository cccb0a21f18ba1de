//! From what the gateway brings to what it means to us. Nothing here waits, asks or decides.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serenity::model::{
    channel::ReactionType,
    event::{Event, MessageUpdateEvent},
    id::{ChannelId, GuildId, MessageId, RoleId, UserId},
    user::User,
};

use chat::{MemberKey, MessageKey};

use super::{
    Us,
    directory::Directory,
    key,
    reading::{self, Read},
};
use crate::event::{GroupHappening, Person};

/// Something that was heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Heard {
    /// In a channel or thread.
    InRoom(ChannelId, What),
    /// In a server as a whole.
    InGroup(GuildId, GroupHappening),
}

/// What can be heard in a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    Posted(Read),
    Edited { key: MessageKey, text: String, at: DateTime<Utc>, whole: Option<Box<Read>> },
    Deleted(Vec<MessageKey>),
    Reacted { key: MessageKey, emoji: String, by: Person, user: UserId, roles: Vec<RoleId> },
    Unreacted { key: MessageKey, emoji: String, by: MemberKey },
    ReactionsCleared { key: MessageKey, emoji: Option<String> },
    Typing,
}

/// What an event means, if it means anything to the history or the rooms.
pub(super) fn translate(event: &Event, us: Us, directory: &Directory) -> Option<Heard> {
    match event {
        Event::MessageCreate(event) => {
            let message = &event.message;
            let read = reading::message(message, us, message.guild_id?, directory)?;
            Some(Heard::InRoom(message.channel_id, What::Posted(read)))
        }
        Event::MessageUpdate(event) => edited(event, us, directory),
        Event::MessageDelete(event) => {
            event.guild_id?;
            Some(Heard::InRoom(event.channel_id, What::Deleted(vec![key(event.message_id)])))
        }
        Event::MessageDeleteBulk(event) => {
            event.guild_id?;
            Some(Heard::InRoom(event.channel_id, What::Deleted(event.ids.iter().copied().map(key).collect())))
        }
        Event::ReactionAdd(event) => {
            let reaction = &event.reaction;
            let member = reaction.member.as_ref()?;
            let what = What::Reacted {
                key: key(reaction.message_id),
                emoji: reading::emoji(&reaction.emoji),
                by: reading::member(member),
                user: member.user.id,
                roles: member.roles.clone(),
            };
            Some(Heard::InRoom(reaction.channel_id, what))
        }
        Event::ReactionRemove(event) => {
            let reaction = &event.reaction;
            reaction.guild_id?;
            let by = MemberKey(reaction.user_id?.to_string());
            let what = What::Unreacted { key: key(reaction.message_id), emoji: reading::emoji(&reaction.emoji), by };
            Some(Heard::InRoom(reaction.channel_id, what))
        }
        Event::ReactionRemoveAll(event) => {
            event.guild_id?;
            let what = What::ReactionsCleared { key: key(event.message_id), emoji: None };
            Some(Heard::InRoom(event.channel_id, what))
        }
        Event::TypingStart(event) => {
            let is_human = event.member.as_ref().is_some_and(|member| !member.user.bot);
            is_human.then_some(Heard::InRoom(event.channel_id, What::Typing))
        }
        Event::GuildMemberAdd(event) => {
            let member = &event.member;
            Some(Heard::InGroup(member.guild_id, GroupHappening::Returned(reading::member(member))))
        }
        Event::GuildMemberUpdate(event) => {
            let person = reading::person(&event.user, event.nick.as_deref());
            Some(Heard::InGroup(event.guild_id, GroupHappening::Seen(person)))
        }
        Event::GuildMemberRemove(event) if event.user.id != us.user => {
            let key = MemberKey(event.user.id.to_string());
            Some(Heard::InGroup(event.guild_id, GroupHappening::Left(key)))
        }
        // An outage of Discord's own is no removal.
        Event::GuildDelete(event) if !event.guild.unavailable => {
            Some(Heard::InGroup(event.guild.id, GroupHappening::PutOut))
        }
        Event::Unknown(event) => unread(&event.kind, &event.value),
        _ => None,
    }
}

/// Events of the documented shape that the library does not read: it takes for granted what these may lack.
fn unread(kind: &str, value: &serde_json::Value) -> Option<Heard> {
    match kind {
        "MESSAGE_REACTION_REMOVE_EMOJI" => {
            let removed = EmojiRemoved::deserialize(value).ok()?;
            let emoji = Some(reading::emoji(&removed.emoji));
            Some(Heard::InRoom(removed.channel_id, What::ReactionsCleared { key: key(removed.message_id), emoji }))
        }
        "GUILD_MEMBER_UPDATE" => {
            let updated = MemberUpdated::deserialize(value).ok()?;
            let person = reading::person(&updated.user, updated.nick.as_deref());
            Some(Heard::InGroup(updated.guild_id, GroupHappening::Seen(person)))
        }
        _ => None,
    }
}

#[derive(Deserialize)]
struct EmojiRemoved {
    channel_id: ChannelId,
    message_id: MessageId,
    emoji: ReactionType,
}

#[derive(Deserialize)]
struct MemberUpdated {
    guild_id: GuildId,
    user: User,
    nick: Option<String>,
}

/// What we act upon, so that one of them that cannot be read is a loss. A server that is away comes without its fields.
pub(super) fn is_missed(kind: &str, value: &serde_json::Value) -> bool {
    let is_heard = kind.starts_with("MESSAGE_")
        || kind.starts_with("GUILD_MEMBER_")
        || kind.starts_with("THREAD_")
        || matches!(kind, "READY" | "GUILD_CREATE" | "GUILD_DELETE" | "CHANNEL_CREATE" | "CHANNEL_UPDATE")
        || matches!(kind, "INTERACTION_CREATE" | "TYPING_START" | "WEBHOOKS_UPDATE");
    is_heard && value["unavailable"] != true && unread(kind, value).is_none() && !kind.ends_with("_MEMBERS_UPDATE")
}

/// An edit. Discord also sends this event when it adds a preview to a link: then nobody has edited anything.
fn edited(event: &MessageUpdateEvent, us: Us, directory: &Directory) -> Option<Heard> {
    let guild = event.guild_id?;
    let at = *event.edited_timestamp?;
    let content = event.content.as_deref()?;
    let mentioned = event.mentions.as_deref().unwrap_or_default();
    let text = reading::plain(content, mentioned, guild, directory);
    let what = What::Edited { key: key(event.id), text, at, whole: whole(event, us, guild, directory).map(Box::new) };
    let is_ours = event.author.as_ref().is_some_and(|author| author.id == us.user)
        || event.application_id == Some(Some(us.application));
    (!is_ours).then_some(Heard::InRoom(event.channel_id, what))
}

/// The whole message, where the event has it: an edit may come before the message itself, or in its place.
fn whole(event: &MessageUpdateEvent, us: Us, guild: GuildId, directory: &Directory) -> Option<Read> {
    // Nothing else is needed than what makes a message of it.
    let message = serde_json::json!({
        "id": event.id, "channel_id": event.channel_id, "author": event.author.as_ref()?, "content": event.content,
        "timestamp": event.timestamp?, "edited_timestamp": event.edited_timestamp, "type": event.kind?,
        "mentions": event.mentions.as_deref().unwrap_or_default(), "member": event.member,
        "message_reference": event.message_reference, "webhook_id": event.webhook_id,
        "tts": false, "mention_everyone": false, "mention_roles": [], "attachments": [], "embeds": [], "pinned": false,
    });
    reading::message(&serde_json::from_value(message).ok()?, us, guild, directory)
}

#[cfg(test)]
mod tests;
