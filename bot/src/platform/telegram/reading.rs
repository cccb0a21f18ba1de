//! A message of Telegram as the history keeps it: the same whether it was heard or read from an export.

use chat::markup::{self, Entity, EntityKind};
use chrono::{DateTime, Utc};
use teloxide::types::{Chat, Message, MessageEntity, MessageEntityKind, MessageKind, ThreadId, User};

use super::keys;
use crate::event::{Person, Posted};

/// A message that somebody other than us posted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Read {
    pub posted: Posted,
    pub edited_at: Option<DateTime<Utc>>,
}

/// Reads a message; none where nobody wrote it, as with "Ada joined the group".
pub(super) fn message(message: &Message) -> Option<Read> {
    let MessageKind::Common(_) = message.kind else { return None };
    let topic = topic(message);
    // In a topic every message that answers none answers the one that opened it.
    let answered = message.reply_to_message().filter(|answered| topic.is_none_or(|topic| topic.0 != answered.id));
    Some(Read {
        posted: Posted {
            key: keys::message(message.chat.id, message.id, message.date),
            author: author(message)?,
            sent_at: message.date,
            text: text(message),
            reply_to: answered.map(|answered| keys::message(message.chat.id, answered.id, answered.date)),
            nonce: None,
        },
        edited_at: message.edit_date().copied(),
    })
}

/// The topic of a forum that a message is in. In other groups a thread is no more than what answers one message.
pub(super) fn topic(message: &Message) -> Option<ThreadId> {
    message.thread_id.filter(|_| message.is_topic_message)
}

/// What a message says. The words of a forwarded one are somebody else's.
fn text(message: &Message) -> String {
    if message.forward_origin().is_some() {
        return String::new();
    }
    let text = message.text().or(message.caption()).unwrap_or_default();
    let entities: Vec<Entity> = entities(message).iter().map(entity).collect();
    markup::telegram_plain(text, &entities).trim().to_owned()
}

fn entities(message: &Message) -> &[MessageEntity] {
    message.entities().or(message.caption_entities()).unwrap_or_default()
}

fn entity(entity: &MessageEntity) -> Entity {
    let kind = match entity.kind {
        MessageEntityKind::TextMention { .. } => EntityKind::TextMention,
        _ => EntityKind::Shown,
    };
    Entity { offset: entity.offset, length: entity.length, kind }
}

/// Whether a message is a command, ours or another bot's: those are no part of a conversation.
pub(super) fn is_command(message: &Message) -> bool {
    entities(message).iter().any(|entity| entity.offset == 0 && entity.kind == MessageEntityKind::BotCommand)
}

/// Who wrote a message: a person, or a chat in its own name.
pub(super) fn author(message: &Message) -> Option<Person> {
    message.sender_chat.as_ref().map(channel).or_else(|| message.from.as_ref().map(person))
}

/// Somebody as others see them.
pub(super) fn person(user: &User) -> Person {
    Person { key: keys::user(user.id), name: user.full_name(), is_bot: user.is_bot, avatar_url: None }
}

pub(super) fn channel(chat: &Chat) -> Person {
    let name = chat.title().unwrap_or_default().to_owned();
    Person { key: keys::channel(chat.id), name, is_bot: false, avatar_url: None }
}
