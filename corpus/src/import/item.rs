//! What an import yields.

use std::fmt;

use chat::{MemberKey, MessageKey, Platform};
use chrono::{DateTime, Utc};

/// One thing that a file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// The messages that follow belong to this chat. A file may go back to a chat that it has left.
    Chat(ChatHeader),
    /// A message of the latest [`Item::Chat`].
    Message(ImportedMessage),
    /// A row that is not a message, or not one to keep.
    Dropped {
        /// The line of the file (text, CSV, JSONL) or the place among the chat's messages (JSON), from 1.
        line_or_index: u64,
        /// Why.
        reason: DropReason,
    },
}

impl Item {
    /// Puts a replacement mark for each zero character: no chat shows one, JSON can write it, and Postgres refuses it.
    pub(super) fn without_zeros(mut self) -> Self {
        let clean = |text: &mut String| {
            if text.contains('\0') {
                *text = text.replace('\0', "\u{FFFD}");
            }
        };
        match &mut self {
            Item::Dropped { .. } => {}
            Item::Chat(chat) => {
                let community = chat.community.iter_mut().flat_map(|c| [&mut c.external_id, &mut c.title]);
                [&mut chat.external_id, &mut chat.title].into_iter().chain(community).for_each(clean);
            }
            Item::Message(message) => {
                clean(&mut message.text);
                message.author.strings().for_each(clean);
                for reaction in &mut message.reactions {
                    clean(&mut reaction.emoji);
                    reaction.by.iter_mut().flat_map(ImportedAuthor::strings).for_each(clean);
                }
            }
        }
        self
    }
}

/// The chat that messages belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatHeader {
    /// What the platform calls it, in the form that its API uses; the title where no platform is known.
    pub external_id: String,
    /// Its title.
    pub title: String,
    /// The platform whose own ids the file carries, so that the import joins the live chat.
    pub platform: Option<Platform>,
    /// The community that the chat is a part of. None where the chat is a community by itself.
    pub community: Option<CommunityHeader>,
    /// Whether it is a topic of the chat that is called like its community.
    pub is_topic: bool,
}

impl ChatHeader {
    /// A chat that is a community by itself, on a platform that the file does not name.
    pub(super) fn alone(external_id: String, title: String) -> Self {
        ChatHeader { external_id, title, platform: None, community: None, is_topic: false }
    }
}

/// The community that a chat is part of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommunityHeader {
    /// What the platform calls it.
    pub external_id: String,
    /// Its title.
    pub title: String,
}

/// Who wrote a message or reacted to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedAuthor {
    /// What the platform calls them.
    pub key: MemberKey,
    /// What they were called in the chat.
    pub name: String,
    /// Whether the file says that it is a program.
    pub is_bot: bool,
    /// Their picture.
    pub avatar_url: Option<String>,
}

impl ImportedAuthor {
    fn strings(&mut self) -> impl Iterator<Item = &mut String> {
        [&mut self.key.0, &mut self.name].into_iter().chain(&mut self.avatar_url)
    }
}

/// A message, as plain text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedMessage {
    /// Its place in the chat. The same message of a later export has the same key.
    pub key: MessageKey,
    /// Who wrote it.
    pub author: ImportedAuthor,
    /// When it was posted.
    pub sent_at: DateTime<Utc>,
    /// What was said; never blank.
    pub text: String,
    /// The message of the same chat that it answers.
    pub reply_to: Option<MessageKey>,
    /// When it was last edited.
    pub edited_at: Option<DateTime<Utc>>,
    /// What others thought of it.
    pub reactions: Vec<ImportedReaction>,
    /// Whether it was said somewhere in a forum and the file does not tell in which topic. It then counts as said in the group
    /// itself.
    pub topic_is_unknown: bool,
}

/// One member's reaction, or the rest of a total whose members the file does not name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedReaction {
    /// The emoji; a custom one by its name.
    pub emoji: String,
    /// Who reacted. None: only the number is known.
    pub by: Option<ImportedAuthor>,
    /// How many; 1 where a member is named.
    pub count: u32,
}

/// Why a row is not a message to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DropReason {
    /// A notice of the chat itself.
    Service,
    /// Nothing was said in words.
    Empty,
    /// Its author took it back.
    Deleted,
    /// Somebody else's words.
    Forwarded,
    /// Something said to a bot.
    Command,
    /// It does not say who wrote it.
    NoAuthor,
    /// It does not say when, or not in a way that can be read.
    BadTime,
    /// It is not what a row of this format looks like.
    Malformed,
    /// It is longer than any message.
    TooLong,
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DropReason::Service => "notices of the chat (joins, pins, calls, name changes)",
            DropReason::Empty => "pictures, stickers and files without words",
            DropReason::Deleted => "deleted messages",
            DropReason::Forwarded => "forwarded messages, which are somebody else's words",
            DropReason::Command => "commands to bots",
            DropReason::NoAuthor => "rows without an author",
            DropReason::BadTime => "rows without a readable time",
            DropReason::Malformed => "rows that could not be read",
            DropReason::TooLong => "rows longer than any message",
        })
    }
}

/// What a file says about one emoji: who is named, and how many there were in all.
pub(super) fn reactions(
    emoji: &str,
    count: u32,
    named: impl IntoIterator<Item = ImportedAuthor>,
) -> Vec<ImportedReaction> {
    let reaction = |by, count| ImportedReaction { emoji: emoji.to_owned(), by, count };
    let mut reactions: Vec<_> = named.into_iter().map(|author| reaction(Some(author), 1)).collect();
    let unnamed = count.saturating_sub(reactions.len() as u32);
    if unnamed > 0 {
        reactions.push(reaction(None, unnamed));
    }
    reactions
}
