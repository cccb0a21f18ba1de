//! Continuous batching: answers of many rooms in one step of the model, joining and leaving between steps.
//!
//! A step computes rows: one token for each answer that is being drawn, and pieces of the prompts of those that come.
//! A step of few rows costs almost what a step of twenty costs, since all weights are read either way, so prompts are
//! best computed in the steps that are made anyway.
//!
//! What is live goes first. Prefilling ahead gets what rows are left, and idle chat pauses while anything live is in
//! hand, but for one step in [`IDLE_SHARE`].

mod active;
mod answer;
mod begin;
mod plan;
mod score;
mod settle;
#[cfg(test)]
mod tests;

use std::{collections::HashMap, sync::Arc};

use chat::{Thinking, wire::FinishReason};
use tokio::time::Instant;

use self::active::{Active, Aim};
use crate::{
    adapters::Adapters,
    cache::{AdapterVersion, Cache, Memory, SequenceId},
    job::{Event, Urgency},
    llama::{CacheType, Context, ContextOptions, LlamaError, Model},
    masks::Masks,
    metrics::Metrics,
    waiting::Waiting,
};

/// Sequences that there can be at once: rooms that are kept, answers in hand, and continuations that are judged.
/// llama.cpp wants at least as many outputs as there are sequences.
const SEQUENCES: u32 = OUTPUTS as u32;
/// Rows of a step at most: what a client that goes away may still cost.
const ROWS: usize = 240;
/// Rows of a step of which logits are wanted at most; 600 kB each with a vocabulary of 150,000.
const OUTPUTS: usize = 64;
/// Prompt tokens of a step. From 64 rows on llama.cpp's flash attention passes over what other sequences have in the cache
/// tile by tile instead of token by token, so a prompt of the bot is best computed in one piece: in trials with 8 rooms
/// pieces of 160 gave 26 tokens a second, of 64 and less 22 to 24.
const PIECE: usize = 160;
/// Of so many steps beside live answers, idle chat gets one.
const IDLE_SHARE: u64 = 8;
/// For how many steps an adapter is kept while another waits: changing it costs about half a step.
const ADAPTER_TURN: u32 = 8;

/// What an engine is made with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EngineOptions {
    /// Tokens of the cache, which is also the longest prompt with its answer.
    pub(crate) context: u32,
    /// Answers that are drawn at once.
    pub(crate) parallel: usize,
    pub(crate) threads: u32,
    pub(crate) cache: CacheType,
}

/// A model at work.
pub(crate) struct Engine<'a> {
    model: Arc<Model>,
    context: Context,
    cache: Cache,
    active: Vec<Active>,
    masks: Masks,
    thinking: Thinking,
    parallel: usize,
    /// Of the cache, in tokens.
    length: usize,
    adapter: AdapterVersion,
    /// Steps since the adapter was changed.
    adapter_turn: u32,
    steps: u64,
    metrics: &'a Metrics,
}

impl<'a> Engine<'a> {
    pub(crate) fn new(model: &Arc<Model>, options: &EngineOptions, metrics: &'a Metrics) -> Result<Self, LlamaError> {
        let length = options.context.min(model.longest_context());
        // A model that keeps a state a sequence has no cells to share, and each state takes its place.
        let rewinds = model.can_rewind();
        let sequences = if rewinds { SEQUENCES } else { u32::try_from(options.parallel).unwrap_or(SEQUENCES) + 4 };
        let mut context = Context::new(
            model,
            &ContextOptions {
                tokens: length,
                sequences,
                rows: ROWS as u32,
                outputs: OUTPUTS as u32,
                threads: options.threads,
                cache: options.cache,
            },
        )?;
        context.try_out()?;
        metrics.memory.model.set(model.size());
        metrics.memory.cache.set(u64::from(context.capacity()) * context.bytes_per_token(options.cache));
        metrics.memory.cache_tokens.set(u64::from(length));
        Ok(Self {
            model: Arc::clone(model),
            context,
            cache: Cache::new(length, sequences, rewinds),
            active: Vec::new(),
            masks: Masks::new(Arc::clone(model.vocabulary())),
            thinking: model.thinking(),
            parallel: options.parallel,
            length: length as usize,
            adapter: 0,
            adapter_turn: 0,
            steps: 0,
            metrics,
        })
    }

    /// The longest prompt with its answer, in tokens.
    pub(crate) fn length(&self) -> u32 {
        self.length as u32
    }

