//! One line of a log, as the common clients and bouncers write it.

use std::iter;

use chrono::{NaiveDate, NaiveTime};

use super::super::time;

/// What a line is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Entry<'a> {
    /// Somebody's words.
    Said { stamp: Stamp, nick: &'a str, text: Words<'a> },
    /// A join, a mode, a nick change: what the server or the client says.
    Notice(Option<Stamp>),
    /// From here on it is this day.
    Day(NaiveDate),
}

/// The time at the head of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub date: StampDate,
    pub time: NaiveTime,
}

/// How much of the date stands before the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StampDate {
    Missing,
    MonthAndDay(u32, u32),
    Full(NaiveDate),
}

/// What was said, with the formatting codes of IRC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Words<'a> {
    Line(&'a str),
    /// `/me waves`.
    Action(&'a str),
}

/// In bytes; the most that any network allows is about half of it.
const LONGEST_NICK: usize = 64;

/// What clients and bouncers put before lines of their own.
const NOTICE_MARKS: [&str; 8] = ["===", "***", "-!-", "-->", "<--", "--", "=!=", "*!*"];

/// Lines that say which day it is: irssi, mIRC, HexChat.
const DAY_MARKS: [&str; 5] =
    ["--- Day changed ", "--- Log opened ", "Session Start: ", "Session Time: ", "**** BEGIN LOGGING AT "];

pub(super) fn parse(line: &str) -> Option<Entry<'_>> {
    if let Some(date) = DAY_MARKS.iter().find_map(|mark| line.strip_prefix(mark)) {
        return Some(written_date(date).map_or(Entry::Notice(None), Entry::Day));
    }
    let Some((stamp, body)) = take_stamp(line) else {
        let is_notice = ["===", "***", "---"].iter().any(|mark| line.starts_with(mark)) || line.starts_with("Session ");
        return is_notice.then_some(Entry::Notice(None));
    };
    parse_body(stamp, body)
}

fn parse_body(stamp: Stamp, body: &str) -> Option<Entry<'_>> {
    let spaced = body.trim_start();
    if let Some((nick, text)) = spaced.strip_prefix('<').and_then(|rest| rest.split_once('>'))
        && bare_nick(nick).is_some()
    {
        return said(stamp, nick, Words::Line(text));
    }
    if let Some(action) = spaced.strip_prefix("* ").or_else(|| spaced.strip_prefix("*\t")) {
        let action = action.trim_start();
        let (nick, text) = action.split_once([' ', '\t']).unwrap_or((action, ""));
        return if is_event(text) { Some(Entry::Notice(Some(stamp))) } else { said(stamp, nick, Words::Action(text)) };
    }
    let is_notice = NOTICE_MARKS.iter().any(|mark| spaced.starts_with(mark));
    if is_notice || spaced.strip_prefix('-').is_some_and(|rest| rest.contains("- ")) {
        return Some(Entry::Notice(Some(stamp)));
    }
    // WeeChat: the nick and the text in columns.
    let (nick, text) = body.strip_prefix('\t')?.split_once('\t')?;
    if nick.trim().is_empty() { Some(Entry::Notice(Some(stamp))) } else { said(stamp, nick, Words::Line(text)) }
}

fn said<'a>(stamp: Stamp, nick: &'a str, text: Words<'a>) -> Option<Entry<'a>> {
    Some(Entry::Said { stamp, nick: bare_nick(nick)?, text })
}

/// A nick without the sign of its bearer's rank. None where that is no nick. No server allows a blank in one, but logs of
/// bridges and old clients have them.
fn bare_nick(nick: &str) -> Option<&str> {
    let nick = nick.trim().trim_start_matches(['@', '+', '%', '&', '~', '!', ' ']);
    (!nick.is_empty() && nick.len() <= LONGEST_NICK && !nick.contains('\t')).then_some(nick)
}

