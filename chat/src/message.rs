//! What was said, by whom, how it came to us, and the window of it that a model sees.

use std::{collections::VecDeque, fmt, str::FromStr};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::ids::{MemberId, MessageKey, PersonaId, RoomId};

/// Where a community lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Platform {
    /// The local web page.
    Web,
    /// A Discord server.
    Discord,
    /// A Telegram group.
    Telegram,
    /// An imported export that is not joined to a live community.
    Archive,
}

impl Platform {
    /// The name in the database and in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Platform::Web => "web",
            Platform::Discord => "discord",
            Platform::Telegram => "telegram",
            Platform::Archive => "archive",
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A name that is none of the known ones.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a known {1}")]
pub struct UnknownName(pub String, pub &'static str);

impl FromStr for Platform {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        [Platform::Web, Platform::Discord, Platform::Telegram, Platform::Archive]
            .into_iter()
            .find(|platform| platform.as_str() == name)
            .ok_or_else(|| UnknownName(name.to_owned(), "platform"))
    }
}

/// How a message came to be in the history. A generated one never becomes a training row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// A human posted it while we watched.
    Posted,
    /// It was read later: from an export, or page by page through a platform's API.
    Imported,
    /// One of our personas said it.
    Generated,
}

impl Origin {
    /// The name in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Origin::Posted => "posted",
            Origin::Imported => "imported",
            Origin::Generated => "generated",
        }
    }
}

impl FromStr for Origin {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        [Origin::Posted, Origin::Imported, Origin::Generated]
            .into_iter()
            .find(|origin| origin.as_str() == name)
            .ok_or_else(|| UnknownName(name.to_owned(), "origin"))
    }
}

/// Through what a message reached us. It decides what the message may be used for: platforms forbid training on what
/// came through their API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provenance {
    /// The API of the platform that the room is on.
    Api,
    /// A file that a member exported.
    Export,
}

impl Provenance {
    /// The name in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Provenance::Api => "api",
            Provenance::Export => "export",
        }
    }
}

impl FromStr for Provenance {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        [Provenance::Api, Provenance::Export]
            .into_iter()
            .find(|provenance| provenance.as_str() == name)
            .ok_or_else(|| UnknownName(name.to_owned(), "provenance"))
    }
}

/// Who said something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Author {
    /// A human (or another bot) of the community.
    Member(MemberId),
    /// One of our personas.
    Persona(PersonaId),
}

/// One message of a room's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its place in the room.
    pub key: MessageKey,
    /// The room it was said in.
    pub room: RoomId,
    /// Who said it.
    pub author: Author,
    /// What its author was called when it was said; shown in the window and to people.
    pub author_name: String,
    /// When it was said.
    pub sent_at: DateTime<Utc>,
    /// What was said, as plain text (no platform markup). Empty where only media was sent.
    pub text: String,
    /// How it came to be.
    pub origin: Origin,
    /// Through what it came.
    pub provenance: Provenance,
    /// The message of the same room that it answers. That message may be unknown to us.
    pub reply_to: Option<MessageKey>,
    /// When it was last edited.
    pub edited_at: Option<DateTime<Utc>>,
}

impl Message {
    /// Whether a person said it, rather than one of our personas.
    pub fn is_human(&self) -> bool {
        self.origin != Origin::Generated
    }
}

/// How many messages a model sees.
pub const WINDOW_LEN: usize = 5;

/// The latest messages of a room that have text, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Window {
    messages: VecDeque<Message>,
}

impl Window {
    /// The window over `messages`, whatever their order and number.
    pub fn new(messages: impl IntoIterator<Item = Message>) -> Self {
        let mut window = Window::default();
        let mut messages: Vec<_> = messages.into_iter().collect();
        messages.sort_by_key(|message| message.key);
        messages.into_iter().for_each(|message| window.push(message));
        window
    }

    /// Adds a message, at its place by key, and lets the oldest go. A message that is already there is replaced; one
    /// without text or older than a full window changes nothing.
    pub fn push(&mut self, message: Message) {
        if message.text.trim().is_empty() {
            return;
        }
        match self.messages.binary_search_by_key(&message.key, |m| m.key) {
            Ok(known) => self.messages[known] = message,
            Err(place) => self.messages.insert(place, message),
        }
        if self.messages.len() > WINDOW_LEN {
            self.messages.pop_front();
        }
    }

    /// Gives a message its new wording. False if it is not in the window.
    pub fn edit(&mut self, key: MessageKey, text: &str, at: DateTime<Utc>) -> bool {
        let Some(message) = self.messages.iter_mut().find(|m| m.key == key) else { return false };
        message.text = text.to_owned();
        message.edited_at = Some(at);
        true
    }

    /// Takes a message out. True if it was there: the caller then refills the window from the history.
    pub fn remove(&mut self, key: MessageKey) -> bool {
        let before = self.messages.len();
        self.messages.retain(|m| m.key != key);
        self.messages.len() < before
    }

    /// The messages, oldest first; at most [`WINDOW_LEN`].
    pub fn messages(&self) -> impl DoubleEndedIterator<Item = &Message> + ExactSizeIterator + Clone {
        self.messages.iter()
    }

    /// The newest message.
    pub fn latest(&self) -> Option<&Message> {
        self.messages.back()
    }

    /// Whether nothing has been said, or nothing is left of it.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(key: i64, text: &str) -> Message {
        Message {
            key: MessageKey(key),
            room: RoomId(1),
            author: Author::Member(MemberId(1)),
            author_name: "Ada".to_owned(),
            sent_at: DateTime::from_timestamp(key, 0).unwrap(),
            text: text.to_owned(),
            origin: Origin::Posted,
            provenance: Provenance::Api,
            reply_to: None,
            edited_at: None,
        }
    }

    fn keys(window: &Window) -> Vec<i64> {
        window.messages().map(|m| m.key.0).collect()
    }

    #[test]
    fn keeps_the_five_latest_in_order_of_key() {
        let window = Window::new([3, 1, 7, 2, 6, 4].map(|key| message(key, "hi")));
        assert_eq!(keys(&window), [2, 3, 4, 6, 7]);
    }

    #[test]
    fn a_message_delivered_twice_is_there_once_with_its_latest_wording() {
        let mut window = Window::new([message(1, "hi"), message(2, "there")]);
        window.push(message(1, "hello"));
        assert_eq!(keys(&window), [1, 2]);
        assert_eq!(window.messages().next().unwrap().text, "hello");
    }

    #[test]
    fn a_message_older_than_a_full_window_changes_nothing() {
        let mut window = Window::new((10..15).map(|key| message(key, "hi")));
        window.push(message(3, "late"));
        assert_eq!(keys(&window), [10, 11, 12, 13, 14]);
    }

    #[test]
    fn media_without_words_does_not_push_words_out() {
        let mut window = Window::new((1..6).map(|key| message(key, "hi")));
        window.push(message(9, "  "));
        assert_eq!(keys(&window), [1, 2, 3, 4, 5]);
    }

    #[test]
    fn edits_and_removals_say_whether_they_found_the_message() {
        let mut window = Window::new([message(1, "hi")]);
        assert!(window.edit(MessageKey(1), "hey", DateTime::UNIX_EPOCH));
        assert!(!window.edit(MessageKey(2), "hey", DateTime::UNIX_EPOCH));
        assert_eq!(window.latest().unwrap().text, "hey");
        assert!(window.remove(MessageKey(1)));
        assert!(!window.remove(MessageKey(1)));
    }
}
