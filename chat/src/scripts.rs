//! Which scripts a group writes in, read from its own history rather than assumed.
//!
//! A model that was trained on the whole web now and then slips into a script that nobody of the group uses. What is
//! learned here bans those characters in the sampler and, behind it, in [`crate::clean`].

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    ops::RangeInclusive,
};

use serde::{Deserialize, Serialize};

/// A writing system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "each is named after itself")]
pub enum Script {
    Latin,
    Greek,
    Cyrillic,
    Armenian,
    Hebrew,
    Arabic,
    Syriac,
    Devanagari,
    Bengali,
    Gurmukhi,
    Gujarati,
    Oriya,
    Tamil,
    Telugu,
    Kannada,
    Malayalam,
    Sinhala,
    Thai,
    Lao,
    Tibetan,
    Myanmar,
    Georgian,
    Hangul,
    Ethiopic,
    Khmer,
    Mongolian,
    Hiragana,
    Katakana,
    Han,
    /// Every script that the table does not name: a group that uses one of them may use all of them.
    Other,
}

/// What stands where in Unicode, by block. `None` is common to all scripts although Unicode calls it a letter: modifier
/// letters, letter-like symbols, letters in circles and squares, mathematical alphabets, and marks.
const BLOCKS: &[(RangeInclusive<char>, Option<Script>)] = &[
    ('A'..='Z', Some(Script::Latin)),
    ('a'..='z', Some(Script::Latin)),
    ('\u{aa}'..='\u{aa}', Some(Script::Latin)),
    ('\u{b5}'..='\u{b5}', None),
    ('\u{ba}'..='\u{ba}', Some(Script::Latin)),
    ('\u{c0}'..='\u{2af}', Some(Script::Latin)),
    ('\u{2b0}'..='\u{36f}', None),
    ('\u{370}'..='\u{3ff}', Some(Script::Greek)),
    ('\u{400}'..='\u{52f}', Some(Script::Cyrillic)),
    ('\u{530}'..='\u{58f}', Some(Script::Armenian)),
    ('\u{590}'..='\u{5ff}', Some(Script::Hebrew)),
    ('\u{600}'..='\u{6ff}', Some(Script::Arabic)),
    ('\u{700}'..='\u{74f}', Some(Script::Syriac)),
    ('\u{750}'..='\u{77f}', Some(Script::Arabic)),
    ('\u{860}'..='\u{86f}', Some(Script::Syriac)),
    ('\u{870}'..='\u{8ff}', Some(Script::Arabic)),
    ('\u{900}'..='\u{97f}', Some(Script::Devanagari)),
    ('\u{980}'..='\u{9ff}', Some(Script::Bengali)),
    ('\u{a00}'..='\u{a7f}', Some(Script::Gurmukhi)),
    ('\u{a80}'..='\u{aff}', Some(Script::Gujarati)),
    ('\u{b00}'..='\u{b7f}', Some(Script::Oriya)),
    ('\u{b80}'..='\u{bff}', Some(Script::Tamil)),
    ('\u{c00}'..='\u{c7f}', Some(Script::Telugu)),
    ('\u{c80}'..='\u{cff}', Some(Script::Kannada)),
    ('\u{d00}'..='\u{d7f}', Some(Script::Malayalam)),
    ('\u{d80}'..='\u{dff}', Some(Script::Sinhala)),
    ('\u{e00}'..='\u{e7f}', Some(Script::Thai)),
    ('\u{e80}'..='\u{eff}', Some(Script::Lao)),
    ('\u{f00}'..='\u{fff}', Some(Script::Tibetan)),
    ('\u{1000}'..='\u{109f}', Some(Script::Myanmar)),
    ('\u{10a0}'..='\u{10ff}', Some(Script::Georgian)),
    ('\u{1100}'..='\u{11ff}', Some(Script::Hangul)),
    ('\u{1200}'..='\u{139f}', Some(Script::Ethiopic)),
    ('\u{1780}'..='\u{17ff}', Some(Script::Khmer)),
    ('\u{1800}'..='\u{18af}', Some(Script::Mongolian)),
    ('\u{1c80}'..='\u{1c8f}', Some(Script::Cyrillic)),
    ('\u{1c90}'..='\u{1cbf}', Some(Script::Georgian)),
    ('\u{1d00}'..='\u{1dbf}', Some(Script::Latin)),
    ('\u{1dc0}'..='\u{1dff}', None),
    ('\u{1e00}'..='\u{1eff}', Some(Script::Latin)),
    ('\u{1f00}'..='\u{1fff}', Some(Script::Greek)),
    ('\u{2070}'..='\u{24ff}', None),
    ('\u{2c60}'..='\u{2c7f}', Some(Script::Latin)),
    ('\u{2d00}'..='\u{2d2f}', Some(Script::Georgian)),
    ('\u{2d80}'..='\u{2ddf}', Some(Script::Ethiopic)),
    ('\u{2de0}'..='\u{2dff}', Some(Script::Cyrillic)),
    ('\u{2e80}'..='\u{2fdf}', Some(Script::Han)),
    ('\u{3005}'..='\u{3007}', Some(Script::Han)),
    ('\u{3021}'..='\u{3029}', Some(Script::Han)),
    ('\u{3031}'..='\u{3035}', Some(Script::Hiragana)),
    ('\u{3038}'..='\u{303b}', Some(Script::Han)),
    ('\u{3040}'..='\u{309f}', Some(Script::Hiragana)),
    // Half the world shrugs and smiles with this one: ¯\_(ツ)_/¯.
    ('ツ'..='ツ', None),
    ('\u{30a0}'..='\u{30ff}', Some(Script::Katakana)),
    ('\u{3100}'..='\u{312f}', Some(Script::Han)),
    ('\u{3130}'..='\u{318f}', Some(Script::Hangul)),
    ('\u{31a0}'..='\u{31bf}', Some(Script::Han)),
    ('\u{31f0}'..='\u{31ff}', Some(Script::Katakana)),
    ('\u{3400}'..='\u{4dbf}', Some(Script::Han)),
    ('\u{4e00}'..='\u{9fff}', Some(Script::Han)),
    ('\u{a640}'..='\u{a69f}', Some(Script::Cyrillic)),
    ('\u{a700}'..='\u{a7ff}', Some(Script::Latin)),
    ('\u{a8e0}'..='\u{a8ff}', Some(Script::Devanagari)),
    ('\u{a960}'..='\u{a97f}', Some(Script::Hangul)),
    ('\u{ab30}'..='\u{ab6f}', Some(Script::Latin)),
    ('\u{ac00}'..='\u{d7ff}', Some(Script::Hangul)),
    ('\u{f900}'..='\u{faff}', Some(Script::Han)),
    ('\u{fb00}'..='\u{fb06}', Some(Script::Latin)),
    ('\u{fb13}'..='\u{fb17}', Some(Script::Armenian)),
    ('\u{fb1d}'..='\u{fb4f}', Some(Script::Hebrew)),
    ('\u{fb50}'..='\u{fdff}', Some(Script::Arabic)),
    ('\u{fe70}'..='\u{fefe}', Some(Script::Arabic)),
    ('\u{ff10}'..='\u{ff19}', None),
    ('\u{ff21}'..='\u{ff5a}', Some(Script::Latin)),
    ('\u{ff66}'..='\u{ff9f}', Some(Script::Katakana)),
    ('\u{ffa0}'..='\u{ffdc}', Some(Script::Hangul)),
    ('\u{1b000}'..='\u{1b16f}', Some(Script::Hiragana)),
    ('\u{1d400}'..='\u{1d7ff}', None),
    ('\u{1f000}'..='\u{1ffff}', None),
    ('\u{20000}'..='\u{3ffff}', Some(Script::Han)),
];

