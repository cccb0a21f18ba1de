//! How much our personas may say and people may command, whatever was decided: the last line against a flood.

use std::num::NonZeroU32;

use chat::{CommunityId, MemberId, Platform, RoomId};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use serde::Deserialize;

/// Limits a minute. They are read from the configuration's `[quotas]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Turns a minute in a room.
    pub room: NonZeroU32,
    /// Turns a minute in a community.
    pub community: NonZeroU32,
    /// Turns a minute on a platform.
    pub platform: NonZeroU32,
    /// Commands a minute by one member.
    pub commands: NonZeroU32,
    /// Commands a minute by all members of a community.
    pub community_commands: NonZeroU32,
}

const fn a_minute(times: u32) -> NonZeroU32 {
    NonZeroU32::new(times).expect("a limit is over zero")
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            room: a_minute(30),
            community: a_minute(120),
            platform: a_minute(600),
            commands: a_minute(30),
            community_commands: a_minute(300),
        }
    }
}

/// The quotas of one process.
#[derive(Debug)]
pub struct Quotas {
    rooms: DefaultKeyedRateLimiter<RoomId>,
    communities: DefaultKeyedRateLimiter<CommunityId>,
    platforms: DefaultKeyedRateLimiter<Platform>,
    members: DefaultKeyedRateLimiter<MemberId>,
    askers: DefaultKeyedRateLimiter<CommunityId>,
}

impl Quotas {
    /// Quotas at these limits, all of them untouched.
    pub fn new(limits: Limits) -> Self {
        Self {
            rooms: RateLimiter::keyed(Quota::per_minute(limits.room)),
            communities: RateLimiter::keyed(Quota::per_minute(limits.community)),
            platforms: RateLimiter::keyed(Quota::per_minute(limits.platform)),
            members: RateLimiter::keyed(Quota::per_minute(limits.commands)),
            askers: RateLimiter::keyed(Quota::per_minute(limits.community_commands)),
        }
    }

    /// Whether a turn may be taken; if so it counts.
    pub fn may_speak(&self, room: RoomId, community: CommunityId, platform: Platform) -> bool {
        self.rooms.check_key(&room).is_ok()
            && self.communities.check_key(&community).is_ok()
            && self.platforms.check_key(&platform).is_ok()
    }

    /// Whether a member may give a command; if so it counts.
    pub fn may_command(&self, member: MemberId, community: CommunityId) -> bool {
        self.members.check_key(&member).is_ok() && self.askers.check_key(&community).is_ok()
    }

    /// Lets go of the counters of those who have been quiet, so that they do not grow without end.
    pub fn tidy(&self) {
        self.rooms.retain_recent();
        self.communities.retain_recent();
        self.members.retain_recent();
        self.askers.retain_recent();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_room_and_member_has_a_quota_of_its_own() {
        let limits = Limits { room: a_minute(2), commands: a_minute(1), ..Limits::default() };
        let quotas = Quotas::new(limits);
        let speak = |room| quotas.may_speak(RoomId(room), CommunityId(1), Platform::Web);
        assert_eq!([speak(1), speak(1), speak(1), speak(2)], [true, true, false, true]);
        let command = |member| quotas.may_command(MemberId(member), CommunityId(1));
        assert_eq!([command(1), command(1), command(2)], [true, false, true]);
    }

    #[test]
    fn a_community_has_one_quota_over_its_rooms() {
        let limits = Limits { community: a_minute(2), ..Limits::default() };
        let quotas = Quotas::new(limits);
        let spoken = (0..5).filter(|&room| quotas.may_speak(RoomId(room), CommunityId(1), Platform::Web)).count();
        assert_eq!(spoken, 2);
        assert!(quotas.may_speak(RoomId(9), CommunityId(2), Platform::Web));
    }
}
