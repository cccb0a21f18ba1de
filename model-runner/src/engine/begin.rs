//! How requests begin: what they ask for in tokens, and whether there is room for it.

use std::sync::Arc;

use chat::Piece;

use super::{
    ContextMemory, Engine,
    active::{Active, Aim, Stage},
    answer::Answer,
    score::Score,
};
use crate::{
    adapters::Adapters,
    cache::AdapterVersion,
    job::{Draw, Event, Job, Prompt, Refusal, Task},
    sampling::{Sampler, TokenId},
    turns,
};

/// Tokens for which an answer without a limit reserves room; beyond it goes on while there is room.
const UNLIMITED_RESERVE: usize = 512;
/// The most continuations of a request.
const MAX_CONTINUATIONS: usize = 256;
/// Tokens of continuations for which room is kept; a longer one has room for all of it.
const TAILS_AT_ONCE: usize = 256;

/// A request that can be begun.
pub(super) struct Prepared {
    adapter: AdapterVersion,
    prompt: Vec<TokenId>,
    aim: Aim,
    /// Tokens beyond the prompt for which room is kept.
    reserved: usize,
}

impl Engine<'_> {
    /// Makes a request ready; none where the cache has no room for it as long as others are in hand.
    pub(super) fn prepare(&mut self, job: &Job, adapters: &Adapters) -> Result<Option<Prepared>, Event> {
        let adapter = adapters.version(job.adapter.as_deref()).ok_or(Event::NoSuchModel)?;
        let prompt = self.prompt_tokens(job.task.prompt()).map_err(Event::Refused)?;
        let space = self.length - prompt.len();
        // What is more than the whole cache has would never begin.
        let wanted = match &job.task {
            Task::Draw { draw, .. } => draw.max_tokens.map_or(UNLIMITED_RESERVE, |limit| limit as usize).min(space),
            _ => 0,
        };
        // First, since what waits for room is looked at before each step, and a sampler with its grammar is dear.
        if !self.has_room_for(prompt.len() + wanted) {
            return Ok(None);
        }
        let aim = self.aim(&job.task, &prompt).map_err(Event::Refused)?;
        let reserved = match &aim {
            Aim::Score(score) => score.tokens().min(TAILS_AT_ONCE).max(score.longest()).min(space),
            _ => wanted,
        };
        let has_room = self.has_room_for(prompt.len() + reserved);
        Ok(has_room.then_some(Prepared { adapter, prompt, aim, reserved }))
    }

    /// Whether the cache has room for so many tokens beside what those in hand still take.
    pub(super) fn has_room_for(&self, tokens: usize) -> bool {
        let kept: usize = self.active.iter().map(Active::room_wanted).sum();
        tokens + kept <= self.cache.capacity_beside_busy()
    }

    pub(super) fn begin(&mut self, job: Job, prepared: Prepared) {
        let Prepared { adapter, prompt, aim, reserved } = prepared;
        let mut memory = ContextMemory(&mut self.context);
        let Some(begun) = self.cache.begin(&prompt, adapter, job.room.as_ref(), &mut memory) else {
            // There are more sequences than answers can be in hand, so this is continuations of others that are judged.
            return job.send(Event::Failed("all sequences are in use; ask again".to_owned()));
        };
        self.metrics.began(job.arrived.elapsed(), prompt.len(), begun.reused);
        job.send(Event::Started);
        let mut active = Active {
            adapter,
            sequence: begun.sequence,
            reused: begun.reused,
            reserved,
            stage: Stage::Prompt { done: begun.reused },
            prompt,
            aim,
            job,
        };
        // The place in the queue is free again.
        active.job.place = None;
        self.active.push(active);
    }

    fn aim(&mut self, task: &Task, prompt: &[TokenId]) -> Result<Aim, Refusal> {
        match task {
            Task::Prefill { .. } => Ok(Aim::Prefill),
            Task::Draw { draw, .. } => self.answer(draw, prompt).map(|answer| Aim::Answer(Box::new(answer))),
            Task::Score { continuations, end_of_turn, .. } => {
                let end: &[Piece<'_>] = if *end_of_turn { &[turns::END] } else { &[] };
                self.score(continuations, end, prompt.len()).map(Aim::Score)
            }
        }
    }

    fn answer(&mut self, draw: &Draw, prompt: &[TokenId]) -> Result<Answer, Refusal> {
        let grammar = draw.grammar.as_deref().map(|grammar| self.model.grammar(grammar)).transpose();
        let grammar = grammar.map_err(|reason| Refusal::new("grammar", format!("the grammar is none: {reason}")))?;
        let vocabulary = Arc::clone(self.model.vocabulary());
        let size = vocabulary.len();
        if let Some((token, _)) = draw.sampling.logit_bias.iter().find(|(token, _)| *token as usize >= size) {
            return Err(Refusal::new("logit_bias", format!("there is no token {token}; there are {size}")));
        }
        let mask = self.masks.of(&draw.sampling.policy);
        let sampler = Sampler::new(draw.sampling.clone(), Arc::clone(&vocabulary), mask, prompt);
        let space = self.length - prompt.len();
        let limit = draw.max_tokens.map_or(space, |limit| (limit as usize).min(space));
        Ok(Answer::new(sampler, grammar, vocabulary, draw.stops.clone(), limit))
    }

    fn score(&self, continuations: &[String], end: &[Piece<'_>], prompt: usize) -> Result<Score, Refusal> {
        if continuations.is_empty() || continuations.len() > MAX_CONTINUATIONS {
            let sentence = format!("1 to {MAX_CONTINUATIONS} continuations are judged, not {}", continuations.len());
            return Err(Refusal::new("continuations", sentence));
        }
        let tokens = continuations.iter().map(|text| self.model.tokens(&[&[Piece::Text(text)], end].concat()));
        let tokens: Vec<Vec<TokenId>> = tokens.collect();
        if tokens.iter().any(Vec::is_empty) {
            return Err(Refusal::new("continuations", "a continuation is empty"));
        }
        let longest = tokens.iter().map(Vec::len).max().unwrap_or(0);
        if prompt + longest > self.length {
            let sentence = format!(
                "prompt and continuation have {} tokens, and must fit a context of {}",
                prompt + longest,
                self.length
            );
            return Err(Refusal::new("continuations", sentence));
        }
        Ok(Score::new(tokens))
    }

    fn prompt_tokens(&self, prompt: &Prompt) -> Result<Vec<TokenId>, Refusal> {
        let (field, tokens) = match prompt {
            Prompt::Raw(text) => ("prompt", self.model.raw_tokens(text)),
            Prompt::Chat(messages) | Prompt::Open(messages) => {
                let pieces = match prompt {
                    Prompt::Open(_) => turns::open_pieces(messages),
                    _ => turns::pieces(messages, self.thinking),
                };
                let pieces = pieces.ok_or_else(|| Refusal::new("messages", "there is no message to answer"))?;
                ("messages", self.model.tokens(&pieces))
            }
        };
        if tokens.is_empty() {
            return Err(Refusal::new(field, "the prompt is empty"));
        }
        if tokens.len() >= self.length {
            return Err(Refusal::new(
                field,
                format!(
                    "the prompt has {} tokens, and with at least one for the answer it must fit a context of {}",
                    tokens.len(),
                    self.length
                ),
            ));
        }
        Ok(tokens)
    }
}