impl Script {
    /// The script of a letter, or of a digit that belongs to one script. `None` for what all scripts share: digits,
    /// punctuation, symbols, emoji and marks.
    pub fn of(c: char) -> Option<Script> {
        if !c.is_alphanumeric() {
            return None;
        }
        match BLOCKS.iter().find(|(block, _)| block.contains(&c)) {
            Some((_, script)) => *script,
            None => c.is_alphabetic().then_some(Script::Other),
        }
    }
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// The scripts that a group writes in.
///
/// The default, and what an empty history teaches, is every script.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ScriptSet {
    /// `None` is every script: nothing is known yet.
    scripts: Option<BTreeSet<Script>>,
}

impl ScriptSet {
    /// Every script.
    pub fn everything() -> Self {
        Self::default()
    }

    /// Whether no script is ruled out.
    pub fn is_everything(&self) -> bool {
        self.scripts.is_none()
    }

    /// These scripts and no others.
    pub fn only(scripts: impl IntoIterator<Item = Script>) -> Self {
        Self { scripts: Some(scripts.into_iter().collect()) }
    }

    /// The scripts of a history, by the rule of [`ScriptCounter::scripts`].
    pub fn learn(texts: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let mut counter = ScriptCounter::default();
        texts.into_iter().for_each(|text| counter.add(text.as_ref()));
        counter.scripts()
    }

