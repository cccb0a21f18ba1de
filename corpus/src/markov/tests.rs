use std::fmt::Write as _;

use expect_test::{Expect, expect};
use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::*;

const ADA: MemberId = MemberId(1);
const BEN: MemberId = MemberId(2);

const HARBOUR: &[&str] = &[
    "the boat is leaking again",
    "the boat needs a new pump",
    "a new pump costs more than the boat",
    "i could paint the boat on sunday",
    "sunday is no good, i have the cake stall",
    "the cake stall needs a roof",
    "no worries",
    "no worries!!",
    "who has the key of the shed",
    "the shed smells of paint 🎨",
    "paint is in the shed behind the cake tins",
    "gulls ate the cake 🎂",
    "gulls are on the boat again",
    "is it raining on the stall",
];

fn learned(lines: &[&str]) -> Markov {
    let mut markov = Markov::new();
    for line in lines {
        markov.learn(ADA, line);
    }
    markov
}

fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

fn replies(markov: &Markov, window: &[&str], topic: Option<&str>, temperature: f32) -> Vec<String> {
    (0..40).filter_map(|seed| markov.reply(ADA, window, topic, temperature, &mut rng(seed))).collect()
}

/// Shows the first replies of [`HARBOUR`]'s voice.
fn check(window: &[&str], topic: Option<&str>, expected: Expect) {
    let mut shown = String::new();
    for reply in replies(&learned(HARBOUR), window, topic, 0.9).iter().take(5) {
        writeln!(shown, "{reply}").unwrap();
    }
    expected.assert_eq(&shown);
}

fn share_with(replies: &[String], word: &str) -> f32 {
    replies.iter().filter(|reply| reply.contains(word)).count() as f32 / replies.len() as f32
}

/// The longest run of words of `reply` that stands in one of `lines`, found the slow way.
fn longest_quotation(reply: &str, lines: &[String]) -> usize {
    let reply: Vec<&str> = reply.split_whitespace().collect();
    let runs = (0..reply.len()).flat_map(|start| (start + 1..=reply.len()).map(move |end| (start, end)));
    let quoted = runs.filter(|&(start, end)| {
        lines.iter().any(|line| {
            let line: Vec<&str> = line.split_whitespace().collect();
            line.windows(end - start).any(|part| part == &reply[start..end])
        })
    });
    quoted.map(|(start, end)| end - start).max().unwrap_or(0)
}

