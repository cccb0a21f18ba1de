//! What can be chosen about a dataset.

use std::{collections::BTreeSet, str::FromStr};

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::{Rule, Split};

/// How a dataset is made.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// After how long a silence a new sitting begins, whose windows do not reach back over it.
    pub silence: TimeDelta,
    /// Within how long of the first the messages that somebody posts in a row become one. None keeps them apart, as the
    /// bot sees them.
    pub merge: Option<TimeDelta>,
    /// The rules that are switched off. Those of [`Rule::may_be_switched_off`] alone have an effect here.
    pub keep: BTreeSet<Rule>,
    /// How much each split gets.
    pub shares: Shares,
    /// Whether each regular is learned and tested, though not all that is tested then comes later than what is learned.
    pub cover_regulars: bool,
    /// Only so many members are learned, those who answer most; none for all.
    pub busiest: Option<usize>,
    /// No member has more answers than so many times the median of the regulars.
    pub balance: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            silence: TimeDelta::hours(6),
            merge: None,
            keep: BTreeSet::new(),
            shares: Shares::default(),
            cover_regulars: false,
            busiest: None,
            balance: 4,
        }
    }
}

impl Options {
    /// Whether a rule is followed.
    pub(super) fn follows(&self, rule: Rule) -> bool {
        !rule.may_be_switched_off() || !self.keep.contains(&rule)
    }
}

/// What may be learned of messages that came through the API of the community's platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FromApi {
    /// Nothing: the platform forbids it.
    Nothing,
    /// Everything.
    Everything,
}

/// What part of the answers each split gets. They sum to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Shares([f64; 4]);

impl Default for Shares {
    fn default() -> Self {
        Self([0.80, 0.08, 0.08, 0.04])
    }
}

impl Shares {
    /// The splits with the place in time, from 0 to 1, up to which each reaches.
    pub(super) fn ends(self) -> impl Iterator<Item = (Split, f64)> {
        let mut end = 0.0;
        Split::ALL.into_iter().zip(self.0).map(move |(split, share)| {
            end += share;
            (split, end)
        })
    }
}

/// Shares that are none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the shares are four percentages that sum to 100, as in \"80,8,8,4\" (train, validation, test, judge), not \"{0}\""
)]
pub struct BadShares(String);

impl FromStr for Shares {
    type Err = BadShares;

    /// Reads `80,8,8,4`.
    fn from_str(text: &str) -> Result<Self, BadShares> {
        let bad = || BadShares(text.to_owned());
        let percentages: Result<Vec<f64>, _> = text.split(',').map(|part| part.trim().parse::<f64>()).collect();
        let percentages: [f64; 4] = percentages.map_err(|_| bad())?.try_into().map_err(|_| bad())?;
        let are_shares = percentages.iter().all(|share| (0.0..=100.0).contains(share));
        let sum: f64 = percentages.iter().sum();
        if !are_shares || (sum - 100.0).abs() > 1e-6 {
            return Err(bad());
        }
        Ok(Self(percentages.map(|share| share / 100.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_percentages_that_sum_to_a_hundred() {
        assert_eq!("80,8, 8,4".parse(), Ok(Shares::default()));
        assert!("100,0,0,0".parse::<Shares>().is_ok());
        for bad in ["", "80,8,8", "80,8,8,4,0", "80,8,8,5", "120,-20,0,0", "a,b,c,d", "NaN,50,25,25"] {
            assert!(bad.parse::<Shares>().is_err(), "{bad}");
        }
    }
}
