//! Keys and tokens: what begins as those of well-known services do, and long strings that only chance writes.

use std::{collections::HashMap, ops::Range};

/// The shortest string that is taken for a key by its look alone.
pub(super) const MIN_CHARS: usize = 20;
/// How the keys of services begin, and the fewest characters behind that.
const PREFIXES: [(&str, usize); 21] = [
    ("sk-", 16),
    ("sk_live_", 16),
    ("sk_test_", 16),
    ("pk_live_", 16),
    ("rk_live_", 16),
    ("ghp_", 30),
    ("gho_", 30),
    ("ghs_", 30),
    ("ghu_", 30),
    ("github_pat_", 30),
    ("glpat-", 16),
    ("xoxa-", 16),
    ("xoxb-", 16),
    ("xoxp-", 16),
    ("AKIA", 16),
    ("ASIA", 16),
    ("AIza", 30),
    ("hf_", 30),
    ("npm_", 30),
    ("eyJ", 40),
    ("AAAAB3NzaC1", 40),
];
/// The shortest run of hexadecimal digits: 128 bits.
const MIN_HEX: usize = 32;
/// The shortest string of mixed letters and digits.
const MIN_MIXED: usize = 24;
/// Bits a character; sixty different characters by chance have more than 4 at that length, words of one case about 3.5.
const MIN_ENTROPY: f64 = 3.5;
/// How often, at least, letters of one case, of the other, and digits take turns: in a name of a program, at each word;
/// by chance, at six of ten places.
const MIN_TURNS: f64 = 0.4;

pub(super) fn find(line: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(begin) = line[at..].find(in_key) {
        let start = at + begin;
        let end = line[start..].find(|c| !in_key(c)).map_or(line.len(), |length| start + length);
        let stretch = line[start..end].trim_end_matches(['.', '-', ':']);
        // `KEY=sk-...` is a name and a key.
        let name = stretch.trim_end_matches('=').rfind('=').map_or(0, |place| place + 1);
        if is_key(&stretch[name..]) {
            found.push(start + name..start + stretch.len());
        }
        at = end;
    }
    found
}

fn in_key(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | '+' | '=')
}

fn is_key(text: &str) -> bool {
    text.len() >= MIN_CHARS && (begins_as_one(text) || is_bot_token(text) || text.split(['.', ':']).any(is_by_chance))
}

fn begins_as_one(text: &str) -> bool {
    PREFIXES.iter().any(|(prefix, least)| {
        text.strip_prefix(prefix).is_some_and(|rest| rest.len() >= *least && !rest.contains(':'))
    })
}

/// A bot's number and its secret, as Telegram writes them.
fn is_bot_token(text: &str) -> bool {
    text.split_once(':').is_some_and(|(number, secret)| {
        (8..=10).contains(&number.len())
            && number.bytes().all(|byte| byte.is_ascii_digit())
            && secret.len() == 35
            && !secret.contains([':', '.'])
    })
}

fn is_by_chance(text: &str) -> bool {
    let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_mixed = text.bytes().filter(u8::is_ascii_digit).count() >= 2
        && text.bytes().any(|byte| byte.is_ascii_lowercase())
        && text.bytes().any(|byte| byte.is_ascii_uppercase());
    match text.len() {
        MIN_HEX.. if is_hex => entropy(text) >= 3.0,
        MIN_MIXED.. if is_mixed => entropy(text) >= MIN_ENTROPY && turns(text) >= MIN_TURNS,
        _ => false,
    }
}

/// Shannon's entropy of the characters, in bits a character.
fn entropy(text: &str) -> f64 {
    let mut counts: HashMap<u8, u32> = HashMap::new();
    text.bytes().for_each(|byte| *counts.entry(byte).or_default() += 1);
    let length = text.len() as f64;
    let shares = counts.values().map(|&count| f64::from(count) / length);
    shares.map(|share| -share * share.log2()).sum()
}

/// In which part of the places a character is of another class than the one before it. Hyphens and underscores do not
/// count: they stand between the words of file names and titles.
fn turns(text: &str) -> f64 {
    let class = |byte: u8| (byte.is_ascii_lowercase(), byte.is_ascii_uppercase(), byte.is_ascii_digit());
    let letters: Vec<u8> = text.bytes().filter(u8::is_ascii_alphanumeric).collect();
    let turns = letters.windows(2).filter(|pair| class(pair[0]) != class(pair[1])).count();
    turns as f64 / letters.len().max(1) as f64
}
