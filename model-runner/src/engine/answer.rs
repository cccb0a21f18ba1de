//! An answer that is being drawn: tokens in, text out, up to its end.

use std::{collections::VecDeque, sync::Arc};

use chat::wire::FinishReason;

use crate::{
    job::{LikelyToken, Said, SaidToken},
    llama::GrammarSampler,
    sampling::{Drawn, Grammar, Sampler, TokenId, Vocabulary},
    stop::{Passed, StopStrings},
    utf8::Utf8Text,
};

/// An answer so far.
pub(super) struct Answer {
    sampler: Sampler,
    grammar: Option<GrammarSampler>,
    vocabulary: Arc<Vocabulary>,
    text: Utf8Text,
    stops: StopStrings,
    /// Tokens that were drawn.
    drawn: usize,
    /// At most so many.
    limit: usize,
    /// Bytes of text that were drawn, and that were sent.
    written: usize,
    sent: usize,
    /// Tokens whose text was not sent yet, with the place where it ends.
    unsent: VecDeque<(usize, SaidToken)>,
}

/// What follows a token.
pub(super) enum Next {
    /// This token is computed, and another one drawn.
    Compute(TokenId),
    Finished(FinishReason),
}

impl Answer {
    pub(super) fn new(
        sampler: Sampler,
        grammar: Option<GrammarSampler>,
        vocabulary: Arc<Vocabulary>,
        stops: Vec<String>,
        limit: usize,
    ) -> Self {
        Self {
            sampler,
            grammar,
            vocabulary,
            text: Utf8Text::default(),
            stops: StopStrings::new(stops),
            drawn: 0,
            limit,
            written: 0,
            sent: 0,
            unsent: VecDeque::new(),
        }
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    pub(super) fn drawn(&self) -> usize {
        self.drawn
    }

    /// Draws a token from a row of logits. What may be sent by now comes with what is next.
    pub(super) fn draw(&mut self, logits: &mut [f32]) -> (Said, Next) {
        let grammar = self.grammar.as_mut().map(|grammar| grammar as &mut dyn Grammar);
        let Some(drawn) = self.sampler.draw(logits, grammar) else {
            // Nothing that may be said goes on from here.
            return self.end(FinishReason::Stop);
        };
        self.drawn += 1;
        if self.vocabulary.ends(drawn.token) {
            return self.end(FinishReason::Stop);
        }
        let text = self.text.push(self.vocabulary.piece(drawn.token));
        self.note(&drawn, text.len());
        match self.stops.push(&text) {
            Passed::Stopped(text) => (self.say(text), Next::Finished(FinishReason::Stop)),
            Passed::On(text) if self.drawn < self.limit => (self.say(text), Next::Compute(drawn.token)),
            Passed::On(text) => {
                let rest = self.stops.finish();
                (self.say(text + &rest), Next::Finished(FinishReason::Length))
            }
        }
    }

    /// What was held back, where the answer ends without another token.
    pub(super) fn cut(&mut self) -> Said {
        let rest = self.stops.finish();
        self.say(rest)
    }

    fn end(&mut self, reason: FinishReason) -> (Said, Next) {
        (self.cut(), Next::Finished(reason))
    }

    /// Keeps a token's log-probabilities until its text is sent: a stop string that is cut off takes them with it.
    fn note(&mut self, drawn: &Drawn, length: usize) {
        self.written += length;
        let Some(logprobs) = &drawn.logprobs else { return };
        let likely = |token, logprob| LikelyToken { bytes: self.vocabulary.piece(token).to_vec(), logprob };
        let top = logprobs.top.iter().map(|&(token, logprob)| likely(token, logprob)).collect();
        self.unsent.push_back((self.written, SaidToken { chosen: likely(drawn.token, logprobs.chosen), top }));
    }

    fn say(&mut self, text: String) -> Said {
        self.sent += text.len();
        let mut tokens = Vec::new();
        while self.unsent.front().is_some_and(|&(end, _)| end <= self.sent) {
            tokens.extend(self.unsent.pop_front().map(|(_, token)| token));
        }
        Said { text, tokens }
    }
}
