//! What the hub and its helpers say of a file in the headers of their answers.

use std::time::Duration;

use reqwest::header::HeaderMap;

/// What the hub says of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::models) struct Found {
    /// Its length in bytes.
    pub size: u64,
    /// What changes when the file does.
    pub etag: String,
    /// The commit of the repository.
    pub commit: Option<String>,
}

impl Found {
    /// The SHA-256 of the file, which the etag of every large file is. Mirrors may send something else.
    pub(in crate::models) fn sha256(&self) -> Option<&str> {
        (self.etag.len() == 64 && self.etag.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(&self.etag)
    }
}

/// What headers have said of a file so far.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub size: Option<u64>,
    pub etag: Option<String>,
    commit: Option<String>,
}

impl Told {
    /// What the hub itself says, on any of its answers.
    pub(super) fn by_the_hub(&mut self, headers: &HeaderMap) {
        self.size = self.size.or_else(|| text(headers, "x-linked-size")?.parse().ok());
        self.etag = self.etag.take().or_else(|| text(headers, "x-linked-etag").map(unquoted));
        self.commit = self.commit.take().or_else(|| text(headers, "x-repo-commit").map(str::to_owned));
    }

    /// What the answer with the bytes says; it counts where the hub said nothing, as for small files.
    pub(super) fn by_the_answer(&mut self, headers: &HeaderMap) {
        self.size = self.size.or_else(|| text(headers, "content-length")?.parse().ok());
        self.etag = self.etag.take().or_else(|| text(headers, "etag").map(unquoted));
    }

    pub(super) fn found(self) -> Option<Found> {
        let etag = self.etag.filter(|etag| !etag.is_empty() && etag.len() <= 256)?;
        Some(Found { size: self.size.filter(|size| *size > 0)?, etag, commit: self.commit })
    }
}

pub(super) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn unquoted(etag: &str) -> String {
    etag.trim_start_matches("W/").trim_matches('"').to_owned()
}

/// `Retry-After` in seconds. The hub writes no date there.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    text(headers, "retry-after")?.trim().parse().ok().map(Duration::from_secs)
}

/// Whether an answer holds the bytes from `from` to the end of a file of `size`, as in `bytes 5-9/10`.
pub(super) fn is_the_rest(headers: &HeaderMap, from: u64, size: u64) -> bool {
    let range = text(headers, "content-range").and_then(|range| range.strip_prefix("bytes ")).unwrap_or_default();
    range == format!("{from}-{}/{size}", size.saturating_sub(1))
}
