//! Streets with a number, as English, German, French and Southern European addresses write them.
//!
//! Case is what tells `12 Mill Street` from `a 2 way street`: an address typed all in lower case is found only where the
//! word itself can be nothing else (`hauptstr. 5`, `10 rue de la paix`).

use std::ops::Range;

use super::words;

/// What English streets end with.
const ENGLISH: [&str; 22] = [
    "Street",
    "St",
    "St.",
    "Road",
    "Rd",
    "Rd.",
    "Avenue",
    "Ave",
    "Ave.",
    "Lane",
    "Ln",
    "Drive",
    "Dr",
    "Boulevard",
    "Blvd",
    "Blvd.",
    "Square",
    "Terrace",
    "Crescent",
    "Court",
    "Close",
    "Way",
];
/// The most words between the number and that.
const MAX_NAME_WORDS: usize = 3;
/// What German streets end with.
const GERMAN: [&str; 4] = ["straße", "strasse", "str.", "gasse"];
/// What French streets begin with.
const FRENCH: [&str; 6] = ["rue", "avenue", "boulevard", "chemin", "impasse", "quai"];
/// What follows that before the name.
const FRENCH_ARTICLES: [&str; 7] = ["de", "du", "des", "la", "le", "les", "l'"];
/// What streets begin with in Spanish, Italian, Portuguese and Polish.
const SOUTHERN: [&str; 7] = ["Calle", "Via", "Viale", "Piazza", "Rua", "Avenida", "Ulica"];

pub(super) fn find(line: &str) -> Vec<Range<usize>> {
    let words: Vec<Word<'_>> = words(line).map(|(start, text)| Word::new(start, text)).collect();
    let mut found = Vec::new();
    let mut next = 0;
    while next < words.len() {
        let rest = &words[next..];
        match english(rest).or_else(|| german(rest)).or_else(|| french(rest)).or_else(|| southern(rest)) {
            Some(taken) => {
                found.push(rest[0].start..rest[taken - 1].end());
                next += taken;
            }
            None => next += 1,
        }
    }
    found
}

/// A word with its place, without what punctuation surrounds it.
struct Word<'l> {
    start: usize,
    text: &'l str,
    /// Whether punctuation follows, which an address does not go on behind.
    ends: bool,
}

impl<'l> Word<'l> {
    fn new(start: usize, word: &'l str) -> Self {
        let behind = word.trim_start_matches(['(', '"', '\'', '[']);
        let text = behind.trim_end_matches([',', ';', ':', '!', '?', ')', '"', ']']);
        Self { start: start + word.len() - behind.len(), text, ends: text.len() < behind.len() }
    }

    /// The word without a full stop that ends a sentence.
    fn bare(&self) -> &'l str {
        self.text.trim_end_matches('.')
    }

    fn end(&self) -> usize {
        self.start + self.text.len()
    }

    /// `12`, `221B`
    fn is_house_number(&self) -> bool {
        let letters = self.bare().trim_start_matches(|c: char| c.is_ascii_digit());
        let digits = self.bare().len() - letters.len();
        (1..=4).contains(&digits)
            && (letters.is_empty() || letters.len() == 1 && letters.starts_with(char::is_alphabetic))
    }

    fn is_capitalised(&self) -> bool {
        self.text.starts_with(char::is_uppercase)
    }
}

/// How many words `12 Old Mill Road` has.
fn english(words: &[Word<'_>]) -> Option<usize> {
    let [number, name @ ..] = words else { return None };
    if !number.is_house_number() || number.ends {
        return None;
    }
    let mut named = name.iter().take(MAX_NAME_WORDS + 1).enumerate();
    // The first word is of the name even where it is `St`.
    named.find_map(|(place, word)| {
        let is_name = word.is_capitalised() && name[..place].iter().all(|word| word.is_capitalised() && !word.ends);
        let is_street = place > 0 && (ENGLISH.contains(&word.text) || ENGLISH.contains(&word.bare()));
        (is_name && is_street).then_some(place + 2)
    })
}

/// How many words `Hauptstraße 12a` has.
fn german(words: &[Word<'_>]) -> Option<usize> {
    let [street, number, ..] = words else { return None };
    let folded = street.text.to_lowercase();
    let is_street =
        GERMAN.iter().any(|ending| folded.strip_suffix(ending).is_some_and(|name| name.chars().count() >= 3));
    (is_street && !street.ends && number.is_house_number()).then_some(2)
}

/// How many words `10 bis rue de la Paix` has.
fn french(words: &[Word<'_>]) -> Option<usize> {
    let [number, rest @ ..] = words else { return None };
    let skipped = usize::from(rest.first().is_some_and(|word| matches!(word.text, "bis" | "ter")));
    let street = rest.get(skipped)?;
    if !number.is_house_number() || street.ends || !FRENCH.contains(&street.text.to_lowercase().as_str()) {
        return None;
    }
    let behind = &rest[skipped + 1..];
    let articles = behind.iter().take_while(|word| FRENCH_ARTICLES.contains(&word.text) && !word.ends).count();
    let name = behind.get(articles)?;
    let is_named = name.is_capitalised() || articles > 0 && name.text.starts_with(char::is_alphabetic);
    is_named.then_some(2 + skipped + articles + 1)
}

/// How many words `Calle Mayor 12` has.
fn southern(words: &[Word<'_>]) -> Option<usize> {
    let [street, rest @ ..] = words else { return None };
    if !SOUTHERN.contains(&street.text) || street.ends {
        return None;
    }
    let names = rest.iter().take(MAX_NAME_WORDS).take_while(|word| word.is_capitalised()).count();
    let number = rest.get(names)?;
    (names > 0 && number.is_house_number()).then_some(names + 2)
}
