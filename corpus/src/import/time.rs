//! Times and dates as exports write them.

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, Utc};

/// Whether `03/04/21` is the 3rd of April or the 4th of March.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateOrder {
    /// 3 April.
    DayFirst,
    /// March 4th.
    MonthFirst,
}

/// A local time as an instant. None where it lies outside what can be counted.
pub(super) fn instant(local: NaiveDateTime, offset: FixedOffset) -> Option<DateTime<Utc>> {
    Some(local.checked_sub_offset(offset)?.and_utc())
}

/// A time in a column: RFC 3339, `YYYY-MM-DD HH:MM[:SS[.f]]` in the given zone, or Unix seconds or milliseconds.
pub(super) fn parse(text: &str, offset: FixedOffset) -> Option<DateTime<Utc>> {
    let text = text.trim();
    if let Ok(number) = text.parse::<i64>() {
        return from_unix(number);
    }
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.to_utc());
    }
    if let Some(local) = parse_local(text) {
        return instant(local, offset);
    }
    let (seconds, fraction) = text.split_once('.')?;
    let is_number = !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit());
    from_unix(seconds.parse().ok().filter(|_| is_number)?)
}

fn parse_local(text: &str) -> Option<NaiveDateTime> {
    const FORMS: [&str; 6] = [
        "%Y-%m-%d %H:%M:%S%.f",
        "%Y-%m-%dT%H:%M:%S%.f",
        "%Y-%m-%d %H:%M",
        "%Y-%m-%dT%H:%M",
        "%Y/%m/%d %H:%M:%S",
        "%Y/%m/%d %H:%M",
    ];
    FORMS.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
}

/// Seconds or milliseconds since 1970: from 10^11 on a count of seconds would lie beyond the year 5000.
pub(super) fn from_unix(number: i64) -> Option<DateTime<Utc>> {
    const MILLISECONDS_FROM: u64 = 100_000_000_000;
    match number.unsigned_abs() {
        size if size < MILLISECONDS_FROM => DateTime::from_timestamp(number, 0),
        size if size < MILLISECONDS_FROM * 1_000 => DateTime::from_timestamp_millis(number),
        _ => None,
    }
}

/// A month by its English name, as IRC clients write it whatever the user's language.
pub(super) fn month(name: &str) -> Option<u32> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    Some(MONTHS.iter().position(|month| *month == name)? as u32 + 1)
}

/// Splits a date such as `2006-03-05` or `20060305` off a file's name: what is left of the name, and the date.
pub(super) fn take_date(name: &str) -> (String, Option<NaiveDate>) {
    let digits_at = |start: usize, length: usize| {
        let digits = name.get(start..start + length)?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse::<u32>().ok())?
    };
    let is_digit = |at: usize| name.as_bytes().get(at).is_some_and(u8::is_ascii_digit);
    for start in (0..name.len()).filter(|&start| start == 0 || !is_digit(start - 1)) {
        for (month_at, day_at, end) in [(5, 8, 10), (4, 6, 8)] {
            let is_spaced = end == 8 || matches!(name.as_bytes().get(start + 4), Some(b'-' | b'_' | b'.'));
            let date = digits_at(start, 4)
                .zip(digits_at(start + month_at, 2))
                .zip(digits_at(start + day_at, 2))
                .and_then(|((year, month), day)| NaiveDate::from_ymd_opt(year as i32, month, day));
            if let Some(date) = date.filter(|_| is_spaced && !is_digit(start + end)) {
                return (format!("{}{}", &name[..start], &name[start + end..]), Some(date));
            }
        }
    }
    (name.to_owned(), None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_columns() {
        let east = FixedOffset::east_opt(2 * 3600).unwrap();
        let check = |text, expected: &str| {
            let time = parse(text, east).map_or("none".to_owned(), |time| time.to_rfc3339());
            assert_eq!(time, expected, "{text}");
        };
        check("2021-03-04T05:06:07Z", "2021-03-04T05:06:07+00:00");
        check("2021-03-04 05:06", "2021-03-04T03:06:00+00:00");
        check(" 2021-03-04 05:06:07 ", "2021-03-04T03:06:07+00:00");
        check("1614834367", "2021-03-04T05:06:07+00:00");
        check("1614834367000", "2021-03-04T05:06:07+00:00");
        check("1614834367.25", "2021-03-04T05:06:07+00:00");
        check("1614834367.x", "none");
        check("9223372036854775807", "none");
        check("yesterday", "none");
        check("", "none");
    }

    #[test]
    fn dates_of_file_names() {
        let check = |name, rest: &str, date: &str| {
            let (left, found) = take_date(name);
            assert_eq!((left.as_str(), found.map_or(String::new(), |date| date.to_string()).as_str()), (rest, date));
        };
        check("2006-03-05", "", "2006-03-05");
        check("freenode_#ubuntu_20060305", "freenode_#ubuntu_", "2006-03-05");
        check("#café-2006_03_05-old", "#café--old", "2006-03-05");
        check("1120060305", "1120060305", "");
        check("2006-13-05", "2006-13-05", "");
        check("日本", "日本", "");
    }
}
