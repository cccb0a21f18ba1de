//! Sittings: what was said in a room without a long silence. No window reaches over the edge of one, and none is cut in two
//! by a split.

use std::{collections::BTreeMap, ops::Range};

use chat::{MemberId, RoomId, sanitise};
use chrono::{DateTime, TimeDelta, Utc};

use super::Rule;

/// A channel that never sleeps would be one sitting, and then there was nothing to split. What is lost at this edge is the
/// context of five messages a day.
const LONGEST: TimeDelta = TimeDelta::days(1);

/// A message that is kept, as its line shows it.
#[derive(Debug, Clone)]
pub(super) struct Said {
    pub member: MemberId,
    pub at: DateTime<Utc>,
    pub text: Box<str>,
    /// Why it may not be an answer, as far as it alone decides that.
    pub barred_by: Option<Rule>,
}

/// A stretch of what was said in a room.
#[derive(Debug, Clone)]
pub(super) struct Sitting {
    pub room: RoomId,
    pub said: Range<usize>,
}

impl Said {
    /// Makes one message of this and the next of its room, where one person wrote both within that time and both may be
    /// answers. False where they stay two.
    pub(super) fn merge(&mut self, next: &Said, within: TimeDelta) -> bool {
        let passed = next.at - self.at;
        let fits = self.text.chars().count() + 1 + next.text.chars().count() <= sanitise::MAX_TEXT_CHARS;
        let may = self.member == next.member
            && self.barred_by.is_none()
            && next.barred_by.is_none()
            && (TimeDelta::zero()..=within).contains(&passed)
            && fits;
        if may {
            self.text = format!("{} {}", self.text, next.text).into();
        }
        may
    }
}

/// Cuts the rooms into sittings. They come by the time of their first message, those of one time by room.
pub(super) fn cut(rooms: BTreeMap<RoomId, Vec<Said>>, silence: TimeDelta) -> (Vec<Said>, Vec<Sitting>) {
    let mut all: Vec<Said> = Vec::with_capacity(rooms.values().map(Vec::len).sum());
    let mut sittings = Vec::new();
    for (room, said) in rooms {
        let offset = all.len();
        let mut begin = 0;
        for place in 1..=said.len() {
            let is_over = said
                .get(place)
                .is_none_or(|next| next.at - said[place - 1].at >= silence || next.at - said[begin].at >= LONGEST);
            if is_over {
                sittings.push(Sitting { room, said: offset + begin..offset + place });
                begin = place;
            }
        }
        all.extend(said);
    }
    sittings.sort_by_key(|sitting| (all[sitting.said.start].at, sitting.room, sitting.said.start));
    (all, sittings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(minutes: i64, member: i32, text: &str) -> Said {
        let at = DateTime::from_timestamp(minutes * 60, 0).unwrap();
        Said { member: MemberId(member), at, text: text.into(), barred_by: None }
    }

    fn check(rooms: &[(i32, &[i64])], expected: &[(i32, usize)]) {
        let rooms = rooms
            .iter()
            .map(|(room, minutes)| (RoomId(*room), minutes.iter().map(|&minutes| said(minutes, 1, "hi")).collect()));
        let (_, sittings) = cut(rooms.collect(), TimeDelta::hours(6));
        let cut: Vec<_> = sittings.iter().map(|sitting| (sitting.room.0, sitting.said.len())).collect();
        assert_eq!(cut, expected);
    }

    #[test]
    fn a_silence_begins_a_sitting() {
        check(&[(1, &[0, 1, 360, 721, 722])], &[(1, 3), (1, 2)]);
        check(&[(1, &[])], &[]);
    }

    #[test]
    fn a_day_ends_a_sitting_that_knows_no_silence() {
        let busy: Vec<i64> = (0..3 * 24).map(|hour| hour * 60).collect();
        check(&[(1, &busy)], &[(1, 24), (1, 24), (1, 24)]);
    }

    #[test]
    fn sittings_of_all_rooms_are_ordered_by_time() {
        check(&[(1, &[0, 5_000]), (2, &[100, 101])], &[(1, 1), (2, 2), (1, 1)]);
    }

    #[test]
    fn a_clock_that_went_backwards_is_no_silence() {
        check(&[(1, &[1_000, 0, 1])], &[(1, 3)]);
    }

    #[test]
    fn what_one_person_posts_in_a_row_can_be_one_message() {
        let minute = TimeDelta::minutes(1);
        let mut first = said(0, 1, "so");
        assert!(first.merge(&said(1, 1, "yes"), minute));
        assert_eq!(&*first.text, "so yes");
        assert!(!first.merge(&said(2, 1, "late"), minute));
        assert!(!first.merge(&said(0, 2, "other"), minute));
        assert!(!first.merge(&Said { barred_by: Some(Rule::Links), ..said(0, 1, "link") }, minute));
        assert!(!first.merge(&said(0, 1, &"x".repeat(498)), minute));
        assert_eq!(&*first.text, "so yes");
    }
}
