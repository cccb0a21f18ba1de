//! Telegram Desktop's `result.json`, of one chat or of everything.
//!
//! Its ids are the platform's own, but only supergroups and channels number their messages once for everybody: in
//! a small group each account counts for itself, and so it was before a group became a supergroup (the export has negative
//! ids there). Those messages get keys of their time instead, by which a live group is joined all the same.
//!
//! A topic of a forum is a chat of its own, called as the live one is.

mod topics;

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    io::Read,
};

use chat::{MemberKey, MessageKey, Platform, markup};
use chrono::{DateTime, FixedOffset, NaiveDateTime, Utc};
use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use self::topics::{Answered, Topics, Whereabouts};
use super::{
    ChatHeader, ChatName, CommunityHeader, DropReason, Fault, ImportedAuthor, ImportedMessage, ImportedReaction, Item,
    Options, item, json::JsonReader, keys::TimeKeys, time,
};

/// How many messages are remembered by the exporting account's ids, for those that answer them.
const REMEMBERED: usize = 4_096;

/// Walks through the containers of the file.
pub(super) struct Telegram<R> {
    json: JsonReader<R>,
    /// The containers that enclose the place in the file, outermost first; empty before and behind the document.
    places: Vec<Place>,
    chat: Chat,
    file: ChatName,
    offset: FixedOffset,
    begun: bool,
    /// What was read already and comes next.
    waiting: VecDeque<Result<Item, Fault>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The document: of one chat it is the chat, of everything it holds two sections of chats.
    Document,
    /// `chats` or `left_chats`.
    Section,
    /// The `list` of a section.
    List,
    /// An element of the list.
    Chat,
    /// The `messages` of a chat.
    Messages,
}

/// What is known of the chat whose messages are next.
#[derive(Debug, Default)]
struct Chat {
    name: Option<String>,
    kind: Option<String>,
    id: Option<String>,
    rows: u64,
    seconds: Seconds,
    topics: Topics,
    /// Where the messages of the latest header were said; none before the first.
    at: Option<Whereabouts>,
}

impl<R: Read> Telegram<R> {
    pub fn new(input: R, file: &ChatName, options: &Options) -> Self {
        Telegram {
            json: JsonReader::new(input),
            places: Vec::new(),
            chat: Chat::default(),
            file: file.clone(),
            offset: options.utc_offset,
            begun: false,
            waiting: VecDeque::new(),
        }
    }

    fn step(&mut self) -> Result<Option<Item>, Fault> {
        if !self.begun {
            self.begun = true;
            self.json.enter_document()?;
            self.places.push(Place::Document);
        }
        loop {
            if let Some(item) = self.waiting.pop_front() {
                return item.map(Some);
            }
            let item = match self.places.last() {
                None => return self.json.end_document().map(|()| None),
                Some(Place::Document) => self.read_document()?,
                Some(Place::Section) => self.read_section()?,
                Some(Place::List) => self.read_list()?,
                Some(Place::Chat) => self.read_chat()?,
                Some(Place::Messages) => self.read_messages()?,
            };
            if item.is_some() {
                return Ok(item);
            }
        }
    }

    fn read_document(&mut self) -> Result<Option<Item>, Fault> {
        match self.json.next_key()?.as_deref() {
            None => self.leave(),
            Some("chats" | "left_chats") if self.json.at(b'{')? => {
                self.json.enter_object()?;
                self.places.push(Place::Section);
            }
            Some(key) => return self.read_chat_field(key),
        }
        Ok(None)
    }

    fn read_section(&mut self) -> Result<Option<Item>, Fault> {
        match self.json.next_key()?.as_deref() {
            None => self.leave(),
            Some("list") if self.json.at(b'[')? => {
                self.json.enter_array()?;
                self.places.push(Place::List);
            }
            Some(_) => self.json.skip()?,
        }
        Ok(None)
    }

    fn read_list(&mut self) -> Result<Option<Item>, Fault> {
        if !self.json.next_element()? {
            self.leave();
        } else if self.json.at(b'{')? {
            self.json.enter_object()?;
            self.chat = Chat::default();
            self.places.push(Place::Chat);
        } else {
            self.json.skip()?;
        }
        Ok(None)
    }

    fn read_chat(&mut self) -> Result<Option<Item>, Fault> {
        match self.json.next_key()?.as_deref() {
            None => self.leave(),
            Some(key) => return self.read_chat_field(key),
        }
        Ok(None)
    }

