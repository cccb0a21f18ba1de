//! Sums of exponentials over a whole row, quick enough to be taken for each token.
//!
//! The exponential of the standard library is exact to the last bit but one, and is a call for each element: for 150,000
//! elements a millisecond. This one is exact to one part in some millions and becomes vector instructions. Sums are of 64 bits.

use super::{Logprobs, TokenId, best::best, row::Row};

/// How many sums are kept side by side, so that they become vector instructions.
const LANES: usize = 16;

/// The logarithm of a token's probability in the distribution of a row. Minus infinity for what has none.
pub(crate) fn log_probability(logits: &[f32], token: TokenId) -> f32 {
    let logit = usize::try_from(token).ok().and_then(|index| logits.get(index)).copied().unwrap_or(f32::NEG_INFINITY);
    LogSum::of(logits).log_probability(logit)
}

/// The logarithm of the sum of a row's exponentials, in two parts so that neither is rounded.
#[derive(Debug, Clone, Copy)]
pub(super) struct LogSum {
    greatest: f32,
    above_greatest: f64,
}

impl LogSum {
    pub(super) fn of(logits: &[f32]) -> Self {
        let greatest = greatest(logits);
        Self { greatest, above_greatest: sum_of_weights(logits, greatest, 1.0).ln() }
    }

    pub(super) fn log_probability(self, logit: f32) -> f32 {
        // A row without a number has no distribution.
        if logit > f32::NEG_INFINITY && self.above_greatest.is_finite() {
            (f64::from(logit.min(f32::MAX)) - f64::from(self.greatest) - self.above_greatest) as f32
        } else {
            f32::NEG_INFINITY
        }
    }
}

/// What is to be told of the model's own distribution, noted before the row is changed.
pub(super) struct Noted {
    sum: LogSum,
    top: Vec<(TokenId, f32)>,
}

impl Noted {
    /// The `count` likeliest tokens and what gives the log-probability of any other.
    pub(super) fn of(logits: &[f32], count: usize) -> Self {
        let sum = LogSum::of(logits);
        let top = best(logits, count, |_| true);
        Self { sum, top: top.iter().map(|candidate| (candidate.token, sum.log_probability(candidate.logit))).collect() }
    }

    pub(super) fn with_chosen(self, token: TokenId, row: &Row<'_>) -> Logprobs {
        Logprobs { chosen: self.sum.log_probability(row.original(token)), top: self.top }
    }
}

/// The greatest number of a row, at most `f32::MAX`.
pub(super) fn greatest(logits: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (chunks, rest) = logits.as_chunks::<LANES>();
    for chunk in chunks {
        // What is no number is never greater.
        lanes = std::array::from_fn(|lane| if chunk[lane] > lanes[lane] { chunk[lane] } else { lanes[lane] });
    }
    lanes.iter().chain(rest).fold(f32::NEG_INFINITY, |greatest, &logit| greatest.max(logit)).min(f32::MAX)
}

/// The sum of [`weight`] over a part of a row.
pub(super) fn sum_of_weights(logits: &[f32], greatest: f32, sharpness: f32) -> f64 {
    let mut lanes = [0.0_f64; LANES];
    let (chunks, rest) = logits.as_chunks::<LANES>();
    for chunk in chunks {
        let weights = chunk.map(|logit| weight(logit, greatest, sharpness));
        lanes = std::array::from_fn(|lane| lanes[lane] + f64::from(weights[lane]));
    }
    let of_rest = rest.iter().map(|&logit| f64::from(weight(logit, greatest, sharpness)));
    lanes.into_iter().chain(of_rest).sum()
}

/// `exp((logit - greatest) * sharpness)`, 0 for what is no number. The greatest logit of a row weighs 1; sharpness is the
/// inverse of the temperature.
#[inline(always)]
pub(super) fn weight(logit: f32, greatest: f32, sharpness: f32) -> f32 {
    exp_of_negative((logit - greatest) * sharpness)
}

/// The exponential of a number that is not greater than 0; what is greater counts as 0. Written without branches and
/// conversions, so that the compiler makes vector instructions of a loop over it.
///
/// Source: `expf` of the Cephes library, <https://www.netlib.org/cephes/>, for the polynomial and the two parts of ln 2.
#[inline(always)]
fn exp_of_negative(x: f32) -> f32 {
    /// Below this the result has no 24 bits, and next to the greatest weight it counts for nothing.
    const LEAST: f32 = -87.0;
    /// Adding it to a small number rounds that to an integer, which is then in the low bits: 1.5 * 2^23.
    const ROUNDER: f32 = 12_582_912.0;
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let negative = if x > 0.0 { 0.0 } else { x };
    let rounded = negative * std::f32::consts::LOG2_E + ROUNDER;
    let exponent = rounded - ROUNDER;
    let rest = negative - exponent * LN_2_HIGH - exponent * LN_2_LOW;
    let mut polynomial = 1.987_569_2e-4;
    for coefficient in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        polynomial = polynomial * rest + coefficient;
    }
    let mantissa = polynomial * rest * rest + rest + 1.0;
    let scaled = f32::from_bits(mantissa.to_bits().wrapping_add(rounded.to_bits() << 23));
    if negative > LEAST { scaled } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reference(logits: &[f32], token: usize) -> f64 {
        let number = |logit: f32| f64::from(if logit.is_nan() { f32::NEG_INFINITY } else { logit.min(f32::MAX) });
        let greatest = logits.iter().map(|&logit| number(logit)).fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = logits.iter().map(|&logit| (number(logit) - greatest).exp()).sum();
        number(logits[token]) - greatest - sum.ln()
    }

    #[test]
    fn the_exponential_is_exact_to_a_millionth() {
        for step in 0..870_000 {
            let x = -step as f32 / 10_000.0;
            let exact = f64::from(x).exp();
            assert!((f64::from(exp_of_negative(x)) / exact - 1.0).abs() < 5e-7, "{x}");
        }
        assert_eq!([f32::NEG_INFINITY, f32::NAN, -88.0, 0.0, 1.0].map(exp_of_negative), [0.0, 0.0, 0.0, 1.0, 1.0]);
    }

    #[test]
    fn what_has_no_probability_is_minus_infinity() {
        let none = f32::NEG_INFINITY;
        assert_eq!(log_probability(&[], 0), none);
        assert_eq!(log_probability(&[0.0], -1), none);
        assert_eq!(log_probability(&[f32::NAN, none], 0), none);
        assert_eq!([0, 1, 2].map(|token| log_probability(&[1.0, f32::NAN, none], token)), [0.0, none, none]);
        assert_eq!(log_probability(&[f32::INFINITY, 3.0], 0), 0.0);
    }

    proptest! {
        #[test]
        fn a_log_probability_is_that_of_the_reference(
            logits in prop::collection::vec(-60.0_f32..60.0, 1..100),
            token in any::<prop::sample::Index>(),
        ) {
            let token = token.index(logits.len());
            let expected = reference(&logits, token);
            let found = f64::from(log_probability(&logits, token as TokenId));
            prop_assert!((found - expected).abs() < 1e-5 * (1.0 + expected.abs()), "{found} for {expected}");
        }
    }
}
