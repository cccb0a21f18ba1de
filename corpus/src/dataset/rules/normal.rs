//! What two wordings have in common: a line in lower case without punctuation.

use unicode_segmentation::UnicodeSegmentation;

/// Talk shorter than this is nobody's copy: people say "see you tomorrow" again and again, and mean it each time.
const MIN_WORDS: usize = 5;
/// The same in letters and digits, for scripts that write no spaces and for long words.
const MIN_LETTERS: usize = 20;

/// A line in the form in which lines are compared.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::dataset) struct Normal(String);

impl Normal {
    /// Lower case, words of letters and digits with single spaces between. Where nothing else was said, emoji and
    /// punctuation stay.
    pub(in crate::dataset) fn new(line: &str) -> Self {
        let folded = line.to_lowercase();
        let words: Vec<&str> = folded.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
        match words.as_slice() {
            [] => Normal(folded.graphemes(true).filter(|grapheme| *grapheme != " ").collect()),
            words => Normal(words.join(" ")),
        }
    }

    pub(in crate::dataset) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether so much was said that saying it twice is copying.
    pub(in crate::dataset) fn is_long(&self) -> bool {
        self.0.split(' ').count() >= MIN_WORDS && self.letters() >= MIN_LETTERS || self.letters() >= 2 * MIN_LETTERS
    }

    /// Letters and digits.
    pub(in crate::dataset) fn letters(&self) -> usize {
        self.0.chars().filter(|c| c.is_alphanumeric()).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_punctuation_and_emoji_make_no_difference_to_words() {
        assert_eq!(Normal::new("LOL!!"), Normal::new("lol"));
        assert_eq!(Normal::new("no… way 😅"), Normal::new("No way"));
        assert_ne!(Normal::new("😅"), Normal::new("😂"));
        assert_eq!(Normal::new("? !").as_str(), "?!");
        assert_eq!(Normal::new("Größe ÄH").as_str(), "größe äh");
    }

    #[test]
    fn short_talk_is_not_long() {
        for short in
            ["lol", "see you tomorrow then", "i do not know it", "good morning everyone", "明日また会いましょう"]
        {
            assert!(!Normal::new(short).is_long(), "{short}");
        }
        for long in ["see you all tomorrow at the harbour", "Donaudampfschifffahrtsgesellschaftskapitänswitwe"] {
            assert!(Normal::new(long).is_long(), "{long}");
        }
    }
}
