//! What can be wrong with a file, as sentences for the person who gave it.

use std::{io, path::PathBuf};

/// A file that cannot be read, or not to its end. What it displays is the whole sentence, fault included: it has no source
/// that a chain of errors would repeat.
#[derive(Debug, thiserror::Error)]
#[error("{}: {fault}", path.display())]
pub struct ImportError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What is wrong with a file. A fault that names a line leaves everything before that line good and yielded.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// There is no such file.
    #[error("there is no such file; check the path")]
    NotFound,
    /// The path is a folder.
    #[error("this is a folder; give the export file inside it")]
    Folder,
    /// The system refuses to read it.
    #[error("the file cannot be read ({0}); check its permissions and the disk")]
    Unreadable(io::Error),
    /// There is nothing in it.
    #[error("the file is empty; export the chat again")]
    Empty,
    /// It is packed.
    #[error("this is a {0} archive; unpack it and give the .txt, .json, .csv or .log file inside")]
    Archive(&'static str),
    /// It is a page to look at, which chat exporters offer beside the data.
    #[error("this is a web page; export the chat again and choose JSON as the format")]
    WebPage,
    /// It is text in an encoding with two bytes a character.
    #[error("the text is UTF-16; convert it with `iconv -f UTF-16 -t UTF-8 FILE > NEW-FILE` and give the new file")]
    Utf16,
    /// It holds bytes that are not UTF-8.
    #[error(
        "line {line} is not UTF-8, everything before it is good; convert the file, for instance with \
         `iconv -f WINDOWS-1252 -t UTF-8 FILE > NEW-FILE`, and give the new file"
    )]
    NotUtf8 {
        /// The line, from 1.
        line: u64,
    },
    /// It looks like none of the known formats.
    #[error(
        "the format is not known; looked for DiscordChatExporter JSON, Telegram Desktop's result.json, a WhatsApp text \
         export, an IRC log, and CSV or JSON Lines with columns for time, author and text"
    )]
    UnknownFormat,
    /// It ends in the middle.
    #[error(
        "the file is cut off in line {line}, everything before it is good (complete rows: {rows}); copy or export it \
         again to have the rest"
    )]
    CutOff {
        /// The last line, from 1.
        line: u64,
        /// The messages, whether kept or dropped, that stand before the cut.
        rows: u64,
    },
    /// Its JSON is broken.
    #[error("the JSON is broken in line {line} ({message}), everything before it is good; export the file again")]
    Json {
        /// The line, from 1.
        line: u64,
        /// What the parser says.
        message: String,
    },
    /// A row never ends.
    #[error(
        "the row that begins in line {line} is longer than 4 MiB, everything before it is good; look for a quotation \
         mark there that is not closed"
    )]
    EndlessRow {
        /// The line, from 1.
        line: u64,
    },
    /// Its dates can be read in two ways.
    #[error(
        "a date such as {example} may be day first or month first and nothing in the file decides; say which with \
         --date-order day-first or --date-order month-first"
    )]
    AmbiguousDates {
        /// A date of the file.
        example: String,
    },
    /// Its lines carry a time of day only.
    #[error(
        "line {line} has a time but no date, and neither the file's name nor the log says which day it is; name the \
         file like channel-2006-03-05.log or give the day with --date 2006-03-05"
    )]
    NoDate {
        /// The line, from 1.
        line: u64,
    },
    /// A table lacks columns that are needed.
    #[error("there is no column for {}; found {}, needed are {needed}", missing.join(" and "), found.join(", "))]
    MissingColumns {
        /// What is missing.
        missing: Vec<&'static str>,
        /// The names that are there.
        found: Vec<String>,
        /// The names that would be understood.
        needed: String,
    },
}

impl Fault {
    pub(super) fn unreadable(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Fault::NotFound,
            io::ErrorKind::IsADirectory => Fault::Folder,
            _ => Fault::Unreadable(error),
        }
    }
}
