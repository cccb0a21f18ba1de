//! Telephone numbers: international with `+` or `00`, national with a leading zero, and North American ones in groups.
//!
//! A run of digits alone is an ordinary number unless it begins as a telephone number does.

use std::ops::Range;

use super::digits;

/// What may stand between two groups.
const SEPARATORS: [&str; 11] = [" ", "-", ".", "/", " - ", " / ", ") ", ")", " (", "(", " (0) "];
/// The most groups of a number.
const MAX_GROUPS: usize = 6;

pub(super) fn find(line: &str) -> Vec<Range<usize>> {
    let groups = digits::groups(line);
    let mut found = Vec::new();
    let mut next = 0;
    while next < groups.len() {
        match longest(line, &groups[next..]) {
            Some((number, taken)) => {
                found.push(number);
                next += taken;
            }
            None => next += 1,
        }
    }
    found
}

/// The longest number that begins with the first group, and how many groups it has.
fn longest(line: &str, groups: &[Range<usize>]) -> Option<(Range<usize>, usize)> {
    let start = beginning(line, groups[0].start)?;
    let joined =
        groups.windows(2).take(MAX_GROUPS - 1).take_while(|pair| is_separator(&line[pair[0].end..pair[1].start]));
    let most = 1 + joined.count();
    (1..=most).rev().find_map(|taken| {
        let candidate = start..groups[taken - 1].end;
        let ends = !line[candidate.end..]
            .starts_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '%' | '€' | '$'))
            && !continues(&line[candidate.end..]);
        (ends && is_number(&line[candidate.clone()], &groups[..taken], line)).then_some((candidate, taken))
    })
}

fn is_separator(between: &str) -> bool {
    SEPARATORS.contains(&between)
}

/// Whether a `:`, `,` or `.` with a digit behind it makes the digits a part of a time or a figure.
fn continues(after: &str) -> bool {
    let mut after = after.chars();
    matches!(after.next(), Some(':' | ',' | '.')) && after.next().is_some_and(|c| c.is_ascii_digit())
}

/// Where the number begins, with its `+` or bracket; none in the middle of something else.
fn beginning(line: &str, digit: usize) -> Option<usize> {
    let start = ["+", "(+", "("]
        .into_iter()
        .find(|sign| line[..digit].ends_with(*sign))
        .map_or(digit, |sign| digit - sign.len());
    let mut before = line[..start].chars().rev();
    let (last, one_before) = (before.next(), before.next());
    let in_word = one_before.is_some_and(char::is_alphanumeric);
    let ends_a_figure = one_before.is_some_and(|c| c.is_ascii_digit());
    let refused = match last {
        None => false,
        Some('#' | '$' | '€' | '£' | '_' | '=' | '&' | '%' | '/' | '\\' | '+' | '*') => true,
        Some('.' | ',' | '-') => in_word,
        Some(':') => ends_a_figure,
        Some(c) => c.is_alphanumeric(),
    };
    (!refused).then_some(start)
}

fn is_number(text: &str, groups: &[Range<usize>], line: &str) -> bool {
    let digits = digits::only(text);
    if digits::variety(&digits) < 3 || is_count(&digits) || begins_with_date(groups, line) {
        return false;
    }
    let lengths: Vec<usize> = groups.iter().map(ExactSizeIterator::len).collect();
    let is_international = text.trim_start_matches('(').starts_with('+');
    match digits.as_slice() {
        [1..=9, ..] if is_international => (8..=15).contains(&digits.len()),
        [0, 0, 1..=9, ..] => (10..=17).contains(&digits.len()),
        [0, 1..=9, ..] => is_national(digits.len(), &lengths, text),
        _ => is_north_american(&digits, &lengths),
    }
}

/// Digits that only count up or down, as people type them to fill a line.
fn is_count(digits: &[u8]) -> bool {
    let steps =
        |step: i16| digits.windows(2).all(|pair| (i16::from(pair[1]) - i16::from(pair[0]) - step).rem_euclid(10) == 0);
    steps(1) || steps(-1)
}

/// With a leading zero: 10 or 11 digits in a row, or 9 to 12 in groups. Full stops only as in `06.12.34.56.78`, since
/// dates have them too.
fn is_national(digits: usize, lengths: &[usize], text: &str) -> bool {
    match lengths {
        [_] => (10..=11).contains(&digits),
        _ if text.contains('.') => digits == 10 && lengths == [2, 2, 2, 2, 2],
        _ => (9..=12).contains(&digits) && lengths.iter().all(|&length| length >= 2),
    }
}

/// 3, 3 and 4 digits, perhaps with a 1 before them. Neither area nor exchange begins with 0 or 1.
fn is_north_american(digits: &[u8], lengths: &[usize]) -> bool {
    let local = match (lengths, digits) {
        ([3, 3, 4], _) => digits,
        ([1, 3, 3, 4], [1, local @ ..]) => local,
        _ => return false,
    };
    local[0] >= 2 && local[3] >= 2
}

/// Whether the first three groups are a day, a month and a year.
fn begins_with_date(groups: &[Range<usize>], line: &str) -> bool {
    let [day, month, year, ..] = groups else { return false };
    let between = |first: &Range<usize>, second: &Range<usize>| &line[first.end..second.start];
    let separator = between(day, month);
    (day.len(), month.len(), year.len()) == (2, 2, 4)
        && separator == between(month, year)
        && matches!(separator, "-" | "." | "/")
}
