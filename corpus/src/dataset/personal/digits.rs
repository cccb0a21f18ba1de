//! Groups of digits in a line, and what stands around them.

use std::ops::Range;

/// The runs of ASCII digits of a line.
pub(super) fn groups(line: &str) -> Vec<Range<usize>> {
    let mut groups: Vec<Range<usize>> = Vec::new();
    for (place, _) in line.bytes().enumerate().filter(|(_, byte)| byte.is_ascii_digit()) {
        match groups.last_mut() {
            Some(last) if last.end == place => last.end += 1,
            _ => groups.push(place..place + 1),
        }
    }
    groups
}

/// The digits of a text, without what separates them.
pub(super) fn only(text: &str) -> Vec<u8> {
    text.bytes().filter(u8::is_ascii_digit).map(|byte| byte - b'0').collect()
}

/// Whether a word or number goes on before or behind a stretch of a line.
pub(super) fn is_part_of_more(line: &str, stretch: &Range<usize>) -> bool {
    let goes_on = |c: char| c.is_alphanumeric() || c == '_';
    line[..stretch.start].ends_with(goes_on) || line[stretch.end..].starts_with(goes_on)
}

/// How many different digits there are: people type `0000000000` and `0101010101`, and have other numbers.
pub(super) fn variety(digits: &[u8]) -> usize {
    (0..10).filter(|digit| digits.contains(digit)).count()
}
