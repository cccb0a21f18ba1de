//! One case a rule and a decision.

use chat::{Names, Window, prompt};
use expect_test::{Expect, expect};

use super::*;

/// The rows and what became of the messages without one.
fn check(dataset: &Dataset, expected: Expect) {
    add_up(dataset);
    let Messages { read, left_out, merged, window_only } = &dataset.report().messages;
    let counts = format!("{read} read, {merged} merged, left out {left_out:?}, window only {window_only:?}\n");
    expected.assert_eq(&(shown(dataset) + &counts));
}

#[test]
fn each_message_answers_the_five_before_it() {
    let messages = talk(&[(1, "a"), (2, "b"), (3, "c"), (1, "d"), (1, "e"), (2, "f"), (3, "g")]);
    check(
        &make(&messages, Options::default()),
        expect![[r#"
        train: Ada: a -> Bo: b
        train: Ada: a | Bo: b -> Cleo: c
        train: Ada: a | Bo: b | Cleo: c -> Ada: d
        train: Ada: a | Bo: b | Cleo: c | Ada: d -> Ada: e
        train: Ada: a | Bo: b | Cleo: c | Ada: d | Ada: e -> Bo: f
        train: Bo: b | Cleo: c | Ada: d | Ada: e | Bo: f -> Cleo: g
        7 read, 0 merged, left out {}, window only {Opening: 1}
    "#]],
    );
}

#[test]
fn a_window_is_rendered_as_the_live_bot_renders_it() {
    let texts = ["hi\nthere\u{200b}", "\u{200b}", "ok  ok", "*sighs* @Bo", "Respond as Bo: no", "x", "y"];
    let mut messages: Vec<_> = (0..).zip(texts).map(|(place, text)| message(place, place, 1, text)).collect();
    messages.iter_mut().for_each(|message| message.author_name = "Ada".to_owned());
    let (_, [reply, next]) = make(&messages, Options::default()).rows().last().unwrap();
    // Live, the invisible message would take the place of one with words; the rows have none such.
    let window = Window::new(messages[..6].iter().filter(|message| message.key != MessageKey(1)).cloned());
    let names = Names::new(&members());
    let lines = names.lines(window.messages(), &[]);
    assert_eq!(reply.prompt, prompt::reply(&lines, None, "Ada"));
    assert_eq!(next.prompt, prompt::next_speaker(&lines, None));
}

#[test]
fn a_silence_begins_a_new_window() {
    let mut messages = talk(&[(1, "good night"), (2, "night"), (1, "morning"), (2, "hey")]);
    messages[2].sent_at += TimeDelta::hours(6);
    messages[3].sent_at += TimeDelta::hours(6);
    check(
        &make(&messages, Options::default()),
        expect![[r#"
        train: Ada: good night -> Bo: night
        train: Ada: morning -> Bo: hey
        4 read, 0 merged, left out {}, window only {Opening: 2}
    "#]],
    );
    let never = Options { silence: TimeDelta::hours(7), ..Options::default() };
    check(
        &make(&messages, never),
        expect![[r#"
        train: Ada: good night -> Bo: night
        train: Ada: good night | Bo: night -> Ada: morning
        train: Ada: good night | Bo: night | Ada: morning -> Bo: hey
        4 read, 0 merged, left out {}, window only {Opening: 1}
    "#]],
    );
}

#[test]
fn rooms_are_kept_apart() {
    let mut messages = talk(&[(1, "here"), (2, "also here"), (1, "there"), (2, "also there")]);
    messages[2..].iter_mut().for_each(|message| message.room = RoomId(2));
    check(
        &make(&messages, Options::default()),
        expect![[r#"
        train: Ada: here -> Bo: also here
        train: Ada: there -> Bo: also there
        4 read, 0 merged, left out {}, window only {Opening: 2}
    "#]],
    );
}

#[test]
fn what_somebody_posts_in_a_row_is_merged_on_request() {
    let messages = talk(&[(1, "so"), (2, "yes"), (2, "no"), (2, "https://a.org"), (2, "well"), (1, "hm")]);
    let merging = Options { merge: Some(TimeDelta::seconds(60)), ..Options::default() };
    check(
        &make(&messages, merging),
        expect![[r#"
        train: Ada: so -> Bo: yes no
        train: Ada: so | Bo: yes no | Bo: https://a.org -> Bo: well
        train: Ada: so | Bo: yes no | Bo: https://a.org | Bo: well -> Ada: hm
        6 read, 1 merged, left out {}, window only {Opening: 1, Links: 1}
    "#]],
    );
}

#[test]
fn links_and_commands_are_no_answers_but_stand_in_windows() {
    let messages = talk(&[(1, "hi"), (2, "see https://a.org"), (1, "/summon Bo"), (2, "!roll"), (1, "nice")]);
    check(
        &make(&messages, Options::default()),
        expect![[r#"
        train: Ada: hi | Bo: see https://a.org | Ada: /summon Bo | Bo: !roll -> Ada: nice
        5 read, 0 merged, left out {}, window only {Opening: 1, Links: 1, Commands: 2}
    "#]],
    );
    let all = Options { keep: [Rule::Links, Rule::Commands].into(), ..Options::default() };
    check(
        &make(&messages, all),
        expect![[r#"
        train: Ada: hi -> Bo: see https://a.org
        train: Ada: hi | Bo: see https://a.org -> Ada: /summon Bo
        train: Ada: hi | Bo: see https://a.org | Ada: /summon Bo -> Bo: !roll
        train: Ada: hi | Bo: see https://a.org | Ada: /summon Bo | Bo: !roll -> Ada: nice
        5 read, 0 merged, left out {}, window only {Opening: 1}
    "#]],
    );
}

#[test]
fn calling_somebody_is_no_answer() {
    let messages = talk(&[(1, "hi"), (2, "@Cleo"), (1, "@Cleo come")]);
    check(
        &make(&messages, Options::default()),
        expect![[r#"
        train: Ada: hi | Bo: @Cleo -> Ada: @Cleo come
        3 read, 0 merged, left out {}, window only {Opening: 1, MentionsOnly: 1}
    "#]],
    );
    assert_eq!(make(&messages, keeping(Rule::MentionsOnly)).report().windows, 2);
}

#[test]
fn bots_and_personas_are_never_heard() {
    let mut messages = talk(&[(1, "hi"), (2, "beep"), (1, "yo"), (3, "persona"), (3, "made up"), (1, "bye")]);
    messages[3].author = Author::Persona(PersonaId(1));
    messages[4].origin = Origin::Generated;
    let mut members = members();
    members[1].is_bot = true;
    let options = Options { keep: Rule::ALL.into(), ..Options::default() };
    check(
        &make_of(&messages, &members, FromApi::Everything, options),
        expect![[r#"
        train: Ada: hi -> Ada: yo
        train: Ada: hi | Ada: yo -> Ada: bye
        6 read, 0 merged, left out {Bots: 3}, window only {Opening: 1}
    "#]],
    );
}

#[test]
fn who_did_not_agree_is_never_heard() {
    let messages = talk(&[(1, "hi"), (2, "secret"), (9, "unknown"), (3, "silence"), (1, "bye"), (1, "now")]);
    let mut members = members();
    members[1].consent = Consent::Refused;
    members[2].consent = Consent::Unasked;
    let options = Options { keep: Rule::ALL.into(), ..Options::default() };
    check(
        &make_of(&messages, &members, FromApi::Everything, options),
        expect![[r#"
        train: Ada: hi -> Ada: bye
        train: Ada: hi | Ada: bye -> Ada: now
        6 read, 0 merged, left out {NoConsent: 3}, window only {Opening: 1}
    "#]],
    );
}

#[test]
fn what_came_through_an_api_is_learned_only_where_that_is_permitted() {
    let mut messages = talk(&[(1, "exported"), (2, "heard"), (1, "exported too")]);
    messages[1].provenance = Provenance::Api;
    let of =
        |from_api| make_of(&messages, &members(), from_api, Options { keep: Rule::ALL.into(), ..Options::default() });
    check(
        &of(FromApi::Nothing),
        expect![[r#"
        train: Ada: exported -> Ada: exported too
        3 read, 0 merged, left out {Provenance: 1}, window only {Opening: 1}
    "#]],
    );
    check(
        &of(FromApi::Everything),
        expect![[r#"
        train: Ada: exported -> Bo: heard
        train: Ada: exported | Bo: heard -> Ada: exported too
        3 read, 0 merged, left out {}, window only {Opening: 1}
    "#]],
    );
}

#[test]
fn personal_data_is_replaced_in_windows_and_answers() {
    let messages =
        talk(&[(1, "my mail is ada@example.org"), (2, "and mine bo@example.org, call 0170 1234567"), (1, "ok")]);
    let dataset = make(&messages, Options::default());
    check(
        &dataset,
        expect![[r#"
        train: Ada: my mail is [email] -> Bo: and mine [email], call [phone]
        train: Ada: my mail is [email] | Bo: and mine [email], call [phone] -> Ada: ok
        3 read, 0 merged, left out {}, window only {Opening: 1}
    "#]],
    );
    let replaced = serde_json::to_string(&dataset.report().replaced).unwrap();
    expect![[
        r#"{"email":{"count":2,"previews":["a***@e***.org","b***@e***.org"]},"phone":{"count":1,"previews":["01***"]}}"#
    ]]
    .assert_eq(&replaced);
    check(
        &make(&messages, keeping(Rule::PersonalData)),
        expect![[r#"
        train: Ada: my mail is ada@example.org | Bo: and mine bo@example.org, call 0170 1234567 -> Ada: ok
        3 read, 0 merged, left out {}, window only {Opening: 1, Links: 1}
    "#]],
    );
}

#[test]
fn an_address_that_the_cut_would_halve_is_replaced_whole() {
    let text = format!("{} ada.lovelace@example.org", "word ".repeat(98));
    let messages = [message(1, 0, 1, &text), message(2, 1, 2, "ok")];
    let (_, [row, _]) = make(&messages, Options::default()).rows().next().unwrap();
    assert!(!row.prompt.contains("ada"), "{}", row.prompt);
}

#[test]
fn copies_are_no_answers() {
    const STORY: &str = "so the chairman took the boat out again and nobody had told him of the cork";
    let near = format!("{STORY} lol");
    let messages = talk(&[(1, "go on"), (2, STORY), (3, STORY), (1, &near), (1, "lol"), (2, "lol"), (1, "lol")]);
    let count = |dataset: &Dataset| format!("{} {:?}", dataset.report().windows, dataset.report().messages.window_only);
    expect!["4 {Opening: 1, Duplicates: 1, NearDuplicates: 1}"].assert_eq(&count(&make(&messages, Options::default())));
    expect!["4 {Opening: 1, NearDuplicates: 2}"].assert_eq(&count(&make(&messages, keeping(Rule::Duplicates))));
    expect!["5 {Opening: 1, Duplicates: 1}"].assert_eq(&count(&make(&messages, keeping(Rule::NearDuplicates))));
}

#[test]
fn what_is_said_all_the_time_is_thinned() {
    let said: Vec<_> = (0..100).flat_map(|_| [(1, "lol"), (2, "ha")]).collect();
    let counts = |dataset: &Dataset| dataset.report().members.iter().map(answers).collect::<Vec<_>>();
    assert_eq!(counts(&make(&talk(&said), Options::default())), [10, 10]);
    assert_eq!(counts(&make(&talk(&said), keeping(Rule::Thinning))), [99, 100]);
}

fn answers(member: &MemberRows) -> u64 {
    member.rows.values().map(|rows| rows.reply).sum()
}

#[test]
fn nobody_drowns_the_others_and_the_latest_is_kept() {
    let texts: Vec<String> = (0..1_400).map(|number| format!("word {number}")).collect();
    let said: Vec<_> = texts
        .iter()
        .enumerate()
        .map(|(n, text)| (if n % 14 < 12 { 1 } else { n as i32 % 14 - 10 }, text.as_str()))
        .collect();
    let dataset = make(&talk(&said), Options { balance: 2, ..Options::default() });
    add_up(&dataset);
    let counts: Vec<_> =
        dataset.report().members.iter().map(|member| (member.name.as_str(), answers(member))).collect();
    assert_eq!(counts, [("Ada", 200), ("Bo", 100), ("Cleo", 100)]);
    let first_by_ada = dataset.rows().find(|(_, [row, _])| row.speaker == "Ada").unwrap().1[0].answer.clone();
    assert_eq!(first_by_ada, "word 1166");
    assert_eq!(make(&talk(&said), keeping(Rule::Balance)).report().windows, 1_399);
}

#[test]
fn only_the_busiest_are_learned_where_that_is_asked() {
    let said = [(1, "one"), (2, "two"), (3, "three"), (2, "four"), (1, "five"), (2, "six"), (3, "seven")];
    let dataset = make(&talk(&said), Options { busiest: Some(2), ..Options::default() });
    add_up(&dataset);
    // Ada's first opens, so she and Cleo answer once and twice.
    let speakers: Vec<String> = dataset.rows().map(|(_, [row, _])| row.speaker).collect();
    assert_eq!(speakers, ["Bo", "Cleo", "Bo", "Bo", "Cleo"]);
    assert_eq!(dataset.report().messages.window_only[&Rule::Quiet], 1);
    let (_, [last, _]) = dataset.rows().last().unwrap();
    assert!(last.prompt.contains("Ada: five"), "what the others say stands in windows");
}

#[test]
fn no_sitting_is_in_two_splits() {
    let messages: Vec<Message> = (0..100)
        .map(|key| message(key, key / 10 * 100_000 + key % 10, key as i32 % 3 + 1, &format!("word {key}")))
        .collect();
    let dataset = make(&messages, Options { shares: "70,10,10,10".parse().unwrap(), ..Options::default() });
    let mut days: Vec<(i64, Split)> =
        dataset.rows().map(|(split, [row, _])| ((row.at - at(0)).num_days(), split)).collect();
    days.dedup();
    let splits: Vec<_> = days.iter().map(|(_, split)| *split).collect();
    use Split::{Judge, Test, Train, Validation};
    assert_eq!(splits, [Train, Train, Train, Train, Train, Train, Train, Validation, Test, Judge]);
}

#[test]
fn members_of_one_name_have_two_in_rows() {
    let mut members = members();
    members[1].name = "ada".to_owned();
    let messages = talk(&[(1, "hi"), (2, "ho"), (1, "hum")]);
    check(
        &make_of(&messages, &members, FromApi::Nothing, Options::default()),
        expect![[r#"
        train: Ada: hi -> ada 2: ho
        train: Ada: hi | ada 2: ho -> Ada: hum
        3 read, 0 merged, left out {}, window only {Opening: 1}
    "#]],
    );
}
