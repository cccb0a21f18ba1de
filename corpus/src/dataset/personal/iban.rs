//! International bank account numbers: a country, its length, and check digits that are right.

use std::ops::Range;

/// Countries and how many characters their numbers have, from the registry of ISO 13616.
const LENGTHS: [(&str, usize); 41] = [
    ("AD", 24),
    ("AE", 23),
    ("AL", 28),
    ("AT", 20),
    ("BA", 20),
    ("BE", 16),
    ("BG", 22),
    ("BR", 29),
    ("CH", 21),
    ("CY", 28),
    ("CZ", 24),
    ("DE", 22),
    ("DK", 18),
    ("EE", 20),
    ("ES", 24),
    ("FI", 18),
    ("FR", 27),
    ("GB", 22),
    ("GE", 22),
    ("GR", 27),
    ("HR", 21),
    ("HU", 28),
    ("IE", 22),
    ("IL", 23),
    ("IS", 26),
    ("IT", 27),
    ("LI", 21),
    ("LT", 20),
    ("LU", 20),
    ("LV", 21),
    ("MC", 27),
    ("MT", 31),
    ("NL", 18),
    ("NO", 15),
    ("PL", 28),
    ("PT", 25),
    ("RO", 24),
    ("SE", 24),
    ("SI", 19),
    ("SK", 24),
    ("UA", 29),
];

pub(super) fn find(line: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for start in beginnings(line) {
        if found.last().is_some_and(|last| start < last.end) {
            continue;
        }
        if let Some(number) = number_at(line, start) {
            found.push(number);
        }
    }
    found
}

/// Where two letters and two digits begin a word.
fn beginnings(line: &str) -> impl Iterator<Item = usize> {
    let bytes = line.as_bytes();
    (0..bytes.len().saturating_sub(4)).filter(move |&place| {
        let begins_word = place == 0 || !bytes[place - 1].is_ascii_alphanumeric() && bytes[place - 1].is_ascii();
        begins_word
            && bytes[place..place + 2].iter().all(u8::is_ascii_alphabetic)
            && bytes[place + 2..place + 4].iter().all(u8::is_ascii_digit)
    })
}

fn number_at(line: &str, start: usize) -> Option<Range<usize>> {
    let country = line[start..start + 2].to_ascii_uppercase();
    let length = LENGTHS.iter().find(|(known, _)| *known == country)?.1;
    let mut compact = Vec::with_capacity(length);
    let mut end = start;
    for (offset, byte) in line[start..].bytes().enumerate() {
        match byte {
            _ if compact.len() == length => break,
            b' ' if compact.len() % 4 == 0 => {}
            byte if byte.is_ascii_alphanumeric() => {
                compact.push(byte.to_ascii_uppercase());
                end = start + offset + 1;
            }
            _ => return None,
        }
    }
    let is_over = !line[end..].starts_with(char::is_alphanumeric);
    (compact.len() == length && is_over && is_checked(&compact)).then_some(start..end)
}

/// The check of ISO 7064: with the first four characters at the end and letters as numbers from 10 on, the number leaves 1
/// when it is divided by 97.
fn is_checked(compact: &[u8]) -> bool {
    let turned = compact[4..].iter().chain(&compact[..4]);
    let rest = turned.fold(0_u32, |rest, &byte| match byte {
        b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
        byte => (rest * 100 + u32::from(byte - b'A') + 10) % 97,
    });
    rest == 1
}
