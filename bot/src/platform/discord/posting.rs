//! What a persona says as a message of a webhook: cut into pieces that Discord takes, with nothing that pings or embeds.

use chat::markup::discord_escape;
use serde_json::{Value, json};
use serenity::model::id::{ChannelId, GuildId};

/// The most characters of one message.
pub(super) const MAX_CHARS: usize = 2_000;
/// What a reply begins with: small print with an arrow, and a link to what is answered. A webhook cannot reply otherwise.
const REPLY_MARK: &str = "-# ↩ ";
/// The flag of a message that shows no previews of its links.
const SUPPRESS_EMBEDS: u64 = 1 << 2;

/// What is answered, as the first line of a reply shows it.
#[derive(Debug, Clone)]
pub(super) struct Answered<'a> {
    pub name: &'a str,
    pub guild: GuildId,
    pub channel: ChannelId,
    pub message: i64,
}

impl Answered<'_> {
    fn line(&self) -> String {
        let Self { name, guild, channel, message } = self;
        let name = discord_escape(&chat::sanitise::name(name)).replace(']', "\\]");
        format!("{REPLY_MARK}[{name}](https://discord.com/channels/{guild}/{channel}/{message})\n")
    }
}

/// The messages that `text` is posted as, in order; at least one.
pub(super) fn pieces(text: &str, answered: Option<&Answered<'_>>) -> Vec<String> {
    let head = answered.map(Answered::line).unwrap_or_default();
    let mut pieces = split(&discord_escape(text), MAX_CHARS - head.chars().count());
    if let Some(first) = pieces.first_mut() {
        first.insert_str(0, &head);
    }
    pieces
}

/// What a posted message says without the line that shows what it answers.
pub(super) fn said(content: &str) -> &str {
    match content.strip_prefix(REPLY_MARK) {
        Some(rest) => rest.split_once('\n').map_or("", |(_, said)| said),
        None => content,
    }
}

/// Cuts at the end of a line, or of a sentence, or of a word, whichever stands late enough; within a word only where it
/// is longer than a message.
fn split(text: &str, first_limit: usize) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut rest = text.trim();
    let mut limit = first_limit;
    while rest.chars().count() > limit {
        let end = rest.char_indices().nth(limit).map_or(rest.len(), |(end, _)| end);
        let cut = place_to_cut(&rest[..end]);
        pieces.push(rest[..cut].trim_end().to_owned());
        rest = rest[cut..].trim_start();
        limit = MAX_CHARS;
    }
    pieces.push(rest.to_owned());
    pieces
}

fn place_to_cut(text: &str) -> usize {
    let late_enough = text.len() / 2;
    let after = |separator: &str| text.rfind(separator).map(|place| place + separator.len());
    let sentence = [". ", "! ", "? "].into_iter().filter_map(after).max();
    [after("\n"), sentence]
        .into_iter()
        .flatten()
        .find(|&place| place > late_enough)
        .or_else(|| after(" "))
        // A backslash belongs to the sign after it.
        .or_else(|| Some(text.trim_end_matches('\\').len()).filter(|&place| place > 0))
        .unwrap_or(text.len())
}

/// The body of a webhook's message.
pub(super) fn body(content: &str, name: &str, avatar_url: Option<&str>) -> Value {
    let mut body = edit(content);
    body["username"] = name.into();
    if let Some(url) = avatar_url {
        body["avatar_url"] = url.into();
    }
    body
}

/// The body of another wording for it.
pub(super) fn edit(content: &str) -> Value {
    json!({ "content": content, "allowed_mentions": { "parse": [] }, "flags": SUPPRESS_EMBEDS })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_text_is_one_message_with_its_markup_escaped() {
        assert_eq!(pieces("2*3*4 @everyone", None), ["2\\*3\\*4 @\u{200b}everyone"]);
    }

    #[test]
    fn a_long_text_is_cut_at_a_sane_place_and_loses_nothing() {
        let text = "A sentence of some length stands here. ".repeat(120);
        let pieces = pieces(&text, None);
        assert!(pieces.len() > 2 && pieces.iter().all(|piece| piece.chars().count() <= MAX_CHARS));
        assert!(pieces.iter().all(|piece| piece.ends_with('.')));
        assert_eq!(pieces.join(" "), text.trim());
        let word = "ß".repeat(4_500);
        assert_eq!(super::pieces(&word, None).concat(), word);
    }

    #[test]
    fn a_reply_shows_what_it_answers_and_is_read_back_without_it() {
        let answered = Answered { name: "A[d]a", guild: GuildId::new(1), channel: ChannelId::new(2), message: 3 };
        let pieces = pieces("aye", Some(&answered));
        assert_eq!(pieces, ["-# ↩ [A\\[d\\]a](https://discord.com/channels/1/2/3)\naye"]);
        assert_eq!(said(&pieces[0]), "aye");
        assert_eq!(said("-# ↩ nothing"), "");
    }

    #[test]
    fn nothing_pings_and_nothing_embeds() {
        let body = body("hi", "Ada (AI)", None);
        assert_eq!(
            body.to_string(),
            r#"{"allowed_mentions":{"parse":[]},"content":"hi","flags":4,"username":"Ada (AI)"}"#
        );
    }
}
