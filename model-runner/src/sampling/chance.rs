//! The chance that tokens are drawn by: a stream of numbers that a seed repeats.

use std::hash::{BuildHasher, Hasher, RandomState};

/// SplitMix64: small, quick, and good enough for drawing words.
///
/// Source: Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014;
/// <https://prng.di.unimi.it/splitmix64.c>.
#[derive(Debug, Clone)]
pub(super) struct Chance(u64);

impl Chance {
    /// A stream that depends on the seed alone, or without one a different stream each time.
    pub(super) fn new(seed: Option<u64>) -> Self {
        // The standard library seeds its hashers from the operating system.
        Self(seed.unwrap_or_else(|| RandomState::new().build_hasher().finish()))
    }

    /// An even draw from 0 to 1, 1 excluded.
    pub(super) fn even(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_the_published_one() {
        // The first outputs for the seed 1234567, from the test vectors of Rosetta Code.
        let mut chance = Chance::new(Some(1_234_567));
        let expected = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        assert_eq!([chance.next(), chance.next(), chance.next()], expected);
    }

    #[test]
    fn without_a_seed_streams_differ() {
        assert_ne!(Chance::new(None).next(), Chance::new(None).next());
    }
}