    fn read_chat_field(&mut self, key: &str) -> Result<Option<Item>, Fault> {
        match key {
            "name" => self.chat.name = self.json.parse::<Option<String>>()?.ok().flatten(),
            "type" => self.chat.kind = self.json.parse()?.ok(),
            "id" => self.chat.id = self.json.parse::<Text>()?.ok().map(|id| id.shown),
            "messages" if self.json.at(b'[')? => {
                self.json.enter_array()?;
                self.places.push(Place::Messages);
            }
            _ => self.json.skip()?,
        }
        Ok(None)
    }

    /// Reads a row. The chat is announced with the first one, which may say that the export is of one topic.
    fn read_messages(&mut self) -> Result<Option<Item>, Fault> {
        let row = self.read_row();
        if let Ok(Some(Ok(row))) = &row {
            self.chat.note_topic(row);
        }
        if self.chat.at.is_none() {
            self.chat.at = Some(Whereabouts::Group);
            self.waiting.push_back(Ok(Item::Chat(self.chat.header(&self.file))));
        }
        match row {
            Err(fault) => self.waiting.push_back(Err(fault)),
            Ok(None) => self.leave(),
            Ok(Some(row)) => {
                self.chat.rows += 1;
                let items = self.chat.items(row, self.offset, &self.file);
                self.waiting.extend(items.into_iter().map(Ok));
            }
        }
        Ok(None)
    }

    fn read_row(&mut self) -> Result<Option<Result<Row, DropReason>>, Fault> {
        if !self.json.next_element()? {
            return Ok(None);
        }
        let row = self.json.parse()?;
        self.json.count_row();
        Ok(Some(row))
    }

    fn leave(&mut self) {
        self.places.pop();
    }
}

impl<R: Read> Iterator for Telegram<R> {
    type Item = Result<Item, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}

impl Chat {
    fn header(&self, file: &ChatName) -> ChatHeader {
        // Saved messages and chats with deleted accounts have no name, only a type.
        let kind_as_title = || self.kind.as_ref().map(|kind| kind.replace('_', " "));
        let title = self.name.clone().or_else(kind_as_title).unwrap_or_else(|| file.title.clone());
        // What stands there is then the topic's name, and the group's is nowhere.
        let title = if self.topics.is_one() { String::new() } else { title };
        // The prefixes with which Telegram's Bot API tells chats of different kinds apart.
        let (prefix, platform) = match self.kind.as_deref().unwrap_or_default() {
            kind if kind.ends_with("supergroup") || kind.ends_with("channel") => ("-100", Some(Platform::Telegram)),
            kind if kind.ends_with("group") => ("-", Some(Platform::Telegram)),
            _ => ("", None),
        };
        match &self.id {
            Some(id) => ChatHeader { platform, ..ChatHeader::alone(format!("{prefix}{id}"), title) },
            None => ChatHeader::alone(title.clone(), title),
        }
    }

    /// The header of a topic, or of the group itself.
    fn header_at(&self, place: Whereabouts, file: &ChatName) -> ChatHeader {
        let group = self.header(file);
        let Whereabouts::Topic(topic) = place else { return group };
        ChatHeader {
            // As the live topic is called.
            external_id: format!("{}/{topic}", group.external_id),
            title: self.topics.name(topic).to_owned(),
            platform: group.platform,
            community: Some(CommunityHeader { external_id: group.external_id, title: group.title }),
            is_topic: true,
        }
    }

    /// Notes the topic that a row creates, if it does.
    fn note_topic(&mut self, row: &Row) {
        if let Some(name) = row.creates_topic().filter(|_| self.is_supergroup()) {
            let is_only = self.rows == 0 && self.name.as_deref() == Some(name);
            self.topics.created(row.id, name.to_owned(), is_only);
        }
    }

    /// A row as what it yields: itself, behind a header where it was said in another topic than the row before.
    fn items(&mut self, row: Result<Row, DropReason>, offset: FixedOffset, file: &ChatName) -> Vec<Item> {
        match row.and_then(|row| self.message(row, offset)) {
            Err(reason) => vec![Item::Dropped { line_or_index: self.rows, reason }],
            Ok((place, message)) => {
                let is_elsewhere = self.at.replace(place) != Some(place);
                let header = is_elsewhere.then(|| Item::Chat(self.header_at(place, file)));
                header.into_iter().chain([Item::Message(message)]).collect()
            }
        }
    }