#[test]
fn replies_answer_the_room() {
    check(
        &["did anybody look at the boat?"],
        None,
        expect![[r#"
            is it raining on the boat is leaking again
            gulls are on the boat needs a new pump
            the boat again
            the boat needs a roof
            the boat again
        "#]],
    );
    check(
        &["who baked today?", "the cake was lovely"],
        None,
        expect![[r#"
            the cake stall
            the cake stall
            the cake stall
            the shed behind the cake tins
            the cake stall needs a roof
        "#]],
    );
    check(
        &["hello"],
        Some("gulls"),
        expect![[r#"
            gulls are on the boat needs a roof
            gulls are on the boat is leaking again
            gulls are on the stall
            gulls are on the boat is leaking again
            gulls ate the cake stall needs a roof
        "#]],
    );
    check(
        &[],
        None,
        expect![[r#"
            i could paint the boat again
            the cake stall
            paint is in the shed smells of paint 🎨
            the shed behind the cake tins
            the boat needs a roof
        "#]],
    );
}

#[test]
fn the_newest_message_counts_for_more_and_the_topic_for_most() {
    let markov = learned(HARBOUR);
    let said = replies(&markov, &["gulls?", "and the shed?"], None, 0.9);
    assert!(share_with(&said, "shed") > share_with(&said, "ulls"), "{said:?}");
    let said = replies(&markov, &["and the shed?"], Some("Gulls"), 0.9);
    assert!(share_with(&said, "ulls") > 0.6, "{said:?}");
}

#[test]
fn a_common_word_attracts_less_than_a_rare_one() {
    let said = replies(&learned(HARBOUR), &["raining on the boat"], None, 0.9);
    assert!(share_with(&said, "raining") > 0.5, "{said:?}");
}

#[test]
fn an_echo_is_not_an_answer() {
    let window = ["no worries", "The boat is leaking again!"];
    for reply in replies(&learned(HARBOUR), &window, None, 1.2) {
        assert!(!["no worries", "no worries!!", "the boat is leaking again"].contains(&reply.as_str()), "{reply}");
    }
    assert_eq!(learned(&["lol"]).reply(ADA, &["LOL"], None, 0.9, &mut rng(1)), None);
}

#[test]
fn who_has_said_nothing_says_nothing() {
    let mut markov = learned(&["hello there", "", " \n ", "https://example.org/a"]);
    assert_eq!(markov.reply(BEN, &["hello"], None, 0.9, &mut rng(1)), None);
    assert!(!markov.knows(BEN) && !markov.knows(ADA));
    HARBOUR.iter().for_each(|line| markov.learn(BEN, line));
    assert!(markov.knows(BEN));
    markov.forget(BEN);
    assert!(!markov.knows(BEN));
    assert_eq!(markov.reply(BEN, &["hello"], None, 0.9, &mut rng(1)), None);
}

#[test]
fn one_short_line_is_repeated_and_of_one_long_line_a_piece_at_most() {
    let short = learned(&["no worries"]).reply(ADA, &["sorry"], None, 0.9, &mut rng(1));
    assert_eq!(short.as_deref(), Some("no worries"));
    let long = "if you had asked me before lunch i would have brought the long ladder";
    for reply in replies(&learned(&[long]), &["ladder?"], None, 0.9) {
        assert!(long.contains(&reply) && reply.split(' ').count() <= 6, "{reply}");
    }
}

#[test]
fn links_are_never_posted() {
    let markov = learned(&["look https://example.org/boat here", "look www.example.org", "look a boat"]);
    for reply in replies(&markov, &["look"], Some("example"), 1.5) {
        assert!(!reply.contains("example"), "{reply}");
    }
}

#[test]
fn what_a_member_writes_stays_as_written() {
    let markov = learned(&["BOAT DAY 🎉🎉", "boat day is CANCELLED 👩‍👩‍👧", "Größe: ÄRGER am Kai…", "船は どこ ですか"]);
    let words = "BOAT DAY 🎉🎉 boat day is CANCELLED 👩‍👩‍👧 Größe: ÄRGER am Kai… 船は どこ ですか";
    let known: Vec<&str> = words.split(' ').collect();
    let said = replies(&markov, &["boat", "ärger", "どこ"], None, 1.0);
    assert!(!said.is_empty() && said.iter().flat_map(|reply| reply.split(' ')).all(|word| known.contains(&word)));
}

#[test]
fn endless_texts_are_learned_and_answered_within_bounds() {
    let endless = "lol ".repeat(20_000);
    let unbroken = "🦆".repeat(20_000);
    let markov = learned(&[&endless, &unbroken, "lol no"]);
    let reply = markov.reply(ADA, &[&endless, &unbroken], Some(&endless), 2.0, &mut rng(1));
    assert!(reply.is_none_or(|reply| reply.chars().count() < 1_000));
}

#[test]
fn a_long_history_lets_go_of_its_older_half() {
    let mut markov = learned(&["albatross"]);
    for number in 0..30_000 {
        markov.learn(ADA, &format!("we counted {number} gulls on the harbour wall before the rain"));
    }
    assert!((10_000..30_000).contains(&markov.voices[&ADA].line_count()));
    assert_eq!(markov.voices[&ADA].find("albatross"), None);
    assert!(markov.reply(ADA, &["gulls"], None, 0.9, &mut rng(1)).is_some());
}

fn history() -> impl Strategy<Value = Vec<String>> {
    let word =
        prop::sample::select(vec!["a", "boat", "Boat,", "cake", "the", "gull", "gulls!", "lol", "🎉", "is", "wet"]);
    let line = prop::collection::vec(word, 1..16).prop_map(|words| words.join(" "));
    prop::collection::vec(line, 1..30)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn no_reply_quotes_more_than_six_words(
        lines in history(),
        window in prop::collection::vec("(boat|gull|is|the| ){1,6}", 0..5),
        temperature in 0.0f32..2.0,
        seed: u64,
    ) {
        let markov = learned(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        let window: Vec<&str> = window.iter().map(String::as_str).collect();
        let reply = markov.reply(ADA, &window, None, temperature, &mut rng(seed));
        prop_assert_eq!(&reply, &markov.reply(ADA, &window, None, temperature, &mut rng(seed)));
        let reply = reply.unwrap_or_default();
        prop_assert!(longest_quotation(&reply, &lines) <= 6, "{}", reply);
        prop_assert!(window.iter().all(|text| text.trim() != reply || reply.is_empty()));
    }

    #[test]
    fn nothing_that_can_be_typed_breaks_it(lines: Vec<String>, window: Vec<String>, topic: Option<String>, seed: u64) {
        let markov = learned(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        let window: Vec<&str> = window.iter().map(String::as_str).collect();
        let reply = markov.reply(ADA, &window, topic.as_deref(), 2.0, &mut rng(seed));
        prop_assert!(reply.is_none_or(|reply| !reply.is_empty() && !reply.contains('\n')));
    }
}
