//! The sample group, as its export is imported.

use std::{collections::HashMap, path::Path};

use expect_test::{Expect, expect};

use super::*;
use crate::import::{self, Item};

/// The messages of an export, its authors numbered in the order in which they first wrote, and the authors.
pub(super) fn read(path: &Path, room: RoomId) -> (Vec<Message>, Vec<Member>) {
    let mut members: Vec<Member> = Vec::new();
    let mut ids: HashMap<_, i32> = HashMap::new();
    let mut messages = Vec::new();
    for item in import::open(path, &import::Options::default()).unwrap() {
        let Item::Message(said) = item.unwrap() else { continue };
        let next = ids.len() as i32 + 1;
        let id = *ids.entry(said.author.key.clone()).or_insert(next);
        if id == next {
            members.push(Member {
                name: said.author.name,
                key: said.author.key,
                is_bot: said.author.is_bot,
                ..member(id)
            });
        }
        messages.push(Message { key: said.key, room, sent_at: said.sent_at, ..message(0, 0, id, &said.text) });
    }
    (messages, members)
}

fn sample(options: Options) -> Dataset {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sample/result.json");
    let (mut messages, members) = read(&path, RoomId(1));
    messages.sort_by_key(|message| message.key);
    make_of(&messages, &members, FromApi::Nothing, options)
}

fn check(options: Options, expected: Expect) {
    let dataset = sample(options);
    add_up(&dataset);
    expected.assert_eq(&dataset.report().to_string());
}

#[test]
fn the_sample_group() {
    check(
        Options::default(),
        expect![[r#"
        community 1: Friends
        made at 2025-04-26T07:29:09Z

              1083 messages read
                53 in windows only: opening
                 2 in windows only: links
              1028 answers

        rows             reply   next speaker
        train              822            822
        validation          79             79
        test                88             88
        judge               39             39

          messages       train  validation        test       judge  answers by
               307         235          27          28          11  Juno
               219         159          15          17           6  Rafi
               201         159          14          15           8  Ines
               189         142          11          14           7  Tilda
               167         127          12          14           7  Ambrose
    "#]],
    );
}

#[test]
fn the_sample_group_merged() {
    check(
        Options { merge: Some(TimeDelta::seconds(60)), ..Options::default() },
        expect![[r#"
        community 1: Friends
        made at 2025-04-26T07:29:09Z

              1083 messages read
               163 merged with the one before
                53 in windows only: opening
                 2 in windows only: links
               865 answers

        rows             reply   next speaker
        train              692            692
        validation          68             68
        test                71             71
        judge               34             34

          messages       train  validation        test       judge  answers by
               200         157          15          15           8  Ines
               196         139          14          15           6  Rafi
               182         142          15          13           6  Juno
               175         128          11          14           7  Tilda
               167         126          13          14           7  Ambrose
    "#]],
    );
}

#[test]
fn the_sample_s_first_rows() {
    let dataset = sample(Options::default());
    let rows: Vec<String> =
        dataset.rows().take(2).flat_map(|(_, pair)| pair).map(|row| serde_json::to_string(&row).unwrap()).collect();
    expect![[r#"
        {"messages":[{"role":"user","content":"You are mimicking users in a group chat. Given the conversation history, respond as the specified user.\n\nRecent messages:\nRafi: ok is everyone in? made the group lol\n\nRespond as Rafi:"},{"role":"assistant","content":"ambrose u there??"}],"kind":"reply","speaker":"Rafi","member":1,"room":1,"at":"2025-04-14T17:42:35Z"}
        {"messages":[{"role":"user","content":"You are mimicking users in a group chat. Given the conversation history, respond as the specified user.\n\nRecent messages:\nRafi: ok is everyone in? made the group lol\n\nNext speaker:"},{"role":"assistant","content":"Rafi"}],"kind":"next_speaker","speaker":"Rafi","member":1,"room":1,"at":"2025-04-14T17:42:35Z"}
        {"messages":[{"role":"user","content":"You are mimicking users in a group chat. Given the conversation history, respond as the specified user.\n\nRecent messages:\nRafi: ok is everyone in? made the group lol\nRafi: ambrose u there??\n\nRespond as Ambrose:"},{"role":"assistant","content":"I am here; I was putting on my reading glasses."}],"kind":"reply","speaker":"Ambrose","member":2,"room":1,"at":"2025-04-14T17:42:53Z"}
        {"messages":[{"role":"user","content":"You are mimicking users in a group chat. Given the conversation history, respond as the specified user.\n\nRecent messages:\nRafi: ok is everyone in? made the group lol\nRafi: ambrose u there??\n\nNext speaker:"},{"role":"assistant","content":"Ambrose"}],"kind":"next_speaker","speaker":"Ambrose","member":2,"room":1,"at":"2025-04-14T17:42:53Z"}"#]].assert_eq(&rows.join("\n"));
}
