//! Mail addresses: a name, an `@`, and a domain that ends in letters.

use std::ops::Range;

pub(super) fn find(line: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for (at, _) in line.match_indices('@') {
        if found.last().is_some_and(|last| at < last.end) {
            continue;
        }
        if let Some(address) = around(line, at) {
            found.push(address);
        }
    }
    found
}

/// The address whose `@` stands at this place.
fn around(line: &str, at: usize) -> Option<Range<usize>> {
    let in_name = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '%' | '+' | '-');
    let in_host = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-');
    let name = line[..at].rsplit(|c| !in_name(c)).next().unwrap_or_default().trim_start_matches(['.', '-']);
    let host = line[at + 1..].split(|c| !in_host(c)).next().unwrap_or_default().trim_end_matches(['.', '-']);
    let (before, last) = host.rsplit_once('.')?;
    let is_domain = before.split('.').all(|label| !label.is_empty())
        && last.chars().count() >= 2
        && last.chars().all(char::is_alphabetic);
    (!name.is_empty() && is_domain).then(|| at - name.len()..at + 1 + host.len())
}

/// `j***@e***.com`
pub(super) fn mask(address: &str) -> String {
    let (name, host) = address.split_once('@').unwrap_or((address, ""));
    let last = host.rsplit('.').next().unwrap_or_default();
    let first = |text: &str| text.chars().next().map(String::from).unwrap_or_default();
    format!("{}***@{}***.{last}", first(name), first(host))
}
