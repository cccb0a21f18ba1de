//! Keys for messages that no messenger numbers: by time, and rising without exception.

use chat::MessageKey;
use chrono::{DateTime, Utc};

/// Gives each message of a room its key.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// The latest that was given, or that the history held at the start; none while that is unknown.
    latest: Option<MessageKey>,
}

impl Keys {
    pub(super) fn are_unknown(&self) -> bool {
        self.latest.is_none()
    }

    /// Goes on after the latest message of the history, or from the beginning where there is none.
    pub(super) fn begin_after(&mut self, latest: Option<MessageKey>) {
        self.latest = Some(latest.unwrap_or(MessageKey(0)));
    }

    /// The key of a message that is stored at `now` under a nonce. It is above every one before it, also where the clock
    /// was set back or two messages share a millisecond.
    pub(super) fn next(&mut self, now: DateTime<Utc>, nonce: &str) -> MessageKey {
        let by_time = MessageKey::from_time(now, 0, fingerprint(nonce));
        let key = match self.latest {
            Some(latest) if by_time <= latest => MessageKey(latest.0 + 1),
            _ => by_time,
        };
        self.latest = Some(key);
        key
    }
}

/// FNV-1a: the key keeps 11 bits of it.
fn fingerprint(nonce: &str) -> u64 {
    nonce.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(millis).unwrap()
    }

    #[test]
    fn keys_rise_within_a_millisecond_and_when_the_clock_is_set_back() {
        let mut keys = Keys::default();
        keys.begin_after(None);
        let given: Vec<_> = [2_000, 2_000, 1_000, 2_000, 3_000].map(|millis| keys.next(at(millis), "a nonce")).to_vec();
        assert!(given.is_sorted_by(|a, b| a < b), "{given:?}");
        assert_eq!(given[4], MessageKey::from_time(at(3_000), 0, fingerprint("a nonce")));
    }

    #[test]
    fn keys_go_on_after_the_history() {
        let mut keys = Keys::default();
        assert!(keys.are_unknown());
        keys.begin_after(Some(MessageKey(i64::MAX / 2)));
        assert_eq!(keys.next(at(1), "x"), MessageKey(i64::MAX / 2 + 1));
    }
}
