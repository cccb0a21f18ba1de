//! A plain sentence in somebody's voice: the one function from neutral text and a style to the messages they send.
//!
//! The steps follow one another over words and marks: full or short forms, slips, punctuation, case, then what stands
//! around the words (laughs, emoji). The neutral text is in sentence case with every mark in its place.

use super::{
    chance::Chance,
    spelling::{CONTRACTIONS, WORD_EMOJI},
    style::{Case, Commas, Questions, Register, Stops, Style},
};

/// Neutral text from a template: one space between words, none before a mark, capitals where sentences begin, and a
/// mark at the end.
pub(super) fn tidy(raw: &str) -> String {
    let mut text = raw.split_whitespace().collect::<Vec<_>>().join(" ");
    for mark in [",", ".", "?", "!", ";", ":"] {
        text = text.replace(&format!(" {mark}"), mark);
    }
    text = text.replace(",,", ",").replace(",.", ".").replace(",?", "?");
    let mut sentence_begins = true;
    let mut neutral = String::with_capacity(text.len() + 1);
    let mut before = ' ';
    for character in text.trim_start_matches([',', ' ']).chars() {
        if sentence_begins && character.is_alphanumeric() {
            neutral.extend(character.to_uppercase());
            sentence_begins = false;
        } else {
            neutral.push(character);
        }
        sentence_begins |= character == ' ' && matches!(before, '.' | '?' | '!');
        before = character;
    }
    if neutral.ends_with(char::is_alphanumeric) || neutral.ends_with(['"', ')', '\'']) {
        neutral.push('.');
    }
    neutral
}

/// The messages in which somebody of this style sends `neutral`; there is at least one, and none is empty.
pub(super) fn messages(style: &Style, neutral: &str, chance: &mut Chance) -> Vec<String> {
    let parts = if style.bursts { bursts(neutral, chance) } else { vec![neutral.to_owned()] };
    let last = parts.len() - 1;
    let mut sent = Vec::with_capacity(parts.len());
    for (place, part) in parts.iter().enumerate() {
        let words = part.split(' ').map(|word| spelt(style, word, chance)).collect::<Vec<_>>().join(" ");
        let marked = cased(style, &punctuated(style, &words), chance);
        sent.push(if place == last { adorned(style, marked, part, chance) } else { marked });
    }
    sent.retain(|message| !message.is_empty());
    if sent.is_empty() { vec!["...".to_owned()] } else { sent }
}

