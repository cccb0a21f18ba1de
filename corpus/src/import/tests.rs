//! Whole files through the front door: recognised, read, and shown compactly.

mod cases;
mod faults;
mod properties;
mod shared;

use std::{io::Cursor, path::Path};

use expect_test::Expect;

use super::*;

/// Reads a file of this name and content in memory.
fn begin(name: &str, bytes: &[u8], options: &Options) -> Result<Reading, Fault> {
    Reading::begin(Cursor::new(bytes.to_owned()), &ChatName::of(Path::new(name)), options)
}

/// The items of a file, one a line, or the fault that ends it.
fn check(name: &str, content: &str, expect: Expect) {
    check_with(&Options::default(), name, content.as_bytes(), expect);
}

fn check_with(options: &Options, name: &str, bytes: &[u8], expect: Expect) {
    let shown = match begin(name, bytes, options) {
        Ok(reading) => {
            let format = reading.format.to_string();
            [format].into_iter().chain(reading.map(|item| item.map_or_else(|fault| fault_line(&fault), show))).collect()
        }
        Err(fault) => vec![fault_line(&fault)],
    };
    expect.assert_eq(&(shown.join("\n") + "\n"));
}

fn fault_line(fault: &Fault) -> String {
    format!("! {fault}")
}

fn show(item: Item) -> String {
    match item {
        Item::Chat(ChatHeader { external_id, title, platform, community, is_topic }) => {
            let platform = platform.map_or("archive", |platform| platform.as_str());
            let community = community.map_or(String::new(), |c| format!(" of {} {:?}", c.external_id, c.title));
            let topic = if is_topic { ", a topic" } else { "" };
            format!("# {external_id} {title:?} on {platform}{community}{topic}")
        }
        Item::Dropped { line_or_index, reason } => format!("  - {line_or_index} {reason:?}"),
        Item::Message(message) => show_message(&message),
    }
}

fn show_message(message: &ImportedMessage) -> String {
    let ImportedMessage { key, author, sent_at, text, reply_to, edited_at, reactions, topic_is_unknown } = message;
    // Keys from times are too long to read; a test of their own looks at them.
    let key = if key.0 > 1 << 50 { "time".to_owned() } else { key.to_string() };
    let bot = if author.is_bot { " (bot)" } else { "" };
    let reply = reply_to.map_or(String::new(), |key| format!(" ->{key}"));
    let edited = edited_at.map_or(String::new(), |at| format!(" edited {}", at.format("%H:%M:%S")));
    let reactions: String = reactions
        .iter()
        .map(|r| format!(" {}{}", r.emoji, r.by.as_ref().map_or(format!("x{}", r.count), |by| format!("@{}", by.name))))
        .collect();
    let sent_at = sent_at.format("%Y-%m-%d %H:%M:%S");
    let topic = if *topic_is_unknown { ", topic unknown" } else { "" };
    format!("  {key} {sent_at} {}={:?}{bot}: {text:?}{reply}{edited}{reactions}{topic}", author.key, author.name)
}

/// The keys of the messages, in the file's order.
fn keys(name: &str, content: &str) -> Vec<i64> {
    let reading = begin(name, content.as_bytes(), &Options::default()).unwrap();
    let items = reading.map(Result::unwrap);
    items.filter_map(|item| if let Item::Message(message) = item { Some(message.key.0) } else { None }).collect()
}
