//! English word forms: the plural of a noun, its article, and the forms of the verb that opens a phrase.

use std::{collections::BTreeMap, sync::LazyLock};

/// A form of a phrase, as a slot of a template asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// As it stands.
    Plain,
    /// `an oar`, `a key`.
    Article,
    /// `oars`, `jars of jam`.
    Plural,
    /// The first word as a verb: `she feeds the cat`.
    Third,
    /// `fed the cat`
    Past,
    /// `has fed the cat`
    Participle,
    /// `feeding the cat`
    Ing,
    /// Of a pronoun: `him`, `her`, `them`.
    Object,
    /// Of a pronoun: `his`, `her`, `their`.
    Possessive,
}

impl Form {
    /// The form that stands after the colon of a slot, as in `{thing:a}`.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "a" => Self::Article,
            "s" => Self::Plural,
            "es" => Self::Third,
            "ed" => Self::Past,
            "en" => Self::Participle,
            "ing" => Self::Ing,
            "him" => Self::Object,
            "his" => Self::Possessive,
            _ => return None,
        })
    }

    /// `phrase` in this form.
    pub(super) fn of(self, phrase: &str) -> String {
        match self {
            Self::Plain => phrase.to_owned(),
            Self::Article => format!("{} {phrase}", article(phrase)),
            Self::Plural => plural_phrase(phrase),
            Self::Third => with_verb(phrase, third),
            Self::Past => with_verb(phrase, |verb| irregular(verb, 0).unwrap_or_else(|| past(verb))),
            Self::Participle => with_verb(phrase, |verb| irregular(verb, 1).unwrap_or_else(|| past(verb))),
            Self::Ing => with_verb(phrase, ing),
            Self::Object => pronoun(phrase, ["him", "her", "them"]),
            Self::Possessive => pronoun(phrase, ["his", "her", "their"]),
        }
    }
}

fn article(phrase: &str) -> &'static str {
    const CONSONANT_SOUNDS: [&str; 7] = ["one", "uni", "use", "usu", "eu", "ukulele", "ute"];
    const SILENT_H: [&str; 3] = ["hour", "honest", "heir"];
    let starts = |beginnings: &[&str]| beginnings.iter().any(|&beginning| phrase.starts_with(beginning));
    let vowel = phrase.starts_with(['a', 'e', 'i', 'o', 'u', 'A', 'E', 'I', 'O', 'U']);
    let numeral = starts(&["8", "11 ", "18 "]);
    if (vowel && !starts(&CONSONANT_SOUNDS)) || starts(&SILENT_H) || numeral { "an" } else { "a" }
}

fn pronoun(subject: &str, [he, she, they]: [&str; 3]) -> String {
    match subject {
        "he" => he,
        "she" => she,
        _ => they,
    }
    .to_owned()
}

/// Irregular plurals that occur in the word lists.
const PLURALS: &[(&str, &str)] = &[
    ("loaf", "loaves"),
    ("knife", "knives"),
    ("shelf", "shelves"),
    ("leaf", "leaves"),
    ("calf", "calves"),
    ("half", "halves"),
    ("scarf", "scarves"),
    ("wife", "wives"),
    ("man", "men"),
    ("woman", "women"),
    ("child", "children"),
    ("person", "people"),
    ("foot", "feet"),
    ("tooth", "teeth"),
    ("goose", "geese"),
    ("mouse", "mice"),
    ("sheep", "sheep"),
    ("fish", "fish"),
    ("potato", "potatoes"),
    ("tomato", "tomatoes"),
    ("volcano", "volcanoes"),
    ("hero", "heroes"),
    ("echo", "echoes"),
];

fn plural_phrase(phrase: &str) -> String {
    if let Some((head, rest)) = phrase.split_once(" of ") {
        return format!("{} of {rest}", plural_phrase(head));
    }
    match phrase.rsplit_once(' ') {
        Some((before, noun)) => format!("{before} {}", plural(noun)),
        None => plural(phrase),
    }
}

fn plural(noun: &str) -> String {
    if let Some((_, plural)) = PLURALS.iter().find(|(singular, _)| *singular == noun) {
        return (*plural).to_owned();
    }
    with_s(noun)
}

/// The ending of plurals and of the third person: `gulls`, `boxes`, `ferries`.
fn with_s(word: &str) -> String {
    let hisses = ["s", "x", "z", "ch", "sh"].iter().any(|&ending| word.ends_with(ending));
    match consonant_before_y(word) {
        Some(stem) => format!("{stem}ies"),
        None if hisses => format!("{word}es"),
        None => format!("{word}s"),
    }
}

fn with_verb(phrase: &str, inflect: impl Fn(&str) -> String) -> String {
    match phrase.split_once(' ') {
        Some((verb, rest)) => format!("{} {rest}", inflect(verb)),
        None => inflect(phrase),
    }
}

