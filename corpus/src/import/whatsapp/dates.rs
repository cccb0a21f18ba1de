//! Which number of `03/04/21` is the day.

use std::{fmt, io::Read};

use chrono::NaiveDate;

use super::{
    super::{
        Fault, Options,
        feed::{Line, Lines},
        time::DateOrder,
    },
    header,
};

/// A date as it stands in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WrittenDate {
    pub numbers: [u32; 3],
    pub separator: char,
}

impl WrittenDate {
    /// The date, if it exists in this order. A year that stands first leaves no choice.
    pub fn resolve(self, order: DateOrder) -> Option<NaiveDate> {
        let [first, second, third] = self.numbers;
        let (year, month, day) = match order {
            _ if first > 31 => (first, second, third),
            DateOrder::DayFirst => (third, second, first),
            DateOrder::MonthFirst => (third, first, second),
        };
        let year = if year < 100 { 2000 + year } else { year };
        NaiveDate::from_ymd_opt(year as i32, month, day)
    }

    /// The order that this date alone proves. Regions that write the month first all use slashes.
    fn proves(self) -> Option<DateOrder> {
        let is = |order| self.resolve(order).is_some();
        match (is(DateOrder::DayFirst), is(DateOrder::MonthFirst)) {
            (true, false) => Some(DateOrder::DayFirst),
            (false, true) => Some(DateOrder::MonthFirst),
            (true, true) if self.separator != '/' => Some(DateOrder::DayFirst),
            _ => None,
        }
    }

    fn is_ambiguous(self) -> bool {
        self.resolve(DateOrder::DayFirst) != self.resolve(DateOrder::MonthFirst)
    }
}

impl fmt::Display for WrittenDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ([first, second, third], separator) = (self.numbers, self.separator);
        write!(f, "{first:02}{separator}{second:02}{separator}{third:02}")
    }
}

/// Settles the order of a file's dates: what the options say; else the first date that proves it; else the order in
/// which the dates rise more steadily through the file. A line that cannot be read ends the search early, since the
/// reader will stop there too.
pub(in super::super) fn date_order(input: impl Read, options: &Options) -> Result<DateOrder, Fault> {
    if let Some(order) = options.date_order {
        return Ok(order);
    }
    let mut evidence = Evidence::default();
    let mut lines = Lines::new(input);
    while let Ok(Some((_, line))) = lines.next() {
        let Line::Text(line) = line else { continue };
        let Some(header) = header::parse(line) else { continue };
        if let Some(order) = header.date.proves() {
            return Ok(order);
        }
        evidence.add(header.date);
    }
    evidence.verdict()
}

#[derive(Debug, Default)]
struct Evidence {
    day_first: Steadiness,
    month_first: Steadiness,
    ambiguous: Option<WrittenDate>,
}

/// How often the dates fall back, in one order of reading.
#[derive(Debug, Default)]
struct Steadiness {
    latest: Option<NaiveDate>,
    falls: u64,
}

impl Evidence {
    fn add(&mut self, date: WrittenDate) {
        self.day_first.add(date.resolve(DateOrder::DayFirst));
        self.month_first.add(date.resolve(DateOrder::MonthFirst));
        if self.ambiguous.is_none() && date.is_ambiguous() {
            self.ambiguous = Some(date);
        }
    }

    fn verdict(self) -> Result<DateOrder, Fault> {
        match (self.day_first.falls.cmp(&self.month_first.falls), self.ambiguous) {
            (std::cmp::Ordering::Less, _) | (_, None) => Ok(DateOrder::DayFirst),
            (std::cmp::Ordering::Greater, _) => Ok(DateOrder::MonthFirst),
            (std::cmp::Ordering::Equal, Some(date)) => Err(Fault::AmbiguousDates { example: date.to_string() }),
        }
    }
}

impl Steadiness {
    fn add(&mut self, date: Option<NaiveDate>) {
        if date < self.latest {
            self.falls += 1;
        }
        self.latest = date;
    }
}
