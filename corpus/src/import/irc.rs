//! Logs of IRC clients and bouncers: one line a message, stamped with the time of day and seldom with the date.
//!
//! `nick: ` at the head of a line is how one speaks to somebody there, so it stays in the text. Blank lines are no rows.

mod calendar;
mod line;

use std::io::Read;

use chat::MemberKey;
use chrono::FixedOffset;

use self::{
    calendar::Calendar,
    line::{Entry, Stamp},
};
use super::{
    ChatHeader, ChatName, DropReason, Fault, ImportedAuthor, ImportedMessage, Item, Options,
    feed::{Line, Lines},
    keys::TimeKeys,
    time,
};

/// Reads line by line.
pub(super) struct Irc<R> {
    lines: Lines<R>,
    chat: Option<ChatHeader>,
    log: Log,
}

/// What the lines so far have said about the next.
struct Log {
    calendar: Calendar,
    offset: FixedOffset,
    keys: TimeKeys,
}

impl<R: Read> Irc<R> {
    pub fn new(input: R, file: &ChatName, options: &Options) -> Self {
        let title = file.title.clone();
        Irc {
            lines: Lines::new(input),
            chat: Some(ChatHeader::alone(title.clone(), title)),
            log: Log {
                calendar: Calendar::new(options.date.or(file.date)),
                offset: options.utc_offset,
                keys: TimeKeys::default(),
            },
        }
    }

    fn step(&mut self) -> Result<Option<Item>, Fault> {
        if let Some(chat) = self.chat.take() {
            return Ok(Some(Item::Chat(chat)));
        }
        while let Some((number, line)) = self.lines.next()? {
            let read = match line {
                Line::Text(line) if line.trim().is_empty() => continue,
                Line::Text(line) => self.log.read(number, line)?,
                Line::TooLong => Err(DropReason::TooLong),
            };
            return Ok(Some(match read {
                Ok(message) => Item::Message(message),
                Err(reason) => Item::Dropped { line_or_index: number, reason },
            }));
        }
        Ok(None)
    }
}

impl<R: Read> Iterator for Irc<R> {
    type Item = Result<Item, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}

impl Log {
    fn read(&mut self, number: u64, line: &str) -> Result<Result<ImportedMessage, DropReason>, Fault> {
        let (stamp, nick, text) = match line::parse(line) {
            None => return Ok(Err(DropReason::Malformed)),
            Some(Entry::Day(date)) => {
                self.calendar.begin_day(date);
                return Ok(Err(DropReason::Service));
            }
            Some(Entry::Notice(stamp)) => {
                if let Some(stamp) = stamp
                    && self.calendar.is_known(stamp)
                {
                    self.note(stamp);
                }
                return Ok(Err(DropReason::Service));
            }
            Some(Entry::Said { stamp, nick, text }) => (stamp, nick, text),
        };
        if !self.calendar.is_known(stamp) {
            return Err(Fault::NoDate { line: number });
        }
        Ok(self.message(stamp, nick, text))
    }

    fn message(&mut self, stamp: Stamp, nick: &str, raw: line::Words<'_>) -> Result<ImportedMessage, DropReason> {
        let sent_at = self.note(stamp).ok_or(DropReason::BadTime)?;
        let text = raw.plain();
        if text.is_empty() {
            return Err(DropReason::Empty);
        }
        // Nicks are compared without regard to case.
        let author = MemberKey(nick.to_ascii_lowercase());
        Ok(ImportedMessage {
            key: self.keys.key(&author, raw.as_written()),
            author: ImportedAuthor { key: author, name: nick.to_owned(), is_bot: false, avatar_url: None },
            sent_at,
            text,
            reply_to: None,
            edited_at: None,
            reactions: Vec::new(),
            topic_is_unknown: false,
        })
    }

    fn note(&mut self, stamp: Stamp) -> Option<chrono::DateTime<chrono::Utc>> {
        let sent_at = time::instant(self.calendar.resolve(stamp)?, self.offset)?;
        self.keys.row(sent_at);
        Some(sent_at)
    }
}

/// Whether a line is somebody's words, for the recognition of the format.
pub(super) fn is_said(line: &str) -> bool {
    matches!(line::parse(line), Some(Entry::Said { .. }))
}

/// Whether a line is one that a log may hold.
pub(super) fn is_entry(line: &str) -> bool {
    line::parse(line).is_some()
}
