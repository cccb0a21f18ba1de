//! Which sitting belongs to which split: all rooms together, by time, whole sittings.
//!
//! A model is used after what it learned from, so it is measured on what came later. Splitting each room by itself would
//! let it learn in one room what it is asked about in another.

use super::{Shares, Split};

/// The split of each sitting, from how many answers each has, by time. A sitting belongs where its middle falls.
pub(super) fn assign(answers: &[usize], shares: Shares) -> Vec<Split> {
    let total: usize = answers.iter().sum();
    let mut before = 0;
    let assigned = answers.iter().map(|&count| {
        let middle = (before as f64 + count as f64 / 2.0) / total.max(1) as f64;
        before += count;
        // Shares that sum to 1 may do so a little below it.
        let end = shares.ends().find(|(_, end)| middle < *end - f64::EPSILON);
        end.or_else(|| shares.ends().filter(|(_, end)| *end > 0.0).last()).map_or(Split::Train, |(split, _)| split)
    });
    assigned.collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(answers: &[usize], shares: &str, expected: &str) {
        let assigned = assign(answers, shares.parse().unwrap());
        let shown: String = assigned.iter().map(|split| &split.as_str()[..1]).collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn whole_sittings_come_as_near_to_the_shares_as_they_can() {
        check(&[10; 10], "80,10,10,0", "ttttttttvt");
        check(&[10; 10], "70,10,10,10", "tttttttvtj");
        check(&[1, 97, 1, 1], "80,8,8,4", "ttjj");
        check(&[5], "80,8,8,4", "t");
        check(&[], "80,8,8,4", "");
        check(&[0, 0, 5], "100,0,0,0", "ttt");
    }

    proptest! {
        #[test]
        fn later_sittings_are_never_in_earlier_splits(answers in proptest::collection::vec(0..50_usize, 0..60)) {
            let assigned = assign(&answers, Shares::default());
            prop_assert_eq!(assigned.len(), answers.len());
            prop_assert!(assigned.is_sorted());
        }
    }
}
