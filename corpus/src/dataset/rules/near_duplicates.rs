//! Answers that are an earlier one but for a few characters.
//!
//! An answer is the set of its pieces of five characters, and two are near duplicates where their sets have four fifths in
//! common (Jaccard). Comparing all pairs would take hours, so candidates come from MinHash (Broder, "On the resemblance
//! and containment of documents", 1997) in bands: 8 bands of 4 minima find a pair that has 0.8 in common with a chance of
//! 0.985, and one that has 0.9, almost always. Each band remembers one answer, so that an answer is compared with 8 others
//! at most, however much was said.

use std::collections::HashMap;

use super::normal::Normal;

/// Shorter answers differ by a word where they differ by a fifth: "at five then" and "at six then".
const MIN_LETTERS: usize = 40;
/// Characters of a piece.
const PIECE: usize = 5;
const BANDS: usize = 8;
const ROWS: usize = 4;
/// In common, of all that either has.
const NEAR: f64 = 0.8;

/// The longer answers so far.
#[derive(Debug)]
pub(in crate::dataset) struct NearDuplicates {
    /// For each band, which answer was the first with these minima.
    bands: [HashMap<u64, u32>; BANDS],
    /// The pieces of the answers that a band remembers, sorted.
    pieces: Vec<Box<[u32]>>,
    seeds: [u64; BANDS * ROWS],
}

impl Default for NearDuplicates {
    fn default() -> Self {
        let seeds = std::array::from_fn(|place| mix(place as u64 + 1));
        Self { bands: Default::default(), pieces: Vec::new(), seeds }
    }
}

impl NearDuplicates {
    /// Whether almost the same was said before. If not, it is remembered.
    pub(in crate::dataset) fn is_one(&mut self, answer: &Normal) -> bool {
        if answer.letters() < MIN_LETTERS {
            return false;
        }
        let pieces = pieces(answer.as_str());
        let keys = self.band_keys(&pieces);
        let known = keys.iter().zip(&self.bands).filter_map(|(key, band)| band.get(key));
        if known.into_iter().any(|&earlier| resemblance(&self.pieces[earlier as usize], &pieces) >= NEAR) {
            return true;
        }
        let place = u32::try_from(self.pieces.len()).expect("a community has fewer than four thousand million answers");
        for (key, band) in keys.into_iter().zip(&mut self.bands) {
            band.entry(key).or_insert(place);
        }
        self.pieces.push(pieces);
        false
    }

    /// One number a band: its minima, mixed.
    fn band_keys(&self, pieces: &[u32]) -> [u64; BANDS] {
        let mut minima = [u64::MAX; BANDS * ROWS];
        for &piece in pieces {
            for (minimum, seed) in minima.iter_mut().zip(&self.seeds) {
                *minimum = (*minimum).min(spread(u64::from(piece) ^ seed));
            }
        }
        std::array::from_fn(|band| minima[band * ROWS..][..ROWS].iter().fold(0, |key, minimum| mix(key ^ minimum)))
    }
}

/// The hashes of all pieces of a line, sorted, each once. 32 bits are enough to tell those of two lines apart.
fn pieces(line: &str) -> Box<[u32]> {
    let starts: Vec<usize> = line.char_indices().map(|(place, _)| place).chain([line.len()]).collect();
    let mut pieces: Vec<u32> =
        starts.windows(PIECE + 1).map(|places| hash(&line.as_bytes()[places[0]..places[PIECE]])).collect();
    pieces.sort_unstable();
    pieces.dedup();
    pieces.into_boxed_slice()
}

/// What two sorted sets have in common, of all that either has.
fn resemblance(first: &[u32], second: &[u32]) -> f64 {
    let (mut one, mut other, mut common) = (0, 0, 0_usize);
    while one < first.len() && other < second.len() {
        match first[one].cmp(&second[other]) {
            std::cmp::Ordering::Less => one += 1,
            std::cmp::Ordering::Greater => other += 1,
            std::cmp::Ordering::Equal => {
                common += 1;
                one += 1;
                other += 1;
            }
        }
    }
    common as f64 / (first.len() + second.len() - common).max(1) as f64
}

/// FNV-1a (Fowler, Noll, Vo) of a few bytes, folded to 32 bits.
fn hash(bytes: &[u8]) -> u32 {
    let hash = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    (hash ^ (hash >> 32)) as u32
}

/// A cheap permutation for the minima: an odd factor spreads the bits upwards, and the upper ones decide.
fn spread(number: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (number >> 29)
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014).
fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORY: &str = "so the chairman took the boat out again and of course nobody had told him about the cork";

    #[test]
    fn a_copy_with_a_few_other_characters_is_found() {
        let mut near = NearDuplicates::default();
        assert!(!near.is_one(&Normal::new(STORY)));
        for copy in [STORY.to_owned(), format!("{STORY} lol"), STORY.replace("course", "cours"), format!("ha, {STORY}")]
        {
            assert!(near.is_one(&Normal::new(&copy)), "{copy}");
        }
        for other in [STORY.replace("boat", "flamingo").replace("cork", "lantern and the soup"), STORY[..44].to_owned()]
        {
            assert!(!near.is_one(&Normal::new(&other)), "{other}");
        }
    }

    #[test]
    fn short_answers_are_left_to_themselves() {
        let mut near = NearDuplicates::default();
        for short in ["see you at five tomorrow then", "see you at nine tomorrow then", "see you at five tomorrow then"]
        {
            assert!(!near.is_one(&Normal::new(short)), "{short}");
        }
    }

    #[test]
    fn nine_tenths_in_common_are_found_almost_always() {
        let mut near = NearDuplicates::default();
        let line = |number: u64| -> String {
            let words = (0..30).map(|place| format!("{:x}", mix(number * 31 + place) & 0xffff));
            words.collect::<Vec<_>>().join(" ")
        };
        let missed = (0..500).filter(|&number| {
            assert!(!near.is_one(&Normal::new(&line(number))), "{number} resembles none before it");
            !near.is_one(&Normal::new(&format!("{} and so", line(number))))
        });
        assert!(missed.count() <= 2);
    }
}
