//! How long a dataset of a million messages takes: curating what is read, judging it, writing it.
//!
//! `cargo bench -p corpus --bench dataset`; a number behind `--` is another count of messages. The rows are written to a
//! temporary folder, some 2.5 GB of them.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a bench measures time, and stops at any fault")]

use std::time::Instant;

use chat::{
    Author, CommunityId, Consent, ConsentPolicy, Member, MemberId, Message, MessageKey, Origin, Provenance, RoomId,
};
use chrono::{DateTime, TimeDelta};
use corpus::dataset::{Collector, CommunityFacts, FromApi, Options, Replace};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const MESSAGES: i64 = 1_000_000;
const MEMBERS: i32 = 40;
/// A room each so many messages.
const ROOM: i64 = 10_000;
/// A silence each so many messages.
const SITTING: i64 = 200;
/// Words are drawn from so many, the first ones more often.
const WORDS: f64 = 20_000.0;

fn main() {
    let count = std::env::args().filter_map(|argument| argument.parse().ok()).next().unwrap_or(MESSAGES);
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let messages: Vec<Message> = (0..count).map(|key| message(key, &mut rng)).collect();
    let members: Vec<Member> = (1..=MEMBERS).map(member).collect();
    let facts = CommunityFacts { id: CommunityId(1), title: "bench".to_owned() };
    let folder = tempfile::tempdir().unwrap();
    let begin = Instant::now();
    let mut collector = Collector::new(facts, &members, FromApi::Nothing, Options::default());
    messages.iter().for_each(|message| collector.add(message));
    let collected = begin.elapsed();
    let dataset = collector.finish(DateTime::UNIX_EPOCH);
    let judged = begin.elapsed();
    dataset.write(&folder.path().join("dataset"), Replace::Same).unwrap();
    let written = begin.elapsed();
    println!("{}", dataset.report());
    println!(
        "{count} messages: collected in {collected:.1?}, judged in {:.1?}, written in {:.1?}",
        judged - collected,
        written - judged
    );
}

fn message(key: i64, rng: &mut ChaCha8Rng) -> Message {
    let length = rng.random_range(1..=18);
    let words: Vec<String> = (0..length).map(|_| word(rng)).collect();
    Message {
        key: MessageKey(key),
        room: RoomId((key / ROOM) as i32 + 1),
        author: Author::Member(MemberId(rng.random_range(1..=MEMBERS))),
        author_name: String::new(),
        sent_at: DateTime::UNIX_EPOCH + TimeDelta::seconds(key % ROOM * 90 + key % ROOM / SITTING * 30_000),
        text: words.join(" "),
        origin: Origin::Imported,
        provenance: Provenance::Export,
        reply_to: None,
        edited_at: None,
    }
}

fn word(rng: &mut ChaCha8Rng) -> String {
    let rank = rng.random::<f64>().powi(3) * WORDS;
    match rank as u32 {
        rank @ 0..50 => format!("{rank}"),
        50 => "jo@example.org".to_owned(),
        51 => "https://example.org/page".to_owned(),
        rank => format!("w{}", u64::from(rank) * 7919 % 46_656),
    }
}

fn member(id: i32) -> Member {
    Member {
        id: MemberId(id),
        community: CommunityId(1),
        key: "m".into(),
        name: format!("Member {id}"),
        is_bot: false,
        avatar_url: None,
        consent: Consent::Granted,
        policy: ConsentPolicy::OptIn,
        has_left: false,
    }
}
