//! The whole of drawing, against a slow and plain reference and against what a policy promises.

use std::{collections::HashSet, sync::Arc};

use chat::{ScriptSet, clean, scripts::Script};
use proptest::prelude::*;

use super::{
    Drawn, Dry, Grammar, Mask, Policy, Sampler, Sampling, TokenId, TokenKind, Vocabulary, VocabularyToken,
    chance::Chance, log_probability,
};

fn vocabulary(tokens: &[(&[u8], TokenKind)]) -> Arc<Vocabulary> {
    let tokens = tokens.iter().map(|&(piece, kind)| VocabularyToken { piece: piece.to_vec(), kind });
    Arc::new(Vocabulary::new(tokens))
}

fn sampler(sampling: Sampling, vocabulary: &Arc<Vocabulary>, prompt: &[TokenId]) -> Sampler {
    let mask = Arc::new(Mask::new(vocabulary, &sampling.policy));
    Sampler::new(sampling, Arc::clone(vocabulary), mask, prompt)
}

/// Letters, of which the last two are markup and a control token that never come, and one that ends repetitions.
fn letters() -> Arc<Vocabulary> {
    let mut tokens: Vec<(&[u8], TokenKind)> = b"abcdefghijklmn\n".chunks(1).map(|c| (c, TokenKind::Text)).collect();
    tokens.extend([(b"</s>" as &[u8], TokenKind::Markup), (b"", TokenKind::Control)]);
    vocabulary(&tokens)
}

const LETTERS: usize = 17;
const LETTERS_THAT_COME: usize = 15;
const LINE_BREAK: TokenId = 14;

/// What may be drawn and how probable it is, likeliest first, from the definitions.
fn reference(sampling: &Sampling, row: &[f32], history: &[TokenId], answer: &[TokenId]) -> Vec<(TokenId, f64)> {
    let logits = (0..).zip(row).take(LETTERS_THAT_COME).map(|(token, &logit)| {
        let repeated = history.iter().rev().take(sampling.repeat_last_n.unwrap_or(usize::MAX)).any(|&t| t == token);
        let count = answer.iter().filter(|&&t| t == token).count();
        let mut logit = logit;
        for &(_, bias) in sampling.logit_bias.iter().filter(|&&(biased, _)| biased == token) {
            logit += bias;
        }
        if repeated {
            let penalty = sampling.repetition_penalty;
            logit = if logit > 0.0 { logit / penalty } else { logit * penalty };
        }
        logit -= count as f32 * sampling.frequency_penalty;
        logit -= if count > 0 { sampling.presence_penalty } else { 0.0 };
        (token, f64::from(logit - naive_dry(&sampling.dry, history, token)))
    });
    let mut sorted: Vec<(TokenId, f64)> = logits.filter(|(_, logit)| !logit.is_nan()).collect();
    sorted.sort_by(|a, b| b.1.partial_cmp(&a.1).unwrap().then(a.0.cmp(&b.0)));
    sorted.truncate(match sampling.top_k {
        _ if sampling.temperature <= 0.0 => 1,
        0 => usize::MAX,
        top_k => top_k as usize,
    });
    let weight = |logit: f64, temperature: f64| ((logit - sorted[0].1) / temperature).exp();
    let total: f64 = sorted.iter().map(|&(_, logit)| weight(logit, 1.0)).sum();
    let mut before = 0.0;
    let kept = sorted.iter().filter(|&&(_, logit)| {
        let stays = before == 0.0
            || (before < f64::from(sampling.top_p) || sampling.top_p >= 1.0)
                && weight(logit, 1.0) >= f64::from(sampling.min_p);
        before += weight(logit, 1.0) / total;
        stays
    });
    let temperature = f64::from(sampling.temperature.max(0.001));
    let weights: Vec<(TokenId, f64)> = kept.map(|&(token, logit)| (token, weight(logit, temperature))).collect();
    let total: f64 = weights.iter().map(|&(_, weight)| weight).sum();
    weights.into_iter().map(|(token, weight)| (token, weight / total)).collect()
}