fn third(verb: &str) -> String {
    match verb {
        "have" => "has".to_owned(),
        "be" => "is".to_owned(),
        "go" | "do" | "echo" | "undo" | "veto" => format!("{verb}es"),
        _ => with_s(verb),
    }
}

fn past(verb: &str) -> String {
    match (consonant_before_y(verb), verb.ends_with('e')) {
        (Some(stem), _) => format!("{stem}ied"),
        (None, true) => format!("{verb}d"),
        (None, false) => format!("{}ed", doubled(verb)),
    }
}

fn ing(verb: &str) -> String {
    if let Some(stem) = verb.strip_suffix("ie") {
        return format!("{stem}ying");
    }
    let keeps_e = ["ee", "oe", "ye"].iter().any(|&ending| verb.ends_with(ending)) || verb == "be";
    match verb.strip_suffix('e') {
        Some(stem) if !keeps_e => format!("{stem}ing"),
        _ => format!("{}ing", doubled(verb)),
    }
}

fn consonant_before_y(word: &str) -> Option<&str> {
    word.strip_suffix('y').filter(|stem| !stem.is_empty() && !stem.ends_with(is_vowel))
}

fn is_vowel(letter: char) -> bool {
    matches!(letter, 'a' | 'e' | 'i' | 'o' | 'u')
}

/// `stop` as `stopp`: a short word that ends in one vowel and one consonant, or one that is stressed at its end.
fn doubled(verb: &str) -> String {
    const STRESSED_AT_THE_END: [&str; 6] = ["begin", "forget", "admit", "regret", "prefer", "commit"];
    let letters: Vec<char> = verb.chars().collect();
    let short = match letters.as_slice() {
        [head @ .., vowel, last] => {
            let one_vowel = is_vowel(*vowel) && !head.last().is_some_and(|&before| is_vowel(before) && before != 'u');
            let qu = head.ends_with(&['q', 'u']);
            let other_vowels = head.iter().filter(|&&letter| is_vowel(letter)).count() - usize::from(qu);
            one_vowel && other_vowels == 0 && !is_vowel(*last) && !matches!(last, 'w' | 'x' | 'y')
        }
        _ => false,
    };
    let cancels = verb.ends_with("cel") || verb.ends_with("vel") || verb.ends_with("kidnap");
    if short || cancels || STRESSED_AT_THE_END.contains(&verb) {
        let last = letters.last().expect("a verb has letters");
        return format!("{verb}{last}");
    }
    verb.to_owned()
}

/// Past and participle of the irregular verbs, by their infinitive.
static IRREGULAR: LazyLock<BTreeMap<&str, [&str; 2]>> = LazyLock::new(|| {
    include_str!("words/irregular_verbs.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let mut forms = line.split_whitespace();
            Some((forms.next()?, [forms.next()?, forms.next()?]))
        })
        .collect()
});

fn irregular(verb: &str, form: usize) -> Option<String> {
    IRREGULAR.get(verb).map(|forms| forms[form].to_owned())
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(form: Form, phrases: &[&str], expected: Expect) {
        expected.assert_eq(&phrases.iter().map(|phrase| form.of(phrase)).collect::<Vec<_>>().join(", "));
    }

    #[test]
    fn nouns() {
        check(
            Form::Plural,
            &["key", "box", "ferry", "jar of jam", "rye loaf", "slice of toast"],
            expect!["keys, boxes, ferries, jars of jam, rye loaves, slices of toast"],
        );
        check(
            Form::Article,
            &["oar", "key", "hour", "unicorn", "umbrella", "8 pound ticket"],
            expect!["an oar, a key, an hour, a unicorn, an umbrella, an 8 pound ticket"],
        );
    }

    #[test]
    fn verbs() {
        let phrases =
            ["feed the cat", "stop", "carry it", "bake bread", "quit", "go home", "open", "begin", "tie it", "play"];
        check(
            Form::Third,
            &phrases,
            expect!["feeds the cat, stops, carries it, bakes bread, quits, goes home, opens, begins, ties it, plays"],
        );
        check(
            Form::Past,
            &phrases,
            expect!["fed the cat, stopped, carried it, baked bread, quit, went home, opened, began, tied it, played"],
        );
        check(
            Form::Ing,
            &phrases,
            expect![
                "feeding the cat, stopping, carrying it, baking bread, quitting, going home, opening, beginning, tying it, playing"
            ],
        );
        check(Form::Participle, &["go home", "break it", "cook"], expect!["gone home, broken it, cooked"]);
    }

    #[test]
    fn pronouns() {
        check(Form::Object, &["he", "she", "they"], expect!["him, her, them"]);
        check(Form::Possessive, &["he", "she", "they"], expect!["his, her, their"]);
    }
}
