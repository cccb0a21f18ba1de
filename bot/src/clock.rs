//! The time, passed to whoever needs it.

use chrono::{DateTime, Utc};
use tokio::time::Instant;

/// A wall clock that never runs backwards: the time at the start plus what tokio's monotonic clock has counted since, so
/// that a paused runtime pauses it too.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    started_at: DateTime<Utc>,
    started: Instant,
}

impl Clock {
    /// The system's time.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the wall clock")]
    pub fn system() -> Self {
        Self { started_at: Utc::now(), started: Instant::now() }
    }

    /// Now.
    pub fn now(&self) -> DateTime<Utc> {
        self.started_at + self.started.elapsed()
    }
}
