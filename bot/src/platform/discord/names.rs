//! The names that personas carry on Discord: the member's own, made acceptable, with a label that says what they are.

/// The most characters of a webhook's name.
const MAX_CHARS: usize = 80;
/// What may not stand in a webhook's name, whatever its case; see "Create Webhook" in Discord's documentation.
const FORBIDDEN: [&str; 2] = ["clyde", "discord"];
/// What a member's name is replaced with in the template of the label.
pub(super) const PLACEHOLDER: &str = "{name}";

/// The name that a persona posts under. `place` is its number among the personas of that name, from 1 on, so that two
/// of one name can be told apart.
pub(super) fn acceptable(name: &str, label: &str, place: usize) -> String {
    let mut name = without_pings(name);
    if name.is_empty() {
        name = "someone".to_owned();
    }
    let number = if place > 1 { format!(" {place}") } else { String::new() };
    let around = label.replace(PLACEHOLDER, "").chars().count() + number.chars().count();
    let name: String = name.chars().take(MAX_CHARS.saturating_sub(around + 4)).collect();
    let whole = broken_up(&label.replace(PLACEHOLDER, &format!("{name}{number}")));
    whole.chars().take(MAX_CHARS).collect::<String>().trim().to_owned()
}

/// One line without anything that could pass for a mention: every sign that looks like an @ goes, and so do the signs
/// that Discord does not take in names.
fn without_pings(name: &str) -> String {
    let plain = chat::sanitise::one_line(name);
    let kept: String = plain.chars().filter(|c| !matches!(c, '@' | '＠' | '﹫' | '#' | '`')).collect();
    chat::sanitise::one_line(&kept)
}

/// Sets a dot into each forbidden word.
fn broken_up(name: &str) -> String {
    let mut name = name.to_owned();
    for word in FORBIDDEN {
        // Only ASCII letters have another case here, so that places in both texts are the same.
        while let Some(place) = name.to_ascii_lowercase().find(word) {
            name.insert(place + 3, '·');
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, expected: &str) {
        assert_eq!(acceptable(name, "{name} (AI)", 1), expected);
    }

    #[test]
    fn names_keep_what_discord_takes() {
        check("Ada", "Ada (AI)");
        check("  Ada \n Lovelace ", "Ada Lovelace (AI)");
        check("größe 😅", "größe 😅 (AI)");
    }

    #[test]
    fn forbidden_words_are_broken_up_and_pings_disarmed() {
        check("Clyde", "Cly·de (AI)");
        check("myDISCORDdiscord", "myDIS·CORDdis·cord (AI)");
        check("@everyone", "everyone (AI)");
        check("＠here ```x```", "here x (AI)");
        check("@@", "someone (AI)");
    }

    #[test]
    fn a_name_is_at_most_80_characters_with_its_label() {
        let long = acceptable(&"é".repeat(200), "{name} (AI)", 2);
        assert!(long.chars().count() <= 80 && long.ends_with(" 2 (AI)"), "{long}");
        assert!(acceptable(&"discord".repeat(30), "{name}", 1).chars().count() <= 80);
    }

    #[test]
    fn two_of_one_name_are_told_apart() {
        assert_eq!(acceptable("Ada", "{name} (AI)", 2), "Ada 2 (AI)");
    }
}