/// Whether what stands behind `* nick ` tells of the channel rather than of what the nick does: mIRC and HexChat write
/// both alike.
fn is_event(text: &str) -> bool {
    const EVENTS: [&str; 10] = [
        "has joined",
        "has left",
        "has quit",
        "joined ",
        "Quit ",
        "sets mode",
        "gives ",
        "was kicked by",
        "is now known as",
        "changes topic to",
    ];
    let text = match text.strip_prefix('(').and_then(|rest| rest.split_once(") ")) {
        Some((host, rest)) if host.contains('@') => rest,
        _ => text,
    };
    EVENTS.iter().any(|event| text.starts_with(event))
}

fn take_stamp(line: &str) -> Option<(Stamp, &str)> {
    let inside = line.strip_prefix('[').or_else(|| line.strip_prefix('('));
    let (date, rest) = take_date(inside.unwrap_or(line));
    let (time, rest) = take_time(rest)?;
    let rest = match inside {
        Some(_) => rest.strip_prefix([']', ')'])?,
        None => rest,
    };
    Some((Stamp { date, time }, rest.starts_with([' ', '\t']).then_some(rest)?))
}

fn take_date(text: &str) -> (StampDate, &str) {
    full_date(text).or_else(|| month_and_day(text)).unwrap_or((StampDate::Missing, text))
}

fn full_date(text: &str) -> Option<(StampDate, &str)> {
    // Most lines have no date, and the parser is slow to see it.
    let date = text.get(..10).filter(|date| date.as_bytes()[4] == b'-')?;
    let date = NaiveDate::parse_from_str(date, "%Y-%m-%d").ok()?;
    Some((StampDate::Full(date), text[10..].strip_prefix([' ', 'T'])?))
}

fn month_and_day(text: &str) -> Option<(StampDate, &str)> {
    let month = time::month(text.get(..3)?)?;
    let (day, rest) = text[3..].trim_start().split_once(' ')?;
    Some((StampDate::MonthAndDay(month, day.parse().ok()?), rest))
}

/// `HH:MM` or `HH:MM:SS`.
fn take_time(text: &str) -> Option<(NaiveTime, &str)> {
    let two_digits = |at: usize| -> Option<u32> {
        let digits = text.get(at..at + 2)?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
    };
    let colon = |at: usize| text.as_bytes().get(at) == Some(&b':');
    if !colon(2) {
        return None;
    }
    let seconds = if colon(5) { two_digits(6) } else { None };
    let end = if seconds.is_some() { 8 } else { 5 };
    Some((NaiveTime::from_hms_opt(two_digits(0)?, two_digits(3)?, seconds.unwrap_or(0))?, &text[end..]))
}

/// A date as C's `ctime` writes it, with or without the time: `Sun Mar  5 12:00:00 2006`.
fn written_date(text: &str) -> Option<NaiveDate> {
    let words: Vec<&str> = text.split_whitespace().take(6).collect();
    let (at, month) = words.iter().enumerate().find_map(|(at, word)| Some((at, time::month(word)?)))?;
    let day = words.get(at + 1)?.parse().ok()?;
    let year = words[at + 1..].iter().find(|word| word.len() == 4)?.parse().ok()?;
    NaiveDate::from_ymd_opt(year, month, day)
}

impl<'a> Words<'a> {
    /// As the log has them.
    pub fn as_written(self) -> &'a str {
        match self {
            Words::Line(text) | Words::Action(text) => text,
        }
    }

    /// Without formatting codes. An action stands between asterisks, as people write one where there is no `/me`.
    pub fn plain(self) -> String {
        let text = without_formatting(self.as_written());
        match (self, text.trim()) {
            (Words::Action(_), text) if !text.is_empty() => format!("*{text}*"),
            (_, text) => text.to_owned(),
        }
    }
}

fn without_formatting(text: &str) -> std::borrow::Cow<'_, str> {
    const COLOUR: char = '\u{3}';
    if !text.bytes().any(|byte| byte < b' ' && byte != b'\t') {
        return text.into();
    }
    let mut parts = text.split(COLOUR);
    let first = parts.next().unwrap_or_default();
    let plain = iter::once(first).chain(parts.map(without_colour)).collect::<String>();
    plain.replace(|c: char| c < ' ' && c != '\t', "").into()
}

