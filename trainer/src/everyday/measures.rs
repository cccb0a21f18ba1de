//! What the stream as a whole must be: the same on each platform, of many words and lines, close to the sample group's
//! vocabulary and far from its sentences.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use expect_test::expect;

use super::*;

const SITTINGS: usize = 2_000;

static LINES: LazyLock<Vec<Line>> =
    LazyLock::new(|| Everyday::new(1).take(SITTINGS).flat_map(|sitting| sitting.lines).collect());

/// The messages of the sample group.
fn sample() -> Vec<String> {
    let export: serde_json::Value = serde_json::from_str(include_str!("../../../sample/result.json")).unwrap();
    let text = |message: &serde_json::Value| -> String {
        let entities = message["text_entities"].as_array().map(Vec::as_slice).unwrap_or_default();
        entities.iter().filter_map(|entity| entity["text"].as_str()).collect()
    };
    export["messages"].as_array().unwrap().iter().map(text).filter(|text| !text.is_empty()).collect()
}

/// The words of a line in lower case; drawn-out letters are taken back to two.
fn words(text: &str) -> Vec<String> {
    let mut plain = String::with_capacity(text.len());
    for letter in text.to_lowercase().chars() {
        if !plain.ends_with(&format!("{letter}{letter}")) {
            plain.push(letter);
        }
    }
    let is_word = |character: char| character.is_alphabetic() || character == '\'';
    let parts = plain.split(|character: char| !is_word(character)).map(|word| word.trim_matches('\''));
    parts.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn counts(lines: &[Line]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for word in lines.iter().flat_map(|line| words(&line.text)) {
        *counts.entry(word).or_default() += 1;
    }
    counts
}

fn share(part: usize, whole: usize) -> usize {
    part * 100 / whole
}

#[test]
fn a_seed_gives_the_same_text_on_every_platform() {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for line in Everyday::new(1).take(200).flat_map(|sitting| sitting.lines) {
        for byte in format!("{}: {}\n", line.name, line.text).bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    expect!["e2f5445b14e22e22"].assert_eq(&format!("{hash:016x}"));
    assert_ne!(Everyday::new(1).next(), Everyday::new(2).next());
}

#[test]
fn each_message_is_one_a_prompt_can_show() {
    for line in LINES.iter() {
        assert_eq!(chat::sanitise::text(&line.text), line.text);
        assert_eq!(chat::sanitise::name(&line.name), line.name);
        assert!(!line.text.is_empty());
        assert!(!line.text.contains(['{', '}', '[', ']', '|', '=']), "a bracket is left in {:?}", line.text);
    }
}

#[test]
fn sittings_are_conversations() {
    for sitting in Everyday::new(3).take(SITTINGS) {
        let names: BTreeSet<_> = sitting.lines.iter().map(|line| &line.name).collect();
        assert!((2..=7).contains(&names.len()));
        assert!(sitting.lines.len() >= 4);
        assert!(sitting.topic.is_none_or(|topic| !topic.is_empty()));
    }
}

#[test]
fn lines_are_many_and_of_all_lengths() {
    let lines = &*LINES;
    let lengths: Vec<usize> = lines.iter().map(|line| line.text.split(' ').count()).collect();
    let long: Vec<&String> =
        lines.iter().zip(&lengths).filter(|(_, length)| **length > 3).map(|(line, _)| &line.text).collect();
    let distinct = long.iter().collect::<BTreeSet<_>>().len();
    assert!(share(distinct, long.len()) > 85, "{} of {}", distinct, long.len());
    let short = share(lines.len() - long.len(), lines.len());
    assert!((18..=40).contains(&short), "{short} of 100 lines are short");
    let mean = lengths.iter().sum::<usize>() * 10 / lengths.len();
    assert!((55..=90).contains(&mean), "{mean} tenths of a word");
    assert!(counts(lines).len() > 4_500);
}

#[test]
fn the_samples_words_are_known_and_its_sentences_are_not() {
    let lines = &*LINES;
    let known = counts(lines);
    let sample: Vec<Vec<String>> = sample().iter().map(|text| words(text)).collect();
    let tokens: Vec<&String> = sample.iter().flatten().collect();
    let covered = tokens.iter().filter(|word| known.contains_key(**word)).count();
    assert!(share(covered, tokens.len()) >= 85, "{covered} of {}", tokens.len());
    let runs: BTreeSet<Vec<String>> = lines
        .iter()
        .flat_map(|line| words(&line.text).windows(5).map(<[String]>::to_vec).collect::<Vec<_>>())
        .collect();
    let own: Vec<&[String]> = sample.iter().flat_map(|line| line.windows(5)).collect();
    let shared = own.iter().filter(|run| runs.contains(**run)).count();
    assert!(shared * 50 < own.len(), "{shared} of {} runs of five words", own.len());
}
