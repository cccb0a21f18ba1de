//! The beginning of a message: date, time and the dash or bracket behind them.

use chrono::NaiveTime;

use super::dates::WrittenDate;

/// What a line that opens a message says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Header<'a> {
    pub date: WrittenDate,
    pub time: NaiveTime,
    /// Who and what; a notice of the chat has no `Name: `.
    pub content: &'a str,
}

pub(super) fn parse(line: &str) -> Option<Header<'_>> {
    let line = line.trim_start_matches(is_direction_mark);
    let (bracketed, line) = line.strip_prefix('[').map_or((None, line), |inside| (Some(inside), inside));
    let (date, line) = take_date(line)?;
    let line = line.strip_prefix([',', '،']).unwrap_or(line);
    let (time, line) = take_time(skip_blanks(line)?)?;
    let content = match bracketed {
        Some(_) => line.strip_prefix(']')?,
        None => line.strip_prefix(" -")?,
    };
    Some(Header { date, time, content: content.strip_prefix(' ')? })
}

fn take_date(text: &str) -> Option<(WrittenDate, &str)> {
    let (first, text) = take_number(text)?;
    let separator = text.chars().next().filter(|c| "/.-".contains(*c))?;
    let (second, text) = take_number(&text[1..])?;
    let (third, text) = take_number(text.strip_prefix(separator)?)?;
    // Some regions close the date with its separator (`31. 12. 21.`), others space it out.
    let text = if separator == '.' { text.strip_prefix('.').unwrap_or(text) } else { text };
    Some((WrittenDate { numbers: [first, second, third], separator }, text))
}

fn take_time(text: &str) -> Option<(NaiveTime, &str)> {
    let (hour, text) = take_number(text)?;
    let (minute, text) = take_number(text.strip_prefix([':', '.'])?)?;
    let seconds = text.strip_prefix([':', '.']).and_then(take_number);
    let (second, text) = seconds.unwrap_or((0, text));
    match take_meridiem(text) {
        Some((half, text)) if hour <= 12 => Some((NaiveTime::from_hms_opt(hour % 12 + half, minute, second)?, text)),
        Some(_) => None,
        None => Some((NaiveTime::from_hms_opt(hour, minute, second)?, text)),
    }
}

/// `AM`, `pm`, `p.m.` and `p. m.`, as the hours to add.
fn take_meridiem(text: &str) -> Option<(u32, &str)> {
    let text = text.trim_start_matches(is_blank);
    let half = match text.chars().next()? {
        'a' | 'A' => 0,
        'p' | 'P' => 12,
        _ => return None,
    };
    let text = text[1..].strip_prefix('.').unwrap_or(&text[1..]).trim_start_matches(is_blank);
    let text = text.strip_prefix(['m', 'M'])?;
    Some((half, text.strip_prefix('.').unwrap_or(text)))
}

fn take_number(text: &str) -> Option<(u32, &str)> {
    let text = text.trim_start_matches(is_blank);
    let length = text.bytes().take(5).take_while(u8::is_ascii_digit).count();
    Some((text[..length].parse().ok().filter(|_| length <= 4)?, &text[length..]))
}

/// None where there is no blank to skip.
fn skip_blanks(text: &str) -> Option<&str> {
    let rest = text.trim_start_matches(is_blank);
    (rest.len() < text.len()).then_some(rest)
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\u{A0}' | '\u{202F}') || is_direction_mark(c)
}

/// Marks that tell a display in which direction to write. They are in exports only.
pub(super) fn is_direction_mark(c: char) -> bool {
    matches!(c, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}
