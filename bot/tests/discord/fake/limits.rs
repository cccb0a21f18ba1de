//! Discord's rate limits: a bucket a route and major parameter (channel, guild, webhook), and 50 calls a second in
//! all. Windows are fixed: the first call of a window starts it.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::clock::now;

/// What a route allows: so many calls in so much time.
#[derive(Clone, Debug)]
pub struct Limit {
    pub bucket: String,
    pub calls: u32,
    pub window: Duration,
}

#[derive(Debug)]
struct Window {
    used: u32,
    ends: Instant,
}

/// The headers of an answer that came through, or of one that did not.
pub struct Verdict {
    pub headers: Vec<(&'static str, String)>,
    pub refused: Option<Refusal>,
}

pub struct Refusal {
    pub retry_after: Duration,
    pub global: bool,
}

pub struct Limits {
    buckets: HashMap<String, Window>,
    overall: Window,
    /// Multiplies all limits, so that a load test meets its own bounds and not these.
    pub times: u32,
}

const CALLS_A_SECOND: u32 = 50;

impl Limits {
    pub fn new(times: u32) -> Self {
        Self { buckets: HashMap::new(), overall: Window { used: 0, ends: Instant::now() }, times }
    }

    /// Counts one call against the limit of all calls and against that of its route.
    pub fn count(&mut self, limit: &Limit) -> Verdict {
        let at = Instant::now();
        if let Err(retry_after) =
            self.overall.take(at, CALLS_A_SECOND.saturating_mul(self.times), Duration::from_secs(1))
        {
            return Verdict::refused(Refusal { retry_after, global: true }, Vec::new());
        }
        let calls = limit.calls.saturating_mul(self.times);
        let fresh = || Window { used: 0, ends: at };
        let window = self.buckets.entry(limit.bucket.clone()).or_insert_with(fresh);
        let taken = window.take(at, calls, limit.window);
        let headers = window.headers(at, calls, &limit.bucket);
        match taken {
            Ok(()) => Verdict { headers, refused: None },
            Err(retry_after) => Verdict::refused(Refusal { retry_after, global: false }, headers),
        }
    }
}

impl Verdict {
    /// A 429, announced by headers or, without any, out of the blue.
    pub fn refused(refusal: Refusal, mut headers: Vec<(&'static str, String)>) -> Self {
        // The header has whole seconds; only the body is exact.
        headers.push(("retry-after", format!("{:.0}", refusal.retry_after.as_secs_f64().ceil())));
        headers.push(("x-ratelimit-scope", if refusal.global { "global" } else { "user" }.to_owned()));
        if refusal.global {
            headers.push(("x-ratelimit-global", "true".to_owned()));
        }
        Self { headers, refused: Some(refusal) }
    }
}

impl Window {
    fn take(&mut self, at: Instant, calls: u32, length: Duration) -> Result<(), Duration> {
        if at >= self.ends {
            *self = Self { used: 0, ends: at + length };
        }
        if self.used >= calls {
            return Err(self.ends - at);
        }
        self.used += 1;
        Ok(())
    }

    fn headers(&self, at: Instant, calls: u32, bucket: &str) -> Vec<(&'static str, String)> {
        let left = (self.ends - at).as_secs_f64();
        let ends = now().timestamp_millis() as f64 / 1000.0 + left;
        vec![
            ("x-ratelimit-limit", calls.to_string()),
            ("x-ratelimit-remaining", (calls - self.used).to_string()),
            ("x-ratelimit-reset", format!("{ends:.3}")),
            ("x-ratelimit-reset-after", format!("{left:.3}")),
            ("x-ratelimit-bucket", bucket.to_owned()),
        ]
    }
}

/// The limit of a route. Answers to interactions have none; what is not listed has the one of most routes.
pub fn of(method: &str, path: &[&str]) -> Option<Limit> {
    let limit = |name: &str, major: &str, calls, milliseconds| {
        Some(Limit { bucket: format!("{name}:{major}"), calls, window: Duration::from_millis(milliseconds) })
    };
    match (method, path) {
        (_, ["interactions", ..] | ["gateway", ..] | ["oauth2", ..]) => None,
        ("GET", ["channels", channel, "messages", ..]) => limit("read", channel, 50, 5_000),
        ("POST", ["channels", channel, "messages"]) => limit("post", channel, 5, 5_000),
        ("PATCH", ["channels", channel, "messages", _]) => limit("edit", channel, 5, 5_000),
        ("DELETE", ["channels", channel, "messages", _]) => limit("delete", channel, 5, 1_000),
        (_, ["channels", channel, "messages", _, "reactions", ..]) => limit("react", channel, 1, 250),
        ("POST", ["channels", channel, "typing"]) => limit("type", channel, 5, 5_000),
        // Serves webhooks and followups of interactions alike; the token is part of the major parameter.
        (_, ["webhooks", id, token, ..]) => limit("webhook", &format!("{id}/{token}"), 5, 2_000),
        (_, [kind, major, rest @ ..]) => limit(&format!("{method}:{kind}:{}", rest.join("/")), major, 10, 10_000),
        _ => limit("rest", method, 10, 10_000),
    }
}
