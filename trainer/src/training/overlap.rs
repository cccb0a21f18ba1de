//! Whether a model recites: how many runs of five words of what it says stand in what it was trained on.

use std::collections::HashSet;

const WORDS: usize = 5;

/// The five-grams of some texts.
#[derive(Debug, Default)]
pub(super) struct FiveGrams(HashSet<Vec<String>>);

fn runs(text: &str) -> Vec<Vec<String>> {
    let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
    words.windows(WORDS).map(<[String]>::to_vec).collect()
}

impl FiveGrams {
    pub(super) fn of<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        Self(texts.into_iter().flat_map(runs).collect())
    }

    /// The share of the five-grams of `texts` that are among these; none where they are too short to have any.
    pub(super) fn share_of<'a>(&self, texts: impl IntoIterator<Item = &'a str>) -> Option<f64> {
        let all: Vec<Vec<String>> = texts.into_iter().flat_map(runs).collect();
        let known = all.iter().filter(|run| self.0.contains(*run)).count();
        (!all.is_empty()).then(|| known as f64 / all.len() as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_five_words_are_compared_whatever_their_case() {
        let known = FiveGrams::of(["we should paint the boat tomorrow", "lol"]);
        assert_eq!(known.share_of(["We should paint the boat"]), Some(1.0));
        assert_eq!(known.share_of(["we should paint the boat again"]), Some(0.5));
        assert_eq!(known.share_of(["lol"]), None);
    }
}
