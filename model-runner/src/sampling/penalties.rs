//! What makes a token more or less likely because of itself or because it came already.

use std::collections::HashMap;

use super::{Sampling, TokenId, row::Row};

/// Bias, and the penalties of tokens that came already. What is counted is kept up token by token.
#[derive(Debug)]
pub(super) struct Penalties {
    logit_bias: Vec<(TokenId, f32)>,
    repetition: f32,
    repeat_last_n: usize,
    frequency: f32,
    presence: f32,
    /// How often each token is among the latest [`Self::repeat_last_n`] of prompt and answer. Empty without a
    /// repetition penalty.
    latest: HashMap<TokenId, u32>,
    /// How often each token is in the answer.
    answered: HashMap<TokenId, u32>,
}

/// What a bias must be at least to leave a token possible.
const BAN: f32 = -100.0;

impl Penalties {
    pub(super) fn new(sampling: &Sampling, prompt: &[TokenId]) -> Self {
        let mut penalties = Self {
            logit_bias: sampling.logit_bias.clone(),
            repetition: sampling.repetition_penalty,
            repeat_last_n: sampling.repeat_last_n.unwrap_or(usize::MAX),
            frequency: sampling.frequency_penalty,
            presence: sampling.presence_penalty,
            latest: HashMap::new(),
            answered: HashMap::new(),
        };
        if penalties.penalises_repetition() {
            let first = prompt.len().saturating_sub(penalties.repeat_last_n);
            prompt[first..].iter().for_each(|&token| *penalties.latest.entry(token).or_default() += 1);
        }
        penalties
    }

    /// Counts the last token of `history`, which is prompt and answer.
    pub(super) fn count(&mut self, history: &[TokenId]) {
        let Some(&token) = history.last() else { return };
        if self.frequency != 0.0 || self.presence != 0.0 {
            *self.answered.entry(token).or_default() += 1;
        }
        if self.penalises_repetition() {
            *self.latest.entry(token).or_default() += 1;
            if let Some(forgotten) = history.len().checked_sub(self.repeat_last_n.saturating_add(1)) {
                self.forget(history[forgotten]);
            }
        }
    }

    /// Writes them into a row.
    pub(super) fn apply(&self, row: &mut Row<'_>) {
        for &(token, bias) in &self.logit_bias {
            row.change(token, |logit| if bias <= BAN { f32::NEG_INFINITY } else { logit + bias });
        }
        for &token in self.latest.keys() {
            row.change(token, |logit| repeated(logit, self.repetition));
        }
        for (&token, &count) in &self.answered {
            row.change(token, |logit| logit - count as f32 * self.frequency - self.presence);
        }
    }

    fn penalises_repetition(&self) -> bool {
        self.repetition != 1.0 && self.repeat_last_n > 0
    }

    fn forget(&mut self, token: TokenId) {
        if let Some(count) = self.latest.get_mut(&token) {
            *count -= 1;
            if *count == 0 {
                self.latest.remove(&token);
            }
        }
    }
}

/// Dividing a negative logit would make it likelier, so that one is multiplied, as in llama.cpp
/// (`llama_sampler_penalties_apply` in <https://github.com/ggml-org/llama.cpp/blob/master/src/llama-sampling.cpp>).
pub(super) fn repeated(logit: f32, penalty: f32) -> f32 {
    if logit > 0.0 { logit / penalty } else { logit * penalty }
}
