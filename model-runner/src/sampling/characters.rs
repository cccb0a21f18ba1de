//! Which characters may be said, and which beginnings of characters can still become one of these.

use std::collections::HashSet;

use chat::ScriptSet;

/// The characters of some scripts, as bytes of UTF-8.
#[derive(Debug)]
pub(super) struct Characters {
    scripts: ScriptSet,
    /// The first bytes of all allowed characters that have more, see [`number`]. None where every character is allowed.
    beginnings: Option<HashSet<u32>>,
}

impl Characters {
    pub(super) fn new(scripts: &ScriptSet) -> Self {
        let beginnings = (!scripts.is_everything()).then(|| beginnings(scripts));
        Self { scripts: scripts.clone(), beginnings }
    }

    /// Whether bytes that begin with a character are allowed characters, of which the last may be unfinished if it can
    /// become an allowed one.
    pub(super) fn allow(&self, bytes: &[u8]) -> bool {
        match std::str::from_utf8(bytes) {
            Ok(text) => self.allow_text(text),
            Err(error) if error.error_len().is_some() => false,
            Err(error) => {
                let (whole, begun) = bytes.split_at(error.valid_up_to());
                std::str::from_utf8(whole).is_ok_and(|text| self.allow_text(text)) && self.allow_beginning(begun)
            }
        }
    }

    fn allow_text(&self, text: &str) -> bool {
        self.beginnings.is_none() || self.scripts.first_foreign(text).is_none()
    }

    fn allow_beginning(&self, begun: &[u8]) -> bool {
        self.beginnings.as_ref().is_none_or(|beginnings| beginnings.contains(&number(begun)))
    }
}

/// The beginnings of all characters that scripts allow.
fn beginnings(scripts: &ScriptSet) -> HashSet<u32> {
    /// So many characters in a row differ in their last byte alone.
    const ROW: u32 = 64;
    let mut beginnings = HashSet::new();
    for first in (0x80..=u32::from(char::MAX)).step_by(ROW as usize) {
        let allowed = (first..first + ROW).filter_map(char::from_u32).find(|&c| scripts.allows(c));
        if let Some(c) = allowed {
            let mut bytes = [0; 4];
            let bytes = c.encode_utf8(&mut bytes).as_bytes();
            beginnings.extend((1..bytes.len()).map(|length| number(&bytes[..length])));
        }
    }
    beginnings
}

/// At most three bytes as a number; no two beginnings have the same, as their first byte is not 0.
fn number(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |number, &byte| number << 8 | u32::from(byte))
}

#[cfg(test)]
mod tests {
    use chat::scripts::Script;

    use super::*;

    #[test]
    fn a_beginning_is_allowed_if_an_allowed_character_begins_so() {
        let scripts = ScriptSet::only([Script::Latin]);
        let characters = Characters::new(&scripts);
        let mut expected = HashSet::new();
        for c in ('\0'..=char::MAX).filter(|&c| scripts.allows(c)) {
            let bytes = c.to_string().into_bytes();
            expected.extend((1..bytes.len()).map(|length| number(&bytes[..length])));
        }
        assert_eq!(characters.beginnings, Some(expected));
    }

    #[test]
    fn what_is_not_utf8_or_foreign_is_not_allowed() {
        let latin = Characters::new(&ScriptSet::only([Script::Latin]));
        let every = Characters::new(&ScriptSet::everything());
        let (smile, zhe, han) = ("😅".as_bytes(), "ж".as_bytes(), "好".as_bytes());
        for (bytes, by_latin, by_every) in [
            (b"hi" as &[u8], true, true),
            (&smile[..1], true, true),
            (&smile[..3], true, true),
            (smile, true, true),
            (zhe, false, true),
            (&zhe[..1], false, true),
            (&han[..1], false, true),
            (b"\x80", false, false),
            (b"a\xff", false, false),
            (b"\xc0", false, false),
            (b"\xed\xa0", false, false),
            (b"\xf0\x9fa", false, false),
        ] {
            assert_eq!((latin.allow(bytes), every.allow(bytes)), (by_latin, by_every), "{bytes:x?}");
        }
    }
}
