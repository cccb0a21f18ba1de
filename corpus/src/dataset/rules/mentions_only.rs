//! Messages that only call somebody: `@Ada`, `@Ada Lovelace @bo ?`.

/// Whether a line holds mentions and no word beside them. `names` are the members' in lower case, the longest first: a
/// name may have several words. An emoji is a word here, punctuation is none.
pub(in crate::dataset) fn only_mentions(line: &str, names: &[String]) -> bool {
    if !line.starts_with('@') {
        return false;
    }
    let mut rest = line.to_lowercase();
    while let Some(place) = rest.find('@') {
        if !is_silence(&rest[..place]) {
            return false;
        }
        let behind = &rest[place + 1..];
        let named = names
            .iter()
            .find(|name| begins_with_word(behind, name))
            .map_or_else(|| first_word(behind), |name| name.len());
        rest = behind[named..].to_owned();
    }
    is_silence(&rest)
}

fn is_silence(text: &str) -> bool {
    text.chars().all(|c| c.is_whitespace() || c.is_ascii_punctuation())
}

fn begins_with_word(text: &str, word: &str) -> bool {
    text.strip_prefix(word).is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
}

/// The length of the word that a text begins with.
fn first_word(text: &str) -> usize {
    text.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.' | '-'))).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calling_somebody_is_no_answer() {
        let names = ["ada lovelace", "ada", "bo"].map(str::to_owned);
        for line in ["@Ada", "@Ada Lovelace", "@ada LOVELACE @bo?", "@stranger @bo !!", "@ada, @bo", "@"] {
            assert!(only_mentions(line, &names), "{line}");
        }
        for line in ["@Ada hi", "hi @Ada", "@Ada 😅", "@bobby tables", "ada", "", "?"] {
            assert!(!only_mentions(line, &names), "{line}");
        }
    }
}
