//! Members who say much more than the others would be all that a model learns.
//!
//! The measure is the median of the regulars, those with at least [`REGULAR`] answers: the many who looked in once would
//! make it nothing. Whoever has more than a multiple of it keeps the latest of their answers, the same part of them in
//! each split, so that the later splits are balanced too.

use std::collections::HashMap;

use chat::MemberId;

use crate::dataset::Split;

/// So many answers make a voice.
pub(in crate::dataset) const REGULAR: usize = 50;

/// How many answers each member keeps in each split, of so many; `times` the median of the regulars over all splits at
/// most.
pub(in crate::dataset) fn limits(
    answers: &HashMap<(MemberId, Split), usize>,
    times: u32,
) -> HashMap<(MemberId, Split), usize> {
    let mut totals: HashMap<MemberId, usize> = HashMap::new();
    for (&(member, _), &count) in answers {
        *totals.entry(member).or_default() += count;
    }
    let limit =
        median(totals.values().copied().filter(|&total| total >= REGULAR)).map(|median| median * times as usize);
    let kept = answers.iter().map(|(&(member, split), &count)| {
        let total = totals[&member];
        let kept = limit.filter(|&limit| limit < total).map_or(count, |limit| count * limit / total);
        ((member, split), kept)
    });
    kept.collect()
}

fn median(counts: impl Iterator<Item = usize>) -> Option<usize> {
    let mut counts: Vec<usize> = counts.collect();
    counts.sort_unstable();
    let middle = counts.len() / 2;
    match counts.len() {
        0 => None,
        length if length % 2 == 1 => Some(counts[middle]),
        _ => Some((counts[middle - 1] + counts[middle]) / 2),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(totals: &[usize], expected: &[usize]) {
        let of = |member: usize, split, count| ((MemberId(member as i32), split), count);
        let answers = totals.iter().enumerate().flat_map(|(member, &total)| {
            [of(member, Split::Train, total - total / 5), of(member, Split::Test, total / 5)]
        });
        let limits = limits(&answers.collect(), 4);
        let kept: Vec<usize> = (0..totals.len())
            .map(|member| Split::ALL.iter().filter_map(|&split| limits.get(&(MemberId(member as i32), split))).sum())
            .collect();
        assert_eq!(kept, expected);
    }

    #[test]
    fn nobody_has_more_than_four_times_the_median_of_the_regulars() {
        check(&[100, 100, 1_000], &[100, 100, 400]);
        check(&[100, 200, 300, 399], &[100, 200, 300, 399]);
        check(&[100, 1, 2, 1, 1, 1, 1, 5_000, 100], &[100, 1, 2, 1, 1, 1, 1, 400, 100]);
        check(&[1, 2, 49], &[1, 2, 49]);
        check(&[], &[]);
    }

    #[test]
    fn the_same_part_is_kept_in_each_split() {
        let answers =
            [((MemberId(1), Split::Train), 100), ((MemberId(2), Split::Train), 800), ((MemberId(2), Split::Test), 200)];
        let mut answers: HashMap<_, _> = answers.into();
        answers.insert((MemberId(3), Split::Judge), 100);
        let limits = limits(&answers, 4);
        assert_eq!((limits[&(MemberId(2), Split::Train)], limits[&(MemberId(2), Split::Test)]), (320, 80));
        assert_eq!(limits[&(MemberId(3), Split::Judge)], 100);
    }
}
