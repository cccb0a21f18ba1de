//! Personal data: found, validated, and replaced by placeholders before anything else looks at a message.
//!
//! A detector is shy. What it finds has the form and, where there is one, the check digits of such data; a date, a time,
//! a price or a version is nobody's number. Detectors take turns in the order of [`Personal`], and what one has found no
//! later one sees.

mod address;
mod card;
mod digits;
mod email;
mod iban;
mod ip;
mod key;
mod phone;

use std::{borrow::Cow, collections::BTreeMap, fmt, ops::Range};

use serde::{Deserialize, Serialize};

/// How many examples of each kind a report shows.
const MAX_PREVIEWS: usize = 5;

/// A kind of personal data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Personal {
    /// A mail address.
    Email,
    /// A password, token or key of a service.
    Key,
    /// A bank account, with its check digits.
    Iban,
    /// A payment card, with its check digit.
    Card,
    /// A public address of a machine.
    Ip,
    /// A telephone number.
    Phone,
    /// A street with a number.
    Address,
}

impl Personal {
    const ALL: [Personal; 7] = [
        Personal::Email,
        Personal::Key,
        Personal::Iban,
        Personal::Card,
        Personal::Ip,
        Personal::Phone,
        Personal::Address,
    ];

    /// The name in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Personal::Email => "email",
            Personal::Key => "key",
            Personal::Iban => "iban",
            Personal::Card => "card",
            Personal::Ip => "ip",
            Personal::Phone => "phone",
            Personal::Address => "address",
        }
    }

    /// Where it stands in a line, in rising order and without overlap.
    fn find(self, line: &str) -> Vec<Range<usize>> {
        match self {
            Personal::Email => email::find(line),
            Personal::Key => key::find(line),
            Personal::Iban => iban::find(line),
            Personal::Card => card::find(line),
            Personal::Ip => ip::find(line),
            Personal::Phone => phone::find(line),
            Personal::Address => address::find(line),
        }
    }

    /// Enough of it to recognise a false alarm, and too little to use it.
    fn mask(self, found: &str) -> String {
        match self {
            Personal::Email => email::mask(found),
            Personal::Address => {
                let words = found.split(' ').filter_map(|word| word.chars().next());
                words.map(|first| format!("{first}***")).collect::<Vec<_>>().join(" ")
            }
            Personal::Key | Personal::Iban | Personal::Card | Personal::Ip | Personal::Phone => {
                let first: String = found.chars().take(2).collect();
                format!("{first}***")
            }
        }
    }
}

impl fmt::Display for Personal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What was replaced of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Replaced {
    /// How often.
    pub count: u64,
    /// The first few that differ, masked.
    pub previews: Vec<String>,
}

/// Replaces what is personal in a line, and counts it.
pub(super) fn replace<'l>(line: &'l str, replaced: &mut BTreeMap<Personal, Replaced>) -> Cow<'l, str> {
    let mut line = Cow::Borrowed(line);
    if !may_hold_any(&line) {
        return line;
    }
    for kind in Personal::ALL {
        let found = kind.find(&line);
        if found.is_empty() {
            continue;
        }
        let entry = replaced.entry(kind).or_default();
        let mut plain = String::with_capacity(line.len());
        let mut done = 0;
        for Range { start, end } in found {
            entry.add(kind.mask(&line[start..end]));
            plain.push_str(&line[done..start]);
            plain.push_str(&format!("[{kind}]"));
            done = end;
        }
        plain.push_str(&line[done..]);
        line = Cow::Owned(plain);
    }
    line
}

impl Replaced {
    fn add(&mut self, preview: String) {
        self.count += 1;
        if self.previews.len() < MAX_PREVIEWS && !self.previews.contains(&preview) {
            self.previews.push(preview);
        }
    }
}

/// Most lines hold nothing that any detector could begin with.
fn may_hold_any(line: &str) -> bool {
    line.bytes().any(|byte| byte.is_ascii_digit() || matches!(byte, b'@' | b':'))
        || line.split(' ').any(|word| word.len() >= key::MIN_CHARS)
}

