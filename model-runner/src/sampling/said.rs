//! The end of what was said so far: as much of it as decides what may follow.

/// A longer word is no address: the name of a host has at most 253 characters (RFC 1035, section 2.3.4).
const LONGEST_WORD: usize = 1024;

/// The end of a text that comes in pieces which need not be whole characters.
#[derive(Debug, Clone, Default)]
pub(super) struct Said {
    /// The beginning of a word, or nothing behind white space. Of a very long word its end.
    word: String,
    /// The beginning of a character: at most three bytes.
    pending: Vec<u8>,
}

impl Said {
    /// The word that is not finished, without its unfinished character.
    pub(super) fn word(&self) -> &str {
        &self.word
    }

    /// The unfinished character.
    pub(super) fn pending(&self) -> &[u8] {
        &self.pending
    }

    /// Takes the bytes of a token. What can no longer become a character is left out with what follows it; the policy
    /// lets no such token come.
    pub(super) fn push(&mut self, piece: &[u8]) {
        self.pending.extend_from_slice(piece);
        let bytes = std::mem::take(&mut self.pending);
        match std::str::from_utf8(&bytes) {
            Ok(text) => self.push_text(text),
            Err(error) => {
                let (whole, rest) = bytes.split_at(error.valid_up_to());
                self.push_text(std::str::from_utf8(whole).expect("valid up to here"));
                if error.error_len().is_none() {
                    self.pending = rest.to_vec();
                }
            }
        }
    }

    fn push_text(&mut self, text: &str) {
        match text.rsplit_once(char::is_whitespace) {
            Some((_, word)) => word.clone_into(&mut self.word),
            None => self.word.push_str(text),
        }
        if self.word.len() > LONGEST_WORD {
            let cut = (self.word.len() - LONGEST_WORD..).find(|&place| self.word.is_char_boundary(place));
            self.word.drain(..cut.unwrap_or(0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pieces: &[&[u8]], word: &str, pending: &[u8]) {
        let mut said = Said::default();
        pieces.iter().for_each(|piece| said.push(piece));
        assert_eq!((said.word(), said.pending()), (word, pending));
    }

    #[test]
    fn the_unfinished_word_and_character_are_kept() {
        check(&[b"so ex", b"ample.c"], "example.c", b"");
        check(&[b"so\nit is "], "", b"");
        check(&[b"a b", &"\u{1f605}".as_bytes()[..2]], "b", &"\u{1f605}".as_bytes()[..2]);
        check(&[&"\u{436}".as_bytes()[..1], &"\u{436}".as_bytes()[1..]], "\u{436}", b"");
        check(&["\u{436}".repeat(2000).as_bytes(), b"x"], &("\u{436}".repeat(511) + "x"), b"");
    }
}