    /// Whether the group would write `c`. What all scripts share is always allowed.
    pub fn allows(&self, c: char) -> bool {
        match (&self.scripts, Script::of(c)) {
            (Some(scripts), Some(script)) => scripts.contains(&script),
            _ => true,
        }
    }

    /// The first character of `text` that the group would not write.
    pub fn first_foreign(&self, text: &str) -> Option<char> {
        text.chars().find(|&c| !self.allows(c))
    }
}

/// As a list for logs: `Latin, Cyrillic`, or `every script`.
impl fmt::Display for ScriptSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.scripts {
            None => f.write_str("every script"),
            Some(scripts) => f.write_str(&scripts.iter().map(Script::to_string).collect::<Vec<_>>().join(", ")),
        }
    }
}

/// In how many messages a script occurs, and with how many letters.
#[derive(Debug, Clone, Copy, Default)]
struct Use {
    letters: u64,
    messages: u64,
}

/// Counts the scripts of a history that streams past, message by message.
#[derive(Debug, Clone, Default)]
pub struct ScriptCounter {
    messages: u64,
    uses: BTreeMap<Script, Use>,
}

impl ScriptCounter {
    /// A history with fewer messages than this is too small to tell habit from accident.
    const TINY_HISTORY: u64 = 100;
    /// One letter in this many is a habit; that is 0.2 %.
    const LETTERS_PER_HABITUAL_LETTER: u64 = 500;
    /// A habit shows in at least this many messages.
    const MESSAGES_OF_A_HABIT: u64 = 3;

    /// Counts one message. A text without letters says nothing and counts for nothing.
    pub fn add(&mut self, text: &str) {
        let mut letters: BTreeMap<Script, u64> = BTreeMap::new();
        text.chars().filter_map(Script::of).for_each(|script| *letters.entry(script).or_default() += 1);
        if !letters.is_empty() {
            self.messages += 1;
        }
        for (script, count) in letters {
            let seen = self.uses.entry(script).or_default();
            seen.letters += count;
            seen.messages += 1;
        }
    }

