//! A message of Discord as the history keeps it: the same whether it was heard or read later.

use chat::{
    MemberKey,
    markup::{self, Mention},
};
use chrono::{DateTime, Utc};
use serenity::model::{
    channel::{Message, MessageType, ReactionType},
    guild::Member,
    id::{ChannelId, GuildId, RoleId},
    user::User,
};

use super::{Us, directory::Directory, key};
use crate::event::{Person, Posted};

/// A message that somebody other than us posted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Read {
    pub posted: Posted,
    pub edited_at: Option<DateTime<Utc>>,
}

/// Reads a message; none where it is ours or says nothing that a person wrote, as "Ada joined the server" does.
pub(super) fn message(message: &Message, us: Us, guild: GuildId, directory: &Directory) -> Option<Read> {
    if !matches!(message.kind, MessageType::Regular | MessageType::InlineReply) || is_ours(message, us) {
        return None;
    }
    let nick = message.member.as_ref().and_then(|member| member.nick.as_deref());
    let mut author = person(&message.author, nick);
    author.is_bot |= message.webhook_id.is_some();
    let reply_to = message.message_reference.as_ref().filter(|_| message.kind == MessageType::InlineReply);
    Some(Read {
        posted: Posted {
            key: key(message.id),
            author,
            sent_at: *message.timestamp,
            text: plain(&message.content, &message.mentions, guild, directory),
            reply_to: reply_to.and_then(|answered| answered.message_id).map(key),
            nonce: None,
        },
        edited_at: message.edited_timestamp.map(|at| *at),
    })
}

fn is_ours(message: &Message, us: Us) -> bool {
    message.author.id == us.user || message.application_id == Some(us.application)
}

/// Text as people read it.
pub(super) fn plain(content: &str, mentioned: &[User], guild: GuildId, directory: &Directory) -> String {
    let name_of = |mention: Mention<'_>| match mention {
        Mention::Member(id) => mentioned.iter().find(|user| user.id.to_string() == id).map(|user| {
            let nick = user.member.as_ref().and_then(|member| member.nick.clone());
            nick.unwrap_or_else(|| name(user))
        }),
        Mention::Role(id) => directory.role_name(guild, RoleId::new(id.parse().ok().filter(|&id| id > 0)?)),
        Mention::Channel(id) => Some(directory.channel(ChannelId::new(id.parse().ok().filter(|&id| id > 0)?))?.name),
    };
    markup::discord_plain(content, &name_of)
}

/// Somebody as a server knows them.
pub(super) fn member(member: &Member) -> Person {
    person(&member.user, member.nick.as_deref())
}

/// Somebody who is called `nick` in a server, or else what they call themselves. The picture is the one that they have
/// everywhere: not every event shows the one of a server.
pub(super) fn person(user: &User, nick: Option<&str>) -> Person {
    Person {
        key: MemberKey(user.id.to_string()),
        name: nick.map_or_else(|| name(user), str::to_owned),
        is_bot: user.bot,
        avatar_url: Some(user.face()),
    }
}

fn name(user: &User) -> String {
    user.global_name.clone().unwrap_or_else(|| user.name.clone())
}

/// An emoji as the history keeps it: itself, or the name of a server's own.
pub(super) fn emoji(emoji: &ReactionType) -> String {
    match emoji {
        ReactionType::Unicode(emoji) => emoji.clone(),
        ReactionType::Custom { name, id, .. } => format!(":{}:", name.clone().unwrap_or_else(|| id.to_string())),
        _ => "?".to_owned(),
    }
}
