//! The fake's own clock and the ids made from it. Discord's server reads its own clock too; no test passes one in.

use chrono::{DateTime, SecondsFormat, Utc};

const DISCORD_EPOCH_MS: i64 = 1_420_070_400_000;

#[expect(clippy::disallowed_methods, reason = "a server on the network has a clock of its own, as Discord has")]
pub fn now() -> DateTime<Utc> {
    Utc::now()
}

/// ISO 8601 with microseconds and an offset, as Discord writes it.
pub fn timestamp(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, false)
}

/// The time which a snowflake encodes.
pub fn time_of(id: u64) -> DateTime<Utc> {
    let milliseconds = i64::try_from(id >> 22).expect("42 bits fit") + DISCORD_EPOCH_MS;
    DateTime::from_timestamp_millis(milliseconds).unwrap_or_default()
}

/// Hands out ids that rise strictly and encode the current time.
#[derive(Default)]
pub struct Snowflakes {
    last: u64,
}

impl Snowflakes {
    pub fn next(&mut self) -> u64 {
        let milliseconds = u64::try_from(now().timestamp_millis() - DISCORD_EPOCH_MS).expect("it is after 2015");
        self.last = (milliseconds << 22).max(self.last + 1);
        self.last
    }
}