/// The words of a line with their places.
fn words(line: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut start = 0;
    line.split(' ').filter_map(move |word| {
        let place = start;
        start += word.len() + 1;
        (!word.is_empty()).then_some((place, word))
    })
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::*;

    fn check(lines: &[&str], expected: Expect) {
        let mut replaced = BTreeMap::new();
        let mut shown: String = lines.iter().map(|line| format!("{}\n", replace(line, &mut replaced))).collect();
        for (kind, Replaced { count, previews }) in replaced {
            shown += &format!("-- {count} {kind}: {}\n", previews.join(", "));
        }
        expected.assert_eq(&shown);
    }

    #[test]
    fn mail_addresses() {
        check(
            &[
                "write to jane.doe+x@example.com, please",
                "<juno@exämple.co.uk>",
                "mailto:a@b.org.",
                "a@b no@domain @ada ada@ @ x@y.1 a@.com mail@mail",
                "jane@example.com jane@example.com",
            ],
            expect![[r#"
                write to [email], please
                <[email]>
                mailto:[email].
                a@b no@domain @ada ada@ @ x@y.1 a@.com mail@mail
                [email] [email]
                -- 5 email: j***@e***.com, j***@e***.uk, a***@b***.org
            "#]],
        );
    }

    #[test]
    fn telephone_numbers() {
        check(
            &[
                "call +49 170 1234567 or 0170/1234567",
                "me: (415) 555-2671, 415-555-2671, 415.555.2671, 1-415-555-2671",
                "020 7946 0018 10 times",
                "06 12 34 56 78 / 06.12.34.56.78",
                "+447700900123. 0049 30 901820 tel:03090182000",
                "+1 (212) 555 0187!",
            ],
            expect![[r#"
                call [phone] or [phone]
                me: [phone], [phone], [phone], [phone]
                [phone] 10 times
                [phone] / [phone]
                [phone]. [phone] tel:[phone]
                [phone]!
                -- 13 phone: +4***, 01***, (4***, 41***, 1-***
            "#]],
        );
    }

    #[test]
    fn ordinary_numbers_are_nobodys() {
        check(
            &[
                "on 2024-01-02 at 10:30:15, 01.02.2003, 01-02-2003 10-11, 05/06/2007 08-10",
                "10 000 000 1,000,000.00 $4000000000 1234567890 0123456789 0.1234567891",
                "version 2.6.24.3, v10.20.30.40, kernel 5.15.0-91, 1.2.3.4.5, 127.0.0.1 192.168.1.20",
                "bug #0123456781 and id=0987654321, +1 +5 +2000 -> 0800",
                "4111 1111 1111 1112 is no card, 1234567812345678 neither, 175928847299117063",
                "GB82 WEST 1234 5698 7654 33 and DE12 we go",
                "12:30 3/4 5-6 2000-2010 00:11:22:33:44:55 std::vec a::b ::1 fe80::1 ::D",
                "2 way street, 3 minutes down the road, 5 streets, street 5, the 90s",
                "getHTTPResponseHandlerForTheNextRequest2 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa1A",
                "hahahahahahahahahahahahahahaha WHYYYYYYYYYYYYYYYYYYYYYYYY1y",
                "Rosewill-Wireless-Adapter-802-11a-RNWD-N9003PCe How_to_install_RealPlayer_10",
                "sk-8 hf_ eyJ AKIA ghp_short",
            ],
            expect![[r#"
                on 2024-01-02 at 10:30:15, 01.02.2003, 01-02-2003 10-11, 05/06/2007 08-10
                10 000 000 1,000,000.00 $4000000000 1234567890 0123456789 0.1234567891
                version 2.6.24.3, v10.20.30.40, kernel 5.15.0-91, 1.2.3.4.5, 127.0.0.1 192.168.1.20
                bug #0123456781 and id=0987654321, +1 +5 +2000 -> 0800
                4111 1111 1111 1112 is no card, 1234567812345678 neither, 175928847299117063
                GB82 WEST 1234 5698 7654 33 and DE12 we go
                12:30 3/4 5-6 2000-2010 00:11:22:33:44:55 std::vec a::b ::1 fe80::1 ::D
                2 way street, 3 minutes down the road, 5 streets, street 5, the 90s
                getHTTPResponseHandlerForTheNextRequest2 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa1A
                hahahahahahahahahahahahahahaha WHYYYYYYYYYYYYYYYYYYYYYYYY1y
                Rosewill-Wireless-Adapter-802-11a-RNWD-N9003PCe How_to_install_RealPlayer_10
                sk-8 hf_ eyJ AKIA ghp_short
            "#]],
        );
    }

    #[test]
    fn cards_and_accounts() {
        check(
            &[
                "4111 1111 1111 1111 and 5555-5555-5555-4444, 378282246310005!",
                "3782 822463 10005 is on the card",
                "DE89 3704 0044 0532 0130 00 or GB82WEST12345698765432",
                "fr14 2004 1010 0505 0001 3M02 606.",
            ],
            expect![[r#"
                [card] and [card], [card]!
                [card] is on the card
                [iban] or [iban]
                [iban].
                -- 3 iban: DE***, GB***, fr***
                -- 4 card: 41***, 55***, 37***
            "#]],
        );
    }

    #[test]
    fn addresses_of_machines() {
        check(
            &["ping 81.2.69.142 now (81.2.69.143:80)", "2001:db8:85a3::8a2e:370:7334 is v6"],
            expect![[r#"
                ping [ip] now ([ip]:80)
                [ip] is v6
                -- 3 ip: 81***, 20***
            "#]],
        );
    }

    #[test]
    fn streets_with_a_number() {
        check(
            &[
                "I live at 221B Baker Street, come",
                "12 Old Mill Rd. is it; 7 St James's Square",
                "Hauptstraße 12a or hauptstr. 5",
                "au 10 rue de la Paix, 3 bis avenue Foch",
                "Calle Mayor 12 y Via Roma 5",
            ],
            expect![[r#"
                I live at [address], come
                [address] is it; [address]
                [address] or [address]
                au [address], [address]
                [address] y [address]
                -- 9 address: 2*** B*** S***, 1*** O*** M*** R***, 7*** S*** J*** S***, H*** 1***, h*** 5***
            "#]],
        );
    }

    #[test]
    fn keys_and_tokens() {
        check(
            &[
                "export K=sk-proj-Ab3dE5gH7jK9mN1pQ3sT5v ok",
                "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
                "AKIAIOSFODNN7EXAMPLE, hf_aBcDeFgHiJkLmNoPqRsTuVwXyZaBcDeFgH",
                "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
                "123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1",
                "xq7Rt2Lp9Zk4Vb8Nw3Hs6Yd1 and 5f4dcc3b5aa765d61d8327deb882cf99",
            ],
            expect![[r#"
                export K=[key] ok
                [key]
                [key], [key]
                [key]
                [key]
                [key] and [key]
                -- 8 key: sk***, gh***, AK***, hf***, ey***
            "#]],
        );
    }

    proptest! {
        #[test]
        fn whatever_is_typed_nothing_is_found_twice(line in "[ a-zA-Z0-9@.:+/()_-]{0,120}|\\PC{0,60}") {
            let once = replace(&line, &mut BTreeMap::new()).into_owned();
            let mut again = BTreeMap::new();
            let twice = replace(&once, &mut again).into_owned();
            prop_assert!(again.len() < 3, "a line settles: {} {} {:?}", once, twice, again);
        }

        #[test]
        fn each_address_that_is_hidden_in_a_line_is_replaced(
            before in "[a-z ]{0,20}", name in "[a-z]{1,8}", host in "[a-z]{1,8}", after in "[ ,!?][a-z ]{0,20}",
        ) {
            let address = format!("{name}@{host}.org");
            let line = format!("{before} {address}{after}");
            let mut replaced = BTreeMap::new();
            let plain = replace(&line, &mut replaced).into_owned();
            prop_assert_eq!(plain, line.replace(&address, "[email]"));
            prop_assert_eq!(replaced[&Personal::Email].count, 1);
        }
    }
}
