//! Which rows are learned from in which step: a plain function of seed and step, so that a run that was interrupted goes on
//! as if it had not been.

use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

use crate::{
    packing::{self, Packed},
    rows::Unit,
};

/// Windows that are computed at once.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) packed: Packed,
    /// The numbers of the rows that were packed.
    pub(super) rows: Vec<usize>,
}

impl AsRef<Packed> for Part {
    fn as_ref(&self) -> &Packed {
        &self.packed
    }
}

impl Part {
    fn new(units: &[&Unit]) -> Self {
        Self {
            packed: Packed::new(units.iter().flat_map(|unit| &unit.rows)),
            rows: units.iter().flat_map(|unit| unit.first..unit.first + unit.rows.len()).collect(),
        }
    }
}

/// The steps of a training.
#[derive(Debug)]
pub(super) struct Batches<'a> {
    units: &'a [Unit],
    /// Tokens that are computed at once, at most, but for a single window that has more.
    tokens: usize,
    seed: u64,
    /// The windows in the order of an epoch.
    epoch: Option<Epoch>,
    /// Steps an epoch.
    per_epoch: u64,
}

#[derive(Debug)]
struct Epoch {
    number: u64,
    order: Vec<usize>,
}

impl<'a> Batches<'a> {
    /// `rows` is how many rows a step has, about; a window is never cut in two.
    pub(super) fn new(units: &'a [Unit], rows: usize, tokens: usize, seed: u64) -> Self {
        let all: usize = units.iter().map(|unit| unit.rows.len()).sum();
        let per_epoch = (all as u64).div_ceil(rows as u64).max(1);
        Self { units, tokens, seed, epoch: None, per_epoch }
    }

    /// Steps an epoch.
    pub(super) fn per_epoch(&self) -> u64 {
        self.per_epoch
    }

    /// The rows of a step, counted from 0, packed into as many parts as memory asks for.
    pub(super) fn step(&mut self, step: u64) -> Vec<Part> {
        let (epoch, place) = (step / self.per_epoch, step % self.per_epoch);
        self.shuffle(epoch);
        let order = &self.epoch.as_ref().expect("it was shuffled just now").order;
        // All steps of an epoch take about as many windows, so that the last is no smaller than the others.
        let bound = |place: u64| (order.len() as u64 * place / self.per_epoch) as usize;
        let chosen: Vec<&Unit> = order[bound(place)..bound(place + 1)].iter().map(|&unit| &self.units[unit]).collect();
        pack(&chosen, self.tokens).collect()
    }

    fn shuffle(&mut self, number: u64) {
        if self.epoch.as_ref().is_some_and(|epoch| epoch.number == number) {
            return;
        }
        let mut order: Vec<usize> = (0..self.units.len()).collect();
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(number);
        order.shuffle(&mut rng);
        self.epoch = Some(Epoch { number, order });
    }
}

/// Packs windows into parts of at most about `tokens` tokens.
pub(super) fn pack<'a>(units: &[&'a Unit], tokens: usize) -> impl Iterator<Item = Part> + use<'a> {
    let parts = packing::in_parts(units, |unit| &unit.rows, tokens);
    parts.into_iter().map(|part| Part::new(&part))
}
