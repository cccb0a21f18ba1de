//! What a training is going to take, said before it starts.

use std::fmt;

use super::{Batches, Options, Prepared};
use crate::shape::{Module, Shape};

/// Bytes of a number.
const NUMBER: u64 = 4;
/// What program, tokeniser and rows take, in bytes.
const BESIDES: u64 = 32_000_000;
/// Rows of logits that are there at once, with their gradient.
const LOGIT_ROWS: u64 = 64;

/// What a training is going to take.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Rows that are learned from.
    pub rows: usize,
    /// Rows that are longer than is computed at once, and left out.
    pub too_long: usize,
    /// Rows that are only looked at.
    pub validation_rows: usize,
    /// Tokens an epoch, as if nothing were shared.
    pub tokens: usize,
    /// Tokens an epoch that are computed, since rows share what they begin with.
    pub computed_tokens: usize,
    /// Steps in all.
    pub steps: u64,
    /// Numbers that are trained.
    pub parameters: usize,
    /// Bytes it is going to take at most, about.
    pub memory: u64,
    /// Tokens of which it is kept what comes of the layers below the adapter; none where there are no such layers.
    pub kept_tokens: usize,
    /// Bytes of disk that this takes while it trains.
    pub disk: u64,
}

impl Plan {
    pub(super) fn new(prepared: &Prepared, options: &Options, shape: &Shape, weight_bytes: usize) -> Self {
        let mut batches = Batches::new(&prepared.train.units, options.batch_rows, options.batch_tokens, options.seed);
        let per_epoch = batches.per_epoch();
        let computed = (0..per_epoch).flat_map(|step| batches.step(step)).map(|part| part.packed.len()).sum();
        let parameters = options.layout.parameters(shape);
        let kept_tokens = if options.keeps_states() {
            prepared.all_parts(options.batch_tokens).map(|part| part.packed.len()).sum()
        } else {
            0
        };
        Self {
            rows: prepared.train.rows(),
            too_long: prepared.train.too_long,
            validation_rows: prepared.validation.rows(),
            tokens: prepared.train.tokens(),
            computed_tokens: computed,
            steps: per_epoch * u64::from(options.epochs),
            parameters,
            memory: memory(options, shape, weight_bytes as u64, parameters as u64),
            kept_tokens,
            disk: NUMBER * (kept_tokens * shape.width) as u64,
        }
    }
}

/// The weights, four numbers for each that is trained, what each token leaves for the way back and needs while a layer is
/// computed, logits, and what there is besides.
fn memory(options: &Options, shape: &Shape, weight_bytes: u64, parameters: u64) -> u64 {
    let sizes: u64 = Module::ALL.iter().map(|&module| shape.size_of(module).0 as u64).sum();
    let learning_layers = (shape.layers - options.layout.first_layer.min(shape.layers)) as u64;
    let kept = learning_layers * sizes;
    let at_work = 3 * sizes + 6 * shape.width as u64;
    let logits = 2 * LOGIT_ROWS * shape.vocabulary as u64;
    BESIDES + weight_bytes + NUMBER * (4 * parameters + (kept + at_work) * options.batch_tokens as u64 + logits)
}

/// A number of bytes for people.
pub(super) fn size(bytes: u64) -> String {
    if bytes < 1_000_000_000 {
        format!("{:.0} MB", bytes as f64 / 1e6)
    } else {
        format!("{:.1} GB", bytes as f64 / 1e9)
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shared = 100.0 * (1.0 - self.computed_tokens as f64 / self.tokens.max(1) as f64);
        writeln!(f, "rows            {} to learn from, {} to check with", self.rows, self.validation_rows)?;
        if self.too_long > 0 {
            writeln!(f, "left out        {} rows that are longer than --longest", self.too_long)?;
        }
        writeln!(
            f,
            "tokens an epoch {} in the rows, {} computed ({shared:.0} % are shared)",
            self.tokens, self.computed_tokens
        )?;
        writeln!(f, "steps           {}", self.steps)?;
        writeln!(f, "trained numbers {}", self.parameters)?;
        write!(f, "memory          about {}", size(self.memory))?;
        if self.disk > 0 {
            write!(f, "\ndisk            {} while it trains", size(self.disk))?;
        }
        Ok(())
    }
}
