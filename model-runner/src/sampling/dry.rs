//! DRY: "don't repeat yourself", a penalty for tokens that would go on with a repetition, the greater the longer it is.
//!
//! Source: p-e-w, <https://github.com/oobabooga/text-generation-webui/pull/5677>.

use std::collections::HashMap;

use super::{TokenId, Vocabulary, row::Row};

/// How repetitions are penalised.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Dry {
    /// 0 for no penalty.
    pub(crate) multiplier: f32,
    pub(crate) base: f32,
    /// A repetition shorter than this, in tokens, may go on. One token repeated is none, so 0 is as 1.
    pub(crate) allowed_length: u32,
    /// How many of the latest tokens are looked at; none for all.
    pub(crate) last_n: Option<usize>,
}

impl Default for Dry {
    fn default() -> Self {
        Self { multiplier: 0.0, base: 1.75, allowed_length: 2, last_n: None }
    }
}

impl Dry {
    /// Writes the penalties of what would go on with a repetition of the end of `history`.
    pub(super) fn apply(&self, history: &[TokenId], vocabulary: &Vocabulary, row: &mut Row<'_>) {
        for (token, length) in self.repetitions(history, vocabulary) {
            row.change(token, |logit| logit - self.penalty(length));
        }
    }

    /// The tokens that would go on with a repetition, each with the length of the longest so far.
    fn repetitions(&self, history: &[TokenId], vocabulary: &Vocabulary) -> HashMap<TokenId, usize> {
        let mut longest = HashMap::new();
        if self.multiplier == 0.0 {
            return longest;
        }
        let window = &history[history.len().saturating_sub(self.last_n.unwrap_or(usize::MAX))..];
        // A repetition reaches back to the last breaker at most.
        let reach = window.iter().rev().take_while(|&&token| !vocabulary.breaks_repetition(token)).count();
        let shortest = self.shortest();
        // Most of the time this is where it ends: a message has a line break or a colon before it.
        if reach < shortest {
            return longest;
        }
        for (index, length) in common_with_start(window).into_iter().enumerate().skip(1) {
            let length = length.min(reach);
            let next = window[window.len() - index];
            if length >= shortest && !vocabulary.breaks_repetition(next) {
                let known = longest.entry(next).or_insert(0);
                *known = length.max(*known);
            }
        }
        longest
    }

    fn shortest(&self) -> usize {
        self.allowed_length.max(1) as usize
    }

    fn penalty(&self, length: usize) -> f32 {
        let exponent = length.saturating_sub(self.allowed_length as usize).min(1 << 16) as f64;
        let penalty = f64::from(self.multiplier) * f64::from(self.base).powf(exponent);
        // Far more than any logit, and far from what has no difference any more.
        penalty.min(1e30) as f32
    }
}

/// For each place of the reversed text, with how many tokens of its start the text there begins: the Z-function, in
/// time proportional to the length of the text.
///
/// Source: Gusfield, "Algorithms on Strings, Trees and Sequences", 1997, section 1.4.
fn common_with_start(text: &[TokenId]) -> Vec<usize> {
    let reversed = |index: usize| text[text.len() - 1 - index];
    let mut common = vec![0; text.len()];
    // The match that reaches farthest.
    let (mut start, mut end) = (0, 0);
    for index in 1..text.len() {
        let mut length = if index < end { common[index - start].min(end - index) } else { 0 };
        while index + length < text.len() && reversed(length) == reversed(index + length) {
            length += 1;
        }
        if index + length > end {
            (start, end) = (index, index + length);
        }
        common[index] = length;
    }
    common
}
