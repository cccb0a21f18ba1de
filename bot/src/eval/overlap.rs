//! How much of a text stands word for word in what was learned from.

use std::collections::HashSet;

/// Runs of so many words are looked at.
const RUN: usize = 5;

/// All runs of five words that were learned from.
#[derive(Debug, Default)]
pub struct Runs(HashSet<String>);

impl Runs {
    /// Adds those of a text.
    pub fn learn(&mut self, text: &str) {
        self.0.extend(runs(text));
    }

    /// How many of the runs of a text were learned from, and how many it has.
    pub fn count(&self, text: &str) -> (f64, f64) {
        let runs = runs(text);
        (runs.iter().filter(|run| self.0.contains(*run)).count() as f64, runs.len() as f64)
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
        let mut learned = Runs::default();
        learned.learn("the boat is leaking again tonight");
        assert_eq!(learned.count("The boat is leaking again, though"), (0.0, 2.0));
        assert_eq!(learned.count("so: THE boat is leaking again"), (1.0, 2.0));
        assert_eq!(learned.count("the boat is leaking"), (0.0, 0.0));
    }
}
