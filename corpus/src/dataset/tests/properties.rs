//! Whatever the history, its report adds up, nobody who did not agree is quoted, and no split knows another.

use std::collections::BTreeSet;

use proptest::{collection::vec, prelude::*};

use super::*;

/// Who wrote a message, how long after the one before it, in which room, and how it came.
#[derive(Debug, Clone)]
struct Written {
    author: i32,
    after: i64,
    room: i32,
    origin: Origin,
    provenance: Provenance,
    text: String,
}

fn written() -> impl Strategy<Value = Written> {
    let origin = prop_oneof![8 => Just(Origin::Imported), 1 => Just(Origin::Posted), 1 => Just(Origin::Generated)];
    let provenance = prop_oneof![4 => Just(Provenance::Export), 1 => Just(Provenance::Api)];
    let text = prop_oneof![
        4 => "[a-z]{1,6}( [a-z]{1,6}){0,9}",
        1 => Just("lol".to_owned()),
        1 => Just("the same long story about a boat and a gull, told once again to everybody".to_owned()),
        1 => Just("https://example.org".to_owned()),
        1 => Just("/help".to_owned()),
        1 => Just(" ".to_owned()),
        1 => "\\PC{0,40}",
    ];
    let after = prop_oneof![9 => 0..600_i64, 1 => 0..100_000_i64];
    (1..=5_i32, after, 1..=2_i32, origin, provenance, text).prop_map(
        |(author, after, room, origin, provenance, text)| Written { author, after, room, origin, provenance, text },
    )
}

/// The messages, each with a word of its own by which it is found again.
fn history(written: &[Written]) -> Vec<Message> {
    let mut now = 0;
    let messages = written.iter().zip(1..).map(|(written, key)| {
        now += written.after;
        let text = if written.text.trim().is_empty() {
            written.text.clone()
        } else {
            format!("{} {}", written.text, mark(key))
        };
        Message {
            room: RoomId(written.room),
            origin: written.origin,
            provenance: written.provenance,
            ..message(key, now, written.author, &text)
        }
    });
    messages.collect()
}

fn mark(key: i64) -> String {
    format!("mark{key}x")
}

/// The keys of the messages that a text quotes.
fn quoted(text: &str) -> BTreeSet<i64> {
    let marks = text.split("mark").skip(1).filter_map(|rest| rest.split_once('x')?.0.parse().ok());
    marks.collect()
}

fn options() -> impl Strategy<Value = Options> {
    let keep = proptest::sample::subsequence(Rule::ALL.to_vec(), 0..Rule::ALL.len());
    let shares = prop_oneof![Just("80,8,8,4"), Just("25,25,25,25"), Just("0,0,50,50")];
    (keep, proptest::option::of(1..600_i64), shares, any::<bool>()).prop_map(|(keep, merge, shares, cover_regulars)| {
        Options {
            keep: keep.into_iter().collect(),
            merge: merge.map(TimeDelta::seconds),
            shares: shares.parse().unwrap(),
            cover_regulars,
            ..Options::default()
        }
    })
}

/// Ada and Bo agreed, Cleo said nothing, Dee refused, and the fifth is a bot.
fn people() -> Vec<Member> {
    let mut people: Vec<_> = (1..=5).map(member).collect();
    people[2].consent = Consent::Unasked;
    people[3].consent = Consent::Refused;
    people[4].is_bot = true;
    people
}

proptest! {
    #[test]
    fn the_report_adds_up(written in vec(written(), 0..120), options in options()) {
        add_up(&make_of(&history(&written), &people(), FromApi::Nothing, options));
    }

    #[test]
    fn no_row_quotes_what_may_not_be_learned(written in vec(written(), 0..120), options in options()) {
        let messages = history(&written);
        for (_, pair) in make_of(&messages, &people(), FromApi::Nothing, options).rows() {
            for row in &pair {
                prop_assert!([MemberId(1), MemberId(2)].contains(&row.member));
                for key in quoted(&row.prompt).into_iter().chain(quoted(&row.answer)) {
                    let message = &messages[key as usize - 1];
                    prop_assert!([1, 2].map(|id| Author::Member(MemberId(id))).contains(&message.author));
                    prop_assert_eq!(message.provenance, Provenance::Export);
                    prop_assert_ne!(message.origin, Origin::Generated);
                }
            }
        }
    }

    #[test]
    fn no_message_stands_in_two_splits_nor_before_an_earlier_one(written in vec(written(), 0..200), options in options()) {
        let dataset = make_of(&history(&written), &people(), FromApi::Everything, options.clone());
        let mut split_of: BTreeMap<i64, Split> = BTreeMap::new();
        let (mut newest, in_order) = (Split::Train, !options.cover_regulars);
        for (split, [row, _]) in dataset.rows() {
            prop_assert!(split >= newest || !in_order, "splits follow one another");
            newest = split;
            for key in quoted(&row.prompt).into_iter().chain(quoted(&row.answer)) {
                prop_assert_eq!(*split_of.entry(key).or_insert(split), split);
            }
        }
    }

    #[test]
    fn a_dataset_is_the_same_each_time(written in vec(written(), 0..60), options in options()) {
        let make = || make_of(&history(&written), &people(), FromApi::Nothing, options.clone());
        let (first, second) = (make(), make());
        prop_assert_eq!(shown(&first), shown(&second));
        prop_assert_eq!(first.report(), second.report());
    }
}
