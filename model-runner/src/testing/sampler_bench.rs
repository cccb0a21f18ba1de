//! Draws tokens of made-up rows, for the benchmark of drawing.

use std::sync::Arc;

use chat::{ScriptSet, scripts::Script};

use crate::sampling::{
    Dry, Mask, Policy, Sampler, Sampling, TokenId, TokenKind, Vocabulary, VocabularyToken, log_probability,
};

/// How many tokens Qwen3 has.
const TOKENS: usize = 151_936;

/// A vocabulary as large as a real one, rows of logits as wide, and a sampler.
pub struct SamplerBench {
    sampler: Sampler,
    rows: Vec<Vec<f32>>,
    next: usize,
    row: Vec<f32>,
}

impl SamplerBench {
    /// The kinds of drawing that there are to measure.
    pub const KINDS: [&str; 13] = [
        "log_probability",
        "greedy",
        "greedy, mask",
        "top-k 40",
        "top-k 40, mask",
        "top-k 40, top-p, min-p, mask",
        "all",
        "all, mask",
        "top-p 0.9, mask",
        "min-p 0.05, mask",
        "penalties, top-k 40, mask",
        "DRY, top-k 40, mask",
        "logprobs 5, top-k 40, mask",
    ];

    /// A sampler of one of [`Self::KINDS`], behind a prompt of 4,000 tokens.
    pub fn new(kind: &str) -> Self {
        let vocabulary = Arc::new(Vocabulary::new((0..TOKENS).map(token)));
        let sampling = sampling(kind);
        let mask = Arc::new(Mask::new(&vocabulary, &sampling.policy));
        let mut chance = 1;
        // No line break or colon among them, so that DRY has to look at all.
        let prompt: Vec<TokenId> = (0..4000).map(|_| 300 + (random(&mut chance) * 50.0) as TokenId).collect();
        let rows = (0..8).map(|_| logits(&mut chance)).collect();
        Self { sampler: Sampler::new(sampling, vocabulary, mask, &prompt), rows, next: 0, row: vec![0.0; TOKENS] }
    }

    /// Puts new logits into the row, as a model would.
    pub fn fill(&mut self) {
        self.next = (self.next + 1) % self.rows.len();
        self.row.copy_from_slice(&self.rows[self.next]);
    }

    /// Draws a token of the row.
    pub fn draw(&mut self) -> Option<i32> {
        self.sampler.draw(&mut self.row, None).map(|drawn| drawn.token)
    }

    /// The log-probability of a token of the row.
    pub fn log_probability(&self) -> f32 {
        log_probability(&self.row, 1000)
    }
}

fn sampling(kind: &str) -> Sampling {
    let mut sampling = Sampling { seed: Some(1), ..Sampling::default() };
    if kind.contains("greedy") {
        sampling.temperature = 0.0;
    }
    if !kind.contains("top-k") {
        sampling.top_k = 0;
    }
    if kind.contains("top-p") {
        sampling.top_p = 0.9;
    }
    if kind.contains("min-p") {
        sampling.min_p = 0.05;
    }
    if kind.contains("mask") {
        sampling.policy = Policy { scripts: ScriptSet::only([Script::Latin]), no_urls: true };
    }
    if kind.contains("penalties") {
        (sampling.repetition_penalty, sampling.repeat_last_n) = (1.1, None);
        (sampling.frequency_penalty, sampling.presence_penalty) = (0.5, 0.5);
    }
    if kind.contains("DRY") {
        sampling.dry = Dry { multiplier: 0.8, ..Dry::default() };
    }
    if kind.contains("logprobs") {
        sampling.logprobs = Some(5);
    }
    sampling
}

/// The bytes, then made-up words: most of Latin letters with or without a space, some with a full stop, some Cyrillic,
/// some Han, as in a real vocabulary.
fn token(number: usize) -> VocabularyToken {
    if let Ok(byte) = u8::try_from(number) {
        return VocabularyToken { piece: vec![byte], kind: TokenKind::Text };
    }
    let word: String = (0..4).map(|place| char::from(b'a' + (number / 26_usize.pow(place) % 26) as u8)).collect();
    let piece = match number % 16 {
        0 => format!(".{word}"),
        1 => "ж".repeat(3),
        2..=4 => "好".repeat(2),
        5..=9 => word,
        _ => format!(" {word}"),
    };
    VocabularyToken { piece: piece.into_bytes(), kind: TokenKind::Text }
}

/// About normal, with a dozen likely tokens that stand out, as models have it.
fn logits(chance: &mut u64) -> Vec<f32> {
    let mut row: Vec<f32> = (0..TOKENS).map(|_| (0..6).map(|_| random(chance)).sum::<f32>() * 4.0 - 12.0).collect();
    for rank in 0..12 {
        row[256 + (random(chance) * 150_000.0) as usize] = 22.0 - rank as f32;
    }
    row
}

/// An even draw from 0 to 1 (the generator of Numerical Recipes: 64 bits, of which the upper ones are taken).
fn random(state: &mut u64) -> f32 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 40) as f32 / (1_u64 << 24) as f32
}