/// The DRY penalty of a token, by looking at all places where it came.
fn naive_dry(dry: &Dry, history: &[TokenId], token: TokenId) -> f32 {
    let window = &history[history.len().saturating_sub(dry.last_n.unwrap_or(usize::MAX))..];
    let length = |place: usize| {
        (1..=place)
            .take_while(|&back| {
                let earlier = window[place - back];
                earlier == window[window.len() - back] && earlier != LINE_BREAK
            })
            .count()
    };
    let longest = (1..window.len()).filter(|&place| window[place] == token).map(length).max().unwrap_or(0);
    if token == LINE_BREAK || longest < dry.allowed_length.max(1) as usize {
        return 0.0;
    }
    dry.multiplier * dry.base.powi(longest as i32 - dry.allowed_length as i32)
}

fn sampling() -> impl Strategy<Value = Sampling> {
    let cuts = (0.05_f32..2.0, prop_oneof![Just(1.0_f32), 0.05_f32..1.0], prop_oneof![Just(0.0_f32), 0.0_f32..0.5]);
    let counts = (prop_oneof![Just(0_u32), 1..20_u32], any::<u64>(), prop::option::of(0_usize..8), any::<bool>());
    let penalties = (prop_oneof![Just(1.0_f32), 0.5_f32..2.0], -2.0_f32..2.0, -2.0_f32..2.0);
    let dry = (prop_oneof![Just(0.0_f32), 0.1_f32..2.0], 1.0_f32..3.0, 0_u32..4, prop::option::of(0_usize..20));
    let bias = prop::collection::btree_map(0..LETTERS as TokenId, -5.0_f32..5.0, 0..3);
    (cuts, counts, penalties, dry, bias).prop_map(|(cuts, counts, penalties, dry, bias)| Sampling {
        temperature: if counts.3 { cuts.0 } else { cuts.0 - 0.5 },
        top_p: cuts.1,
        min_p: cuts.2,
        top_k: counts.0,
        seed: Some(counts.1),
        repeat_last_n: counts.2,
        repetition_penalty: penalties.0,
        frequency_penalty: penalties.1,
        presence_penalty: penalties.2,
        dry: Dry { multiplier: dry.0, base: dry.1, allowed_length: dry.2, last_n: dry.3 },
        logit_bias: bias.into_iter().collect(),
        ..Sampling::default()
    })
}

fn logit() -> impl Strategy<Value = f32> {
    prop_oneof![12 => -6.0_f32..6.0, 1 => Just(f32::NAN)]
}

proptest! {
    /// Each draw is the one that the reference makes of the same chance.
    #[test]
    fn tokens_are_drawn_as_the_reference_draws(
        sampling in sampling(),
        row in prop::collection::vec(logit(), LETTERS),
        prompt in prop::collection::vec(prop_oneof![5 => 0..3_i32, 1 => Just(LINE_BREAK)], 0..20),
    ) {
        prop_assume!(row.iter().take(LETTERS_THAT_COME).any(|logit| !logit.is_nan()));
        let mut sampler = sampler(sampling.clone(), &letters(), &prompt);
        let mut chance = Chance::new(sampling.seed);
        let mut history = prompt.clone();
        for _ in 0..12 {
            let mut expected = reference(&sampling, &row, &history, &history[prompt.len()..]);
            if sampling.top_k == 0 && sampling.top_p >= 1.0 && sampling.min_p <= 0.0 {
                expected.sort_by_key(|&(token, _)| token);
            }
            let token = sampler.draw(&mut row.clone(), None).unwrap().token;
            if sampling.temperature > 0.0 {
                let place = chance.even();
                let index = expected.iter().position(|&(expected, _)| expected == token);
                let index = index.ok_or_else(|| TestCaseError::fail(format!("{token} is none of {expected:?}")))?;
                let start: f64 = expected[..index].iter().map(|&(_, probability)| probability).sum();
                let end = start + expected[index].1;
                prop_assert!((start - 1e-4..end + 1e-4).contains(&place), "{token} at {place} of {expected:?}");
            } else {
                prop_assert_eq!(token, expected[0].0);
            }
            history.push(token);
        }
    }

    #[test]
    fn log_probabilities_are_those_of_the_model(
        sampling in sampling(),
        row in prop::collection::vec(-6.0_f32..6.0, LETTERS),
        count in 0_usize..5,
    ) {
        let mut sampler = sampler(Sampling { logprobs: Some(count), ..sampling }, &letters(), &[0, 1, 0]);
        for _ in 0..4 {
            let Drawn { token, logprobs } = sampler.draw(&mut row.clone(), None).unwrap();
            let logprobs = logprobs.unwrap();
            prop_assert_eq!(logprobs.chosen, log_probability(&row, token));
            prop_assert_eq!(logprobs.top.len(), count);
            let mut sorted: Vec<f32> = (0..LETTERS as TokenId).map(|token| log_probability(&row, token)).collect();
            sorted.sort_by(|a, b| b.total_cmp(a));
            prop_assert!(logprobs.top.iter().map(|&(_, probability)| probability).eq(sorted.into_iter().take(count)));
            prop_assert!(logprobs.top.iter().all(|&(token, known)| log_probability(&row, token) == known));
        }
    }
}

