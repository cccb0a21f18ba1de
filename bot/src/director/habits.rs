//! What a group's history shows of its rhythm: who talks how much, who follows whom, how soon, in what bursts, at what
//! hours.

use std::{collections::BTreeMap, time::Duration};

use chat::{MemberId, RoomId};
use chrono::{DateTime, TimeDelta, Timelike, Utc};
use rand::Rng;

/// A silence longer than this ends a sitting: what comes after it follows nobody.
const SITTING: TimeDelta = TimeDelta::hours(1);
/// A member's next message within this time belongs to the same burst.
const BURST: TimeDelta = TimeDelta::seconds(60);
/// How many reply delays are kept to be drawn from; later ones replace earlier ones in turn.
const KEPT_DELAYS: usize = 512;
/// Fewer messages than this say nothing about hours.
const ENOUGH_FOR_HOURS: u32 = 200;

/// What one member does.
#[derive(Debug, Clone, Default)]
struct Own {
    messages: u32,
    went_on: u32,
    followed_by: BTreeMap<MemberId, u32>,
}

/// The habits of a community.
#[derive(Debug, Clone, Default)]
pub struct Habits {
    members: BTreeMap<MemberId, Own>,
    messages: u32,
    delays: Vec<Duration>,
    next_delay: usize,
    hours: [u32; 24],
    within_sitting: u32,
    latest: BTreeMap<RoomId, (MemberId, DateTime<Utc>)>,
}

impl Habits {
    /// Learns from one message. Messages of a room come in order of time; one that is older than the last is counted but
    /// says nothing about who follows whom.
    pub fn learn(&mut self, room: RoomId, member: MemberId, sent_at: DateTime<Utc>) {
        self.messages += 1;
        self.hours[sent_at.hour() as usize] += 1;
        self.members.entry(member).or_default().messages += 1;
        let Some((last, last_at)) = self.latest.insert(room, (member, sent_at)) else { return };
        let gap = sent_at - last_at;
        if gap < TimeDelta::zero() || gap > SITTING {
            return;
        }
        self.within_sitting += 1;
        if last == member {
            if gap <= BURST {
                self.members.entry(member).or_default().went_on += 1;
            }
            return;
        }
        *self.members.entry(last).or_default().followed_by.entry(member).or_default() += 1;
        self.keep_delay(gap.to_std().unwrap_or_default());
    }

    /// Forgets what a member did. Counts that cannot be told apart (hours, delays) stay.
    pub fn forget(&mut self, member: MemberId) {
        self.members.remove(&member);
        self.members.values_mut().for_each(|own| {
            own.followed_by.remove(&member);
        });
        self.latest.retain(|_, (last, _)| *last != member);
    }

    fn keep_delay(&mut self, delay: Duration) {
        if self.delays.len() < KEPT_DELAYS {
            self.delays.push(delay);
        } else {
            self.delays[self.next_delay] = delay;
        }
        self.next_delay = (self.next_delay + 1) % KEPT_DELAYS;
    }

    /// A member's part of what was said, 0 to 1; even for one that has said nothing it is not 0.
    pub fn share(&self, member: MemberId) -> f64 {
        let own = self.members.get(&member).map_or(0, |own| own.messages);
        (f64::from(own) + 1.0) / (f64::from(self.messages) + 1.0 + self.members.len() as f64)
    }

    /// How much likelier than chance `next` speaks after `last`: 1 where nothing is known.
    pub fn follow_weight(&self, last: MemberId, next: MemberId) -> f64 {
        let Some(own) = self.members.get(&last) else { return 1.0 };
        let seen: u32 = own.followed_by.values().sum();
        let followed = own.followed_by.get(&next).copied().unwrap_or(0);
        // Eight pretended observations at the expected rate keep a few real ones from deciding everything.
        let expected = self.share(next);
        (f64::from(followed) + 8.0 * expected) / ((f64::from(seen) + 8.0) * expected)
    }

    /// The chance that a member who has just written goes on within a minute.
    pub fn burst_chance(&self, member: MemberId) -> f64 {
        let Some(own) = self.members.get(&member) else { return 0.0 };
        f64::from(own.went_on) / (f64::from(own.messages) + 4.0)
    }

    /// The chance that a message is answered while people are around: how often talk goes on within a sitting.
    pub fn answer_chance(&self) -> f64 {
        let seen = (f64::from(self.within_sitting) + 6.0) / (f64::from(self.messages) + 10.0);
        seen.clamp(0.3, 0.85)
    }

    /// A delay as this group answers: drawn from those seen, between 2 and 20 seconds where there are none.
    pub fn reply_delay(&self, rng: &mut impl Rng) -> Duration {
        match self.delays.len() {
            0 => Duration::from_secs_f32(rng.random_range(2.0..20.0)),
            seen => self.delays[rng.random_range(0..seen)],
        }
    }

    /// Whether this group is used to talking at this hour: at least a tenth of what it says in an average one.
    pub fn is_awake_at(&self, at: DateTime<Utc>) -> bool {
        if self.messages < ENOUGH_FOR_HOURS {
            return true;
        }
        f64::from(self.hours[at.hour() as usize]) >= f64::from(self.messages) / 24.0 * 0.1
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    const ROOM: RoomId = RoomId(1);

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + seconds, 0).unwrap()
    }

    fn learned(said: &[(i32, i64)]) -> Habits {
        let mut habits = Habits::default();
        said.iter().for_each(|&(member, seconds)| habits.learn(ROOM, MemberId(member), at(seconds)));
        habits
    }

    #[test]
    fn who_follows_whom_is_learned_within_a_sitting_only() {
        let mut said = Vec::new();
        for round in 0..30 {
            said.extend([(1, round * 10_000), (2, round * 10_000 + 9), (3, round * 10_000 + 8_000)]);
        }
        let habits = learned(&said);
        assert!(habits.follow_weight(MemberId(1), MemberId(2)) > 2.0);
        assert!(habits.follow_weight(MemberId(1), MemberId(3)) < 0.5);
        assert!(habits.follow_weight(MemberId(9), MemberId(1)) == 1.0, "a stranger says nothing");
    }

    #[test]
    fn delays_are_drawn_from_those_seen() {
        let habits = learned(&[(1, 0), (2, 7), (1, 14), (2, 21)]);
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        assert_eq!(habits.reply_delay(&mut rng), Duration::from_secs(7));
    }

    #[test]
    fn bursts_belong_to_those_who_write_them() {
        let said: Vec<_> =
            (0..40).flat_map(|round| [(1, round * 600), (1, round * 600 + 5), (2, round * 600 + 30)]).collect();
        let habits = learned(&said);
        assert!(habits.burst_chance(MemberId(1)) > 0.4);
        assert_eq!(habits.burst_chance(MemberId(2)), 0.0);
    }

    #[test]
    fn a_group_that_sleeps_at_night_is_asleep_at_night() {
        let day = 86_400;
        let said: Vec<_> = (0..300).map(|i| (1, (i % 30) * day + (i % 3) * 600)).collect();
        let habits = learned(&said);
        assert!(habits.is_awake_at(at(0)));
        assert!(!habits.is_awake_at(at(12 * 3600)));
        assert!(Habits::default().is_awake_at(at(0)), "without history any hour will do");
    }

    #[test]
    fn what_a_member_did_can_be_forgotten() {
        let mut habits = learned(&[(1, 0), (2, 7), (1, 14), (2, 21)]);
        let before = habits.share(MemberId(2));
        habits.forget(MemberId(2));
        assert!(habits.share(MemberId(2)) < before);
        assert_eq!(habits.burst_chance(MemberId(2)), 0.0);
    }
}
