//! What a platform tells the app: one vocabulary for every messenger, in the platform's own identifiers.
//!
//! An adapter turns what its library brings into these and hands them to [`crate::App::handle`]. It decides nothing.

use chat::{MemberKey, MessageKey, Platform};
use chrono::{DateTime, Utc};

/// Where something happened, as the platform names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    /// The platform.
    pub platform: Platform,
    /// The platform's id of the server or group.
    pub community: String,
    /// What the server or group is called.
    pub community_title: String,
    /// The platform's id of the channel, thread or topic.
    pub room: String,
    /// What the channel, thread or topic is called.
    pub room_title: String,
    /// The channel that a thread or topic hangs from.
    pub parent: Option<Parent>,
}

/// The channel that a thread or topic hangs from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Parent {
    /// The platform's id of it.
    pub room: String,
    /// What it is called.
    pub title: String,
}

/// A server or group, as the platform names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Group {
    /// The platform.
    pub platform: Platform,
    /// The platform's id of the server or group.
    pub community: String,
    /// What the server or group is called; empty where that is not known.
    pub title: String,
}

impl Place {
    /// The server or group that the place is in.
    pub fn group(&self) -> Group {
        Group { platform: self.platform, community: self.community.clone(), title: self.community_title.clone() }
    }
}

/// Somebody, as the platform describes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The platform's id.
    pub key: MemberKey,
    /// What they are called in the community at this moment; empty where the platform did not say.
    pub name: String,
    /// Whether the platform says that it is a bot.
    pub is_bot: bool,
    /// Their picture, where there is one.
    pub avatar_url: Option<String>,
}

/// A message that somebody posted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted {
    /// Its id.
    pub key: MessageKey,
    /// Who posted it.
    pub author: Person,
    /// When.
    pub sent_at: DateTime<Utc>,
    /// What it says, as plain text without the platform's markup.
    pub text: String,
    /// The message that it answers.
    pub reply_to: Option<MessageKey>,
    /// What the poster called it before it had an id, so that a post that is repeated is stored once.
    pub nonce: Option<String>,
}

/// Something that happened in a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Where.
    pub place: Place,
    /// What.
    pub what: Happening,
}

/// What can happen in a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happening {
    /// Somebody other than our personas posted.
    Posted(Posted),
    /// A message got a new wording.
    Edited {
        /// Which.
        key: MessageKey,
        /// The new wording.
        text: String,
        /// When.
        at: DateTime<Utc>,
    },
    /// Messages were deleted.
    Deleted {
        /// Which.
        keys: Vec<MessageKey>,
        /// When.
        at: DateTime<Utc>,
    },
    /// Somebody reacted to a message.
    Reacted {
        /// Which.
        key: MessageKey,
        /// With what.
        emoji: String,
        /// Who.
        by: Person,
        /// Whether they may delete what others wrote. A platform need not find that out unless the emoji asks for a
        /// deletion; see [`crate::reactions::meaning`].
        is_moderator: bool,
    },
    /// Somebody took a reaction back.
    Unreacted {
        /// Which.
        key: MessageKey,
        /// What.
        emoji: String,
        /// Who.
        by: Person,
    },
    /// A message lost all its reactions, or all with one emoji.
    ReactionsCleared {
        /// Which.
        key: MessageKey,
        /// With what; none for all.
        emoji: Option<String>,
    },
    /// A human began to write.
    Typing,
    /// Somebody came to look, where the platform knows such a thing.
    Arrived,
}

/// Something that happened to a server or group as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupHappening {
    /// Somebody came, or is called or looks otherwise than before.
    Seen(Person),
    /// Somebody left.
    Left(MemberKey),
    /// Somebody who may have left is here again.
    Returned(Person),
    /// The bot was taken in.
    Joined,
    /// The bot was put out. What it knows is kept, and it is quiet.
    PutOut,
}