/// `neutral` cut after its sentences, and after some clauses of long ones.
fn bursts(neutral: &str, chance: &mut Chance) -> Vec<String> {
    let mut parts = vec![String::new()];
    for word in neutral.split(' ') {
        let part = parts.last_mut().expect("there is always a part");
        if !part.is_empty() {
            part.push(' ');
        }
        part.push_str(word);
        let clause = word.ends_with(',') && part.len() > 14 && chance.percent(30);
        if clause {
            part.pop();
        }
        if clause || word.ends_with(['.', '?', '!']) {
            parts.push(String::new());
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

/// One word with the marks around it, as this person spells it.
fn spelt(style: &Style, word: &str, chance: &mut Chance) -> String {
    let core = word.trim_matches(|character: char| !character.is_alphanumeric());
    let Some(start) = word.find(core).filter(|_| !core.is_empty()) else {
        return word.to_owned();
    };
    let mut spelling = core.to_owned();
    if style.register == Register::Formal {
        spelling = replaced(&spelling, CONTRACTIONS);
    }
    spelling = replaced(&spelling, &style.spellings);
    if !style.apostrophes {
        spelling = spelling.replace('\'', "");
    }
    if chance.percent(style.slip_percent) {
        spelling = slip(&spelling, chance);
    }
    if chance.percent(style.stretch_percent) {
        spelling = stretched(&spelling, chance);
    }
    format!("{}{spelling}{}", &word[..start], &word[start + core.len()..])
}

/// What `pairs` has for `word`, beginning with a capital where `word` does.
fn replaced(word: &str, pairs: &[(&str, &str)]) -> String {
    let Some((_, other)) = pairs.iter().find(|(full, _)| full.eq_ignore_ascii_case(word)) else {
        return word.to_owned();
    };
    if word.starts_with(char::is_uppercase) { capitalised(other) } else { (*other).to_owned() }
}

pub(super) fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// A word as fingers in a hurry leave it: two letters swapped, one lost, or one twice.
fn slip(word: &str, chance: &mut Chance) -> String {
    let mut letters: Vec<char> = word.chars().collect();
    if letters.len() < 4 || !letters.iter().all(char::is_ascii_alphabetic) {
        return word.to_owned();
    }
    let place = 1 + chance.below(letters.len() - 2);
    match chance.below(3) {
        0 => letters.swap(place, place + 1),
        1 => drop(letters.remove(place)),
        _ => letters.insert(place, letters[place]),
    }
    letters.into_iter().collect()
}

/// A word with its last vowel, or its last letter, drawn out: `sooo`, `yesss`.
fn stretched(word: &str, chance: &mut Chance) -> String {
    const DRAWN_OUT: [&str; 16] = [
        "so", "no", "yes", "hi", "please", "what", "love", "why", "aw", "omg", "way", "guys", "very", "hello", "wow",
        "okay",
    ];
    if !DRAWN_OUT.iter().any(|known| known.eq_ignore_ascii_case(word)) {
        return word.to_owned();
    }
    let mut letters: Vec<char> = word.chars().collect();
    let place = match letters.iter().rposition(|letter| "aeiouAEIOU".contains(*letter)) {
        Some(place) if place + 2 >= letters.len() => place,
        _ => letters.len() - 1,
    };
    let letter = letters[place].to_ascii_lowercase();
    for _ in 0..2 + chance.below(5) {
        letters.insert(place + 1, letter);
    }
    letters.into_iter().collect()
}

fn punctuated(style: &Style, text: &str) -> String {
    let ended = |end: &str| text.strip_suffix('.').map_or_else(|| text.to_owned(), |rest| format!("{rest}{end}"));
    let text = match style.stops {
        Stops::Keep => text.to_owned(),
        Stops::Drop => text.replace(". ", " ").trim_end_matches('.').to_owned(),
        Stops::DropLast => text.trim_end_matches('.').to_owned(),
        Stops::Exclaim => ended("!!").replace(". ", "! "),
        Stops::Dots => ended("...").replace(". ", "... "),
    };
    let text = match style.commas {
        Commas::Keep => text,
        Commas::Drop => text.replace(',', ""),
        Commas::Semicolons => with_semicolons(&text),
        Commas::Dots => text.replace(", ", "... "),
    };
    match style.questions {
        Questions::Keep => text,
        Questions::Drop => text.replace('?', ""),
        Questions::Double => text.replace('?', "??"),
        Questions::Flat => text.replace('?', "."),
    }
}

/// A semicolon in place of the comma between two halves of a longer sentence.
fn with_semicolons(text: &str) -> String {
    const JOINTS: [(&str, &str); 8] = [
        (", but ", "; but "),
        (", and I ", "; and I "),
        (", so ", "; so "),
        (", I ", "; I "),
        (", we ", "; we "),
        (", it ", "; it "),
        (", that ", "; that "),
        (", though ", "; though "),
    ];
    let joined = JOINTS.iter().fold(text.to_owned(), |text, (comma, semicolon)| text.replace(comma, semicolon));
    match (joined == text, joined.find(". ")) {
        (true, Some(stop)) => {
            let (first, rest) = (&joined[..stop], &joined[stop + 2..]);
            format!("{first}; {}", uncapitalised(rest))
        }
        _ => joined,
    }
}

/// `text` as it goes on within a sentence; `I` and names keep their capitals as far as one can tell.
fn uncapitalised(text: &str) -> String {
    let first = text.split([' ', '\'', ',', '.']).next().unwrap_or_default();
    const OPENERS: [&str; 30] = [
        "The", "A", "An", "It", "We", "You", "He", "She", "They", "That", "This", "There", "What", "Who", "Where",
        "When", "Not", "No", "My", "Our", "Your", "If", "And", "But", "Also", "Is", "Do", "Can", "Please", "One",
    ];
    if OPENERS.contains(&first) { text[..1].to_lowercase() + &text[1..] } else { text.to_owned() }
}

fn cased(style: &Style, text: &str, chance: &mut Chance) -> String {
    match style.case {
        Case::Sentence => text.to_owned(),
        Case::Lower => text.to_lowercase(),
        Case::Capitals => text.to_uppercase(),
        Case::Emphatic => emphatic(text, chance),
    }
}

/// One word in capitals, or all of a short text.
fn emphatic(text: &str, chance: &mut Chance) -> String {
    let mut words: Vec<String> = text.split(' ').map(str::to_owned).collect();
    if (words.len() <= 4 && chance.percent(50)) || chance.percent(12) {
        return text.to_uppercase();
    }
    let long: Vec<usize> = (0..words.len()).filter(|&place| words[place].len() > 3).collect();
    if !long.is_empty() && chance.percent(65) {
        let place = *chance.pick(&long);
        words[place] = words[place].to_uppercase();
    }
    words.join(" ")
}

/// `text` with the laugh and the emoji that this person adds; `neutral` tells what the emoji may be about.
fn adorned(style: &Style, mut text: String, neutral: &str, chance: &mut Chance) -> String {
    if let Some(laugh) = style.laugh.filter(|_| chance.percent(style.laugh_percent)) {
        let laugh = if style.case == Case::Capitals { laugh.to_uppercase() } else { laugh.to_owned() };
        text = if chance.percent(75) { format!("{text} {laugh}") } else { format!("{laugh} {text}") };
    }
    if !style.emoji.is_empty() && chance.percent(style.emoji_percent) {
        text = format!("{text} {}", emoji(style, neutral, chance));
    }
    text.trim().to_owned()
}

fn emoji(style: &Style, neutral: &str, chance: &mut Chance) -> String {
    let lower = neutral.to_lowercase();
    let mut words = lower.split(|character: char| !character.is_alphabetic());
    let meant = words.find_map(|word| WORD_EMOJI.iter().find(|(known, _)| *known == word)).map(|(_, emoji)| *emoji);
    let count = 1 + chance.below(style.emoji_most);
    match meant.filter(|_| chance.percent(60)) {
        Some(emoji) if count > 1 => format!("{emoji}{}", chance.pick(&style.emoji)),
        Some(emoji) => emoji.to_owned(),
        None if chance.percent(60) => chance.pick(&style.emoji).repeat(count),
        None => (0..count).map(|_| *chance.pick(&style.emoji)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    const PLAIN: &str = "I've left the key on the boat, but it's fine. Are you coming?";

    /// `PLAIN` by somebody of sentence case with all marks, changed by `change`.
    fn check(change: impl Fn(&mut Style), expected: Expect) {
        let mut chance = Chance::seeded(2);
        let mut style = Style {
            register: Register::Plain,
            case: Case::Sentence,
            commas: Commas::Keep,
            stops: Stops::Keep,
            questions: Questions::Keep,
            apostrophes: true,
            address: None,
            bursts: false,
            spellings: Vec::new(),
            laugh: None,
            laugh_percent: 100,
            emoji: Vec::new(),
            emoji_percent: 100,
            emoji_most: 2,
            more_percent: 0,
            slip_percent: 0,
            stretch_percent: 0,
        };
        change(&mut style);
        expected.assert_eq(&messages(&style, PLAIN, &mut chance).join("\n"));
    }

    #[test]
    fn neutral_text_is_left_as_it_is() {
        check(|_| {}, expect!["I've left the key on the boat, but it's fine. Are you coming?"]);
    }

    #[test]
    fn case_and_marks() {
        check(
            |style| (style.case, style.stops) = (Case::Lower, Stops::Drop),
            expect!["i've left the key on the boat, but it's fine are you coming?"],
        );
        check(
            |style| (style.case, style.stops) = (Case::Capitals, Stops::Exclaim),
            expect!["I'VE LEFT THE KEY ON THE BOAT, BUT IT'S FINE! ARE YOU COMING?"],
        );
        check(
            |style| (style.commas, style.questions) = (Commas::Dots, Questions::Double),
            expect!["I've left the key on the boat... but it's fine. Are you coming??"],
        );
        check(
            |style| (style.commas, style.questions) = (Commas::Semicolons, Questions::Flat),
            expect!["I've left the key on the boat; but it's fine. Are you coming."],
        );
    }

    #[test]
    fn words() {
        check(
            |style| style.register = Register::Formal,
            expect!["I have left the key on the boat, but it is fine. Are you coming?"],
        );
        check(
            |style| (style.apostrophes, style.slip_percent) = (false, 40),
            expect!["Ive left the key on the bota, but its fine. Are you cominng?"],
        );
        check(
            |style| style.spellings = vec![("are", "r"), ("you", "u")],
            expect!["I've left the key on the boat, but it's fine. R u coming?"],
        );
    }

    #[test]
    fn around_the_words() {
        check(
            |style| style.bursts = true,
            expect![[r#"
            I've left the key on the boat
            but it's fine.
            Are you coming?"#]],
        );
        check(
            |style| style.laugh = Some("lol"),
            expect!["lol I've left the key on the boat, but it's fine. Are you coming?"],
        );
        check(
            |style| style.emoji = vec!["😂"],
            expect!["I've left the key on the boat, but it's fine. Are you coming? 😂😂"],
        );
    }

    #[test]
    fn a_stretched_word_stays_that_word() {
        let mut chance = Chance::seeded(5);
        let words = ["so", "yes", "Please", "table"].map(|word| stretched(word, &mut chance)).join(" ");
        expect!["soooo yeeees Pleaseeee table"].assert_eq(&words);
    }

    #[test]
    fn templates_become_neutral_text() {
        let tidied = ["no , I  mean it . yes", "so , half past six ?", "  , well"].map(tidy).join("\n");
        expect![[r#"
            No, I mean it. Yes.
            So, half past six?
            Well."#]]
        .assert_eq(&tidied);
    }
}
