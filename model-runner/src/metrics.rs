//! What the runner has done and does, as numbers that any thread may add to, in the text format of Prometheus.
//!
//! Source: <https://prometheus.io/docs/instrumenting/exposition_formats/>.

use std::{
    fmt::Write,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use chat::wire::{RunnerCounters, RunnerMemory};

/// In seconds: from what a cached prompt costs to what nobody waits for.
const SECONDS: &[f64] = &[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
/// In rows of a step.
const ROWS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// All numbers.
#[derive(Debug)]
pub(crate) struct Metrics {
    pub(crate) started: Number,
    pub(crate) finished: Number,
    pub(crate) cancelled: Number,
    pub(crate) turned_away: Number,
    pub(crate) prompt_tokens: Number,
    pub(crate) reused_tokens: Number,
    pub(crate) generated_tokens: Number,
    pub(crate) in_hand: Number,
    pub(crate) loads: Number,
    pub(crate) memory: Memory,
    steps: Number,
    busy: Number,
    rows: Histogram,
    answers: Histogram,
    waited: Histogram,
    to_first_token: Histogram,
}

/// Bytes, and tokens of the cache.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    pub(crate) model: Number,
    pub(crate) cache: Number,
    pub(crate) cache_tokens: Number,
    pub(crate) cached_tokens: Number,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            started: Number::default(),
            finished: Number::default(),
            cancelled: Number::default(),
            turned_away: Number::default(),
            prompt_tokens: Number::default(),
            reused_tokens: Number::default(),
            generated_tokens: Number::default(),
            in_hand: Number::default(),
            loads: Number::default(),
            memory: Memory::default(),
            steps: Number::default(),
            busy: Number::default(),
            rows: Histogram::new(ROWS),
            answers: Histogram::new(ROWS),
            waited: Histogram::new(SECONDS),
            to_first_token: Histogram::new(SECONDS),
        }
    }
}

impl Metrics {
    /// A request was begun, after it waited so long.
    pub(crate) fn began(&self, waited: Duration, prompt: usize, reused: usize) {
        self.started.add(1);
        self.waited.add(waited.as_secs_f64());
        self.prompt_tokens.add((prompt - reused) as u64);
        self.reused_tokens.add(reused as u64);
    }

    /// A step was made.
    pub(crate) fn step(&self, rows: usize, answers: usize, took: Duration) {
        self.steps.add(1);
        self.busy.add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        self.rows.add(rows as f64);
        if answers > 0 {
            self.answers.add(answers as f64);
        }
    }

    /// A token was drawn; where it is the first of its answer, so long after the request came.
    pub(crate) fn drew(&self, first_after: Option<Duration>) {
        self.generated_tokens.add(1);
        if let Some(after) = first_after {
            self.to_first_token.add(after.as_secs_f64());
        }
    }

    /// The numbers of `/health`. Each is right; together they may be a moment apart.
    pub(crate) fn counters(&self) -> RunnerCounters {
        RunnerCounters {
            started: self.started.get(),
            finished: self.finished.get(),
            cancelled: self.cancelled.get(),
            turned_away: self.turned_away.get(),
            prompt_tokens: self.prompt_tokens.get(),
            reused_tokens: self.reused_tokens.get(),
            generated_tokens: self.generated_tokens.get(),
        }
    }

    pub(crate) fn memory(&self) -> RunnerMemory {
        let tokens = |number: &Number| u32::try_from(number.get()).unwrap_or(u32::MAX);
        RunnerMemory {
            resident: resident(),
            model: self.memory.model.get(),
            cache: self.memory.cache.get(),
            cache_tokens: tokens(&self.memory.cache_tokens),
            cached_tokens: tokens(&self.memory.cached_tokens),
        }
    }

