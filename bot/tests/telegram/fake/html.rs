//! Text with `parse_mode=HTML`, as "HTML style" of the documentation describes it: to plain text with entities.

use serde_json::{Value, json};

/// Tags that stand for an entity of that type.
const TAGS: [(&str, &str); 12] = [
    ("b", "bold"),
    ("strong", "bold"),
    ("i", "italic"),
    ("em", "italic"),
    ("u", "underline"),
    ("s", "strikethrough"),
    ("del", "strikethrough"),
    ("tg-spoiler", "spoiler"),
    ("code", "code"),
    ("pre", "pre"),
    ("blockquote", "blockquote"),
    ("a", "text_link"),
];

/// Reads it, or says what is wrong with it.
pub(super) fn parse(html: &str) -> Result<(String, Vec<Value>), String> {
    let (mut text, mut units, mut entities) = (String::new(), 0, Vec::new());
    let mut open: Vec<(&str, usize)> = Vec::new();
    let mut rest = html;
    while let Some(c) = rest.chars().next() {
        match c {
            '<' => {
                let end = rest.find('>').ok_or_else(|| fault("Unclosed start tag", html.len() - rest.len()))?;
                let tag = &rest[1..end];
                match tag.strip_prefix('/') {
                    Some(name) => {
                        let (opened, start) =
                            open.pop().ok_or_else(|| fault("Unexpected end tag", html.len() - rest.len()))?;
                        if opened != name {
                            return Err(fault("Unmatched end tag", html.len() - rest.len()));
                        }
                        let (_, kind) = TAGS.iter().find(|(tag, _)| *tag == opened).expect("only those are opened");
                        if units > start {
                            entities.push(json!({ "type": kind, "offset": start, "length": units - start }));
                        }
                    }
                    None => {
                        let name = tag.split_whitespace().next().unwrap_or_default();
                        let (name, _) = TAGS.iter().find(|(known, _)| *known == name).ok_or_else(|| {
                            format!("Unsupported start tag \"{name}\" at byte offset {}", html.len() - rest.len())
                        })?;
                        open.push((name, units));
                    }
                }
                rest = &rest[end + 1..];
            }
            '&' => {
                let known = [("&lt;", '<'), ("&gt;", '>'), ("&amp;", '&'), ("&quot;", '"')];
                let (entity, shown) =
                    known.into_iter().find(|(entity, _)| rest.starts_with(entity)).unwrap_or(("&", '&'));
                text.push(shown);
                units += 1;
                rest = &rest[entity.len()..];
            }
            c => {
                text.push(c);
                units += c.len_utf16();
                rest = &rest[c.len_utf8()..];
            }
        }
    }
    match open.pop() {
        Some((name, _)) => Err(format!("Can't find end tag corresponding to start tag \"{name}\"")),
        None => {
            entities.sort_by_key(|entity| entity["offset"].as_u64());
            Ok((text, entities))
        }
    }
}

fn fault(what: &str, at: usize) -> String {
    format!("{what} at byte offset {at}")
}

/// Mentions by user name, which Telegram finds in any text.
pub(super) fn mentions(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (place, _) in text.match_indices('@') {
        let name: String = text[place + 1..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        if name.len() >= 4 {
            found.push(name);
        }
    }
    found
}
