//! Whether a model recites: how many runs of five words of what it says stand in what was learned from.

use std::collections::HashSet;

/// Runs of so many words are looked at.
const RUN: usize = 5;

/// All runs of five words that were learned from.
#[derive(Debug, Default)]
pub struct FiveGrams(HashSet<String>);

impl FiveGrams {
    /// Those of some texts.
    pub fn of<'a>(texts: impl IntoIterator<Item = &'a String>) -> Self {
        let mut grams = Self::default();
        texts.into_iter().for_each(|text| grams.learn(text));
        grams
    }

    /// Adds those of a text.
    pub fn learn(&mut self, text: &str) {
        self.0.extend(runs(text));
    }

    /// How many of the runs of a text were learned from, and how many it has.
    pub fn count(&self, text: &str) -> (usize, usize) {
        let runs = runs(text);
        (runs.iter().filter(|run| self.0.contains(*run)).count(), runs.len())
    }

    /// The share of the runs of some texts that were learned from; none where they are too short to have any.
    pub fn share_of<'a>(&self, texts: impl IntoIterator<Item = &'a String>) -> Option<f64> {
        let counts = texts.into_iter().map(|text| self.count(text));
        let (known, all) = counts.fold((0, 0), |(known, all), (k, a)| (known + k, all + a));
        (all > 0).then(|| known as f64 / all as f64)
    }
}

fn runs(text: &str) -> Vec<String> {
    let text = text.to_lowercase();
    let words: Vec<&str> = text.split_whitespace().collect();
    words.windows(RUN).map(|run| run.join(" ")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_five_words_are_found_again_in_any_case() {
        let learned = FiveGrams::of(&["the boat is leaking again tonight".to_owned()]);
        assert_eq!(learned.count("The boat is leaking again, though"), (0, 2));
        assert_eq!(learned.count("so: THE boat is leaking again"), (1, 2));
        assert_eq!(learned.count("the boat is leaking"), (0, 0));
        assert_eq!(learned.share_of(&["so the boat is leaking again".to_owned(), "lol".to_owned()]), Some(0.5));
        assert_eq!(learned.share_of(&["lol".to_owned()]), None);
    }
}
