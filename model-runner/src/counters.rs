//! What the runner has done since it started, as numbers that any thread may add to.

use std::sync::atomic::{AtomicU64, Ordering};

use chat::wire::RunnerCounters;

/// One number for each field of [`RunnerCounters`].
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) started: Counter,
    pub(crate) finished: Counter,
    pub(crate) cancelled: Counter,
    pub(crate) turned_away: Counter,
    pub(crate) prompt_tokens: Counter,
    pub(crate) reused_tokens: Counter,
    pub(crate) generated_tokens: Counter,
}

impl Counters {
    /// The numbers as they are now. Each is right; together they may be a moment apart.
    pub(crate) fn read(&self) -> RunnerCounters {
        RunnerCounters {
            started: self.started.read(),
            finished: self.finished.read(),
            cancelled: self.cancelled.read(),
            turned_away: self.turned_away.read(),
            prompt_tokens: self.prompt_tokens.read(),
            reused_tokens: self.reused_tokens.read(),
            generated_tokens: self.generated_tokens.read(),
        }
    }
}

/// A number that only rises.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: usize) {
        self.0.fetch_add(count as u64, Ordering::Relaxed);
    }

    fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