/// Steps over up to two digits, and a comma with up to two more.
fn without_colour(text: &str) -> &str {
    let skip_digits = |text: &'_ str| text.bytes().take(2).take_while(u8::is_ascii_digit).count();
    let text = &text[skip_digits(text)..];
    match text.strip_prefix(',').map(|rest| (rest, skip_digits(rest))) {
        Some((rest, digits)) if digits > 0 => &rest[digits..],
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(lines: &str, expect: Expect) {
        let found: Vec<String> = lines.lines().map(|line| describe(line.trim_start())).collect();
        expect.assert_eq(&found.join("\n"));
    }

    fn describe(line: &str) -> String {
        match parse(line) {
            None => "not a line".to_owned(),
            Some(Entry::Day(date)) => format!("day {date}"),
            Some(Entry::Notice(stamp)) => format!("notice {}", stamp.map_or(String::new(), |s| s.time.to_string())),
            Some(Entry::Said { stamp, nick, text }) => {
                let date = match stamp.date {
                    StampDate::Missing => String::new(),
                    StampDate::MonthAndDay(month, day) => format!("{month}/{day} "),
                    StampDate::Full(date) => format!("{date} "),
                };
                format!("{date}{} {nick}: {}", stamp.time, text.plain())
            }
        }
    }

    #[test]
    fn ubuntu() {
        check(
            "[04:46] <ivo> mira: try again
             [04:46]  * ivo sighs
             [04:46] <ivo>
             [04:46]  * ivo
             [04:46] <ivo the great> hm
             [04:47] -spam:#room- buy now
             === ivo is now known as ivo_away
             [4:46] <ivo> no",
            expect![[r#"
                04:46:00 ivo: mira: try again
                04:46:00 ivo: *sighs*
                04:46:00 ivo: 
                04:46:00 ivo: 
                04:46:00 ivo the great: hm
                notice 04:47:00
                notice 
                not a line"#]],
        );
    }

    #[test]
    fn irssi() {
        check(
            "--- Log opened Sun Mar 05 12:00:00 2006
             12:00 <@mira> hello
             12:00 < ivo> hi <there>
             12:01  * ivo waves
             12:02 -!- zed [zed@example.net] has joined #room
             --- Day changed Mon Mar 06 2006
             --- Log closed Mon Mar 06 12:00:00 2006",
            expect![[r#"
                day 2006-03-05
                12:00:00 mira: hello
                12:00:00 ivo: hi <there>
                12:01:00 ivo: *waves*
                notice 12:02:00
                day 2006-03-06
                notice "#]],
        );
    }

    #[test]
    fn weechat_znc_mirc_hexchat() {
        check(
            "2006-03-05 12:00:00\t@mira\thello\tthere
             2006-03-05 12:00:01\t-->\tzed (zed@example.net) has joined #room
             2006-03-05 12:00:02\t *\tivo waves
             [12:00:03] *** Joins: zed (zed@example.net)
             [12:00:04] <+zed> \u{2}bold\u{2} \u{3}04,12red\u{3} \u{3}, plain
             Session Start: Sun Mar 05 12:00:00 2006
             [12:05] * zed has left #room
             [12:05] * zed (zed@example.net) has left #room
             Mar 05 12:00:05 <mira>\thello
             Mar 05 12:00:06 *\tzed has joined
             **** BEGIN LOGGING AT Sun Mar  5 12:00:00 2006",
            expect![[r#"
                2006-03-05 12:00:00 mira: hello	there
                notice 12:00:01
                2006-03-05 12:00:02 ivo: *waves*
                notice 12:00:03
                12:00:04 zed: bold red , plain
                day 2006-03-05
                notice 12:05:00
                notice 12:05:00
                3/5 12:00:05 mira: hello
                notice 12:00:06
                day 2006-03-05"#]],
        );
    }
}
