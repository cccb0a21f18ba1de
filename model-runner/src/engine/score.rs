//! Continuations that are judged: one prompt, and a short tail of its own for each.

use crate::{
    cache::{Cache, Memory, SequenceId},
    sampling::{TokenId, log_probability},
};

/// All continuations of a prompt.
pub(super) struct Score {
    pub(super) tails: Vec<Tail>,
}

/// A continuation and how far it is judged.
pub(super) struct Tail {
    pub(super) tokens: Vec<TokenId>,
    /// Of its tokens so far.
    pub(super) logprobs: Vec<f32>,
    /// Where its tokens are computed, while they are.
    pub(super) branch: Option<SequenceId>,
}

impl Score {
    pub(super) fn new(continuations: Vec<Vec<TokenId>>) -> Self {
        let tail = |tokens| Tail { tokens, logprobs: Vec::new(), branch: None };
        Self { tails: continuations.into_iter().map(tail).collect() }
    }

    /// Judges the first token of each continuation from what came out at the end of the prompt.
    pub(super) fn judge_first(&mut self, logits: &[f32]) {
        for tail in &mut self.tails {
            tail.logprobs.push(log_probability(logits, tail.tokens[0]));
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.tails.iter().all(Tail::is_done)
    }

    /// Tokens of all continuations.
    pub(super) fn tokens(&self) -> usize {
        self.tails.iter().map(|tail| tail.tokens.len()).sum()
    }

    /// Tokens of the longest continuation.
    pub(super) fn longest(&self) -> usize {
        self.tails.iter().map(|tail| tail.tokens.len()).max().unwrap_or(0)
    }

    /// Tokens of continuations that are in the cache.
    pub(super) fn cached(&self) -> usize {
        self.tails.iter().filter(|tail| tail.branch.is_some()).map(Tail::computed).sum()
    }

    /// The results, in the order of the continuations.
    pub(super) fn take_logprobs(&mut self) -> Vec<Vec<f32>> {
        self.tails.iter_mut().map(|tail| std::mem::take(&mut tail.logprobs)).collect()
    }

    pub(super) fn release(&mut self, cache: &mut Cache, memory: &mut impl Memory) {
        for branch in self.tails.iter_mut().filter_map(|tail| tail.branch.take()) {
            cache.forget(branch, memory);
        }
    }
}

impl Tail {
    /// Tokens that are to be computed still: all but the last, of which nothing is asked.
    pub(super) fn left(&self) -> usize {
        self.tokens.len() - self.logprobs.len()
    }

    /// How many of its tokens are computed.
    pub(super) fn computed(&self) -> usize {
        self.logprobs.len().saturating_sub(1)
    }

    pub(super) fn is_done(&self) -> bool {
        self.left() == 0
    }

    /// Judges the next token from what came out at the one before.
    pub(super) fn judge(&mut self, logits: &[f32]) {
        let next = self.tokens[self.logprobs.len()];
        self.logprobs.push(log_probability(logits, next));
    }
}
