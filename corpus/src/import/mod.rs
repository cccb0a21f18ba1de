//! Chat exports, read as a stream: one file a format, all yielding the same [`Item`]s.
//!
//! [`open`] recognises the format from the content and [`Import`] then yields what the file holds, in the file's order,
//! in bounded memory whatever its size. The reader's rule: everything before a fault is yielded, then one error, then
//! nothing. Every row of the file appears, either as a message or as [`Item::Dropped`] with its reason.
//!
//! Nothing here knows a database, a clock or a network.

mod csv;
mod discord;
mod error;
mod feed;
mod irc;
mod item;
mod json;
mod jsonl;
mod keys;
mod recognise;
mod table;
mod telegram;
mod time;
mod whatsapp;

use std::{
    fmt,
    fs::File,
    io::{self, Read, Seek},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use chrono::{FixedOffset, NaiveDate, Offset, Utc};

pub use self::{
    error::{Fault, ImportError},
    item::{ChatHeader, CommunityHeader, DropReason, ImportedAuthor, ImportedMessage, ImportedReaction, Item},
    time::DateOrder,
};

/// The formats that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// JSON as DiscordChatExporter writes it.
    DiscordChatExporter,
    /// `result.json` of Telegram Desktop, of one chat or of everything.
    TelegramDesktop,
    /// The text file of WhatsApp's "Export chat".
    WhatsApp,
    /// A log of an IRC client or bouncer.
    Irc,
    /// A table with named columns.
    Csv,
    /// One JSON object a line, with named fields.
    Jsonl,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::DiscordChatExporter => "Discord (DiscordChatExporter JSON)",
            Format::TelegramDesktop => "Telegram Desktop",
            Format::WhatsApp => "WhatsApp",
            Format::Irc => "IRC log",
            Format::Csv => "CSV",
            Format::Jsonl => "JSON Lines",
        })
    }
}

/// What a file does not say about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The zone of times that are written without one.
    pub utc_offset: FixedOffset,
    /// How WhatsApp's `03/04/21` is to be read. Without it the file's other dates decide.
    pub date_order: Option<DateOrder>,
    /// The day on which an IRC log begins. Without it the file's name or the log's own notices say it.
    pub date: Option<NaiveDate>,
}

impl Default for Options {
    fn default() -> Self {
        Options { utc_offset: Utc.fix(), date_order: None, date: None }
    }
}

/// A file that is being read. It yields each item in the file's order and ends after the first error.
pub struct Import {
    path: PathBuf,
    total_bytes: u64,
    reading: Reading,
}

/// What a format's reader yields. It does not know its file's name.
type Items = Box<dyn Iterator<Item = Result<Item, Fault>> + Send>;

/// An input of a known format.
struct Reading {
    format: Format,
    bytes_read: Arc<AtomicU64>,
    items: Items,
    is_over: bool,
}

/// Opens an export and recognises its format. A WhatsApp export whose dates can be read in two ways is looked through
/// here once to decide which, so this call blocks for as long as reading the file takes.
pub fn open(path: &Path, options: &Options) -> Result<Import, ImportError> {
    open_file(path, options).map_err(|fault| ImportError { path: path.to_owned(), fault })
}

fn open_file(path: &Path, options: &Options) -> Result<Import, Fault> {
    let file = File::open(path).map_err(Fault::unreadable)?;
    let metadata = file.metadata().map_err(Fault::unreadable)?;
    if metadata.is_dir() {
        return Err(Fault::Folder);
    }
    let reading = Reading::begin(file, &ChatName::of(path), options)?;
    Ok(Import { path: path.to_owned(), total_bytes: metadata.len(), reading })
}

impl Reading {
    fn begin(mut input: impl Read + Seek + Send + 'static, chat: &ChatName, options: &Options) -> Result<Self, Fault> {
        let mut options = options.clone();
        let format = recognise::recognise(&recognise::beginning(&mut input)?)?;
        if format == Format::WhatsApp {
            input.rewind().map_err(Fault::Unreadable)?;
            options.date_order = Some(whatsapp::date_order(&mut input, &options)?);
        }
        input.rewind().map_err(Fault::Unreadable)?;
        let bytes_read = Arc::default();
        let counted = Counted { inner: input, bytes_read: Arc::clone(&bytes_read) };
        Ok(Reading { format, bytes_read, items: read(format, counted, chat, &options), is_over: false })
    }
}

impl Iterator for Reading {
    type Item = Result<Item, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let item = self.items.next();
        self.is_over = !matches!(item, Some(Ok(_)));
        item.map(|item| item.map(Item::without_zeros))
    }
}

fn read(format: Format, input: impl Read + Send + 'static, chat: &ChatName, options: &Options) -> Items {
    match format {
        Format::DiscordChatExporter => Box::new(discord::Discord::new(input, chat)),
        Format::TelegramDesktop => Box::new(telegram::Telegram::new(input, chat, options)),
        Format::WhatsApp => Box::new(whatsapp::WhatsApp::new(input, chat, options)),
        Format::Irc => Box::new(irc::Irc::new(input, chat, options)),
        Format::Csv => Box::new(csv::Csv::new(input, chat, options)),
        Format::Jsonl => Box::new(jsonl::Jsonl::new(input, chat, options)),
    }
}

impl Import {
    /// The format that was recognised.
    pub fn format(&self) -> Format {
        self.reading.format
    }

    /// The size of the file when it was opened.
    pub fn total_bytes(&self) -> u64 {
        self.total_bytes
    }

    /// How much of the file has been read so far.
    pub fn bytes_read(&self) -> u64 {
        self.reading.bytes_read.load(Ordering::Relaxed)
    }
}

impl Iterator for Import {
    type Item = Result<Item, ImportError>;

    fn next(&mut self) -> Option<Self::Item> {
        let item = self.reading.next()?;
        Some(item.map_err(|fault| ImportError { path: self.path.clone(), fault }))
    }
}

/// A file that counts what has been read of it.
struct Counted<R> {
    inner: R,
    bytes_read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.bytes_read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// What the file's place on disk says about its chat, for formats that do not name it themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ChatName {
    title: String,
    date: Option<NaiveDate>,
}

impl ChatName {
    /// The file's name without extension, date and what exporters put around it; the folder's name where nothing is
    /// left, so that the daily files of a channel are one chat.
    fn of(path: &Path) -> Self {
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let stem = absolute.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let (without_date, date) = time::take_date(&stem);
        let folder = || absolute.parent()?.file_name().map(|name| chat_title(&name.to_string_lossy()));
        let title = Some(chat_title(&without_date)).filter(|title| !title.is_empty()).or_else(folder);
        ChatName { title: title.filter(|title| !title.is_empty()).unwrap_or_else(|| "chat".to_owned()), date }
    }
}

/// `WhatsApp Chat with Friends (2)` is the chat "Friends", downloaded again; `_chat` is what every iPhone calls it.
fn chat_title(name: &str) -> String {
    let name = match name.rsplit_once(" (") {
        Some((name, copy)) if copy.strip_suffix(')').is_some_and(|n| n.parse::<u32>().is_ok()) => name,
        _ => name,
    };
    let name = ["WhatsApp Chat with ", "WhatsApp Chat - "].iter().find_map(|p| name.strip_prefix(p)).unwrap_or(name);
    let name = name.trim_matches(|c: char| c.is_whitespace() || "-_.".contains(c));
    if name == "chat" { String::new() } else { name.to_owned() }
}

#[cfg(test)]
mod tests;
