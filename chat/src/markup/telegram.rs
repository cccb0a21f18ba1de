//! Telegram: text comes plain, and a list of entities beside it says what is a mention, bold, a spoiler or a link.
//!
//! An export has no entities but the stretches themselves, and no user names: live and exported messages are the same
//! only where nothing is made of a mention that an export does not tell, too.

use std::borrow::Cow;

/// A stretch of a Telegram message that means something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entity {
    /// Where it begins, in UTF-16 code units.
    pub offset: usize,
    /// How long it is, in UTF-16 code units.
    pub length: usize,
    /// What it means.
    pub kind: EntityKind,
}

/// What a stretch of a Telegram message means, as far as plain text cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntityKind {
    /// `text_mention`: a member without a user name, by a name that the sender chose.
    TextMention,
    /// Everything else (`mention`, `bold`, `spoiler`, `code`, `pre`, `text_link`, `custom_emoji`, ...): people see the
    /// text that it covers, so that text stays.
    Shown,
}

/// The text of a Telegram message as people read it, with `@` before each name that is a mention.
///
/// Entities that lie outside the text, cut a character in half or overlap an earlier one are ignored: they come from
/// outside.
pub fn telegram_plain(text: &str, entities: &[Entity]) -> String {
    let mut mentions: Vec<_> = entities.iter().filter_map(|entity| mention(text, entity)).collect();
    mentions.sort_unstable();
    let mut plain = String::with_capacity(text.len());
    let mut done = 0;
    for (start, end) in mentions {
        if start >= done {
            plain.push_str(&text[done..start]);
            plain.push_str(&telegram_mention(&text[start..end]));
            done = end;
        }
    }
    plain.push_str(&text[done..]);
    plain
}

/// A name that mentions somebody, as it stands in plain text.
pub fn telegram_mention(shown: &str) -> Cow<'_, str> {
    match shown.starts_with('@') || shown.is_empty() {
        true => Cow::Borrowed(shown),
        false => Cow::Owned(format!("@{shown}")),
    }
}

/// Start and end, in bytes, of a mention.
fn mention(text: &str, entity: &Entity) -> Option<(usize, usize)> {
    let start = byte_offset(text, entity.offset)?;
    let end = byte_offset(text, entity.offset.checked_add(entity.length)?)?;
    (entity.kind == EntityKind::TextMention).then_some((start, end))
}

/// The byte at which the character with this UTF-16 offset begins; the end of the text counts as a beginning.
fn byte_offset(text: &str, utf16_offset: usize) -> Option<usize> {
    let mut units = 0;
    for (byte, c) in text.char_indices() {
        if units >= utf16_offset {
            return (units == utf16_offset).then_some(byte);
        }
        units += c.len_utf16();
    }
    (units == utf16_offset).then_some(text.len())
}

/// `text` for a message with `parse_mode=HTML`, shown as it stands, and mentioning nobody: a user name that follows its `@`
/// at once would.
pub fn telegram_html_escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '@' => escaped.push_str("@\u{200b}"),
            _ => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, entities: &[(usize, usize, EntityKind)], expected: &str) {
        let entities: Vec<_> = entities.iter().map(|&(offset, length, kind)| Entity { offset, length, kind }).collect();
        assert_eq!(telegram_plain(text, &entities), expected);
    }

    #[test]
    fn names_that_are_mentions_are_marked_at_utf16_offsets() {
        check("👩‍👩‍👧 Bodo ok", &[(9, 4, EntityKind::TextMention)], "👩‍👩‍👧 @Bodo ok");
        check("Bo and Cy", &[(7, 2, EntityKind::TextMention), (0, 2, EntityKind::TextMention)], "@Bo and @Cy");
        check("@ada_l: hi", &[(0, 6, EntityKind::Shown)], "@ada_l: hi");
    }

    #[test]
    fn styled_text_and_the_text_of_a_link_stay() {
        check(
            "see here, it is 5 * 3",
            &[(4, 4, EntityKind::Shown), (16, 5, EntityKind::Shown)],
            "see here, it is 5 * 3",
        );
    }

    #[test]
    fn entities_that_make_no_sense_are_ignored() {
        check("😅 Bo", &[(1, 2, EntityKind::TextMention)], "😅 Bo");
        check("Bo", &[(0, 99, EntityKind::TextMention), (usize::MAX, 1, EntityKind::TextMention)], "Bo");
        check("Bodo!", &[(0, 4, EntityKind::TextMention), (2, 2, EntityKind::TextMention)], "@Bodo!");
    }

    #[test]
    fn html_is_shown_as_it_stands() {
        assert_eq!(telegram_html_escape(r#"<b> & "x" <3"#), "&lt;b&gt; &amp; &quot;x&quot; &lt;3");
        assert_eq!(telegram_html_escape("@ada_l"), "@\u{200b}ada_l");
    }

    proptest! {
        #[test]
        fn entities_from_outside_do_no_harm(
            text in any::<String>(),
            places in proptest::collection::vec((0..40usize, 0..40usize), 0..6),
        ) {
            let entities: Vec<_> = places
                .into_iter()
                .map(|(offset, length)| Entity { offset, length, kind: EntityKind::TextMention })
                .collect();
            let plain = telegram_plain(&text, &entities);
            prop_assert_eq!(plain.replace('@', ""), text.replace('@', ""));
        }
    }
}
