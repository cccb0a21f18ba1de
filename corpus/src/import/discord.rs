//! JSON as DiscordChatExporter writes it: one channel a file.
//!
//! The exporter resolves mentions to `@name` and custom emoji to `:name:`, unless it is told not to, and leaves the rest
//! of the markup. What it left is read as in a live message.

use std::io::Read;

use chat::{
    MemberKey, MessageKey, Platform,
    markup::{Mention, discord_plain},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, de::IgnoredAny};

use super::{
    ChatHeader, ChatName, CommunityHeader, DropReason, Fault, ImportedAuthor, ImportedMessage, ImportedReaction, Item,
    item, json::JsonReader,
};

/// Walks through the document.
pub(super) struct Discord<R> {
    json: JsonReader<R>,
    place: Place,
    guild: Option<Named>,
    channel: Option<Named>,
    file: ChatName,
    rows: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Before,
    Document,
    Messages,
    Behind,
}

#[derive(Debug, Deserialize)]
struct Named {
    id: String,
    name: String,
}

impl<R: Read> Discord<R> {
    pub fn new(input: R, file: &ChatName) -> Self {
        Discord {
            json: JsonReader::new(input),
            place: Place::Before,
            guild: None,
            channel: None,
            file: file.clone(),
            rows: 0,
        }
    }

    fn step(&mut self) -> Result<Option<Item>, Fault> {
        loop {
            let item = match self.place {
                Place::Before => {
                    self.json.enter_document()?;
                    self.place = Place::Document;
                    None
                }
                Place::Document => self.read_document()?,
                Place::Messages => self.read_messages()?,
                Place::Behind => return self.json.end_document().map(|()| None),
            };
            if item.is_some() {
                return Ok(item);
            }
        }
    }

    fn read_document(&mut self) -> Result<Option<Item>, Fault> {
        match self.json.next_key()?.as_deref() {
            None => self.place = Place::Behind,
            Some("guild") => self.guild = self.json.parse()?.ok(),
            Some("channel") => self.channel = self.json.parse()?.ok(),
            Some("messages") if self.json.at(b'[')? => {
                self.json.enter_array()?;
                self.place = Place::Messages;
                return Ok(Some(Item::Chat(self.header())));
            }
            Some(_) => self.json.skip()?,
        }
        Ok(None)
    }

    fn read_messages(&mut self) -> Result<Option<Item>, Fault> {
        if !self.json.next_element()? {
            self.place = Place::Document;
            return Ok(None);
        }
        let row = self.json.parse::<Row>()?;
        self.rows = self.json.count_row();
        Ok(Some(match row.and_then(Row::into_message) {
            Ok(message) => Item::Message(message),
            Err(reason) => Item::Dropped { line_or_index: self.rows, reason },
        }))
    }

    fn header(&self) -> ChatHeader {
        // Direct messages are exported as a server with the id 0. A bot is never in them.
        let guild = self.guild.as_ref().filter(|guild| guild.id != "0");
        let title = self.channel.as_ref().map_or(&self.file.title, |channel| &channel.name);
        ChatHeader {
            external_id: self.channel.as_ref().map_or(&self.file.title, |channel| &channel.id).clone(),
            title: title.clone(),
            platform: guild.filter(|_| self.channel.is_some()).map(|_| Platform::Discord),
            community: guild.map(|guild| CommunityHeader { external_id: guild.id.clone(), title: guild.name.clone() }),
            is_topic: false,
        }
    }
}

impl<R: Read> Iterator for Discord<R> {
    type Item = Result<Item, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}

/// An element of `messages`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    timestamp: Option<String>,
    timestamp_edited: Option<String>,
    content: Option<String>,
    author: Option<User>,
    reference: Option<Reference>,
    forwarded_message: Option<IgnoredAny>,
    #[serde(default)]
    mentions: Vec<User>,
    #[serde(default)]
    reactions: Vec<Reaction>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct User {
    id: String,
    name: String,
    nickname: Option<String>,
    #[serde(default)]
    is_bot: bool,
    avatar_url: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reference {
    message_id: Option<String>,
}

#[derive(Deserialize)]
struct Reaction {
    emoji: Emoji,
    #[serde(default)]
    count: u32,
    #[serde(default)]
    users: Vec<User>,
}

#[derive(Deserialize)]
struct Emoji {
    name: String,
}

impl Row {
    fn into_message(self) -> Result<ImportedMessage, DropReason> {
        if !is_said(&self.kind) {
            return Err(DropReason::Service);
        }
        let text = discord_plain(self.content.as_deref().unwrap_or_default(), &|mention| self.name_of(mention));
        let text = text.trim();
        if text.is_empty() {
            let is_forwarded = self.forwarded_message.is_some();
            return Err(if is_forwarded { DropReason::Forwarded } else { DropReason::Empty });
        }
        Ok(ImportedMessage {
            key: snowflake(&self.id).ok_or(DropReason::Malformed)?,
            author: self.author.ok_or(DropReason::NoAuthor)?.into_author(),
            sent_at: moment(self.timestamp.as_deref()).ok_or(DropReason::BadTime)?,
            text: text.to_owned(),
            reply_to: self
                .reference
                .filter(|_| self.kind == "Reply")
                .and_then(|reference| snowflake(&reference.message_id?)),
            edited_at: moment(self.timestamp_edited.as_deref()),
            reactions: self.reactions.into_iter().flat_map(Reaction::into_imported).collect(),
            topic_is_unknown: false,
        })
    }
}

impl Row {
    fn name_of(&self, mention: Mention<'_>) -> Option<String> {
        let Mention::Member(id) = mention else { return None };
        self.mentions.iter().find(|user| user.id == id).map(|user| user.shown_name().to_owned())
    }
}

/// Whether somebody said it. Kinds that the exporter has no name for are numbers: 20 and 23 are answers to commands.
fn is_said(kind: &str) -> bool {
    matches!(kind, "Default" | "Reply" | "20" | "23")
}

impl User {
    fn shown_name(&self) -> &str {
        self.nickname.as_deref().filter(|name| !name.trim().is_empty()).unwrap_or(&self.name)
    }

    fn into_author(self) -> ImportedAuthor {
        let name = self.shown_name().to_owned();
        ImportedAuthor { key: MemberKey(self.id), name, is_bot: self.is_bot, avatar_url: self.avatar_url }
    }
}

impl Reaction {
    fn into_imported(self) -> Vec<ImportedReaction> {
        item::reactions(&self.emoji.name, self.count, self.users.into_iter().map(User::into_author))
    }
}

fn snowflake(id: &str) -> Option<MessageKey> {
    id.parse().ok().map(MessageKey)
}

fn moment(timestamp: Option<&str>) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(timestamp?).ok().map(|time| time.to_utc())
}