    /// Whether nothing is in hand.
    pub(crate) fn is_idle(&self) -> bool {
        self.active.is_empty()
    }

    /// Begins with those that wait, as far as there is room, the most urgent first.
    pub(crate) fn admit(&mut self, waiting: &mut Waiting, adapters: &Adapters) {
        let abandoned = waiting.drop_abandoned();
        self.metrics.cancelled.add(abandoned as u64);
        while let Some(index) = waiting.next(&self.in_hand()) {
            let urgency = waiting.get(index).urgency;
            // Places are kept for what is live: what gives way never takes the last quarter of them.
            let places = if urgency == Urgency::Live { self.parallel } else { (self.parallel * 3).div_ceil(4) };
            if self.active.len() >= places {
                return;
            }
            self.finish_prefill_of(waiting.get(index).room.as_ref());
            match self.prepare(waiting.get(index), adapters) {
                Ok(Some(prepared)) => {
                    let job = waiting.take(index);
                    self.begin(job, prepared);
                }
                // There is no room in the cache until something ends.
                Ok(None) => return,
                Err(event) => {
                    let mut job = waiting.take(index);
                    self.metrics.finished.add(1);
                    // Whoever reads the refusal finds the place free.
                    job.place = None;
                    job.send(event);
                }
            }
        }
    }

    /// Drops what nobody waits for any more, and makes one step.
    pub(crate) fn step(&mut self, adapters: &Adapters) {
        self.drop_abandoned();
        if let Some(plan) = self.plan() {
            self.context.use_adapter(adapters.loaded(plan.adapter));
            let began = Instant::now();
            match self.context.step(&plan.rows) {
                Ok(()) => {
                    self.metrics.step(plan.rows.len(), plan.answers, began.elapsed());
                    self.steps += 1;
                    self.settle(&plan);
                }
                Err(error) => self.fail_all(&error.to_string()),
            }
        }
        self.metrics.in_hand.set(self.active.len() as u64);
        self.metrics.memory.cached_tokens.set(self.cache.used() as u64);
    }

    /// Ends all work, after a step of which nobody knows what it left in the cache.
    fn fail_all(&mut self, sentence: &str) {
        tracing::error!("{sentence}");
        for active in self.active.drain(..) {
            active.job.send(Event::Failed(sentence.to_owned()));
            self.metrics.finished.add(1);
        }
        self.cache.clear();
        self.context.clear();
    }

    /// Forgets what was computed with adapters that are gone.
    pub(crate) fn forget_adapters(&mut self, adapters: &Adapters) {
        let mut memory = ContextMemory(&mut self.context);
        self.cache.retain_adapters(|version| version == 0 || adapters.loaded(version).is_some(), &mut memory);
    }

    /// The versions of the adapters that answers in hand are drawn with.
    pub(crate) fn adapters_in_use(&self) -> impl Iterator<Item = AdapterVersion> {
        self.active.iter().map(|active| active.adapter)
    }

    fn in_hand(&self) -> HashMap<Arc<str>, usize> {
        let mut in_hand = HashMap::new();
        for room in self.active.iter().filter_map(|active| active.job.room.clone()) {
            *in_hand.entry(room).or_default() += 1;
        }
        in_hand
    }

    /// A prefill of the same room that is not done is over: what it has computed is in the cache, and the newer request
    /// goes on from there.
    fn finish_prefill_of(&mut self, room: Option<&Arc<str>>) {
        let Some(room) = room else { return };
        let is_prefill =
            |active: &mut Active| active.job.room.as_ref() == Some(room) && matches!(active.aim, Aim::Prefill);
        let mut memory = ContextMemory(&mut self.context);
        for mut active in self.active.extract_if(.., is_prefill) {
            active.release(&mut self.cache, &mut memory);
            active.finish(FinishReason::Length);
            self.metrics.finished.add(1);
        }
    }

    fn drop_abandoned(&mut self) {
        let mut memory = ContextMemory(&mut self.context);
        for mut active in self.active.extract_if(.., |active| active.job.events.is_closed()) {
            active.release(&mut self.cache, &mut memory);
            self.metrics.cancelled.add(1);
        }
    }
}

/// The sequences of a context as the cache's memory.
struct ContextMemory<'a>(&'a mut Context);

impl Memory for ContextMemory<'_> {
    fn fork(&mut self, from: SequenceId, to: SequenceId, length: usize) {
        self.0.fork(from, to, length);
    }

    fn truncate(&mut self, sequence: SequenceId, length: usize) {
        self.0.truncate(sequence, length);
    }
}
