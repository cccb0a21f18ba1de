//! Public addresses of machines. Private, local and reserved ones are everybody's, and four small numbers are a version.

use std::{
    net::{Ipv4Addr, Ipv6Addr},
    ops::Range,
};

/// Versions such as 2.6.32.11 have four numbers too. An address has four numbers below this once in a thousand.
const SMALL: u8 = 40;
/// `::d` is a face, and a valid address.
const MIN_IPV6_GROUPS: usize = 3;

pub(super) fn find(line: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(begin) = line[at..].find(in_address) {
        let start = at + begin;
        let end = line[start..].find(|c| !in_address(c)).map_or(line.len(), |length| start + length);
        let in_word = line[..start].ends_with(char::is_alphanumeric) || line[end..].starts_with(char::is_alphanumeric);
        if let (false, Some(length)) = (in_word, address(&line[start..end])) {
            found.push(start..start + length);
        }
        at = end;
    }
    found
}

fn in_address(c: char) -> bool {
    c.is_ascii_hexdigit() || matches!(c, '.' | ':')
}

/// The length of the address that a stretch of digits, full stops and colons begins with.
fn address(stretch: &str) -> Option<usize> {
    let whole = stretch.trim_end_matches(['.', ':']);
    let host = whole.split(':').next().unwrap_or_default().trim_end_matches('.');
    if host.parse().is_ok_and(is_public_v4) {
        return Some(host.len());
    }
    let groups = whole.split(':').filter(|group| !group.is_empty()).count();
    (groups >= MIN_IPV6_GROUPS && whole.parse().is_ok_and(is_public_v6)).then_some(whole.len())
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let octets = address.octets();
    let is_version = octets.iter().all(|&octet| octet < SMALL);
    let is_reserved = octets[0] == 0 || octets[0] >= 240 || address.is_multicast();
    !(is_version || is_reserved || address.is_private() || address.is_loopback() || address.is_link_local())
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let first = address.segments()[0];
    // 2000::/3 is what has been given out.
    first & 0xe000 == 0x2000
}
