//! What a person reads about a file that cannot be read.

use expect_test::expect;

use super::{
    cases::{DISCORD, JSONL, TELEGRAM},
    *,
};

fn check_bytes(bytes: &[u8], expect: Expect) {
    check_with(&Options::default(), "file", bytes, expect);
}

#[test]
fn nothing_there() {
    check_bytes(
        b"",
        expect![[r#"
            ! the file is empty; export the chat again
        "#]],
    );
    check_bytes(
        b"\xEF\xBB\xBF \n",
        expect![[r#"
            ! the file is empty; export the chat again
        "#]],
    );
}

#[test]
fn other_kinds_of_file() {
    check_bytes(
        b"PK\x03\x04....",
        expect![[r#"
            ! this is a zip archive; unpack it and give the .txt, .json, .csv or .log file inside
        "#]],
    );
    check_bytes(
        b"\x1F\x8B\x08",
        expect![[r#"
            ! this is a gzip archive; unpack it and give the .txt, .json, .csv or .log file inside
        "#]],
    );
    check_bytes(
        b"<!DOCTYPE html><html>",
        expect![[r#"
            ! this is a web page; export the chat again and choose JSON as the format
        "#]],
    );
    check_bytes(
        b"\xFF\xFEh\0i\0",
        expect![[r#"
            ! the text is UTF-16; convert it with `iconv -f UTF-16 -t UTF-8 FILE > NEW-FILE` and give the new file
        "#]],
    );
    check_bytes(
        b"h\0e\0l\0l\0o\0",
        expect![[r#"
            ! the text is UTF-16; convert it with `iconv -f UTF-16 -t UTF-8 FILE > NEW-FILE` and give the new file
        "#]],
    );
    check_bytes(
        b"Dear diary,\ntoday was fine.\n",
        expect![[r#"
            ! the format is not known; looked for DiscordChatExporter JSON, Telegram Desktop's result.json, a WhatsApp text export, an IRC log, and CSV or JSON Lines with columns for time, author and text
        "#]],
    );
    check_bytes(
        b"{\"colour\": \n\"red\"}",
        expect![[r#"
            ! the format is not known; looked for DiscordChatExporter JSON, Telegram Desktop's result.json, a WhatsApp text export, an IRC log, and CSV or JSON Lines with columns for time, author and text
        "#]],
    );
}

#[test]
fn cut_off() {
    let after = |text: &str, what: &str| text[..text.find(what).unwrap() + what.len()].to_owned();
    check(
        "result.json",
        &after(TELEGRAM, r#""text": ["see"#),
        expect![[r#"
            Telegram Desktop
            # -1001500000001 "Lantern Club" on telegram
              - 1 Service
              2 2024-03-01 10:01:00 user11="Mira": "soup is on \"tonight\""
            ! the file is cut off in line 10, everything before it is good (complete rows: 2); copy or export it again to have the rest
        "#]],
    );
    check(
        "export.json",
        &after(DISCORD, r#"<@11> yes"#),
        expect![[r#"
            Discord (DiscordChatExporter JSON)
            # 900000000000000002 "kitchen" on discord of 900000000000000001 "Lantern Club"
              1000000000000001 2024-03-01 08:00:00 11="Mira": "hey @Ivo :soup: now" 🍲@ivo 🍲x1
            ! the file is cut off in line 11, everything before it is good (complete rows: 1); copy or export it again to have the rest
        "#]],
    );
    check(
        "a.jsonl",
        &after(JSONL, r#""name": "Ivo""#),
        expect![[r#"
            JSON Lines
            # a "a" on archive
              time 2021-03-04 05:06:07 Mira="Mira": "soup 🍲"
            ! the file is cut off in line 3, everything before it is good (complete rows: 1); copy or export it again to have the rest
        "#]],
    );
}

#[test]
fn broken_json() {
    check(
        "result.json",
        "{\"messages\": [\n{\"id\": 1, \"type\": \"service\"},\n{\"id\": 1 \"type\"}]}",
        expect![[r#"
            Telegram Desktop
            # result "result" on archive
              - 1 Service
            ! the JSON is broken in line 3 (expected `,` or `}`), everything before it is good; export the file again
        "#]],
    );
    check(
        "result.json",
        "{\"messages\": [{\"id\": \"a\nb\"}]}",
        expect![[r#"
            Telegram Desktop
            # result "result" on archive
            ! the JSON is broken in line 1 (a control character within a string), everything before it is good; export the file again
        "#]],
    );
    check(
        "result.json",
        "{\"messages\": []} x",
        expect![[r#"
            Telegram Desktop
            # result "result" on archive
            ! the JSON is broken in line 1 (something follows the end), everything before it is good; export the file again
        "#]],
    );
    check(
        "result.json",
        "{\"messages\": []]",
        expect![[r#"
            Telegram Desktop
            # result "result" on archive
            ! the JSON is broken in line 1 (expected ',' or '}'), everything before it is good; export the file again
        "#]],
    );
}

#[test]
fn not_utf8() {
    check_bytes(
        b"[10:00] <a> fine\n[10:01] <a> caf\xE9\n",
        expect![[r#"
            IRC log
            # file "file" on archive
            ! line 1 has a time but no date, and neither the file's name nor the log says which day it is; name the file like channel-2006-03-05.log or give the day with --date 2006-03-05
        "#]],
    );
    let options = Options { date: NaiveDate::from_ymd_opt(2006, 3, 5), ..Options::default() };
    check_with(
        &options,
        "file",
        b"[10:00] <a> fine\n[10:01] <a> caf\xE9\n",
        expect![[r#"
            IRC log
            # file "file" on archive
              time 2006-03-05 10:00:00 a="a": "fine"
            ! line 2 is not UTF-8, everything before it is good; convert the file, for instance with `iconv -f WINDOWS-1252 -t UTF-8 FILE > NEW-FILE`, and give the new file
        "#]],
    );
    check_bytes(
        b"time,name,text\n1,a,fine\n2,a,caf\xE9\n",
        expect![[r#"
            CSV
            # file "file" on archive
              2097153641 1970-01-01 00:00:01 a="a": "fine"
            ! line 3 is not UTF-8, everything before it is good; convert the file, for instance with `iconv -f WINDOWS-1252 -t UTF-8 FILE > NEW-FILE`, and give the new file
        "#]],
    );
    check_bytes(
        b"{\"messages\": [\n{\"id\": 1,\n\"type\": \"\xE9\"}]}",
        expect![[r#"
            Telegram Desktop
            # file "file" on archive
            ! line 3 is not UTF-8, everything before it is good; convert the file, for instance with `iconv -f WINDOWS-1252 -t UTF-8 FILE > NEW-FILE`, and give the new file
        "#]],
    );
}

#[test]
fn dates_that_nothing_decides() {
    check(
        "a.txt",
        "03/04/21, 10:00 - A: x\n03/04/21, 10:01 - A: y\n",
        expect![[r#"
            ! a date such as 03/04/21 may be day first or month first and nothing in the file decides; say which with --date-order day-first or --date-order month-first
        "#]],
    );
    check(
        "a.log",
        "[10:00] <a> x\n",
        expect![[r#"
            IRC log
            # a "a" on archive
            ! line 1 has a time but no date, and neither the file's name nor the log says which day it is; name the file like channel-2006-03-05.log or give the day with --date 2006-03-05
        "#]],
    );
}

#[test]
fn columns_that_are_missing() {
    check(
        "a.csv",
        "when,name,text\n1,2,3\n",
        expect![[r#"
            CSV
            ! there is no column for the time; found when, name, text, needed are one of timestamp/time/datetime/sent_at/created_at/date, one of author/author_name/name/user/username/from/sender/nick, one of text/message/content/body
        "#]],
    );
    check(
        "a.jsonl",
        "{\"time\": 1, \"say\": \"x\"}\n",
        expect![[r#"
            JSON Lines
            ! there is no column for the author and the text; found say, time, needed are one of timestamp/time/datetime/sent_at/created_at/date, one of author/author_name/name/user/username/from/sender/nick, one of text/message/content/body
        "#]],
    );
}

#[test]
fn a_quotation_mark_that_is_not_closed() {
    let mut table = "time,name,text\n1,a,x\n2,a,\"".to_owned();
    table.extend(std::iter::repeat_n("line\n", 1_200_000));
    check(
        "a.csv",
        &table,
        expect![[r#"
            CSV
            # a "a" on archive
              2097152483 1970-01-01 00:00:01 a="a": "x"
            ! the row that begins in line 3 is longer than 4 MiB, everything before it is good; look for a quotation mark there that is not closed
        "#]],
    );
}

#[test]
fn an_element_that_is_too_long_is_dropped() {
    let long = "x".repeat(5 << 20);
    let text = format!("{{\"messages\": [{{\"id\": 1, \"text\": \"{long}\"}}, {{\"id\": 2, \"type\": \"service\"}}]}}");
    check(
        "result.json",
        &text,
        expect![[r#"
            Telegram Desktop
            # result "result" on archive
              - 1 TooLong
              - 2 Service
        "#]],
    );
}

#[test]
fn paths() {
    let folder = tempfile::tempdir().unwrap();
    let fault = |path: &Path| open(path, &Options::default()).err().unwrap().to_string();
    assert!(fault(folder.path()).ends_with("this is a folder; give the export file inside it"));
    let missing = folder.path().join("missing.json");
    assert_eq!(fault(&missing), format!("{}: there is no such file; check the path", missing.display()));
}

#[test]
fn progress_reaches_the_size_of_the_file_and_errors_name_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("result.json");
    std::fs::write(&path, TELEGRAM).unwrap();
    let mut import = open(&path, &Options::default()).unwrap();
    assert_eq!(import.format(), Format::TelegramDesktop);
    assert_eq!(import.by_ref().filter(Result::is_ok).count(), 11);
    assert_eq!((import.bytes_read(), import.total_bytes()), (TELEGRAM.len() as u64, TELEGRAM.len() as u64));

    std::fs::write(&path, &TELEGRAM[..TELEGRAM.len() - 10]).unwrap();
    let mut import = open(&path, &Options::default()).unwrap();
    let error = import.by_ref().find_map(Result::err).unwrap().to_string();
    assert!(error.starts_with(&path.display().to_string()), "{error}");
    assert!(import.next().is_none(), "nothing follows an error");
}