#[test]
fn many_draws_have_the_distribution_of_the_row() {
    const DRAWS: usize = 20_000;
    let row: Vec<f32> = (0..LETTERS).map(|token| (token % 7) as f32 * 0.5 - 1.0).collect();
    for (top_k, top_p) in [(40, 1.0), (5, 1.0), (0, 1.0), (0, 0.8)] {
        let sampling = Sampling { temperature: 0.7, top_k, top_p, seed: Some(5), ..Sampling::default() };
        let expected = reference(&sampling, &row, &[], &[]);
        let mut sampler = sampler(sampling, &letters(), &[]);
        let mut counts = [0.0_f64; LETTERS];
        for _ in 0..DRAWS {
            counts[sampler.draw(&mut row.clone(), None).unwrap().token as usize] += 1.0;
        }
        assert_eq!(counts.iter().filter(|&&count| count > 0.0).count(), expected.len());
        let distance = expected.iter().map(|&(token, probability)| {
            let mean = probability * DRAWS as f64;
            (counts[token as usize] - mean).powi(2) / mean
        });
        // Chi-square with at most 14 degrees of freedom is greater than this once in a million times.
        assert!(distance.sum::<f64>() < 55.0, "top_k {top_k} top_p {top_p}");
    }
}

#[test]
fn a_seed_repeats_the_answer() {
    let answer = |seed| {
        let mut sampler = sampler(Sampling { seed, ..Sampling::default() }, &letters(), &[]);
        (0..40).map(|_| sampler.draw(&mut [1.0; LETTERS], None).unwrap().token).collect::<Vec<_>>()
    };
    assert_eq!(answer(Some(3)), answer(Some(3)));
    assert_ne!(answer(Some(3)), answer(Some(4)));
    assert_ne!(answer(None), answer(None));
}

/// Allows some tokens, and notes how many it was asked about and what came.
#[derive(Default)]
struct Only {
    allowed: HashSet<TokenId>,
    asked: Vec<usize>,
    accepted: Vec<TokenId>,
}

impl Grammar for Only {
    fn retain(&mut self, candidates: &mut Vec<TokenId>) {
        self.asked.push(candidates.len());
        candidates.retain(|token| self.allowed.contains(token));
    }

    fn accept(&mut self, token: TokenId) {
        self.accepted.push(token);
    }
}

