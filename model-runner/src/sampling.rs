//! Draws a token from a row of logits.
//!
//! The order of the steps is that of llama.cpp: bias, penalty of repetitions, of frequency and of presence, DRY; then what
//! the policy and a grammar forbid is left out; of the rest top-k, top-p and min-p keep the likeliest; the temperature
//! comes last. Nothing here does I/O or knows what computes the logits.
//!
//! A row has 150,000 elements and a token is wanted every few milliseconds, so a row is gone through once or twice and never
//! sorted. The bias and the penalties change the few elements that they concern.

mod best;
mod chance;
mod characters;
mod choice;
mod cut;
mod dry;
mod penalties;
mod policy;
mod row;
mod said;
mod softmax;
#[cfg(test)]
mod tests;
mod vocabulary;

use std::sync::Arc;

use self::{chance::Chance, choice::Choice, penalties::Penalties, row::Row, said::Said, softmax::Noted};
pub(crate) use self::{
    dry::Dry,
    policy::{Mask, Policy},
    softmax::log_probability,
    vocabulary::{TokenId, TokenKind, Vocabulary, VocabularyToken},
};

/// How tokens are drawn. The numbers are within their bounds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sampling {
    /// 0 for always the likeliest.
    pub(crate) temperature: f32,
    pub(crate) top_p: f32,
    pub(crate) min_p: f32,
    /// 0 for all.
    pub(crate) top_k: u32,
    /// None for another one each time.
    pub(crate) seed: Option<u64>,
    /// 1 for none.
    pub(crate) repetition_penalty: f32,
    /// How many of the latest tokens, prompt included, the repetition penalty looks at; none for all.
    pub(crate) repeat_last_n: Option<usize>,
    /// For each time that the answer holds a token.
    pub(crate) frequency_penalty: f32,
    /// For a token that the answer holds.
    pub(crate) presence_penalty: f32,
    pub(crate) dry: Dry,
    /// What is added to the logits of tokens; -100 or less bans one.
    pub(crate) logit_bias: Vec<(TokenId, f32)>,
    /// Of how many of the likeliest tokens log-probabilities are wanted, besides that of the chosen one; none for none.
    pub(crate) logprobs: Option<usize>,
    pub(crate) policy: Policy,
}

/// OpenAI's temperature and top-p, llama.cpp's top-k, and no penalties.
impl Default for Sampling {
    fn default() -> Self {
        Self {
            temperature: 1.0,
            top_p: 1.0,
            min_p: 0.0,
            top_k: 40,
            seed: None,
            repetition_penalty: 1.0,
            repeat_last_n: Some(64),
            frequency_penalty: 0.0,
            presence_penalty: 0.0,
            dry: Dry::default(),
            logit_bias: Vec::new(),
            logprobs: None,
            policy: Policy::default(),
        }
    }
}

/// Keeps the candidates that may come next.
pub(crate) trait Grammar {
    /// Removes those that may not, and leaves the others in their order.
    fn retain(&mut self, candidates: &mut Vec<TokenId>);
    /// Goes on behind a token.
    fn accept(&mut self, token: TokenId);
}

/// A token that was drawn.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Drawn {
    pub(crate) token: TokenId,
    pub(crate) logprobs: Option<Logprobs>,
}

/// Log-probabilities in the model's own distribution, before any option.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Logprobs {
    /// Of the token that was drawn.
    pub(crate) chosen: f32,
    /// The likeliest tokens, the likeliest first.
    pub(crate) top: Vec<(TokenId, f32)>,
}

/// Draws the tokens of one answer.
#[derive(Debug)]
pub(crate) struct Sampler {
    sampling: Sampling,
    vocabulary: Arc<Vocabulary>,
    mask: Arc<Mask>,
    /// Prompt and answer.
    history: Vec<TokenId>,
    penalties: Penalties,
    /// The end of the answer. What the prompt ends with is not the answer's concern.
    said: Said,
    chance: Chance,
}

impl Sampler {
    /// Begins an answer to `prompt`. `mask` is that of the sampling's policy over the vocabulary.
    pub(crate) fn new(sampling: Sampling, vocabulary: Arc<Vocabulary>, mask: Arc<Mask>, prompt: &[TokenId]) -> Self {
        Self {
            penalties: Penalties::new(&sampling, prompt),
            chance: Chance::new(sampling.seed),
            history: prompt.to_vec(),
            said: Said::default(),
            sampling,
            vocabulary,
            mask,
        }
    }

    /// Draws the next token of the answer.
    ///
    /// `logits` is one row, a logit for each token of the vocabulary; what it has beyond is ignored. It is changed. None
    /// where nothing may come any more: the turn ends.
    pub(crate) fn draw(&mut self, logits: &mut [f32], mut grammar: Option<&mut dyn Grammar>) -> Option<Drawn> {
        let length = logits.len().min(self.vocabulary.len());
        let mut row = Row::new(&mut logits[..length]);
        let noted = self.sampling.logprobs.map(|count| Noted::of(row.logits(), count));
        self.penalties.apply(&mut row);
        self.sampling.dry.apply(&self.history, &self.vocabulary, &mut row);
        let choice =
            Choice { sampling: &self.sampling, vocabulary: &self.vocabulary, mask: &self.mask, said: &self.said };
        let token = choice.draw(&mut row, &mut grammar, &mut self.chance)?;
        self.accept(token);
        if let Some(grammar) = grammar {
            grammar.accept(token);
        }
        Some(Drawn { token, logprobs: noted.map(|noted| noted.with_chosen(token, &row)) })
    }

    fn accept(&mut self, token: TokenId) {
        self.history.push(token);
        self.penalties.count(&self.history);
        self.said.push(self.vocabulary.piece(token));
    }
}
