//! Telegram: text comes plain, and a list of entities beside it says what is a mention, bold, a spoiler or a link.

use crate::markup::{Mention, NameOf};

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
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntityKind {
    /// `mention`: an `@username`.
    Mention,
    /// `text_mention`: a member without a user name, by the id that comes with the entity.
    TextMention(String),
    /// Everything else (`bold`, `spoiler`, `code`, `pre`, `text_link`, `custom_emoji`, ...): people see the text that it
    /// covers, so that text stays.
    Shown,
}

/// The text of a Telegram message as people read it, with each mention as `@` and the member's name.
///
/// A mention that `name_of` does not know stays as it was typed. Entities that lie outside the text, cut a character in
/// half or overlap an earlier one are ignored: they come from outside.
pub fn telegram_plain(text: &str, entities: &[Entity], name_of: NameOf<'_>) -> String {
    let mut mentions: Vec<_> = entities.iter().filter_map(|entity| mention(text, entity, name_of)).collect();
    mentions.sort_by_key(|&(start, ..)| start);
    let mut plain = String::with_capacity(text.len());
    let mut done = 0;
    for (start, end, name) in mentions {
        if start >= done {
            plain.push_str(&text[done..start]);
            plain.push('@');
            plain.push_str(&name);
            done = end;
        }
    }
    plain.push_str(&text[done..]);
    plain
}

/// Start, end (in bytes) and name of a mention that is known.
fn mention(text: &str, entity: &Entity, name_of: NameOf<'_>) -> Option<(usize, usize, String)> {
    let start = byte_offset(text, entity.offset)?;
    let end = byte_offset(text, entity.offset.checked_add(entity.length)?)?;
    let name = match &entity.kind {
        EntityKind::Mention => name_of(Mention::Username(text[start..end].strip_prefix('@')?)),
        EntityKind::TextMention(id) => name_of(Mention::Member(id)),
        EntityKind::Shown => None,
    };
    Some((start, end, name?))
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

/// `text` for a message with `parse_mode=HTML`, shown as it stands.
pub fn telegram_html_escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            _ => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(mention: Mention<'_>) -> Option<String> {
        match mention {
            Mention::Member("7") => Some("Bo".to_owned()),
            Mention::Username("ada_l") => Some("Ada".to_owned()),
            _ => None,
        }
    }

    fn check(text: &str, entities: &[(usize, usize, EntityKind)], expected: &str) {
        let entities: Vec<_> = entities
            .iter()
            .map(|(offset, length, kind)| Entity { offset: *offset, length: *length, kind: kind.clone() })
            .collect();
        assert_eq!(telegram_plain(text, &entities, &names), expected);
    }

    #[test]
    fn mentions_become_names_at_utf16_offsets() {
        check("👩‍👩‍👧 @ada_l: hi", &[(9, 6, EntityKind::Mention)], "👩‍👩‍👧 @Ada: hi");
        check("ask Bodo ok", &[(4, 4, EntityKind::TextMention("7".to_owned()))], "ask @Bo ok");
        check("@nobody @ada_l", &[(8, 6, EntityKind::Mention), (0, 7, EntityKind::Mention)], "@nobody @Ada");
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
        check("😅 @ada_l", &[(1, 2, EntityKind::TextMention("7".to_owned()))], "😅 @ada_l");
        check("@ada_l", &[(0, 99, EntityKind::Mention), (usize::MAX, 1, EntityKind::Mention)], "@ada_l");
        let twice = [(0, 6, EntityKind::Mention), (2, 3, EntityKind::TextMention("7".to_owned()))];
        check("@ada_l!", &twice, "@Ada!");
    }

    #[test]
    fn html_is_shown_as_it_stands() {
        assert_eq!(telegram_html_escape(r#"<b> & "x" <3"#), "&lt;b&gt; &amp; &quot;x&quot; &lt;3");
    }

    proptest! {
        #[test]
        fn entities_from_outside_do_no_harm(
            text in any::<String>(),
            places in proptest::collection::vec((0..40usize, 0..40usize), 0..6),
        ) {
            let entities: Vec<_> = places
                .into_iter()
                .map(|(offset, length)| Entity { offset, length, kind: EntityKind::TextMention("8".to_owned()) })
                .collect();
            prop_assert_eq!(telegram_plain(&text, &entities, &names), text);
        }
    }
}