#[test]
fn a_grammar_is_asked_about_more_where_it_refuses_the_likeliest() {
    let vocabulary = vocabulary(&vec![(b"a" as &[u8], TokenKind::Text); 1000]);
    let falling: Vec<f32> = (0..1000).map(|token| -token as f32).collect();
    for (sampling, allowed, drawn, asked) in [
        (Sampling { temperature: 0.0, ..Sampling::default() }, 0, Some(0), vec![1]),
        (Sampling { temperature: 0.0, ..Sampling::default() }, 7, Some(7), vec![1, 400]),
        (Sampling::default(), 7, Some(7), vec![40]),
        (Sampling::default(), 399, Some(399), vec![40, 400]),
        (Sampling::default(), 999, Some(999), vec![40, 400, 1000]),
        (Sampling { top_k: 0, ..Sampling::default() }, 999, Some(999), vec![1, 1000]),
        (Sampling { top_k: 0, top_p: 0.9, ..Sampling::default() }, 999, Some(999), vec![1, 1000]),
        (Sampling::default(), -1, None, vec![40, 400, 1000]),
    ] {
        let mut grammar = Only { allowed: HashSet::from([allowed]), ..Only::default() };
        let mut sampler = sampler(sampling, &vocabulary, &[]);
        let found = sampler.draw(&mut falling.clone(), Some(&mut grammar)).map(|drawn| drawn.token);
        assert_eq!((found, &grammar.asked), (drawn, &asked));
        assert_eq!(grammar.accepted, Vec::from_iter(drawn));
    }
}

#[test]
fn without_a_number_nothing_comes() {
    for sampling in [0, 1, 40].map(|top_k| Sampling { top_k, ..Sampling::default() }) {
        for row in [vec![], vec![f32::NAN; LETTERS], vec![f32::NEG_INFINITY; LETTERS]] {
            assert_eq!(sampler(sampling.clone(), &letters(), &[]).draw(&mut row.clone(), None), None);
        }
        let mut infinite = vec![0.0; LETTERS];
        infinite[3] = f32::INFINITY;
        let drawn = sampler(sampling, &letters(), &[]).draw(&mut infinite, None);
        assert_eq!(drawn.map(|drawn| drawn.token), Some(3));
    }
}

/// Each byte, and what addresses, other scripts and halves of characters can be made of.
fn bytes_and_merges() -> Arc<Vocabulary> {
    const MERGES: [&[u8]; 40] = [
        b"th",
        b"the",
        b" the",
        b" a",
        b"ing",
        b"https",
        b"://",
        b"//",
        b":/",
        b"www",
        b"ww",
        b"WWW",
        b".",
        b"www.",
        b"com",
        b".com",
        b".co",
        b"example",
        b" example",
        b".de",
        b"de",
        b"tails",
        b"t",
        b".me",
        b"t.me",
        b"youtu",
        b".be",
        b"@",
        b"e.g",
        b"...",
        b" ",
        b"\n",
        b"/",
        b"\xf0\x9f",
        b"\xf0\x9f\x98",
        b"\x98\x85",
        b"\xd0\xbe",
        b"\xd1",
        b"\xce",
        b"\xbb",
    ];
    let bytes: Vec<u8> = (0..=u8::MAX).collect();
    let mut tokens: Vec<(&[u8], TokenKind)> = bytes.chunks(1).map(|byte| (byte, TokenKind::Text)).collect();
    tokens.extend(MERGES.map(|merge| (merge, TokenKind::Text)));
    tokens.extend([(b"<think>" as &[u8], TokenKind::Markup), (b"", TokenKind::Control), (b"", TokenKind::End)]);
    vocabulary(&tokens)
}

/// A row in which some tokens that make addresses and parts of characters are likely.
fn tempting_row(length: usize, chance: &mut Chance) -> Vec<f32> {
    let tempting = |token: usize| token > 255 || b".:/w".contains(&(token as u8)) || token >= 0x80;
    (0..length).map(|token| chance.even() as f32 * if tempting(token) { 12.0 } else { 8.0 }).collect()
}

