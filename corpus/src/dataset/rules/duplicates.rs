//! Answers that repeat an earlier one word for word: copied texts, jokes, what a phone sends by itself.
//!
//! The first stays, so that what a later split asks for was not learned before. Only long answers count (see `normal`);
//! short talk that is repeated too often is for `thinning`.

use std::{
    collections::HashSet,
    hash::{BuildHasher, RandomState},
};

use super::normal::Normal;

/// The long answers so far, by a hash of 64 bits: among a million, two share one by chance once in 37 million times.
#[derive(Debug, Default)]
pub(in crate::dataset) struct Duplicates {
    seen: HashSet<u64>,
    hasher: RandomState,
}

impl Duplicates {
    /// Whether the same was said before. From now on it was.
    pub(in crate::dataset) fn is_one(&mut self, answer: &Normal) -> bool {
        answer.is_long() && !self.seen.insert(self.hasher.hash_one(answer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_equal_answers_stays() {
        let mut duplicates = Duplicates::default();
        let long = Normal::new("the boat is in the harbour now");
        assert!(!duplicates.is_one(&long));
        assert!(duplicates.is_one(&Normal::new("The boat is in the harbour, NOW!!")));
        assert!(!duplicates.is_one(&Normal::new("the boat is in the harbour then")));
        for _ in 0..3 {
            assert!(!duplicates.is_one(&Normal::new("lol")));
        }
    }
}