    /// The scripts that the group writes in: those that make up at least 0.2 % of its letters and occur in at least
    /// three messages, so that one pasted line does not count. A history of fewer than 100 messages allows every script
    /// that it shows; one without a letter allows everything.
    pub fn scripts(&self) -> ScriptSet {
        if self.uses.is_empty() {
            return ScriptSet::everything();
        }
        let letters: u64 = self.uses.values().map(|seen| seen.letters).sum();
        let habitual = |seen: &Use| {
            self.messages < Self::TINY_HISTORY
                || (seen.letters * Self::LETTERS_PER_HABITUAL_LETTER >= letters
                    && seen.messages >= Self::MESSAGES_OF_A_HABIT)
        };
        ScriptSet::only(self.uses.iter().filter(|(_, seen)| habitual(seen)).map(|(&script, _)| script))
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::*;

    fn check(history: &[(&str, usize)], expected: Expect) {
        let texts = history.iter().flat_map(|&(text, times)| std::iter::repeat_n(text, times));
        expected.assert_eq(&ScriptSet::learn(texts).to_string());
    }

    #[test]
    fn a_group_uses_the_scripts_it_writes_in() {
        check(&[("wer hat die schlüssel?", 500), ("не я 😅", 40)], expect!["Latin, Cyrillic"]);
        check(&[("今日はカレーです。", 200)], expect!["Hiragana, Katakana, Han"]);
    }

    #[test]
    fn an_accident_is_not_a_habit() {
        check(&[("hello there", 500), ("你好你好你好你好你好你好你好你好你好你好", 2)], expect!["Latin"]);
        check(&[("hello there, how is everybody today", 1000), ("カ", 5)], expect!["Latin"]);
    }

    #[test]
    fn a_tiny_history_allows_what_it_shows_and_an_empty_one_everything() {
        check(&[("hello", 50), ("你好", 1)], expect!["Latin, Han"]);
        check(&[], expect!["every script"]);
        check(&[("😅 ... 123", 5)], expect!["every script"]);
    }

    #[test]
    fn what_all_scripts_share_is_always_allowed() {
        let nothing = ScriptSet::only([]);
        let shared = "0123 ,.!?…—“”«»、。 ¯\\_(ツ)_/¯ 😅👩‍👩‍👧🇩🇪 ☕ ™ ℹ️ ½ ² ① 🅰 ⓐ 𝓱𝓲 e\u{301} → €";
        let shared: String = shared.chars().filter(|&c| c != 'e').collect();
        assert_eq!(nothing.first_foreign(&shared), None);
    }

    #[test]
    fn a_letter_of_another_script_is_foreign() {
        let latin = ScriptSet::only([Script::Latin]);
        assert_eq!(latin.first_foreign("Ｆｕｌｌ ﬁne, œuvre, Łódź, ð, ǅ"), None);
        for (letter, script) in [
            ('Ж', Script::Cyrillic),
            ('λ', Script::Greek),
            ('好', Script::Han),
            ('の', Script::Hiragana),
            ('カ', Script::Katakana),
            ('한', Script::Hangul),
            ('ع', Script::Arabic),
            ('ש', Script::Hebrew),
            ('ह', Script::Devanagari),
            ('ก', Script::Thai),
            ('ქ', Script::Georgian),
            ('Ա', Script::Armenian),
            ('ক', Script::Bengali),
            ('த', Script::Tamil),
            ('Ꮳ', Script::Other),
        ] {
            assert_eq!(Script::of(letter), Some(script), "{letter}");
            assert_eq!(latin.first_foreign(&format!("ok, {letter}")), Some(letter));
        }
    }

    #[test]
    fn is_stored_as_a_list_of_names() {
        let both = ScriptSet::only([Script::Cyrillic, Script::Latin]);
        let json = serde_json::to_string(&both).unwrap();
        assert_eq!(json, r#"["latin","cyrillic"]"#);
        assert_eq!(serde_json::from_str::<ScriptSet>(&json).unwrap(), both);
        assert_eq!(serde_json::to_string(&ScriptSet::everything()).unwrap(), "null");
        assert_eq!(serde_json::from_str::<ScriptSet>("null").unwrap(), ScriptSet::everything());
    }

    proptest! {
        #[test]
        fn a_group_may_repeat_its_own_words(text in any::<String>()) {
            prop_assert_eq!(ScriptSet::learn([&text]).first_foreign(&text), None);
        }
    }
}
