//! The world going wrong, on the REST side: calls that fail, are late or are refused because a test says so.

use std::time::Duration;

use super::limits::{Refusal, Verdict};

#[derive(Default)]
pub struct Trouble {
    outage: Option<u16>,
    failures: Vec<Failure>,
    delays: Vec<(String, Duration)>,
    refusal: Option<Duration>,
    refusals: Vec<(String, Duration, u32)>,
}

struct Failure {
    path: String,
    status: u16,
    times: u32,
}

impl Trouble {
    /// Answers every call with this status until a test ends the outage.
    pub fn outage(&mut self, status: Option<u16>) {
        self.outage = status;
    }

    pub fn fail(&mut self, path: &str, status: u16, times: u32) {
        self.failures.push(Failure { path: path.to_owned(), status, times });
    }

    /// A length of zero ends the delay of that path.
    pub fn delay(&mut self, path: &str, length: Duration) {
        self.delays.retain(|(delayed, _)| delayed != path);
        if !length.is_zero() {
            self.delays.push((path.to_owned(), length));
        }
    }

    pub fn refuse_everything(&mut self, retry_after: Option<Duration>) {
        self.refusal = retry_after;
    }

    /// The next calls to a path meet a limit that no header announced.
    pub fn refuse(&mut self, path: &str, retry_after: Duration, times: u32) {
        self.refusals.push((path.to_owned(), retry_after, times));
    }

    pub fn delay_of(&self, path: &str) -> Duration {
        self.delays.iter().filter(|(part, _)| path.contains(part)).map(|(_, length)| *length).sum()
    }

    /// The status with which this call fails, if it does.
    pub fn status_of(&mut self, path: &str) -> Option<u16> {
        if self.outage.is_some() {
            return self.outage;
        }
        let failure = self.failures.iter_mut().find(|failure| failure.times > 0 && path.contains(&failure.path))?;
        failure.times -= 1;
        Some(failure.status)
    }

    /// The 429 that meets this call, if one does.
    pub fn refusal_of(&mut self, path: &str) -> Option<Verdict> {
        if let Some(retry_after) = self.refusal {
            return Some(Verdict::refused(Refusal { retry_after, global: true }, Vec::new()));
        }
        let due = self.refusals.iter_mut().find(|(part, _, times)| *times > 0 && path.contains(part.as_str()))?;
        due.2 -= 1;
        Some(Verdict::refused(Refusal { retry_after: due.1, global: false }, Vec::new()))
    }
}
