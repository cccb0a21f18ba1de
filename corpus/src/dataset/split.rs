//! Which sitting belongs to which split: all rooms together, by time, whole sittings.
//!
//! A model is used after what it learned from, so it is measured on what came later. Splitting each room by itself would
//! let it learn in one room what it is asked about in another. Who has been silent of late, or has only just come, can be
//! learned and tested all the same, at the price that some of what is learned came later than some of what is tested.

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

/// Moves sittings between what is learned and what is tested until there is enough of each regular in both. First their
/// latest ones are tested, those with enough answers at once before those with fewer, as long as half of what is to be
/// learned of each regular stays. Then their earliest of the test are learned, as long as the test keeps enough of each.
pub(super) fn cover_regulars(assigned: &mut [Split], answers: &[BTreeMap<MemberId, usize>]) {
    let mut cover = Cover::new(assigned, answers);
    let at_first = cover.of(Split::Train).clone();
    let regulars: Vec<MemberId> = at_first.keys().copied().filter(|member| at_first[member] >= REGULAR).collect();
    for &member in &regulars {
        let mut theirs = cover.sittings(member, Split::Train);
        theirs.sort_by_key(|&place| (Reverse(answers[place][&member].min(TESTED)), Reverse(place)));
        cover.take(member, theirs, [Split::Train, Split::Test], TESTED, |other, left| {
            at_first.get(&other).is_none_or(|&learned| learned < REGULAR || left * 2 >= learned)
        });
    }
    let tested = cover.of(Split::Test).clone();
    let both = |member: &MemberId| tested[member] + cover.of(Split::Train).get(member).unwrap_or(&0);
    let regulars: Vec<MemberId> = tested.keys().copied().filter(|member| both(member) >= REGULAR + TESTED).collect();
    for &member in &regulars {
        let theirs = cover.sittings(member, Split::Test);
        cover.take(member, theirs, [Split::Test, Split::Train], REGULAR, |other, left| {
            left >= TESTED || !regulars.contains(&other)
        });
    }
}

/// Which sittings are in which split, and how many answers each member has there.
struct Cover<'a> {
    assigned: &'a mut [Split],
    answers: &'a [BTreeMap<MemberId, usize>],
    counts: BTreeMap<Split, BTreeMap<MemberId, usize>>,
}

impl<'a> Cover<'a> {
    fn new(assigned: &'a mut [Split], answers: &'a [BTreeMap<MemberId, usize>]) -> Self {
        let mut counts: BTreeMap<Split, BTreeMap<MemberId, usize>> =
            Split::ALL.map(|split| (split, BTreeMap::new())).into();
        for (split, answers) in assigned.iter().zip(answers) {
            let counts = counts.entry(*split).or_default();
            answers.iter().for_each(|(member, count)| *counts.entry(*member).or_default() += count);
        }
        Self { assigned, answers, counts }
    }

    fn of(&self, split: Split) -> &BTreeMap<MemberId, usize> {
        &self.counts[&split]
    }

    /// The places of a member's sittings in a split, by time.
    fn sittings(&self, member: MemberId, split: Split) -> Vec<usize> {
        let is_theirs = |&place: &usize| self.assigned[place] == split && self.answers[place].contains_key(&member);
        (0..self.answers.len()).filter(is_theirs).collect()
    }

    /// Moves sittings until the other split has `enough` of a member, but none of which somebody may not lose so many:
    /// `may_keep` is asked who would be left with how many.
    fn take(
        &mut self,
        member: MemberId,
        sittings: Vec<usize>,
        [from, to]: [Split; 2],
        enough: usize,
        may_keep: impl Fn(MemberId, usize) -> bool,
    ) {
        for place in sittings {
            if self.of(to).get(&member).is_some_and(|&count| count >= enough) {
                return;
            }
            let moved = &self.answers[place];
            if moved.iter().all(|(&other, count)| may_keep(other, self.of(from)[&other] - count)) {
                self.assigned[place] = to;
                for (other, count) in moved {
                    *self.counts.entry(from).or_default().entry(*other).or_default() -= count;
                    *self.counts.entry(to).or_default().entry(*other).or_default() += count;
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

    /// Sittings of two members, as how many answers each has, before and after all regulars are covered.
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
        cover_regulars(&mut assigned, &answers);
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
    fn who_came_late_is_learned_from_their_first_sittings() {
        check_regulars(&[(60, 0), (30, 8), (0, 28), (0, 9), (25, 5), (0, 90)], "ttTTTT", "ttttTT");
        check_regulars(&[(60, 0), (30, 8), (25, 28), (0, 9), (0, 90)], "ttTTT", "ttTtt");
        check_regulars(&[(60, 0), (30, 0), (25, 60)], "ttT", "ttT");
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
            cover_regulars(&mut after, &answers);
            for member in [MemberId(1), MemberId(2)] {
                let learned = |assigned: &[Split]| -> usize {
                    let learned = assigned.iter().zip(&answers).filter(|(split, _)| **split == Split::Train);
                    learned.map(|(_, answers)| answers[&member]).sum()
                };
                prop_assert!(learned(&before) < REGULAR || learned(&after) * 2 >= learned(&before));
            }
            let between = [Split::Train, Split::Test];
            let may = |(before, after)| before == after || (between.contains(before) && between.contains(after));
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
