//! Which format a file has, told from its first bytes. The name of the file says nothing: exports are renamed.

use std::io::Read;

use super::{Fault, Format, csv, irc, json::JsonReader, jsonl, table::Column, whatsapp};

/// How much of a file is looked at.
const BEGINNING: u64 = 64 << 10;

/// How many lines are looked at.
const LINES: usize = 100;

/// The first bytes of a file.
pub(super) fn beginning(file: impl Read) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    file.take(BEGINNING).read_to_end(&mut bytes).map_err(Fault::unreadable)?;
    Ok(bytes)
}

/// The format of a file with this beginning.
pub(super) fn recognise(beginning: &[u8]) -> Result<Format, Fault> {
    if let Some(archive) = archive(beginning) {
        return Err(Fault::Archive(archive));
    }
    if is_utf16(beginning) {
        return Err(Fault::Utf16);
    }
    let bytes = beginning.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(beginning);
    let text = String::from_utf8_lossy(bytes);
    match text.trim_start() {
        "" if (beginning.len() as u64) < BEGINNING => Err(Fault::Empty),
        page if is_web_page(page) => Err(Fault::WebPage),
        document if document.starts_with('{') => json_format(document).ok_or(Fault::UnknownFormat),
        _ => text_format(&text).ok_or(Fault::UnknownFormat),
    }
}

fn archive(bytes: &[u8]) -> Option<&'static str> {
    const MAGIC: [(&[u8], &str); 7] = [
        (b"PK\x03\x04", "zip"),
        (b"\x1F\x8B", "gzip"),
        (b"7z\xBC\xAF\x27\x1C", "7z"),
        (b"\xFD7zXZ\0", "xz"),
        (b"BZh", "bzip2"),
        (b"\x28\xB5\x2F\xFD", "zstd"),
        (b"Rar!\x1A\x07", "rar"),
    ];
    MAGIC.iter().find(|(magic, _)| bytes.starts_with(magic)).map(|(_, name)| *name)
}

/// By its mark, or by its zeros: in most alphabets every second byte of many is one.
fn is_utf16(bytes: &[u8]) -> bool {
    let zeros = bytes.iter().filter(|&&byte| byte == 0).count();
    bytes.starts_with(b"\xFF\xFE") || bytes.starts_with(b"\xFE\xFF") || (zeros > 0 && zeros >= bytes.len() / 4)
}

fn is_web_page(text: &str) -> bool {
    let start: String = text.chars().take(15).collect::<String>().to_ascii_lowercase();
    start.starts_with("<!doctype html") || start.starts_with("<html")
}

fn json_format(document: &str) -> Option<Format> {
    let keys = first_keys(document);
    let has = |name: &str| keys.iter().any(|key| key == name);
    if has("guild") && has("channel") {
        Some(Format::DiscordChatExporter)
    } else if has("messages") || ["chats", "left_chats", "personal_information"].into_iter().any(has) {
        Some(Format::TelegramDesktop)
    } else if keys.iter().any(|key| Column::named(key).is_some()) || is_object_a_line(document) {
        Some(Format::Jsonl)
    } else {
        None
    }
}

/// The keys of the outermost object, as far as they can be seen.
fn first_keys(document: &str) -> Vec<String> {
    let mut json = JsonReader::new(document.as_bytes());
    let mut keys = Vec::new();
    let mut is_inside = json.enter_document().is_ok();
    while is_inside {
        match json.next_key() {
            Ok(Some(key)) => keys.push(key),
            _ => break,
        }
        is_inside = json.skip().is_ok();
    }
    keys
}

fn is_object_a_line(document: &str) -> bool {
    document.lines().next().is_some_and(jsonl::is_object)
}

fn text_format(text: &str) -> Option<Format> {
    let lines = || text.lines().filter(|line| !line.trim().is_empty()).take(LINES);
    if lines().any(whatsapp::is_header) {
        return Some(Format::WhatsApp);
    }
    let entries = lines().filter(|line| irc::is_entry(line)).count();
    if lines().any(irc::is_said) && entries * 2 >= lines().count() {
        return Some(Format::Irc);
    }
    csv::is_header(text).then_some(Format::Csv)
}
