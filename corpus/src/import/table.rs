//! Rows with named columns, whatever they are written in: which names are understood, and how a row becomes a message.

use std::borrow::Cow;

use chat::{MemberKey, MessageKey};
use chrono::FixedOffset;

use super::{
    ChatHeader, ChatName, DropReason, Fault, ImportedAuthor, ImportedMessage, Item, Options, keys::TimeKeys, time,
};

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    Time,
    Author,
    Text,
    Id,
    AuthorId,
    ReplyTo,
    Room,
}

/// The names that are understood, the best first: of two columns with the same meaning the better name counts.
const NAMES: [(Column, &[&str]); 7] = [
    (Column::Time, &["timestamp", "time", "datetime", "sent_at", "created_at", "date"]),
    (Column::Author, &["author", "author_name", "name", "user", "username", "from", "sender", "nick"]),
    (Column::Text, &["text", "message", "content", "body"]),
    (Column::Id, &["id", "message_id"]),
    (Column::AuthorId, &["author_id", "authorid", "user_id", "from_id", "sender_id"]),
    (Column::ReplyTo, &["reply_to", "reply_to_id", "reply_to_message_id"]),
    (Column::Room, &["room", "channel", "chat"]),
];

impl Column {
    /// What a column of this name holds, and how good a name it is; 0 is the best.
    pub fn named(name: &str) -> Option<(Column, usize)> {
        let is_plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        let name: Cow<'_, str> =
            if is_plain { name.into() } else { name.trim().to_ascii_lowercase().replace([' ', '-'], "_").into() };
        NAMES.iter().find_map(|(column, names)| Some((*column, names.iter().position(|known| *known == name)?)))
    }

    fn names(self) -> &'static [&'static str] {
        NAMES[self as usize].1
    }
}

/// The values of one row by what they are; blank ones are None.
#[derive(Debug, Default)]
pub(super) struct Fields<'a> {
    values: [Option<Cow<'a, str>>; NAMES.len()],
}

impl<'a> Fields<'a> {
    pub fn set(&mut self, column: Column, value: Cow<'a, str>) {
        self.values[column as usize] = Some(value).filter(|value| !value.trim().is_empty());
    }

    fn get(&self, column: Column) -> Option<&str> {
        self.values[column as usize].as_deref()
    }
}

/// The fault of a table that has only columns with the names `found`, if one that is needed is missing.
pub(super) fn missing_columns(found: &[String]) -> Option<Fault> {
    let has = |column| found.iter().any(|name| Column::named(name).is_some_and(|(named, _)| named == column));
    let needed = [
        ("the time", Column::Time, has(Column::Time)),
        ("the author", Column::Author, has(Column::Author) || has(Column::AuthorId)),
        ("the text", Column::Text, has(Column::Text)),
    ];
    let missing: Vec<_> = needed.iter().filter(|(_, _, is_there)| !is_there).map(|(what, ..)| *what).collect();
    let one_of = |(_, column, _): &(_, Column, _)| format!("one of {}", column.names().join("/"));
    let needed = needed.iter().map(one_of).collect::<Vec<_>>().join(", ");
    (!missing.is_empty()).then(|| Fault::MissingColumns { missing, found: found.to_owned(), needed })
}

/// Turns the rows of a table into items, one after the other.
#[derive(Debug)]
pub(super) struct Table {
    file: ChatName,
    offset: FixedOffset,
    keys: TimeKeys,
    /// Whether the ids are numbers and so the keys; the first row decides, since keys of two kinds have no order.
    has_ids: Option<bool>,
    room: Option<String>,
    /// The row that waits behind the header of its chat.
    waiting: Option<Item>,
}

impl Table {
    pub fn new(file: &ChatName, options: &Options) -> Self {
        Table {
            file: file.clone(),
            offset: options.utc_offset,
            keys: TimeKeys::default(),
            has_ids: None,
            room: None,
            waiting: None,
        }
    }

    /// What is to be yielded before another row is read.
    pub fn waiting(&mut self) -> Option<Item> {
        self.waiting.take()
    }

    /// Reads a row. If it begins another chat, the chat is returned and the row waits.
    pub fn read(&mut self, line: u64, fields: &Fields<'_>) -> Item {
        let item = match self.message(fields) {
            Ok(message) => Item::Message(message),
            Err(reason) => Item::Dropped { line_or_index: line, reason },
        };
        let room = fields.get(Column::Room).unwrap_or(&self.file.title);
        if self.room.as_deref() == Some(room) {
            return item;
        }
        let title = room.to_owned();
        self.room = Some(title.clone());
        self.waiting = Some(item);
        Item::Chat(ChatHeader::alone(title.clone(), title))
    }

    fn message(&mut self, fields: &Fields<'_>) -> Result<ImportedMessage, DropReason> {
        let id = fields.get(Column::Id).and_then(message_key);
        let has_ids = *self.has_ids.get_or_insert(id.is_some());
        let sent_at = fields.get(Column::Time).and_then(|text| time::parse(text, self.offset));
        let sent_at = sent_at.ok_or(DropReason::BadTime)?;
        self.keys.row(sent_at);
        let name = fields.get(Column::Author).or(fields.get(Column::AuthorId)).ok_or(DropReason::NoAuthor)?.trim();
        let author = MemberKey::from(fields.get(Column::AuthorId).unwrap_or(name).trim());
        let raw = fields.get(Column::Text).ok_or(DropReason::Empty)?;
        Ok(ImportedMessage {
            key: if has_ids { id.ok_or(DropReason::Malformed)? } else { self.keys.key(&author, raw) },
            author: ImportedAuthor { key: author, name: name.to_owned(), is_bot: false, avatar_url: None },
            sent_at,
            text: raw.trim().to_owned(),
            reply_to: fields.get(Column::ReplyTo).filter(|_| has_ids).and_then(message_key),
            edited_at: None,
            reactions: Vec::new(),
            topic_is_unknown: false,
        })
    }
}

fn message_key(id: &str) -> Option<MessageKey> {
    id.trim().parse().ok().map(MessageKey)
}
