//! The likeliest tokens of a row of logits, in one pass over it.
//!
//! A row has 150,000 elements, of which a few hundred are ever among the best so far. So the row is compared with the
//! weakest of these in chunks, which the compiler turns into vector instructions, and only a chunk in which something is
//! better is looked at closer. Whether a token may come at all is asked only then.

use std::{cmp::Ordering, collections::BinaryHeap};

use super::TokenId;

/// How many elements are compared at a time.
const CHUNK: usize = 32;
/// With more wanted than this, sorting is cheaper than a heap.
const MOST_IN_HEAP: usize = 4096;

/// A token that may be drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Candidate {
    pub(crate) token: TokenId,
    /// A number, and never greater than `f32::MAX`, so that differences are numbers too.
    pub(crate) logit: f32,
}

impl Candidate {
    /// None for what is no number or has no likelihood.
    pub(super) fn of(token: TokenId, logit: f32) -> Option<Self> {
        // Adding 0 makes 0 of minus 0, which would not be ordered as equal.
        (logit > f32::NEG_INFINITY).then(|| Self { token, logit: logit.min(f32::MAX) + 0.0 })
    }
}

/// The likelier first; of two that are equally likely, the one with the lower number.
pub(super) fn likelier_first(left: &Candidate, right: &Candidate) -> Ordering {
    right.logit.total_cmp(&left.logit).then(left.token.cmp(&right.token))
}

/// The `count` likeliest tokens of a row among those that may come, the likeliest first. What is no number and what is
/// minus infinity never comes.
pub(super) fn best(row: &[f32], count: usize, mut may_come: impl FnMut(TokenId) -> bool) -> Vec<Candidate> {
    if count > MOST_IN_HEAP {
        let mut all: Vec<Candidate> = possible(row).filter(|candidate| may_come(candidate.token)).collect();
        if count < all.len() {
            all.select_nth_unstable_by(count, likelier_first);
            all.truncate(count);
        }
        all.sort_unstable_by(likelier_first);
        return all;
    }
    let mut best = Best::new(count);
    let (chunks, rest) = row.as_chunks::<CHUNK>();
    let mut first = 0;
    for chunk in chunks {
        let threshold = best.threshold;
        // Without a way out of the loop, so that it becomes vector instructions.
        if chunk.iter().fold(false, |any, &logit| any | (logit > threshold)) {
            best.look_at(first, chunk, &mut may_come);
        }
        first += CHUNK as TokenId;
    }
    best.look_at(first, rest, &mut may_come);
    let mut candidates = best.heap.into_vec();
    candidates.sort_unstable();
    candidates.into_iter().map(|Likeliness(candidate)| candidate).collect()
}

/// The elements of a row that have any likelihood, in the order of the row.
fn possible(row: &[f32]) -> impl Iterator<Item = Candidate> {
    (0..).zip(row).filter_map(|(token, &logit)| Candidate::of(token, logit))
}

/// The best so far.
struct Best {
    count: usize,
    /// The weakest on top.
    heap: BinaryHeap<Likeliness>,
    /// What a logit must be greater than. An equal one comes later in the row and so is the worse one.
    threshold: f32,
}

/// Ordered so that the greatest is the least likely.
#[derive(PartialEq)]
struct Likeliness(Candidate);

impl Best {
    fn new(count: usize) -> Self {
        let threshold = if count == 0 { f32::INFINITY } else { f32::NEG_INFINITY };
        Self { count, heap: BinaryHeap::with_capacity(count + 1), threshold }
    }

    #[inline(never)]
    fn look_at(&mut self, first: TokenId, logits: &[f32], may_come: &mut impl FnMut(TokenId) -> bool) {
        for (token, &logit) in (first..).zip(logits) {
            if logit > self.threshold
                && may_come(token)
                && let Some(candidate) = Candidate::of(token, logit)
            {
                self.take(candidate);
            }
        }
    }

    fn take(&mut self, candidate: Candidate) {
        if self.heap.len() == self.count {
            self.heap.pop();
        }
        self.heap.push(Likeliness(candidate));
        if self.heap.len() == self.count {
            let weakest = self.heap.peek().map_or(f32::MAX, |Likeliness(weakest)| weakest.logit);
            // Infinity was taken as `f32::MAX`, and must not be greater than itself.
            self.threshold = if weakest < f32::MAX { weakest } else { f32::INFINITY };
        }
    }
}

impl Eq for Likeliness {}

impl PartialOrd for Likeliness {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Likeliness {
    fn cmp(&self, other: &Self) -> Ordering {
        likelier_first(&self.0, &other.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn logit() -> impl Strategy<Value = f32> {
        prop_oneof![
            6 => (-4_i8..4).prop_map(f32::from),
            3 => -20.0_f32..20.0,
            1 => prop::sample::select(vec![f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.0]),
        ]
    }

    proptest! {
        #[test]
        fn the_best_are_those_that_sorting_finds(row in prop::collection::vec(logit(), 0..200), count in 0_usize..60) {
            let may_come = |token: TokenId| token % 3 != 1;
            let mut sorted: Vec<Candidate> = possible(&row).filter(|candidate| may_come(candidate.token)).collect();
            sorted.sort_by(|a, b| b.logit.partial_cmp(&a.logit).unwrap().then(a.token.cmp(&b.token)));
            sorted.truncate(count);
            let tokens = |candidates: &[Candidate]| candidates.iter().map(|candidate| candidate.token).collect::<Vec<_>>();
            let found = best(&row, count, may_come);
            prop_assert_eq!(tokens(&found), tokens(&sorted));
            let mut all = best(&row, usize::MAX, may_come);
            all.truncate(count);
            prop_assert_eq!(tokens(&all), tokens(&found));
        }
    }
}
