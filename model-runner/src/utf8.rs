//! Text out of the bytes of tokens, which end where they like: in the middle of a character too.

/// Bytes come in, whole characters go out.
///
/// What can no longer become a character is left out rather than replaced: nobody in a chat types U+FFFD.
#[derive(Debug, Default)]
pub(crate) struct Utf8Text {
    /// The beginning of a character: at most three bytes.
    pending: Vec<u8>,
}

impl Utf8Text {
    /// Takes the bytes of a token and gives the characters that are whole by now.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> String {
        self.pending.extend_from_slice(bytes);
        let mut text = String::new();
        let mut rest = self.pending.as_slice();
        loop {
            match std::str::from_utf8(rest) {
                Ok(valid) => {
                    text.push_str(valid);
                    rest = &[];
                    break;
                }
                Err(error) => {
                    let (valid, after) = rest.split_at(error.valid_up_to());
                    text.push_str(std::str::from_utf8(valid).expect("valid up to here"));
                    rest = after;
                    let Some(invalid) = error.error_len() else { break };
                    rest = &rest[invalid..];
                }
            }
        }
        self.pending = rest.to_vec();
        text
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode(chunks: &[&[u8]]) -> String {
        let mut text = Utf8Text::default();
        chunks.iter().map(|chunk| text.push(chunk)).collect()
    }

    #[test]
    fn a_character_waits_for_its_last_byte() {
        let mut text = Utf8Text::default();
        let (first, last) = "😅".as_bytes().split_at(3);
        assert_eq!(text.push(first), "");
        assert_eq!(text.push(last), "😅");
    }

    #[test]
    fn what_cannot_become_a_character_is_left_out() {
        assert_eq!(decode(&[b"a\xff", b"b\xf0\x9f", b"c\x80d"]), "abcd");
    }

    proptest! {
        #[test]
        fn text_survives_any_cut(text in ".{0,40}", cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8)) {
            let bytes = text.as_bytes();
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect();
            prop_assert_eq!(decode(&chunks), text);
        }

        #[test]
        fn any_bytes_give_their_valid_characters_and_never_a_replacement(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..6), 0..12),
        ) {
            let chunks: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
            let whole = chunks.concat();
            let expected: String = whole.utf8_chunks().map(|chunk| chunk.valid()).collect();
            prop_assert_eq!(decode(&chunks), expected);
        }
    }
}
