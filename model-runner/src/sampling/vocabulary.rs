//! What drawing must know of a vocabulary: the bytes of each token, and what kind of token it is.

/// A token's number in a vocabulary.
pub(crate) type TokenId = i32;

/// What holds one of these ends what counts as a repetition, see [`super::dry`].
const SEQUENCE_BREAKERS: &[u8] = b"\n:\"*";

/// The tokens of a model, by number. Built once for each loaded model.
#[derive(Debug)]
pub(crate) struct Vocabulary {
    /// The pieces of all tokens, one behind the other.
    bytes: Vec<u8>,
    /// Where the piece of each token ends.
    ends: Vec<usize>,
    kinds: Vec<TokenKind>,
    /// Which tokens end a repetition.
    breakers: Vec<bool>,
}

/// A token as it comes out of a model's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VocabularyToken {
    /// The bytes that it stands for; none for what is never text. They need not be whole characters.
    pub(crate) piece: Vec<u8>,
    pub(crate) kind: TokenKind,
}

/// What a token is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// It is part of what is said.
    Text,
    /// It frames what is said, and is never said.
    Control,
    /// Markup that the makers of the model added to text, such as `<think>`.
    Markup,
    /// It ends the turn.
    End,
}

impl Vocabulary {
    /// Takes the tokens in the order of their numbers.
    pub(crate) fn new(tokens: impl Iterator<Item = VocabularyToken>) -> Self {
        let mut vocabulary = Self { bytes: Vec::new(), ends: Vec::new(), kinds: Vec::new(), breakers: Vec::new() };
        for token in tokens {
            vocabulary.bytes.extend_from_slice(&token.piece);
            vocabulary.ends.push(vocabulary.bytes.len());
            vocabulary.kinds.push(token.kind);
            vocabulary.breakers.push(token.piece.iter().any(|byte| SEQUENCE_BREAKERS.contains(byte)));
        }
        vocabulary
    }

    /// The bytes that a token stands for; none for what is never text, or no token.
    pub(crate) fn piece(&self, token: TokenId) -> &[u8] {
        let Some(index) = self.index(token) else { return &[] };
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.bytes[start..self.ends[index]]
    }

    /// Whether a token ends the turn.
    pub(crate) fn ends(&self, token: TokenId) -> bool {
        self.kind(token) == TokenKind::End
    }

    /// How many tokens there are.
    pub(crate) fn len(&self) -> usize {
        self.kinds.len()
    }

    /// What a token is there for. What is no token is never said either.
    pub(super) fn kind(&self, token: TokenId) -> TokenKind {
        self.index(token).map_or(TokenKind::Control, |index| self.kinds[index])
    }

    /// Whether a repetition ends with this token, and none goes on over it.
    pub(super) fn breaks_repetition(&self, token: TokenId) -> bool {
        self.index(token).is_none_or(|index| self.breakers[index])
    }

    /// All tokens, by number.
    pub(super) fn tokens(&self) -> impl Iterator<Item = TokenId> {
        (0..).take(self.len())
    }

    fn index(&self, token: TokenId) -> Option<usize> {
        usize::try_from(token).ok().filter(|&index| index < self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_have_pieces_and_kinds() {
        let token = |piece: &str, kind| VocabularyToken { piece: piece.as_bytes().to_vec(), kind };
        let vocabulary = Vocabulary::new(
            [token("hi", TokenKind::Text), token("", TokenKind::End), token("a:", TokenKind::Text)].into_iter(),
        );
        assert_eq!(vocabulary.len(), 3);
        assert_eq!([-1, 0, 1, 2, 3].map(|token| vocabulary.piece(token)), [b"" as &[u8], b"hi", b"", b"a:", b""]);
        assert_eq!([-1, 0, 1, 2, 3].map(|token| vocabulary.ends(token)), [false, false, true, false, false]);
        assert_eq!([-1, 0, 1, 2, 3].map(|token| vocabulary.breaks_repetition(token)), [true, false, false, true, true]);
    }
}
