//! What may not be said, whatever the model would like: other scripts, addresses, halves of characters, control tokens.
//!
//! Of most tokens this is known without the text before them and kept as a byte for each token, so that asking is one
//! look into a table. The text before decides only within an unfinished character and within a word that may become an
//! address.

use chat::{ScriptSet, clean};

use super::{TokenId, Vocabulary, characters::Characters, said::Said, vocabulary::TokenKind};

/// What may not be said.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Policy {
    /// The scripts of what is said.
    pub(crate) scripts: ScriptSet,
    /// Whether no address of a web page or mailbox may come.
    pub(crate) no_urls: bool,
}

/// A policy over a vocabulary. Built once for each policy.
#[derive(Debug)]
pub(crate) struct Mask {
    characters: Characters,
    no_urls: bool,
    /// What is known of each token.
    classes: Vec<u8>,
    /// The tokens that begin within a character.
    continuations: Vec<TokenId>,
}

/// It may come where no character is unfinished, as far as the text before does not matter.
pub(super) const COMES: u8 = 1;
/// It is text that begins with part of a word, so that the word before goes on in it.
const GOES_ON: u8 = 2;
/// That part of a word holds what separates the parts of an address.
const SEPARATES: u8 = 4;

impl Mask {
    /// Looks at each token once.
    pub(crate) fn new(vocabulary: &Vocabulary, policy: &Policy) -> Self {
        let characters = Characters::new(&policy.scripts);
        let class = |token| class(vocabulary, token, &characters, policy.no_urls);
        let classes = vocabulary.tokens().map(class).collect();
        let begins_within = |&token: &TokenId| {
            vocabulary.kind(token) == TokenKind::Text
                && vocabulary.piece(token).first().is_some_and(|byte| matches!(byte, 0x80..=0xBF))
        };
        let continuations = vocabulary.tokens().filter(begins_within).collect();
        Self { characters, no_urls: policy.no_urls, classes, continuations }
    }

    /// The tokens that alone can follow an unfinished character.
    pub(super) fn continuations(&self) -> &[TokenId] {
        &self.continuations
    }

    /// What is known of each token without the text before it, see [`COMES`].
    pub(super) fn classes(&self) -> &[u8] {
        &self.classes
    }

    /// Whether a token may follow what was said, if this can be told from the token alone.
    pub(super) fn verdict(&self, said: &Said, token: TokenId) -> Verdict {
        let class = usize::try_from(token).ok().and_then(|index| self.classes.get(index)).copied().unwrap_or(0);
        if !said.pending().is_empty() {
            return Verdict::Depends;
        }
        if class & COMES == 0 {
            return Verdict::Never;
        }
        let may_make_an_address = class & GOES_ON != 0
            && !said.word().is_empty()
            && (class & SEPARATES != 0 || said.word().bytes().any(separates));
        if may_make_an_address { Verdict::Depends } else { Verdict::Comes }
    }

    /// Whether a token may follow what was said.
    pub(super) fn allows(&self, vocabulary: &Vocabulary, said: &Said, token: TokenId) -> bool {
        match self.verdict(said, token) {
            Verdict::Comes => true,
            Verdict::Never => false,
            Verdict::Depends => self.allows_after(said, vocabulary.kind(token), vocabulary.piece(token)),
        }
    }

    fn allows_after(&self, said: &Said, kind: TokenKind, piece: &[u8]) -> bool {
        if kind != TokenKind::Text || piece.is_empty() {
            return false;
        }
        let bytes = [said.pending(), piece].concat();
        self.characters.allow(&bytes) && !(self.no_urls && holds_address(said.word(), &bytes))
    }
}

/// What a token alone says about whether it may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Comes,
    Never,
    /// The text before must be looked at.
    Depends,
}

fn class(vocabulary: &Vocabulary, token: TokenId, characters: &Characters, no_urls: bool) -> u8 {
    let piece = vocabulary.piece(token);
    match vocabulary.kind(token) {
        TokenKind::End => return COMES,
        TokenKind::Text if !piece.is_empty() && characters.allow(piece) => {}
        _ => return 0,
    }
    if !no_urls {
        return COMES;
    }
    let separates_parts = piece.iter().copied().any(separates);
    if separates_parts && holds_address("", piece) {
        return 0;
    }
    // A token that begins with an unfinished character goes on with the word too, and is looked at in the text.
    let goes_on = !whole_characters(piece).starts_with(char::is_whitespace);
    COMES | if goes_on { GOES_ON } else { 0 } | if separates_parts { SEPARATES } else { 0 }
}

/// Without one of these there is no address.
fn separates(byte: u8) -> bool {
    matches!(byte, b'.' | b':')
}

/// Whether a word together with what follows it holds an address, or the beginning that only addresses have.
///
/// This is asked after each token. So what is an address only as long as nothing follows (`ok.de` of `ok.details`) does
/// not come in two tokens, as nobody knows whether the second will.
fn holds_address(word: &str, next: &[u8]) -> bool {
    let text = format!("{word}{}", whole_characters(next));
    text.contains("://") || holds_www(&text) || clean::holds_link(&text)
}

/// Whether there is a `www.` that does not end a longer word: people say `awww.`
fn holds_www(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    lower.match_indices("www.").any(|(place, _)| !lower[..place].ends_with(char::is_alphanumeric))
}

/// Bytes up to their unfinished last character.
fn whole_characters(bytes: &[u8]) -> &str {
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default(),
    }
}
