//! The day of lines that say only the time of day.

use chrono::{Datelike, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike};

use super::line::{Stamp, StampDate};

/// Goes through the days with the log.
///
/// A clock that goes back has passed midnight, unless it goes back by an hour or less, which is a correction or the end
/// of summer time. A log that never shows an hour above 12 may have a clock of twelve hours (some of the oldest logs
/// have), so there it moves on by half a day, until an hour above 12 proves otherwise.
#[derive(Debug)]
pub(super) struct Calendar {
    /// The day that the log began or named last.
    day: Option<NaiveDate>,
    half_days: i32,
    has_24_hours: bool,
    latest: Option<NaiveDateTime>,
}

impl Calendar {
    pub fn new(day: Option<NaiveDate>) -> Self {
        Calendar { day, half_days: 0, has_24_hours: false, latest: None }
    }

    /// Takes the log's word for what day it is.
    pub fn begin_day(&mut self, day: NaiveDate) {
        self.day = Some(day);
        self.half_days = 0;
        self.latest = None;
    }

    /// Whether the date of a line with this stamp can be told.
    pub fn is_known(&self, stamp: Stamp) -> bool {
        self.day.is_some() || matches!(stamp.date, StampDate::Full(_))
    }

    /// When a line was written. None where that is no time that exists.
    pub fn resolve(&mut self, stamp: Stamp) -> Option<NaiveDateTime> {
        match stamp.date {
            StampDate::Full(date) => {
                self.begin_day(date);
                Some(date.and_time(stamp.time))
            }
            StampDate::MonthAndDay(month, day) => {
                let date = self.next_date(month, day)?;
                self.begin_day(date);
                Some(date.and_time(stamp.time))
            }
            StampDate::Missing => self.next_time(stamp.time),
        }
    }

    /// The date in the log's year, or in the next where the log has come from December to January.
    fn next_date(&self, month: u32, day: u32) -> Option<NaiveDate> {
        let known = self.day?;
        let year = if month == 1 && known.month() == 12 { known.year() + 1 } else { known.year() };
        NaiveDate::from_ymd_opt(year, month, day)
    }

    fn next_time(&mut self, time: NaiveTime) -> Option<NaiveDateTime> {
        if time.hour() > 12 && !self.has_24_hours {
            self.has_24_hours = true;
            self.half_days += self.half_days % 2;
        }
        let mut moment = self.at(time)?;
        if self.latest.is_some_and(|latest| moment + TimeDelta::hours(1) < latest) {
            while Some(moment) < self.latest {
                self.half_days += if self.has_24_hours { 2 } else { 1 };
                moment = self.at(time)?;
            }
        }
        self.latest = Some(moment);
        Some(moment)
    }

    fn at(&self, time: NaiveTime) -> Option<NaiveDateTime> {
        self.day?.and_time(time).checked_add_signed(TimeDelta::hours(12 * i64::from(self.half_days)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(clock: &str, expected: &str) {
        let mut calendar = Calendar::new(NaiveDate::from_ymd_opt(2006, 3, 5));
        let moments: Vec<_> = clock
            .split(' ')
            .map(|time| NaiveTime::parse_from_str(time, "%H:%M").unwrap())
            .map(|time| calendar.resolve(Stamp { date: StampDate::Missing, time }).unwrap())
            .map(|moment| moment.format("%-d@%H:%M").to_string())
            .collect();
        assert_eq!(moments.join(" "), expected);
    }

    #[test]
    fn midnight_is_where_the_clock_goes_back() {
        check("22:00 23:59 00:00 13:00 09:00", "5@22:00 5@23:59 6@00:00 6@13:00 7@09:00");
    }

    #[test]
    fn a_correction_is_not_midnight() {
        check("14:00 02:30 02:59 02:00 02:01", "5@14:00 6@02:30 6@02:59 6@02:00 6@02:01");
    }

    #[test]
    fn a_clock_of_twelve_hours_moves_on_by_half_a_day() {
        check("09:14 11:55 00:05 06:09", "5@09:14 5@11:55 5@12:05 5@18:09");
        check("09:14 12:59 01:00 11:59 12:00 01:00", "5@09:14 5@12:59 5@13:00 5@23:59 6@00:00 6@01:00");
    }

    #[test]
    fn an_hour_above_twelve_makes_half_a_day_a_whole_one() {
        check("11:00 01:00 14:00", "5@11:00 5@13:00 6@14:00");
    }
}
