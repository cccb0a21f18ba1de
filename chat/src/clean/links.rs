//! Finds and removes what platforms would turn into a link.

/// Endings of a bare domain that are hardly ever a word after a full stop whose space was forgotten.
const DOMAINS: [&str; 44] = [
    "com", "org", "net", "edu", "gov", "info", "biz", "io", "gg", "dev", "app", "ai", "co", "tv", "xyz", "cc", "ly",
    "gl", "eu", "uk", "de", "fr", "es", "nl", "pl", "ru", "ua", "cz", "se", "fi", "dk", "br", "jp", "cn", "kr", "ca",
    "au", "club", "online", "site", "shop", "link", "рф", "onion",
];
/// Hosts that people paste without a scheme and whose ending is an everyday word.
const HOSTS: [&str; 4] = ["t.me", "telegram.me", "youtu.be", "redd.it"];

/// The text without its links. Punctuation that closed the sentence after a link moves to the word before it.
pub fn remove(line: &str) -> String {
    let mut kept = String::with_capacity(line.len());
    for word in line.split(' ') {
        let Some(start) = link_start(word) else {
            separate(&mut kept, word);
            continue;
        };
        let link = &word[start..];
        let after = &link[link.trim_end_matches(['.', ',', '!', '?', ';', ')', ']', '"']).len()..];
        match start {
            0 => kept.push_str(after),
            _ => separate(&mut kept, &format!("{}{after}", &word[..start])),
        }
    }
    kept.trim().to_owned()
}

/// Whether a text holds what [`remove`] would remove.
pub fn holds_link(text: &str) -> bool {
    text.split(' ').any(|word| link_start(word).is_some())
}

fn separate(kept: &mut String, word: &str) {
    if !kept.is_empty() && !word.is_empty() {
        kept.push(' ');
    }
    kept.push_str(word);
}

/// Where in a word its first link begins. It goes on to the end of the word.
fn link_start(word: &str) -> Option<usize> {
    let with_scheme = word.match_indices("://").filter_map(|(place, _)| {
        let before = &word[..place];
        let scheme = before.trim_end_matches(|c: char| c.is_ascii_alphanumeric() || "+-.".contains(c));
        (scheme.len() < place).then_some(scheme.len())
    });
    with_scheme.chain(hosts(word).filter(|&(start, end)| is_link(word, start, end)).map(|(start, _)| start)).min()
}

/// Start and end of each part of a word that could be a host; the name and `@` of a mail address belong to it.
fn hosts(word: &str) -> impl Iterator<Item = (usize, usize)> {
    let in_host = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '@' | '%' | '+');
    let mut from = 0;
    std::iter::from_fn(move || {
        let start = from + word[from..].find(in_host)?;
        let end = word[start..].find(|c| !in_host(c)).map_or(word.len(), |length| start + length);
        from = end;
        Some((start, end))
    })
}

fn is_link(word: &str, start: usize, end: usize) -> bool {
    let has_path = word[end..].starts_with('/') && !word[..end].ends_with('.');
    word[start..end].split('@').any(|host| is_domain(host, has_path))
}

/// Whether a host would be linked. With a path behind it every domain is; without, only the well-known ones.
fn is_domain(host: &str, has_path: bool) -> bool {
    let host = host.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    let Some((name, domain)) = host.rsplit_once('.') else { return false };
    let named = name.split('.').all(|label| label.contains(char::is_alphanumeric));
    let letters = domain.chars().count() >= 2 && domain.chars().all(char::is_alphabetic);
    let known = host.starts_with("www.") || HOSTS.contains(&host.as_str()) || DOMAINS.contains(&domain);
    named && (known || letters && has_path)
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(lines: &[&str], expected: Expect) {
        let shown: String = lines.iter().map(|line| format!("{line} -> {}\n", remove(line))).collect();
        assert!(lines.iter().all(|line| holds_link(line) == (remove(line) != *line)));
        expected.assert_eq(&shown);
    }

    #[test]
    fn links_vanish() {
        check(
            &[
                "look https://example.org/a?b=c#d nice",
                "look at https://example.org, nice",
                "(see http://a.b/c)!",
                "site:HTTPS://A.B",
                "www.example.zz it is",
                "join discord.gg/abc or t.me/abc or t.me",
                "bit.ly/x youtu.be/x foo.museum/x steam://run/1 ftp://x",
                "mail ada@example.org please",
                "Example.COM.",
                "a.com@ b.com- @c.com",
                "пример.рф да",
                "a https://b.c d https://e.f/g, h",
            ],
            expect![[r#"
                look https://example.org/a?b=c#d nice -> look nice
                look at https://example.org, nice -> look at, nice
                (see http://a.b/c)! -> (see)!
                site:HTTPS://A.B -> site:
                www.example.zz it is -> it is
                join discord.gg/abc or t.me/abc or t.me -> join or or
                bit.ly/x youtu.be/x foo.museum/x steam://run/1 ftp://x -> 
                mail ada@example.org please -> mail please
                Example.COM. -> .
                a.com@ b.com- @c.com -> 
                пример.рф да -> да
                a https://b.c d https://e.f/g, h -> a d, h
            "#]],
        );
    }

    #[test]
    fn ordinary_words_stay() {
        check(
            &[
                "ok.so what",
                "yes.no and/or a.m./p.m.",
                "main.rs v1.2.3 1.5/2",
                "://",
                "e.g. i.e. ...",
                ".com",
                "hm...de",
            ],
            expect![[r#"
                ok.so what -> ok.so what
                yes.no and/or a.m./p.m. -> yes.no and/or a.m./p.m.
                main.rs v1.2.3 1.5/2 -> main.rs v1.2.3 1.5/2
                :// -> ://
                e.g. i.e. ... -> e.g. i.e. ...
                .com -> .com
                hm...de -> hm...de
            "#]],
        );
    }
}
