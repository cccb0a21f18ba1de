//! The text file of WhatsApp's "Export chat", from Android (`31/12/21, 23:59 - Name: text`) and from iPhones
//! (`[31/12/2021, 23:59:59] Name: text`).
//!
//! The form of dates and times follows the phone's region and the file does not name it, so a file whose dates can be
//! read in two ways is looked through once before it is read.

mod dates;
mod header;
mod notices;

use std::io::Read;

use chat::MemberKey;
use chrono::{FixedOffset, NaiveDateTime};

pub(super) use self::dates::date_order;
use self::{header::Header, notices::Said};
use super::{
    ChatHeader, ChatName, DateOrder, DropReason, Fault, ImportedAuthor, ImportedMessage, Item, Options,
    feed::{LONGEST_LINE, Line, Lines},
    keys::TimeKeys,
    time,
};

/// Gathers the lines of each message. A message that a fault cuts short is left out with what follows: half of it would
/// be taken for another message by a later import of the mended file.
pub(super) struct WhatsApp<R> {
    lines: Lines<R>,
    chat: Option<ChatHeader>,
    gathering: Gathering,
    offset: FixedOffset,
    keys: TimeKeys,
}

impl<R: Read> WhatsApp<R> {
    /// A reader for a file whose date order is settled, by [`date_order`] or otherwise.
    pub fn new(input: R, file: &ChatName, options: &Options) -> Self {
        let title = file.title.clone();
        WhatsApp {
            lines: Lines::new(input),
            chat: Some(ChatHeader::alone(title.clone(), title)),
            gathering: Gathering { order: options.date_order.unwrap_or(DateOrder::DayFirst), row: None },
            offset: options.utc_offset,
            keys: TimeKeys::default(),
        }
    }

    fn step(&mut self) -> Result<Option<Item>, Fault> {
        if let Some(chat) = self.chat.take() {
            return Ok(Some(Item::Chat(chat)));
        }
        loop {
            let gathered = match self.lines.next()? {
                Some((number, line)) => self.gathering.add(number, line),
                None => match self.gathering.row.take() {
                    Some(row) => Gathered::Row(row),
                    None => return Ok(None),
                },
            };
            match gathered {
                Gathered::Nothing => {}
                Gathered::Stray(line_or_index, reason) => return Ok(Some(Item::Dropped { line_or_index, reason })),
                Gathered::Row(row) => return Ok(Some(self.read_row(&row))),
            }
        }
    }

    fn read_row(&mut self, row: &Row) -> Item {
        match self.message(row) {
            Ok(message) => Item::Message(message),
            Err(reason) => Item::Dropped { line_or_index: row.line, reason },
        }
    }

    fn message(&mut self, row: &Row) -> Result<ImportedMessage, DropReason> {
        let sent_at = time::instant(row.time, self.offset).ok_or(DropReason::BadTime)?;
        self.keys.row(sent_at);
        if row.is_too_long {
            return Err(DropReason::TooLong);
        }
        let Said { name, raw, text } = notices::read(&row.content)?;
        let author = MemberKey(name.clone());
        Ok(ImportedMessage {
            key: self.keys.key(&author, raw),
            author: ImportedAuthor { key: author, name, is_bot: false, avatar_url: None },
            sent_at,
            text,
            reply_to: None,
            edited_at: None,
            reactions: Vec::new(),
            topic_is_unknown: false,
        })
    }
}

impl<R: Read> Iterator for WhatsApp<R> {
    type Item = Result<Item, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}

/// A row that may go on in the next line.
#[derive(Debug)]
struct Row {
    line: u64,
    time: NaiveDateTime,
    /// Who and what, as the file has it.
    content: String,
    is_too_long: bool,
}

/// What a line brings to an end.
enum Gathered {
    Nothing,
    Row(Row),
    /// The line itself belongs to no row.
    Stray(u64, DropReason),
}

struct Gathering {
    order: DateOrder,
    row: Option<Row>,
}

impl Gathering {
    fn add(&mut self, number: u64, line: Line<'_>) -> Gathered {
        match line {
            Line::TooLong => self.continue_row(number, None),
            Line::Text(line) => match self.begin_row(number, line) {
                Some(row) => self.row.replace(row).map_or(Gathered::Nothing, Gathered::Row),
                None => self.continue_row(number, Some(line)),
            },
        }
    }

    fn begin_row(&self, line_number: u64, line: &str) -> Option<Row> {
        let Header { date, time, content } = header::parse(line)?;
        // A pasted line whose date does not exist in this file's order is part of a message.
        let time = date.resolve(self.order)?.and_time(time);
        Some(Row { line: line_number, time, content: content.to_owned(), is_too_long: false })
    }

    /// `line` is None where it is too long to be read.
    fn continue_row(&mut self, number: u64, line: Option<&str>) -> Gathered {
        match (&mut self.row, line) {
            (Some(row), Some(line)) if row.content.len() + line.len() < LONGEST_LINE => {
                row.content.push('\n');
                row.content.push_str(line);
                Gathered::Nothing
            }
            (Some(row), _) => {
                row.is_too_long = true;
                Gathered::Nothing
            }
            (None, Some(line)) if line.trim().is_empty() => Gathered::Nothing,
            (None, Some(_)) => Gathered::Stray(number, DropReason::Malformed),
            (None, None) => Gathered::Stray(number, DropReason::TooLong),
        }
    }
}

/// Whether a line opens a message, for the recognition of the format.
pub(super) fn is_header(line: &str) -> bool {
    header::parse(line).is_some()
}
