//! How sure a figure is: percentile intervals of the bootstrap over rows.
//!
//! Source: Bradley Efron and Robert J. Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13.

use rand::Rng;
use serde::Serialize;

/// How often the rows are drawn anew.
const RESAMPLES: usize = 1000;
/// How much of the resamples lies outside on each side: 95 % lie within.
const TAIL: f64 = 0.025;

/// A figure and the interval in which 95 % of the resamples lie.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    /// Of all rows.
    pub value: f64,
    /// The lower bound.
    pub low: f64,
    /// The upper bound.
    pub high: f64,
}

/// The sum of the first numbers over the sum of the second, one pair a row; none where the second are all zero.
pub fn ratio(rows: &[(f64, f64)], rng: &mut impl Rng) -> Option<Interval> {
    let value = quotient(rows.iter().copied())?;
    let mut drawn: Vec<f64> = (0..RESAMPLES)
        .filter_map(|_| quotient((0..rows.len()).map(|_| rows[rng.random_range(0..rows.len())])))
        .collect();
    drawn.sort_by(f64::total_cmp);
    let at =
        |share: f64| drawn.get((share * (drawn.len().max(1) - 1) as f64).round() as usize).copied().unwrap_or(value);
    Some(Interval { value, low: at(TAIL), high: at(1.0 - TAIL) })
}

fn quotient(rows: impl Iterator<Item = (f64, f64)>) -> Option<f64> {
    let (above, below) = rows.fold((0.0, 0.0), |(above, below), (a, b)| (above + a, below + b));
    (below > 0.0).then(|| above / below)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn of(rows: &[(f64, f64)]) -> Option<Interval> {
        ratio(rows, &mut ChaCha8Rng::seed_from_u64(1))
    }

    #[test]
    fn what_never_varies_is_certain_and_nothing_is_no_figure() {
        assert_eq!(of(&[(3.0, 1.0); 20]), Some(Interval { value: 3.0, low: 3.0, high: 3.0 }));
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[(0.0, 0.0)]), None);
    }

    #[test]
    fn the_interval_of_a_coin_is_that_of_its_binomial_distribution() {
        // 400 throws, half of them heads: two standard deviations of the mean are 0.05.
        let throws: Vec<(f64, f64)> = (0..400).map(|throw| (f64::from(throw % 2), 1.0)).collect();
        let Interval { value, low, high } = of(&throws).unwrap();
        assert_eq!(value, 0.5);
        assert!((low - 0.451).abs() < 0.01 && (high - 0.549).abs() < 0.01, "{low} {high}");
    }

    #[test]
    fn long_rows_weigh_more() {
        assert_eq!(of(&[(10.0, 1.0), (10.0, 9.0)]).unwrap().value, 2.0);
    }
}