    /// The text that Prometheus reads.
    pub(crate) fn render(&self, queue_length: usize) -> String {
        let mut text = String::new();
        for (name, help, number) in [
            ("requests_started_total", "Requests that the model began with.", &self.started),
            ("requests_finished_total", "Requests that were answered to the end.", &self.finished),
            ("requests_cancelled_total", "Requests whose client went away or whose time ran out.", &self.cancelled),
            ("requests_rejected_total", "Requests that found the queue full.", &self.turned_away),
            ("prompt_tokens_total", "Prompt tokens that were computed.", &self.prompt_tokens),
            ("prompt_tokens_cached_total", "Prompt tokens that were in the cache.", &self.reused_tokens),
            ("generation_tokens_total", "Tokens that were drawn.", &self.generated_tokens),
            ("steps_total", "Steps of the model.", &self.steps),
            ("model_loads_total", "Times that the model was loaded.", &self.loads),
        ] {
            describe(&mut text, name, help, "counter");
            sample(&mut text, name, number.get() as f64);
        }
        describe(&mut text, "step_seconds_total", "Time spent in steps of the model.", "counter");
        sample(&mut text, "step_seconds_total", self.busy.get() as f64 / 1e6);
        let memory = self.memory();
        for (name, help, value) in [
            ("queue_length", "Requests that wait.", queue_length as u64),
            ("requests_running", "Requests in hand.", self.in_hand.get()),
            ("resident_memory_bytes", "Memory of the process, the model file's pages included.", memory.resident),
            ("model_bytes", "The model's weights; 0 while it rests.", memory.model),
            ("cache_bytes", "The cache of keys and values, used or not.", memory.cache),
            ("cache_tokens", "Tokens that the cache has room for.", memory.cache_tokens.into()),
            ("cached_tokens", "Tokens that the cache holds.", memory.cached_tokens.into()),
        ] {
            describe(&mut text, name, help, "gauge");
            sample(&mut text, name, value as f64);
        }
        self.rows.render(&mut text, "step_rows", "Rows of a step: tokens of prompts and answers.");
        self.answers.render(&mut text, "step_answers", "Answers that a step drew a token of each.");
        self.waited.render(&mut text, "queue_wait_seconds", "From a request's arrival to its beginning.");
        self.to_first_token.render(
            &mut text,
            "time_to_first_token_seconds",
            "From a request's arrival to its first token.",
        );
        text
    }
}

const PREFIX: &str = "groupchat_runner_";

fn describe(text: &mut String, name: &str, help: &str, kind: &str) {
    writeln!(text, "# HELP {PREFIX}{name} {help}\n# TYPE {PREFIX}{name} {kind}").expect("a string takes everything");
}

fn sample(text: &mut String, name: &str, value: f64) {
    writeln!(text, "{PREFIX}{name} {value}").expect("a string takes everything");
}

/// What of this process is in memory, in bytes; 0 where the system does not tell (anything but Linux).
fn resident() -> u64 {
    let kilobytes = || {
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.trim().trim_end_matches(" kB").parse::<u64>().ok()
    };
    kilobytes().map_or(0, |kilobytes| kilobytes * 1024)
}

/// A number.
#[derive(Debug, Default)]
pub(crate) struct Number(AtomicU64);

impl Number {
    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How often a value was at most each of some bounds.
#[derive(Debug)]
struct Histogram {
    bounds: &'static [f64],
    /// One for each bound and one for what is above all; not cumulative.
    counts: Vec<Number>,
    /// In millionths.
    sum: Number,
}

impl Histogram {
    fn new(bounds: &'static [f64]) -> Self {
        Self { bounds, counts: (0..=bounds.len()).map(|_| Number::default()).collect(), sum: Number::default() }
    }

    fn add(&self, value: f64) {
        let place = self.bounds.iter().position(|&bound| value <= bound).unwrap_or(self.bounds.len());
        self.counts[place].add(1);
        self.sum.add((value * 1e6) as u64);
    }

    fn render(&self, text: &mut String, name: &str, help: &str) {
        describe(text, name, help, "histogram");
        let mut count = 0;
        for (bound, number) in self.bounds.iter().map(f64::to_string).chain(["+Inf".to_owned()]).zip(&self.counts) {
            count += number.get();
            sample(text, &format!("{name}_bucket{{le=\"{bound}\"}}"), count as f64);
        }
        sample(text, &format!("{name}_sum"), self.sum.get() as f64 / 1e6);
        sample(text, &format!("{name}_count"), count as f64);
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn a_histogram_counts_what_is_at_most_each_bound() {
        let histogram = Histogram::new(&[0.5, 1.0]);
        [0.25, 0.5, 0.75, 3.0].into_iter().for_each(|value| histogram.add(value));
        let mut text = String::new();
        histogram.render(&mut text, "x", "Some x.");
        expect![[r#"
            # HELP groupchat_runner_x Some x.
            # TYPE groupchat_runner_x histogram
            groupchat_runner_x_bucket{le="0.5"} 2
            groupchat_runner_x_bucket{le="1"} 3
            groupchat_runner_x_bucket{le="+Inf"} 4
            groupchat_runner_x_sum 4.5
            groupchat_runner_x_count 4
        "#]]
        .assert_eq(&text);
    }
}
