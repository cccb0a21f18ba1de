//! A request in hand.

use chat::wire::{FinishReason, Usage};

use super::{answer::Answer, score::Score};
use crate::{
    cache::{AdapterVersion, Cache, Memory, SequenceId},
    job::{Event, Job, Said},
    sampling::TokenId,
};

/// A request that the model works on.
pub(super) struct Active {
    pub(super) job: Job,
    pub(super) adapter: AdapterVersion,
    pub(super) sequence: SequenceId,
    pub(super) prompt: Vec<TokenId>,
    /// Tokens of the prompt that did not have to be computed.
    pub(super) reused: usize,
    /// Tokens for which room is kept in the cache, those that were taken not counted.
    pub(super) reserved: usize,
    pub(super) stage: Stage,
    pub(super) aim: Aim,
}

/// How far it is.
pub(super) enum Stage {
    /// So many tokens of the prompt are computed.
    Prompt { done: usize },
    /// The answer is drawn, and this token of it is computed next.
    Answer { next: TokenId },
    /// Continuations are judged.
    Tails,
    /// It has its answer.
    Done,
}

/// What comes after the prompt.
pub(super) enum Aim {
    /// Nothing.
    Prefill,
    Answer(Box<Answer>),
    Score(Score),
}

impl Active {
    /// Tokens of the prompt that are not computed yet.
    pub(super) fn prompt_left(&self) -> usize {
        match self.stage {
            Stage::Prompt { done } => self.prompt.len() - done,
            _ => 0,
        }
    }

    /// Tokens that it still takes in the cache for certain. Beyond what it reserved, an answer has the token that was drawn
    /// last and is computed next.
    pub(super) fn room_wanted(&self) -> usize {
        let next = usize::from(matches!(self.stage, Stage::Answer { .. }));
        self.reserved.max(next) + self.prompt_left()
    }

    /// Whether something is drawn from what comes out at the end of the prompt.
    pub(super) fn wants_output(&self) -> bool {
        match &self.aim {
            Aim::Prefill => false,
            Aim::Answer(answer) => answer.limit() > 0,
            Aim::Score(_) => true,
        }
    }

    pub(super) fn usage(&self, drawn: usize) -> Usage {
        let [prompt, reused, drawn] = [self.prompt.len(), self.reused, drawn].map(count);
        Usage::new(prompt, reused, drawn)
    }

    /// Lets go of its place in the cache: what was computed stays there for the room's next request.
    pub(super) fn release(&mut self, cache: &mut Cache, memory: &mut impl Memory) {
        if let Aim::Score(score) = &mut self.aim {
            score.release(cache, memory);
        }
        cache.rest(self.sequence);
    }

    pub(super) fn send(&self, event: Event) {
        self.job.send(event);
    }

    /// Sends a piece of the answer.
    pub(super) fn say(&self, said: Said) {
        if !said.text.is_empty() || !said.tokens.is_empty() {
            self.send(Event::Text(said));
        }
    }

    /// Ends an answer for want of room.
    pub(super) fn cut(&mut self) {
        if let Aim::Answer(answer) = &mut self.aim {
            let rest = answer.cut();
            self.say(rest);
            self.finish(FinishReason::Length);
        }
    }

    /// Tells that it is complete. Its place in the cache is released at the end of the step.
    pub(super) fn finish(&mut self, reason: FinishReason) {
        let drawn = if let Aim::Answer(answer) = &self.aim { answer.drawn() } else { 0 };
        let usage = self.usage(drawn);
        self.job.span.in_scope(|| {
            let (took, prompt, cached) = (self.job.arrived.elapsed(), usage.prompt_tokens, usage.cached_tokens());
            tracing::debug!(?took, prompt, cached, drawn, ?reason, "answered");
        });
        self.send(Event::Finished { reason, usage });
        self.stage = Stage::Done;
    }
}

impl Job {
    pub(crate) fn send(&self, event: Event) {
        // The channel has room for all events of a job, so this fails only where nobody listens any more, which is
        // looked at before the next step.
        drop(self.events.try_send(event));
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
