//! Identifiers, one type each, so that a room can never be passed where a member is meant.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id! {
    /// A Discord server, a Telegram group, or one imported archive.
    CommunityId(i32)
}
id! {
    /// A channel, a thread or a forum topic: the unit of conversation.
    RoomId(i32)
}
id! {
    /// A person as one community knows them. The same human in two communities is two members, so that nothing said in
    /// one can reach the other.
    MemberId(i32)
}
id! {
    /// A persona: a member's voice, name and picture, worn by the bot.
    PersonaId(i32)
}
id! {
    /// An adapter: what was trained, on top of a model, on what members of one community said.
    AdapterId(i32)
}
id! {
    /// A turn that was decided and is, or was, on its way to a platform.
    OutboxId(i64)
}

/// What a platform calls a member: a Discord snowflake, `user123` of a Telegram export, an IRC nick.
///
/// Unique within a community. It is an opaque string: nothing is read out of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MemberKey(pub String);

impl fmt::Display for MemberKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<&str> for MemberKey {
    fn from(key: &str) -> Self {
        MemberKey(key.to_owned())
    }
}

/// A message's identity and place within its room: it rises in the order in which messages were posted.
///
/// Where a platform has rising integer ids (Discord, Telegram) the key is that id. Elsewhere [`MessageKey::from_time`]
/// builds one. The primary key of the history is (room, key), so "the latest five" is a backward scan of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MessageKey(pub i64);

impl MessageKey {
    const ORDINAL_BITS: u32 = 10;
    const FINGERPRINT_BITS: u32 = 11;

    /// Builds a key from the time of posting (milliseconds, 42 bits), the message's ordinal among those with the same
    /// time (10 bits, saturating at 1,023) and a fingerprint of its content (11 bits).
    ///
    /// The ordinal keeps the order of messages that a log stamps with the same minute; the fingerprint keeps two logs of
    /// the same minute, cut at different places, from taking each other's messages for their own. Times before 1970 and
    /// after 2109 are clamped to those bounds.
    pub fn from_time(sent_at: DateTime<Utc>, ordinal: u32, fingerprint: u64) -> Self {
        let millis = sent_at.timestamp_millis().clamp(0, (1 << 42) - 1);
        let ordinal = i64::from(ordinal.min((1 << Self::ORDINAL_BITS) - 1));
        let fingerprint = (fingerprint & ((1 << Self::FINGERPRINT_BITS) - 1)) as i64;
        Self(
            (millis << (Self::ORDINAL_BITS + Self::FINGERPRINT_BITS))
                | (ordinal << Self::FINGERPRINT_BITS)
                | fingerprint,
        )
    }

    /// How many bits of [`MessageKey::from_second`] tell the messages of a second apart.
    const PLACE_BITS: u32 = 31;

    /// Builds a key from the second of posting (32 bits since 1970, clamped to them) and a place within it (31 bits), for
    /// chats in which a message has another id for each account, so that ids neither order nor identify what several
    /// accounts have seen. Telegram's small groups are such; the place is the id that our own account sees, or what an
    /// import has instead.
    ///
    /// Such a key is negative: when the chat becomes one with ids of its own, those come after it.
    pub fn from_second(sent_at: DateTime<Utc>, place: u32) -> Self {
        let second = sent_at.timestamp().clamp(0, (1 << 32) - 1);
        let place = i64::from(place) & ((1 << Self::PLACE_BITS) - 1);
        Self(i64::MIN + ((second << Self::PLACE_BITS) | place))
    }

    /// The place within its second, of a key that [`MessageKey::from_second`] built; none of a platform's id.
    pub fn place(self) -> Option<u32> {
        (self.0 < 0).then_some((self.0 & ((1 << Self::PLACE_BITS) - 1)) as u32)
    }
}

impl fmt::Display for MessageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(millis).unwrap()
    }

    #[test]
    fn keys_rise_with_time_then_ordinal_whatever_the_fingerprint() {
        let first = MessageKey::from_time(at(1_000), 0, u64::MAX);
        let second = MessageKey::from_time(at(1_000), 1, 0);
        let later = MessageKey::from_time(at(1_001), 0, 0);
        assert!(first < second && second < later);
    }

    #[test]
    fn keys_of_seconds_rise_come_before_ids_and_give_their_place_back() {
        let key = |seconds: i64, place| MessageKey::from_second(at(seconds * 1_000), place);
        let rising = [key(-5, 0), key(0, 7), key(1, 3), key(1, 4), key(2, 0), key(i64::from(u32::MAX), 0x7fff_ffff)];
        assert!(rising.is_sorted_by(|a, b| a < b), "{rising:?}");
        assert!(rising.iter().all(|key| *key < MessageKey(0)));
        assert_eq!(rising.map(MessageKey::place), [0, 7, 3, 4, 0, 0x7fff_ffff].map(Some));
        assert_eq!(MessageKey(7).place(), None);
    }

    #[test]
    fn keys_of_any_time_stay_positive() {
        for millis in [-1, 0, i64::from(i32::MAX), (1 << 42) + 5] {
            assert!(MessageKey::from_time(at(millis), u32::MAX, u64::MAX).0 >= 0);
        }
    }
}
