//! Message keys for formats that carry no ids.
//!
//! A key depends only on the rows before it, so that the same file, or a later export of the same chat that goes on
//! where this one ends, gives the same keys.

use chat::{MemberKey, MessageKey};
use chrono::{DateTime, Utc};

/// Numbers the rows that share a time. Rows that are dropped count too: whether a row is kept may change with a later
/// version of the reader, and the keys of its neighbours must not.
#[derive(Debug, Default)]
pub(super) struct TimeKeys {
    time: Option<DateTime<Utc>>,
    ordinal: u32,
}

impl TimeKeys {
    /// Notes a row that was posted at `time`.
    pub fn row(&mut self, time: DateTime<Utc>) {
        if self.time == Some(time) {
            self.ordinal = self.ordinal.saturating_add(1);
        } else {
            self.time = Some(time);
            self.ordinal = 0;
        }
    }

    /// The key of the row noted last, from its text as the file has it.
    pub fn key(&self, author: &MemberKey, text: &str) -> MessageKey {
        MessageKey::from_time(self.time.unwrap_or_default(), self.ordinal, fingerprint(&author.0, text))
    }

    /// The key of the row noted last where its chat has times of whole seconds and ids that count for one account only.
    /// The text is not in it: it may be edited until the next export.
    pub fn second_key(&self, author: &MemberKey) -> MessageKey {
        const FINGERPRINT_BITS: u32 = 21;
        let fingerprint = fingerprint(&author.0, "") as u32 & ((1 << FINGERPRINT_BITS) - 1);
        let place = (self.ordinal.min(1_023) << FINGERPRINT_BITS) | fingerprint;
        MessageKey::from_second(self.time.unwrap_or_default(), place)
    }
}

/// 64-bit FNV-1a (Fowler, Noll, Vo) over the author, a byte that no UTF-8 text holds, and the text. It is written out
/// here because keys in the history depend on it for as long as the history lives.
fn fingerprint(author: &str, text: &str) -> u64 {
    const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    author
        .bytes()
        .chain([0xFF])
        .chain(text.bytes())
        .fold(OFFSET_BASIS, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fingerprint_never_changes() {
        assert_eq!(fingerprint("ada", "hello"), 0xa41b_2045_ff98_048c);
    }

    #[test]
    fn rows_of_one_time_keep_their_order() {
        let ada = MemberKey::from("ada");
        let mut keys = TimeKeys::default();
        let texts = ["same", "same", "other"].map(|text| {
            keys.row(DateTime::UNIX_EPOCH);
            keys.key(&ada, text)
        });
        assert!(texts[0] < texts[1] && texts[1] < texts[2]);
        let second = keys.second_key(&ada);
        keys.row(DateTime::from_timestamp(1, 0).unwrap());
        assert_eq!(keys.ordinal, 0);
        assert!(second < keys.second_key(&ada));
    }
}
