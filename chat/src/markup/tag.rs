//! Discord's tags in angle brackets: mentions, custom emoji, timestamps, commands.

use chrono::DateTime;

use crate::markup::Mention;

/// Something in angle brackets.
#[derive(Debug, PartialEq)]
pub enum Tag<'t> {
    /// `<@1>`, `<@!1>`, `<@&1>`, `<#1>`.
    Mention(Mention<'t>),
    /// `<:name:1>`, `<a:name:1>`, by name.
    Emoji(&'t str),
    /// `<t:1>`, `<t:1:R>`; seconds since 1970.
    Time { seconds: i64, style: &'t str },
    /// `</name:1>`, by name.
    Command(&'t str),
    /// `<id:customize>` and the like.
    Navigation,
    /// `<https://...>`, by URL.
    Link(&'t str),
}

impl<'t> Tag<'t> {
    /// Reads what stands between `<` and `>`.
    pub fn parse(inner: &'t str) -> Option<Tag<'t>> {
        let id = |prefix: &str| inner.strip_prefix(prefix).filter(|id| is_id(id));
        if let Some(role) = id("@&") {
            return Some(Tag::Mention(Mention::Role(role)));
        }
        if let Some(member) = id("@!").or_else(|| id("@")) {
            return Some(Tag::Mention(Mention::Member(member)));
        }
        if let Some(channel) = id("#") {
            return Some(Tag::Mention(Mention::Channel(channel)));
        }
        if inner.starts_with("http://") || inner.starts_with("https://") {
            return (!inner.contains(char::is_whitespace)).then_some(Tag::Link(inner));
        }
        let mut parts = inner.split(':');
        match (parts.next()?, parts.next()?, parts.next(), parts.next()) {
            ("" | "a", name, Some(id), None) if is_id(id) && is_emoji_name(name) => Some(Tag::Emoji(name)),
            ("t", seconds, style, None) => {
                Some(Tag::Time { seconds: seconds.parse().ok()?, style: style.unwrap_or_default() })
            }
            ("id", _, _, None) => Some(Tag::Navigation),
            (command, id, None, None) if is_id(id) => command.strip_prefix('/').map(Tag::Command),
            _ => None,
        }
    }
}

fn is_id(id: &str) -> bool {
    !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit())
}

fn is_emoji_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_')
}

/// A timestamp in UTC. A relative one ("in 3 hours") becomes absolute: there is no "now" in a history.
pub fn time(seconds: i64, style: &str) -> String {
    let format = match style {
        "t" | "T" => "%H:%M",
        "d" | "D" => "%Y-%m-%d",
        _ => "%Y-%m-%d %H:%M",
    };
    DateTime::from_timestamp(seconds, 0).map(|time| time.format(format).to_string()).unwrap_or_default()
}

/// What stands between the `<` that `text` begins with and its `>`.
pub fn inner_of_brackets(text: &str) -> Option<&str> {
    let inner = &text[1..];
    let end = inner.find(['<', '>', '\n'])?;
    inner[end..].starts_with('>').then_some(&inner[..end])
}