    /// A row as a message, with where it was said.
    fn message(&mut self, row: Row, offset: FixedOffset) -> Result<(Whereabouts, ImportedMessage), DropReason> {
        if row.id < 0 || self.is_small_group() {
            return Ok((Whereabouts::Group, self.message_of_one_account(row, offset)?));
        }
        if row.is_notice() {
            return Err(DropReason::Service);
        }
        // What is dropped may be answered all the same.
        let place = self.topics.place(row.id, row.answered());
        let message = row.into_message(offset)?;
        Ok(match place {
            Whereabouts::Group => (place, message),
            // Of what answers nothing in a topic the export says that it answers the topic's notice.
            Whereabouts::Topic(topic) => {
                (place, ImportedMessage { reply_to: message.reply_to.filter(|key| key.0 != topic), ..message })
            }
            Whereabouts::Unknown => (Whereabouts::Group, ImportedMessage { topic_is_unknown: true, ..message }),
        })
    }

    /// A row as a message whose id counts for the exporting account only, with a key in its place.
    fn message_of_one_account(&mut self, row: Row, offset: FixedOffset) -> Result<ImportedMessage, DropReason> {
        let id = row.id;
        if let Some(at) = row.sent_at(offset) {
            self.seconds.keys.row(at);
        }
        let message = row.into_message(offset)?;
        let key = self.seconds.keys.second_key(&message.author.key);
        let reply_to = message.reply_to.and_then(|MessageKey(id)| self.seconds.recent.get(&id).copied());
        self.seconds.remember(id, key);
        Ok(ImportedMessage { key, reply_to, ..message })
    }

    fn is_small_group(&self) -> bool {
        self.kind.as_ref().is_some_and(|kind| kind.ends_with("group")) && !self.is_supergroup()
    }

    fn is_supergroup(&self) -> bool {
        self.kind.as_ref().is_some_and(|kind| kind.ends_with("supergroup"))
    }
}

/// Messages whose ids count for the exporting account only.
#[derive(Debug, Default)]
struct Seconds {
    keys: TimeKeys,
    /// The latest of them, by those ids.
    recent: BTreeMap<i64, MessageKey>,
}

impl Seconds {
    fn remember(&mut self, id: i64, key: MessageKey) {
        self.recent.insert(id, key);
        if self.recent.len() > REMEMBERED {
            self.recent.pop_first();
        }
    }
}

/// An element of `messages`.
#[derive(Deserialize)]
struct Row {
    id: i64,
    #[serde(rename = "type")]
    kind: String,
    date: Option<String>,
    date_unixtime: Option<Text>,
    edited: Option<String>,
    edited_unixtime: Option<Text>,
    from: Option<String>,
    from_id: Option<Text>,
    #[serde(default)]
    text: Text,
    reply_to_message_id: Option<i64>,
    /// The answered message is in another chat.
    reply_to_peer_id: Option<IgnoredAny>,
    /// What a notice is about.
    action: Option<String>,
    /// Of a notice that a topic was created: its name.
    title: Option<Text>,
    /// Null where the original author hides their name, so only the presence of the key counts.
    #[serde(default)]
    forwarded_from: Present,
    #[serde(default)]
    forwarded_from_id: Present,
    #[serde(default)]
    reactions: Vec<Reaction>,
}

#[derive(Deserialize)]
struct Reaction {
    /// Missing where the reaction is a custom emoji, of which the file says only in which file it lies.
    emoji: Option<String>,
    #[serde(default)]
    count: u32,
    #[serde(default)]
    recent: Vec<Reactor>,
}

#[derive(Deserialize)]
struct Reactor {
    from: Option<String>,
    from_id: Option<Text>,
}

impl Row {
    fn sent_at(&self, offset: FixedOffset) -> Option<DateTime<Utc>> {
        moment(self.date_unixtime.as_ref(), self.date.as_deref(), offset)
    }

    fn is_notice(&self) -> bool {
        self.kind != "message"
    }

    /// The name of the topic that it creates, if it does.
    fn creates_topic(&self) -> Option<&str> {
        let creates = self.is_notice() && self.action.as_deref() == Some("topic_created");
        creates.then(|| self.title.as_ref().map_or("", |title| &title.shown))
    }

