//! Dice that fall alike on each platform: whole numbers only, drawn in one way that no library's new version can change.

use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A source of draws, the same for the same seed.
pub(super) struct Chance(ChaCha8Rng);

impl Chance {
    pub(super) fn seeded(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// A number from 0 up to `bound`, which is above 0 and not part of what is drawn.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        ((u64::from(self.0.next_u32()) * bound as u64) >> 32) as usize
    }

    /// True in `share` of 100 draws.
    pub(super) fn percent(&mut self, share: usize) -> bool {
        self.below(100) < share
    }

    /// One of `items`, which are not empty.
    pub(super) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// The value of one of `weighted`, each as often as its weight says.
    pub(super) fn weighted<T: Copy>(&mut self, weighted: &[(usize, T)]) -> T {
        let mut place = self.below(weighted.iter().map(|(weight, _)| weight).sum());
        for &(weight, value) in weighted {
            if place < weight {
                return value;
            }
            place -= weight;
        }
        unreachable!("a draw below the sum of the weights falls on one of them")
    }

    /// `count` of `items` in no order, or all where there are fewer.
    pub(super) fn sample<T: Clone>(&mut self, items: &[T], count: usize) -> Vec<T> {
        let mut left = items.to_vec();
        (0..count.min(items.len())).map(|_| left.swap_remove(self.below(left.len()))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_its_draws() {
        let draws = |seed| {
            let mut chance = Chance::seeded(seed);
            [(); 8].map(|()| chance.below(1000))
        };
        assert_eq!(draws(7), draws(7));
        assert_ne!(draws(7), draws(8));
    }

    #[test]
    fn weights_and_samples_stay_in_bounds() {
        let mut chance = Chance::seeded(1);
        for _ in 0..200 {
            assert_eq!(chance.weighted(&[(0, 'a'), (3, 'b')]), 'b');
            let mut few = chance.sample(&[1, 2, 3], 2);
            few.sort_unstable();
            few.dedup();
            assert_eq!(few.len(), 2);
        }
        assert_eq!(chance.sample(&[1], 5), [1]);
    }
}
