//! Which sitting belongs to which split: all rooms together, by time, whole sittings.
//!
//! A model is used after what it learned from, so it is measured on what came later. Splitting each room by itself would
//! let it learn in one room what it is asked about in another. Who has been silent of late can be tested on what they said
//! last, at the price that others were learned from what came later.

use std::{cmp::Reverse, collections::BTreeMap};

use chat::MemberId;

use super::{Shares, Split, rules::balance::REGULAR};

/// How many answers of a member a test must have to say something about them.
const TESTED: usize = 20;

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

/// Moves sittings from what is learned to what is tested until the test has enough answers of each regular: their latest
/// ones, those with enough answers at once before those with fewer. Of no regular more than half of what was to be learned
/// is moved.
pub(super) fn test_regulars(assigned: &mut [Split], answers: &[BTreeMap<MemberId, usize>]) {
    let count = |assigned: &[Split], split| {
        let mut counts: BTreeMap<MemberId, usize> = BTreeMap::new();
        for (_, answers) in assigned.iter().zip(answers).filter(|(assigned, _)| **assigned == split) {
            answers.iter().for_each(|(member, count)| *counts.entry(*member).or_default() += count);
        }
        counts
    };
    let at_first = count(assigned, Split::Train);
    let is_regular = |member: &MemberId| at_first.get(member).is_some_and(|&count| count >= REGULAR);
    let (mut learned, mut tested) = (at_first.clone(), count(assigned, Split::Test));
    for member in at_first.keys().filter(|member| is_regular(member)) {
        let mut theirs: Vec<usize> = (0..answers.len())
            .filter(|&place| assigned[place] == Split::Train && answers[place].contains_key(member))
            .collect();
        theirs.sort_by_key(|&place| (Reverse(answers[place][member].min(TESTED)), Reverse(place)));
        for place in theirs {
            if tested.get(member).is_some_and(|&tested| tested >= TESTED) {
                break;
            }
            let leaves_half = |(other, count): (&MemberId, &usize)| {
                !is_regular(other) || (learned[other] - count) * 2 >= at_first[other]
            };
            if answers[place].iter().all(leaves_half) {
                assigned[place] = Split::Test;
                for (other, count) in &answers[place] {
                    *learned.entry(*other).or_default() -= count;
                    *tested.entry(*other).or_default() += count;
                }
            }
        }
    }
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

    /// Sittings of two members, as how many answers each has, before and after all regulars are tested.
    fn check_regulars(sittings: &[(usize, usize)], before: &str, after: &str) {
        let counted = |&(one, two): &(usize, usize)| {
            let counts = [(MemberId(1), one), (MemberId(2), two)];
            counts.into_iter().filter(|(_, count)| *count > 0).collect()
        };
        let answers: Vec<BTreeMap<MemberId, usize>> = sittings.iter().map(counted).collect();
        let split = |letter| Split::ALL.into_iter().find(|split| split.as_str().starts_with(letter)).unwrap();
        // Both splits that begin with a "t": the test is written large.
        let read = |letter| if letter == 'T' { Split::Test } else { split(letter) };
        let mut assigned: Vec<Split> = before.chars().map(read).collect();
        test_regulars(&mut assigned, &answers);
        assert_eq!(assigned, after.chars().map(read).collect::<Vec<_>>());
    }

    #[test]
    fn the_latest_sittings_of_regulars_are_tested_where_the_test_knows_too_little_of_them() {
        let both = [(30, 30), (30, 30), (30, 30), (9, 25), (90, 0)];
        check_regulars(&both, "ttttT", "tttTT");
        check_regulars(&[(30, 30), (30, 30), (30, 30), (90, 1), (90, 25)], "ttttT", "ttttT");
        check_regulars(&[(60, 0), (5, 0), (5, 0), (5, 0), (5, 0), (40, 0)], "tttttv", "tTTTTv");
    }

    #[test]
    fn at_least_half_of_everybody_is_still_learned() {
        check_regulars(&[(0, 60), (60, 60)], "tt", "Tt");
        check_regulars(&[(60, 60), (60, 60), (0, 9)], "ttt", "tTt");
        check_regulars(&[(60, 60)], "t", "t");
        check_regulars(&[(60, 20), (60, 20)], "tt", "tT");
        check_regulars(&[(20, 0), (20, 0)], "tt", "tt");
    }

    proptest! {
        #[test]
        fn nobody_loses_more_than_half(
            sittings in proptest::collection::vec((0..40_usize, 0..40_usize), 0..40),
            shares in prop_oneof![Just("80,8,8,4"), Just("70,8,18,4")],
        ) {
            let answers: Vec<BTreeMap<MemberId, usize>> = sittings
                .iter()
                .map(|&(one, two)| BTreeMap::from([(MemberId(1), one), (MemberId(2), two)]))
                .collect();
            let counts: Vec<usize> = sittings.iter().map(|(one, two)| one + two).collect();
            let before = assign(&counts, shares.parse().unwrap());
            let mut after = before.clone();
            test_regulars(&mut after, &answers);
            for member in [MemberId(1), MemberId(2)] {
                let learned = |assigned: &[Split]| -> usize {
                    let learned = assigned.iter().zip(&answers).filter(|(split, _)| **split == Split::Train);
                    learned.map(|(_, answers)| answers[&member]).sum()
                };
                prop_assert!(learned(&before) < REGULAR || learned(&after) * 2 >= learned(&before));
            }
            let may = |(before, after): (&Split, &Split)| before == after || (*before, *after) == (Split::Train, Split::Test);
            prop_assert!(before.iter().zip(&after).all(may));
        }

        #[test]
        fn later_sittings_are_never_in_earlier_splits(answers in proptest::collection::vec(0..50_usize, 0..60)) {
            let assigned = assign(&answers, Shares::default());
            prop_assert_eq!(assigned.len(), answers.len());
            prop_assert!(assigned.is_sorted());
        }
    }
}
