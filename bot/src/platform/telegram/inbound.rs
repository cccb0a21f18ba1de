//! From what Telegram brings to what it means to us. Nothing here waits, asks or decides.

use std::collections::HashSet;

use teloxide::types::{
    CallbackQuery, Chat, ChatId, ChatMemberUpdated, MaybeAnonymousUser, Message, MessageId, MessageReactionUpdated,
    ReactionType, ThreadId, UpdateKind, User, UserId,
};

use super::reading::{self, Read};
use crate::event::{GroupHappening, Person};

/// Something that was heard.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Heard {
    /// In a chat or a topic of it.
    Posted(Chat, Option<ThreadId>, Read),
    /// A message got another wording. It comes whole, since it may be the first that we hear of it.
    Edited(Chat, Option<ThreadId>, Read),
    /// Somebody changed how they react to a message. In which topic that is, Telegram does not say.
    Reacted { chat: Chat, message: MessageId, by: Person, added: Vec<String>, removed: Vec<String> },
    /// In a group as a whole.
    InGroup(Chat, GroupHappening),
    /// A group has become a supergroup.
    Moved { from: ChatId, to: ChatId },
    /// A topic has a name.
    TopicNamed { chat: ChatId, topic: ThreadId, name: String },
    /// Somebody's rights have changed.
    RightsChanged(ChatId),
    /// Somebody gave a command.
    Command(Box<Message>),
    /// Somebody pressed a button.
    Pressed(Box<CallbackQuery>),
}

/// Who is ours: the bot itself and its persona bots.
#[derive(Debug, Clone)]
pub(super) struct Us {
    pub bot: UserId,
    pub all: HashSet<UserId>,
}

/// What an update means.
pub(super) fn translate(update: UpdateKind, us: &Us) -> Vec<Heard> {
    match update {
        UpdateKind::Message(message) => posted(message, us),
        UpdateKind::EditedMessage(message) => edited(message, us),
        UpdateKind::MessageReaction(reaction) => reacted(reaction).into_iter().collect(),
        UpdateKind::MyChatMember(change) => our_membership(change),
        UpdateKind::ChatMember(change) => membership(change, us),
        UpdateKind::CallbackQuery(pressed) => vec![Heard::Pressed(Box::new(pressed))],
        _ => Vec::new(),
    }
}

fn posted(message: Message, us: &Us) -> Vec<Heard> {
    if message.chat.is_channel() || is_ours(&message, us) {
        return Vec::new();
    }
    let mut heard = notices(&message, us);
    if reading::is_command(&message) {
        heard.push(Heard::Command(Box::new(message)));
    } else if !message.chat.is_private()
        && !heard.iter().any(|heard| matches!(heard, Heard::Moved { .. }))
        && let Some(read) = reading::message(&message)
    {
        heard.push(Heard::Posted(message.chat.clone(), reading::topic(&message), read));
    }
    heard
}

fn edited(message: Message, us: &Us) -> Vec<Heard> {
    if message.chat.is_channel() || message.chat.is_private() || is_ours(&message, us) || reading::is_command(&message)
    {
        return Vec::new();
    }
    let read = reading::message(&message);
    read.map(|read| Heard::Edited(message.chat.clone(), reading::topic(&message), read)).into_iter().collect()
}

fn is_ours(message: &Message, us: &Us) -> bool {
    message.from.as_ref().is_some_and(|from| us.all.contains(&from.id))
}

/// What a message tells beside what somebody wrote in it.
fn notices(message: &Message, us: &Us) -> Vec<Heard> {
    let chat = &message.chat;
    let mut heard = Vec::new();
    if let Some(to) = message.migrate_to_chat_id() {
        heard.push(Heard::Moved { from: chat.id, to: *to });
    }
    if let Some(from) = message.migrate_from_chat_id() {
        heard.push(Heard::Moved { from: *from, to: chat.id });
    }
    for member in message.new_chat_members().unwrap_or_default().iter().filter(|member| !us.all.contains(&member.id)) {
        heard.push(Heard::InGroup(chat.clone(), GroupHappening::Returned(reading::person(member))));
    }
    if let Some(member) = message.left_chat_member().filter(|member| !us.all.contains(&member.id)) {
        heard.push(left(chat, member));
    }
    heard.extend(topic_name(message));
    heard
}

/// The name of the topic that a message opens, renames, or (with the message that it answers) lies in.
fn topic_name(message: &Message) -> Option<Heard> {
    let topic = reading::topic(message)?;
    let created = |message: &Message| message.forum_topic_created().map(|topic| topic.name.clone());
    let renamed = message.forum_topic_edited().and_then(|topic| topic.name.clone());
    let opening = message.reply_to_message().and_then(created);
    let name = created(message).or(renamed).or(opening)?;
    Some(Heard::TopicNamed { chat: message.chat.id, topic, name })
}

fn left(chat: &Chat, member: &User) -> Heard {
    Heard::InGroup(chat.clone(), GroupHappening::Left(reading::person(member).key))
}

fn reacted(reaction: MessageReactionUpdated) -> Option<Heard> {
    let by = match &reaction.actor {
        MaybeAnonymousUser::User(user) => reading::person(user),
        MaybeAnonymousUser::Chat(chat) => reading::channel(chat),
    };
    let emoji = |reactions: &[ReactionType]| -> Vec<String> {
        reactions.iter().filter_map(|reaction| reaction.emoji().cloned()).collect()
    };
    let (old, new) = (emoji(&reaction.old_reaction), emoji(&reaction.new_reaction));
    let without = |these: &[String], those: &[String]| -> Vec<String> {
        these.iter().filter(|emoji| !those.contains(emoji)).cloned().collect()
    };
    let (added, removed) = (without(&new, &old), without(&old, &new));
    let is_change = !added.is_empty() || !removed.is_empty();
    is_change.then_some(Heard::Reacted { message: reaction.message_id, by, added, removed, chat: reaction.chat })
}

fn our_membership(change: ChatMemberUpdated) -> Vec<Heard> {
    if change.chat.is_private() || change.chat.is_channel() {
        return Vec::new();
    }
    let what = if change.new_chat_member.is_present() { GroupHappening::Joined } else { GroupHappening::PutOut };
    vec![Heard::RightsChanged(change.chat.id), Heard::InGroup(change.chat, what)]
}

/// Somebody came, left, or has other rights. Telegram tells it where we manage the group.
fn membership(change: ChatMemberUpdated, us: &Us) -> Vec<Heard> {
    let member = &change.new_chat_member;
    let mut heard = vec![Heard::RightsChanged(change.chat.id)];
    if us.all.contains(&member.user.id) || change.chat.is_channel() {
        return heard;
    }
    match (change.old_chat_member.is_present(), member.is_present()) {
        (true, false) => heard.push(left(&change.chat, &member.user)),
        (false, true) => {
            let person = reading::person(&member.user);
            heard.push(Heard::InGroup(change.chat.clone(), GroupHappening::Returned(person)));
        }
        _ => {}
    }
    heard
}

#[cfg(test)]
mod tests;
