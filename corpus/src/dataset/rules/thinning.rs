//! Answers that somebody gives too often: a model that has seen a thousand `lol` says nothing else.
//!
//! What a member says in the same wording (see `normal`) may be 1 % of that member's answers, or [`ALWAYS_KEPT`] where
//! that is more. Who says a thing often still says it oftenest. What is kept is spread evenly over time.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
};

use chat::MemberId;

use super::normal::Normal;

/// What somebody has said ten times is a habit worth learning.
const ALWAYS_KEPT: usize = 10;
/// One answer in so many may have the same wording.
const ONE_IN: usize = 100;

/// The answers of a community, in the order in which they were given.
#[derive(Debug, Default)]
pub(in crate::dataset) struct Thinning {
    /// Which wording each answer has.
    wordings: Vec<u32>,
    /// By member and a hash of the wording, which takes less memory than the wording.
    known: HashMap<(MemberId, u64), u32>,
    hasher: RandomState,
    /// For each wording, whose it is and how often it came.
    counts: Vec<(MemberId, usize)>,
    answers: HashMap<MemberId, usize>,
}

impl Thinning {
    /// Adds an answer.
    pub(in crate::dataset) fn add(&mut self, member: MemberId, answer: &Normal) {
        let next = u32::try_from(self.counts.len()).expect("a community has fewer than four thousand million answers");
        let wording = *self.known.entry((member, self.hasher.hash_one(answer))).or_insert(next);
        if wording == next {
            self.counts.push((member, 0));
        }
        self.counts[wording as usize].1 += 1;
        self.wordings.push(wording);
        *self.answers.entry(member).or_default() += 1;
    }

    /// Whether each answer is kept, in their order.
    pub(in crate::dataset) fn kept(self) -> Vec<bool> {
        let Self { wordings, counts, answers, .. } = self;
        let mut seen = vec![0; counts.len()];
        let kept = wordings.into_iter().map(|wording| {
            let (member, count) = counts[wording as usize];
            let cap = (answers[&member] / ONE_IN).max(ALWAYS_KEPT).min(count);
            let seen = &mut seen[wording as usize];
            *seen += 1;
            // Of `count`, the ones at which another whole part of `cap` begins.
            *seen * cap / count > (*seen - 1) * cap / count
        });
        kept.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says what each member says so often, and returns how often each is kept.
    fn kept(said: &[(i32, &str, usize)]) -> Vec<usize> {
        let mut thinning = Thinning::default();
        for &(member, text, count) in said {
            (0..count).for_each(|_| thinning.add(MemberId(member), &Normal::new(text)));
        }
        let kept = thinning.kept();
        let mut at = 0;
        let mut counts = Vec::new();
        for &(_, _, count) in said {
            counts.push(kept[at..at + count].iter().filter(|kept| **kept).count());
            at += count;
        }
        counts
    }

    #[test]
    fn a_member_says_the_same_in_one_of_a_hundred_answers() {
        let mut said = vec![(1, "lol", 300), (1, "brb", 15), (2, "lol", 10), (2, "LOL!", 10)];
        let different: Vec<String> = (0..2_685).map(|number| format!("word {number}")).collect();
        said.extend(different.iter().map(|text| (1, text.as_str(), 1)));
        let kept = kept(&said);
        assert_eq!(kept[..4], [30, 15, 5, 5]);
        assert!(kept[4..].iter().all(|&count| count == 1));
    }

    #[test]
    fn what_is_kept_is_spread_over_time() {
        let mut thinning = Thinning::default();
        (0..40).for_each(|_| thinning.add(MemberId(1), &Normal::new("lol")));
        let places: Vec<usize> =
            thinning.kept().iter().enumerate().filter(|(_, kept)| **kept).map(|(at, _)| at).collect();
        assert_eq!(places, [3, 7, 11, 15, 19, 23, 27, 31, 35, 39]);
    }
}
