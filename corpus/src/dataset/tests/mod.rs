//! Whole histories through the collector: what is learned of them, and what is not.

mod cases;
mod folder;
mod properties;
mod sample;
mod shared;

use std::collections::BTreeMap;

use chat::{
    Author, CommunityId, Consent, ConsentPolicy, Member, MemberId, Message, MessageKey, Origin, PersonaId, Provenance,
    RoomId,
};
use chrono::{DateTime, TimeDelta, Utc};

use super::*;

/// A member who agreed; by id 1 `Ada`, 2 `Bo`, 3 `Cleo`, and so on.
fn member(id: i32) -> Member {
    let names = ["Ada", "Bo", "Cleo", "Dee", "Eve", "Fay"];
    let name = names[(id as usize - 1) % names.len()].to_owned();
    Member {
        id: MemberId(id),
        community: CommunityId(1),
        key: format!("m{id}").as_str().into(),
        name,
        is_bot: false,
        avatar_url: None,
        consent: Consent::Granted,
        policy: ConsentPolicy::OptIn,
        has_left: false,
    }
}

fn members() -> Vec<Member> {
    (1..=3).map(member).collect()
}

/// A message that a member exported, so many seconds after the beginning.
fn message(key: i64, seconds: i64, author: i32, text: &str) -> Message {
    Message {
        key: MessageKey(key),
        room: RoomId(1),
        author: Author::Member(MemberId(author)),
        author_name: "whoever".to_owned(),
        sent_at: at(seconds),
        text: text.to_owned(),
        origin: Origin::Imported,
        provenance: Provenance::Export,
        reply_to: None,
        edited_at: None,
    }
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_744_652_549 + seconds, 0).unwrap()
}

/// A conversation of one message a minute: the author's id and the text.
fn talk(said: &[(i32, &str)]) -> Vec<Message> {
    let numbered = said.iter().zip(0..);
    numbered.map(|((author, text), minute)| message(minute + 1, minute * 60, *author, text)).collect()
}

fn facts() -> CommunityFacts {
    CommunityFacts { id: CommunityId(1), title: "Friends".to_owned() }
}

fn make(messages: &[Message], options: Options) -> Dataset {
    make_of(messages, &members(), FromApi::Nothing, options)
}

fn make_of(messages: &[Message], members: &[Member], from_api: FromApi, options: Options) -> Dataset {
    let mut collector = Collector::new(facts(), members, from_api, options);
    messages.iter().for_each(|message| collector.add(message));
    collector.finish(at(1_000_000))
}

fn keeping(rule: Rule) -> Options {
    Options { keep: [rule].into(), ..Options::default() }
}

/// The rows in short: the window between `|`, the answer behind `->`.
fn shown(dataset: &Dataset) -> String {
    dataset.rows().map(|(split, [reply, next])| format!("{split}: {}\n", in_short(&reply, &next))).collect()
}

fn in_short(reply: &Row, next: &Row) -> String {
    let window = |row: &Row| -> String {
        let lines = row.prompt.split("Recent messages:\n").nth(1).unwrap();
        lines.split("\n\n").next().unwrap().replace('\n', " | ")
    };
    assert_eq!(window(reply), window(next));
    assert!(
        reply.prompt.ends_with(&format!("\n\nRespond as {}:", reply.speaker))
            && next.prompt.ends_with("\n\nNext speaker:")
    );
    assert_eq!((next.answer.as_str(), reply.kind, next.kind), (reply.speaker.as_str(), Kind::Reply, Kind::NextSpeaker));
    format!("{} -> {}: {}", window(reply), reply.speaker, reply.answer)
}

/// Checks all sums of a report, against itself and against the rows.
fn add_up(dataset: &Dataset) {
    let report = dataset.report();
    let Messages { read, left_out, merged, window_only } = &report.messages;
    let sum = |counts: &BTreeMap<Rule, u64>| counts.values().sum::<u64>();
    let kept: u64 = report.members.iter().map(|member| member.messages).sum();
    assert_eq!(*read, sum(left_out) + merged + kept);
    assert_eq!(kept, sum(window_only) + report.windows);
    let mut rows: BTreeMap<Split, RowCounts> = Split::ALL.map(|split| (split, RowCounts::default())).into();
    let mut by_member: BTreeMap<(MemberId, Split), u64> = BTreeMap::new();
    for (split, pair) in dataset.rows() {
        rows.get_mut(&split).unwrap().reply += 1;
        rows.get_mut(&split).unwrap().next_speaker += 1;
        *by_member.entry((pair[0].member, split)).or_default() += 1;
    }
    assert_eq!(report.rows, rows);
    assert_eq!(report.windows, rows.values().map(|rows| rows.reply).sum::<u64>());
    for member in &report.members {
        for (split, rows) in &member.rows {
            assert_eq!(rows.reply, by_member.remove(&(member.id, *split)).unwrap_or(0));
            assert_eq!(rows.reply, rows.next_speaker);
        }
    }
    assert_eq!(by_member, BTreeMap::new());
}