#[test]
fn what_is_drawn_keeps_to_the_policy() {
    let vocabulary = bytes_and_merges();
    let policy = Policy { scripts: ScriptSet::only([Script::Latin, Script::Greek]), no_urls: true };
    let mask = Arc::new(Mask::new(&vocabulary, &policy));
    let mut chance = Chance::new(Some(1));
    let (mut greek, mut of_four_bytes, mut ended) = (0, 0, 0);
    for round in 0..150 {
        let (temperature, top_k) = [(0.0, 1), (1.0, 40), (1.0, 0), (1.0, 0)][round % 4];
        let top_p = if round % 4 == 3 { 0.9 } else { 1.0 };
        let sampling = Sampling {
            temperature,
            top_k,
            top_p,
            seed: Some(round as u64),
            policy: policy.clone(),
            ..Sampling::default()
        };
        let mut sampler = Sampler::new(sampling, Arc::clone(&vocabulary), Arc::clone(&mask), &[]);
        let mut bytes = Vec::new();
        for _ in 0..80 {
            let mut row = tempting_row(vocabulary.len(), &mut chance);
            let token = sampler.draw(&mut row, None).expect("something may always come").token;
            assert!(matches!(vocabulary.kind(token), TokenKind::Text | TokenKind::End));
            if vocabulary.ends(token) {
                assert!(std::str::from_utf8(&bytes).is_ok());
                ended += 1;
                break;
            }
            bytes.extend_from_slice(vocabulary.piece(token));
            let text = promised(&bytes, &policy);
            greek += text.matches('λ').count();
            of_four_bytes += text.chars().filter(|c| c.len_utf8() == 4).count();
        }
    }
    assert!(greek > 0 && of_four_bytes > 0 && ended > 0, "{greek} {of_four_bytes} {ended}");
}

/// The whole characters of what was drawn so far, which keep what a policy promises.
fn promised<'a>(bytes: &'a [u8], policy: &Policy) -> &'a str {
    let whole = match std::str::from_utf8(bytes) {
        Ok(_) => bytes.len(),
        Err(error) => {
            assert_eq!(error.error_len(), None, "{bytes:x?}");
            error.valid_up_to()
        }
    };
    let text = std::str::from_utf8(&bytes[..whole]).unwrap();
    assert_eq!(policy.scripts.first_foreign(text), None, "{text}");
    assert!(!text.contains("://") && !clean::holds_link(text), "{text}");
    text
}

/// What of a text comes, token by token as written, before the policy refuses one.
fn spoken(pieces: &[&str]) -> String {
    let mut tokens: Vec<(&[u8], TokenKind)> = pieces.iter().map(|piece| (piece.as_bytes(), TokenKind::Text)).collect();
    tokens.push((b"", TokenKind::Control));
    let vocabulary = vocabulary(&tokens);
    let policy = Policy { no_urls: true, ..Policy::default() };
    let mut sampler = sampler(Sampling { temperature: 0.0, policy, ..Sampling::default() }, &vocabulary, &[]);
    let mut text = String::new();
    for (index, piece) in pieces.iter().enumerate() {
        let mut row = vec![f32::NEG_INFINITY; pieces.len() + 1];
        row[index] = 1.0;
        if sampler.draw(&mut row, None).is_none() {
            return format!("{text}[{piece}]");
        }
        text.push_str(piece);
    }
    text
}

#[test]
fn addresses_are_refused_at_the_token_that_completes_them() {
    let shown: Vec<String> = [
        &["see https", ":", "//", "x"] as &[&str],
        &["see https", "://", "x"],
        &["Ww", "w", ".", "x"],
        &["example", ".", "com"],
        &["example", ".com"],
        &["example", ".c", "om"],
        &["ada", "@", "example", ".org"],
        &["foo", ".museum", "/", "x"],
        &["t", ".me"],
        &["пример", ".р", "ф"],
        &["e", ".g", ".", " this"],
        &["3", ".", "5", " ok", "...", "yes", " well", ".then", "?"],
        &["hm", ".de", "tails"],
        &["hm", ".details"],
        &["aw", "ww", ".", " so", ":", " a", "/", "b", "://"],
        &["no", ".", "\ncom"],
    ]
    .map(spoken)
    .to_vec();
    expect_test::expect![[r#"
        see https:[//]
        see https[://]
        Www[.]
        example.[com]
        example[.com]
        example.c[om]
        ada@example[.org]
        foo.museum[/]
        t[.me]
        пример.р[ф]
        e.g. this
        3.5 ok...yes well.then?
        hm[.de]
        hm.details
        awww. so: a/b[://]
        no.
        com"#]]
    .assert_eq(&shown.join("\n"));
}
