//! What comes of a step, and how requests begin and end.

use std::sync::Arc;

use chat::wire::FinishReason;

use super::{
    ContextMemory, Engine, UNLIMITED_RESERVE,
    active::{Active, Aim, Stage},
    answer::{Answer, Next},
    plan::{Part, PartKind, Plan},
    score::Score,
};
use crate::{
    adapters::Adapters,
    cache::AdapterVersion,
    job::{Draw, Event, Job, Prompt, Refusal, Said, Task},
    sampling::{Sampler, TokenId},
    turns,
};

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
        let aim = self.aim(&job.task, &prompt).map_err(Event::Refused)?;
        let reserved = match (&job.task, &aim) {
            (Task::Draw { draw, .. }, _) => draw.max_tokens.map_or(UNLIMITED_RESERVE, |limit| limit as usize),
            (_, Aim::Score(score)) => score.tokens().min(TAILS_AT_ONCE).max(score.longest()),
            _ => 0,
        };
        // What is more than the whole cache has would never begin.
        let reserved = reserved.min(space);
        let kept: usize = self.active.iter().map(Active::room_wanted).sum();
        let room = self.cache.capacity_beside_busy().saturating_sub(kept);
        Ok((prompt.len() + reserved <= room).then_some(Prepared { adapter, prompt, aim, reserved }))
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

    /// Hands on what came out of a step.
    pub(super) fn settle(&mut self, plan: &Plan) {
        for part in &plan.parts {
            let rows = &plan.rows[part.first_row..part.first_row + part.count];
            let tokens: Vec<TokenId> = rows.iter().map(|row| row.token).collect();
            self.cache.push(part.sequence, &tokens);
            match part.kind {
                PartKind::Prompt => self.settle_prompt(part),
                PartKind::Answer => {
                    let active = &mut self.active[part.active];
                    active.reserved = active.reserved.saturating_sub(1);
                    self.draw(part.active, part.first_row);
                }
                PartKind::Tail(number) => self.settle_tail(part, number),
            }
        }
        self.finish_scores();
        let mut memory = ContextMemory(&mut self.context);
        for mut active in self.active.extract_if(.., |active| matches!(active.stage, Stage::Done)) {
            active.release(&mut self.cache, &mut memory);
            self.metrics.finished.add(1);
        }
    }

    fn settle_prompt(&mut self, part: &Part) {
        let active = &mut self.active[part.active];
        let Stage::Prompt { done } = &mut active.stage else { return };
        *done += part.count;
        if active.prompt_left() > 0 {
            return;
        }
        let last_row = part.first_row + part.count - 1;
        match &mut active.aim {
            Aim::Prefill => active.finish(FinishReason::Length),
            Aim::Answer(answer) if answer.limit() == 0 => active.finish(FinishReason::Length),
            Aim::Answer(_) => self.draw(part.active, last_row),
            Aim::Score(score) => {
                score.judge_first(self.context.logits(last_row));
                active.stage = Stage::Tails;
            }
        }
    }

    /// Draws the next token of an answer.
    fn draw(&mut self, index: usize, row: usize) {
        let active = &mut self.active[index];
        let Aim::Answer(answer) = &mut active.aim else { return };
        let first = answer.drawn() == 0;
        let (said, next) = answer.draw(self.context.logits(row));
        self.metrics.drew(first.then(|| active.job.arrived.elapsed()));
        active.say(said);
        match next {
            Next::Finished(reason) => active.finish(reason),
            Next::Compute(token) => {
                active.stage = Stage::Answer { next: token };
                if self.active[index].reserved == 0 && !self.has_room_to_grow() {
                    self.active[index].cut();
                }
            }
        }
    }

    /// Whether an answer may go on beyond what it reserved. Its next token is wanted already.
    fn has_room_to_grow(&self) -> bool {
        let kept: usize = self.active.iter().map(Active::room_wanted).sum();
        self.cache.capacity_beside_busy() >= kept
    }

    fn settle_tail(&mut self, part: &Part, number: usize) {
        let Aim::Score(score) = &mut self.active[part.active].aim else { return };
        let tail = &mut score.tails[number];
        for row in part.first_row..part.first_row + part.count {
            tail.judge(self.context.logits(row));
        }
        if tail.is_done()
            && let Some(branch) = tail.branch.take()
        {
            self.cache.forget(branch, &mut ContextMemory(&mut self.context));
        }
    }

    fn finish_scores(&mut self) {
        for active in self.active.iter_mut().filter(|active| matches!(active.stage, Stage::Tails)) {
            let Aim::Score(score) = &mut active.aim else { continue };
            if score.is_done() {
                let (logprobs, tokens) = (score.take_logprobs(), score.tokens());
                active.send(Event::Scored { logprobs, usage: active.usage(tokens) });
                active.stage = Stage::Done;
            }
        }
    }

    fn aim(&mut self, task: &Task, prompt: &[TokenId]) -> Result<Aim, Refusal> {
        match task {
            Task::Prefill { .. } => Ok(Aim::Prefill),
            Task::Draw { draw, .. } => self.answer(draw, prompt).map(|answer| Aim::Answer(Box::new(answer))),
            Task::Score { continuations, .. } => self.score(continuations, prompt.len()).map(Aim::Score),
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

    fn score(&self, continuations: &[String], prompt: usize) -> Result<Score, Refusal> {
        if continuations.is_empty() || continuations.len() > MAX_CONTINUATIONS {
            let sentence = format!("1 to {MAX_CONTINUATIONS} continuations are judged, not {}", continuations.len());
            return Err(Refusal::new("continuations", sentence));
        }
        let tokens = continuations.iter().map(|text| self.model.tokens(&[chat::Piece::Text(text)]));
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

impl Active {
    /// Sends a piece of the answer.
    fn say(&self, said: Said) {
        if !said.text.is_empty() || !said.tokens.is_empty() {
            self.send(Event::Text(said));
        }
    }

    /// Ends an answer for want of room.
    fn cut(&mut self) {
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
