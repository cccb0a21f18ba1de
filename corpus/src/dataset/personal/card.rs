//! Payment cards: the beginning and length of an issuer, the usual groups, and a check digit that is right.

use std::ops::Range;

use super::digits;

/// How the digits of a card are grouped where they are not in one run.
const LAYOUTS: [&[usize]; 3] = [&[4, 4, 4, 4], &[4, 6, 5], &[4, 6, 4]];

pub(super) fn find(line: &str) -> Vec<Range<usize>> {
    let groups = digits::groups(line);
    let mut found = Vec::new();
    let mut next = 0;
    while next < groups.len() {
        match card(line, &groups[next..]) {
            Some((number, taken)) => {
                found.push(number);
                next += taken;
            }
            None => next += 1,
        }
    }
    found
}

/// The card that begins with the first group, and how many groups it has.
fn card(line: &str, groups: &[Range<usize>]) -> Option<(Range<usize>, usize)> {
    let layouts = LAYOUTS.into_iter().filter(|layout| is_laid_out(line, groups, layout)).map(<[usize]>::len);
    layouts.chain([1]).find_map(|taken| {
        let number = groups[0].start..groups[taken - 1].end;
        let digits = digits::only(&line[number.clone()]);
        let is_card = is_issued(&digits) && luhn(&digits) && !digits::is_part_of_more(line, &number);
        is_card.then_some((number, taken))
    })
}

fn is_laid_out(line: &str, groups: &[Range<usize>], layout: &[usize]) -> bool {
    groups.len() >= layout.len()
        && groups.iter().zip(layout).all(|(group, &length)| group.len() == length)
        && groups.windows(2).take(layout.len() - 1).all(|pair| matches!(&line[pair[0].end..pair[1].start], " " | "-"))
}

/// Whether an issuer gives out cards of this length that begin so (ISO/IEC 7812; the ranges are those that the large
/// networks publish).
fn is_issued(digits: &[u8]) -> bool {
    let beginning =
        |count: usize| digits.iter().take(count).fold(0_u32, |number, &digit| number * 10 + u32::from(digit));
    match digits.len() {
        14 => matches!(beginning(2), 36 | 38 | 39) || (300..=305).contains(&beginning(3)),
        15 => matches!(beginning(2), 34 | 37),
        16 => {
            beginning(1) == 4
                || (51..=55).contains(&beginning(2))
                || (2221..=2720).contains(&beginning(4))
                || (3528..=3589).contains(&beginning(4))
                || beginning(4) == 6011
                || beginning(2) == 65
                || (644..=649).contains(&beginning(3))
        }
        _ => false,
    }
}

/// The check of ISO/IEC 7812-1: from the right, every second digit counts double (less 9 where that has two digits), and
/// the sum is a multiple of ten.
fn luhn(digits: &[u8]) -> bool {
    let weighed = digits.iter().rev().enumerate().map(|(place, &digit)| match (place % 2, digit) {
        (0, digit) => u32::from(digit),
        (_, 0..=4) => u32::from(digit) * 2,
        (_, digit) => u32::from(digit) * 2 - 9,
    });
    weighed.sum::<u32>() % 10 == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_wrong_digit_is_noticed() {
        let mut digits = digits::only("4539578763621486");
        assert!(luhn(&digits));
        for place in 0..digits.len() {
            let right = digits[place];
            digits[place] = (right + 1) % 10;
            assert!(!luhn(&digits), "at {place}");
            digits[place] = right;
        }
    }
}