    fn answered(&self) -> Answered {
        match self.reply_to_message_id {
            None => Answered::Nothing,
            Some(_) if self.reply_to_peer_id.is_some() => Answered::Elsewhere,
            Some(id) => Answered::Message(id),
        }
    }

    fn into_message(self, offset: FixedOffset) -> Result<ImportedMessage, DropReason> {
        if self.is_notice() {
            return Err(DropReason::Service);
        }
        if self.forwarded_from.0 || self.forwarded_from_id.0 {
            return Err(DropReason::Forwarded);
        }
        if self.text.is_command {
            return Err(DropReason::Command);
        }
        if self.text.shown.trim().is_empty() {
            return Err(DropReason::Empty);
        }
        let sent_at = self.sent_at(offset).ok_or(DropReason::BadTime)?;
        Ok(ImportedMessage {
            key: MessageKey(self.id),
            author: author(self.from_id, self.from).ok_or(DropReason::NoAuthor)?,
            sent_at,
            text: self.text.shown.trim().to_owned(),
            reply_to: self.reply_to_message_id.filter(|_| self.reply_to_peer_id.is_none()).map(MessageKey),
            edited_at: moment(self.edited_unixtime.as_ref(), self.edited.as_deref(), offset),
            reactions: self.reactions.into_iter().flat_map(Reaction::into_imported).collect(),
            topic_is_unknown: false,
        })
    }
}

impl Reaction {
    fn into_imported(self) -> Vec<ImportedReaction> {
        let Some(emoji) = self.emoji else { return Vec::new() };
        let named = self.recent.into_iter().filter_map(|reactor| author(reactor.from_id, reactor.from));
        item::reactions(&emoji, self.count, named)
    }
}

fn moment(unix: Option<&Text>, local: Option<&str>, offset: FixedOffset) -> Option<DateTime<Utc>> {
    match unix {
        Some(unix) => time::from_unix(unix.shown.parse().ok()?),
        None => time::instant(NaiveDateTime::parse_from_str(local?, "%Y-%m-%dT%H:%M:%S").ok()?, offset),
    }
}

fn author(key: Option<Text>, name: Option<String>) -> Option<ImportedAuthor> {
    let mut key = key?.shown;
    if key.is_empty() {
        return None;
    }
    // Until 2021 the export had the bare number.
    if key.bytes().all(|byte| byte.is_ascii_digit()) {
        key.insert_str(0, "user");
    }
    let name = name.filter(|name| !name.trim().is_empty()).unwrap_or_else(|| "Deleted Account".to_owned());
    Some(ImportedAuthor { key: MemberKey(key), name, is_bot: false, avatar_url: None })
}

/// Whether a key is there, be its value null.
#[derive(Default)]
struct Present(bool);

impl<'de> Deserialize<'de> for Present {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Present(true))
    }
}

/// A text in any of the forms that the export has for one: a string, a number, an entity with its `text`, or an array
/// of these. Formatting is left out; a link keeps its words, and a name that mentions somebody is marked as the live
/// message's is.
#[derive(Debug, Default)]
struct Text {
    shown: String,
    /// Whether it begins with a command to a bot.
    is_command: bool,
}

impl From<String> for Text {
    fn from(shown: String) -> Self {
        Text { shown, is_command: false }
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or an array of texts and entities")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Text, E> {
        Ok(text.to_owned().into())
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<Text, E> {
        Ok(text.into())
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Text, E> {
        Ok(number.to_string().into())
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Text, E> {
        Ok(number.to_string().into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Text, A::Error> {
        let mut text = Text::default();
        while let Some(part) = parts.next_element::<Text>()? {
            text.is_command |= part.is_command && text.shown.is_empty();
            text.shown.push_str(&part.shown);
        }
        Ok(text)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entity: A) -> Result<Text, A::Error> {
        let (mut text, mut kind) = (String::new(), String::new());
        while let Some(key) = entity.next_key::<String>()? {
            match key.as_str() {
                "text" => text = entity.next_value::<Text>()?.shown,
                "type" => kind = entity.next_value::<Text>()?.shown,
                _ => drop(entity.next_value::<IgnoredAny>()?),
            }
        }
        let shown = if kind == "mention_name" { markup::telegram_mention(&text).into_owned() } else { text };
        Ok(Text { shown, is_command: kind == "bot_command" })
    }
}
