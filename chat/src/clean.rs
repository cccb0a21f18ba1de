//! Raw output of a model to something that a member could have posted, or nothing.
//!
//! Cleaning is a pass that is repeated until it changes nothing. Each step of the pass either leaves the text alone or
//! makes it shorter, so the repetition ends; and at its end every step agrees with the text, so that what one step left
//! behind cannot be put together again by another (`@<b>everyone` is `@everyone` only once the tag is gone).

mod control;
mod links;
mod speech;

pub use links::holds_link;

use crate::{markup, sanitise, scripts::ScriptSet};
use speech::Names;

/// Why nothing of a reply can be posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Rejected {
    /// There was nothing, or nothing but thoughts, control tokens, markup or stray punctuation.
    #[error("the reply is empty")]
    Empty,
    /// It was a link and nothing else worth posting.
    #[error("the reply is only a link")]
    Link,
    /// It began in the name of somebody other than the speaker, or with a part of the prompt.
    #[error("the reply speaks for others")]
    SpeaksForOthers,
    /// It slipped into a script that the group does not write in before its first sentence was over.
    #[error("the reply uses \"{0}\", which is in no script that the group writes in")]
    ForeignScript(char),
}

/// Makes something postable of what a model wrote, in the name of one of a room's personas.
#[derive(Debug, Clone)]
pub struct Cleaner {
    /// What the members and personas of the room are called, the speaker included or not. A reply that goes on in
    /// another's name is cut there.
    pub names: Vec<String>,
    /// The scripts that the group writes in.
    pub scripts: ScriptSet,
    /// The longest reply, in characters.
    pub max_chars: usize,
}

impl Cleaner {
    /// A cleaner for a room where these are called so, for replies of at most `max_chars` characters.
    pub fn new(names: impl IntoIterator<Item = impl Into<String>>, scripts: ScriptSet, max_chars: usize) -> Self {
        Self { names: names.into_iter().map(Into::into).collect(), scripts, max_chars }
    }

    /// What `speaker` could have posted of `raw`: one line without links, pings, markup, control tokens and words in the
    /// name of others, at most [`Cleaner::max_chars`] long. Cleaning it again changes nothing.
    ///
    /// A reply that slips into a foreign script is cut after the last whole sentence before the slip.
    ///
    /// # Errors
    /// [`Rejected`] if nothing is left that is worth posting. Another draw may do better.
    pub fn clean(&self, speaker: &str, raw: &str) -> Result<String, Rejected> {
        let names = Names::new(speaker, &self.names);
        let mut had_link = false;
        let mut text = raw.to_owned();
        loop {
            let (next, found_link) = self.pass(&names, &text)?;
            had_link |= found_link;
            if next == text {
                break;
            }
            text = next;
        }
        match (is_worth_posting(&text), had_link) {
            (true, _) => Ok(text),
            (false, true) => Err(Rejected::Link),
            (false, false) => Err(Rejected::Empty),
        }
    }

    /// The text after one pass, and whether a link was removed from it.
    fn pass(&self, names: &Names, text: &str) -> Result<(String, bool), Rejected> {
        let said = markup::model_plain(&control::strip(text));
        let said = sanitise::one_line(names.cut_lines(&said)?);
        let said = names.cut_sentences(&said)?;
        let without_links = links::remove(said);
        let had_link = without_links != said;
        let native = self.cut_foreign(&unmention(&without_links))?;
        Ok((self.shorten(unquote(&native)), had_link))
    }

    /// The text up to the last whole sentence before its first foreign character.
    fn cut_foreign(&self, text: &str) -> Result<String, Rejected> {
        let Some(foreign) = self.scripts.first_foreign(text) else { return Ok(text.to_owned()) };
        let before = &text[..text.find(foreign).expect("the character was found in this text")];
        match sentence_ends(before).last() {
            Some(end) => Ok(before[..end].to_owned()),
            None => Err(Rejected::ForeignScript(foreign)),
        }
    }

    /// The text within the limit: cut after a sentence where that keeps half of what fits, else at a word.
    fn shorten(&self, text: &str) -> String {
        let fitting = sanitise::cut_at_word(text, self.max_chars);
        if fitting.len() == text.len() {
            return fitting;
        }
        // The space shows that a sentence ended, even where the cut fell right after it.
        match sentence_ends(&format!("{fitting} ")).last() {
            Some(end) if end * 2 >= fitting.len() => fitting[..end].to_owned(),
            _ => fitting,
        }
    }
}

/// Where the sentences of a line end: behind each run of `.`, `!`, `?` or `…` that a space follows, and behind those of
/// Chinese and Japanese.
fn sentence_ends(line: &str) -> impl Iterator<Item = usize> {
    line.char_indices().filter_map(|(place, c)| {
        let end = place + c.len_utf8();
        let ends = match c {
            '.' | '!' | '?' | '…' => line[end..].starts_with(' '),
            '。' | '！' | '？' => true,
            _ => false,
        };
        ends.then_some(end)
    })
}

/// The text without the `@` of its mentions: `@Ada` is `Ada`, and `@everyone` is nobody's phone ringing.
fn unmention(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for (place, c) in text.char_indices() {
        let rest = &text[place + c.len_utf8()..];
        let pings_all = ["everyone", "here"]
            .into_iter()
            .any(|all| rest.get(..all.len()).is_some_and(|start| start.eq_ignore_ascii_case(all)));
        let in_word = plain.ends_with(char::is_alphanumeric);
        let names = !in_word && rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
        if c != '@' || !(names || pings_all) {
            plain.push(c);
        }
    }
    plain
}

/// The text without a quotation mark at its start or end that has no partner.
fn unquote(text: &str) -> &str {
    let opened = |open: char, closes: &[char]| text.starts_with(open) && !text[open.len_utf8()..].contains(closes);
    let closed =
        |close: char, opens: &[char]| text.ends_with(close) && !text[..text.len() - close.len_utf8()].contains(opens);
    let odd = text.matches('"').count() % 2 == 1;
    let inches = text.strip_suffix('"').is_some_and(|before| before.ends_with(|c: char| c.is_ascii_digit()));
    let stray_start = odd && text.starts_with('"')
        || opened('“', &['”', '“'])
        || opened('„', &['“', '”'])
        || opened('«', &['»'])
        || opened('»', &['«']);
    let stray_end = odd && text.ends_with('"') && !inches
        || closed('”', &['“', '„', '”'])
        || closed('»', &['«'])
        || closed('«', &['»']);
    let mut inner = text.chars();
    if stray_start {
        inner.next();
    } else if stray_end {
        inner.next_back();
    }
    inner.as_str().trim()
}

/// Whether people post such a thing: words, numbers, an emoji, a face, or what stands for a shrug (`?`, `!!`, `...`).
fn is_worth_posting(text: &str) -> bool {
    text.chars().any(|c| c.is_alphanumeric() || is_pictograph(c))
        || text.split(' ').any(|word| is_exclamation(word) || is_face(word))
}

fn is_pictograph(c: char) -> bool {
    matches!(c, '\u{2190}'..='\u{2bff}' | '\u{203c}' | '\u{2049}' | '\u{3030}' | '\u{303d}' | '\u{3297}' | '\u{3299}' | '\u{1f000}'..='\u{1faff}')
}

/// `?`, `!`, `?!`, `...`; a single full stop is not one.
fn is_exclamation(word: &str) -> bool {
    !word.is_empty() && word != "." && word.chars().all(|c| matches!(c, '?' | '!' | '.' | '…' | '？' | '！'))
}

/// Emoticons without a letter or digit: `:)`, `(:`, `>:(`, `;-)`, `^^`.
fn is_face(word: &str) -> bool {
    const FACES: [&str; 12] = ["^^", "^_^", "^-^", "^.^", "-_-", "-.-", "._.", ">.<", ">_<", ">_>", "<_<", "\\_/"];
    let emoticon = word.chars().count() <= 5
        && word.contains([':', ';', '='])
        && word.contains(['(', ')', '[', ']', '/', '\\', '|', '*', '<', '{', '}'])
        && word.chars().all(|c| ":;=()[]/\\|*<>{}'-^~,".contains(c));
    emoticon || FACES.contains(&word)
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::*;
    use crate::scripts::Script;

    const NAMES: [&str; 4] = ["Ada", "Bo Lund", "Cleo", "~d|e|e~"];

    fn cleaner() -> Cleaner {
        Cleaner::new(NAMES, ScriptSet::only([Script::Latin, Script::Greek]), 80)
    }

    fn check(replies: &[&str], expected: Expect) {
        let shown: String = replies
            .iter()
            .map(|raw| match cleaner().clean("Cleo", raw) {
                Ok(said) => format!("{raw:?} -> {said:?}\n"),
                Err(rejected) => format!("{raw:?} -> {rejected}\n"),
            })
            .collect();
        expected.assert_eq(&shown);
    }

    #[test]
    fn what_a_member_would_post_stays() {
        check(
            &[
                "not me 😅",
                "2 * 3 * 4",
                "snake_case_name",
                "*sighs*",
                "¯\\_(ツ)_/¯",
                "i <3 that >:(",
                "\"no\" she said",
                "it is 5\"",
            ],
            expect![[r#"
                "not me 😅" -> "not me 😅"
                "2 * 3 * 4" -> "2 * 3 * 4"
                "snake_case_name" -> "snake_case_name"
                "*sighs*" -> "*sighs*"
                "¯\\_(ツ)_/¯" -> "¯\\_(ツ)_/¯"
                "i <3 that >:(" -> "i <3 that >:("
                "\"no\" she said" -> "\"no\" she said"
                "it is 5\"" -> "it is 5\""
            "#]],
        );
    }

    #[test]
    fn only_its_own_words() {
        check(
            &[
                "Cleo: Cleo: hi",
                "hi\nAda: hi yourself",
                "hi! Ada: hi yourself",
                "**Ada**: hi",
                "~d|e|e~: hi",
                "> Bo Lund: hi",
                "sure\n\nRespond as Bo Lund:",
                "Next speaker: Ada",
                "<think>\nhm</think>\n\nhi<|im_end|>\n<|im_start|>user",
                "<|im_start|>assistant\nCleo: hi",
            ],
            expect![[r#"
                "Cleo: Cleo: hi" -> "hi"
                "hi\nAda: hi yourself" -> "hi"
                "hi! Ada: hi yourself" -> "hi!"
                "**Ada**: hi" -> the reply speaks for others
                "~d|e|e~: hi" -> the reply speaks for others
                "> Bo Lund: hi" -> the reply speaks for others
                "sure\n\nRespond as Bo Lund:" -> "sure"
                "Next speaker: Ada" -> the reply speaks for others
                "<think>\nhm</think>\n\nhi<|im_end|>\n<|im_start|>user" -> "hi"
                "<|im_start|>assistant\nCleo: hi" -> "hi"
            "#]],
        );
    }

    #[test]
    fn no_links_and_no_pings() {
        check(
            &[
                "look: https://example.org/x nice",
                "https://example.org/x",
                "@Ada and @everyone, @here too",
                "@<b>every</b>one @@here x@everyone",
                "<@123> hi <#4> <:blob:5>",
                "[click](https://evil.example) me",
                "mail me@home",
            ],
            expect![[r#"
                "look: https://example.org/x nice" -> "look: nice"
                "https://example.org/x" -> the reply is only a link
                "@Ada and @everyone, @here too" -> "Ada and everyone, here too"
                "@<b>every</b>one @@here x@everyone" -> "everyone here xeveryone"
                "<@123> hi <#4> <:blob:5>" -> "hi :blob:"
                "[click](https://evil.example) me" -> "click me"
                "mail me@home" -> "mail me@home"
            "#]],
        );
    }

    #[test]
    fn one_line_without_markup() {
        check(
            &[
                "a\n\n  b\tc",
                "**yes** and ||no||",
                "```\nls\n```",
                "\u{202e}a\u{200b}b",
                "\"hi there",
                "hi there”",
                "„so«",
            ],
            expect![[r#"
                "a\n\n  b\tc" -> "a b c"
                "**yes** and ||no||" -> "yes and no"
                "```\nls\n```" -> "ls"
                "\u{202e}a\u{200b}b" -> "ab"
                "\"hi there" -> "hi there"
                "hi there”" -> "hi there"
                "„so«" -> "so"
            "#]],
        );
    }

    #[test]
    fn scripts_of_the_group() {
        check(
            &["καλημέρα all", "nice one. 你好吗", "nice 你好吗", "你好"],
            expect![[r#"
            "καλημέρα all" -> "καλημέρα all"
            "nice one. 你好吗" -> "nice one."
            "nice 你好吗" -> the reply uses "你", which is in no script that the group writes in
            "你好" -> the reply uses "你", which is in no script that the group writes in
        "#]],
        );
    }

    #[test]
    fn long_replies_end_with_a_sentence_or_a_word() {
        check(
            &[
                "This sentence is of some length and fits. This one would not fit, so it is left out entirely.",
                "No. This one is far too long to fit and has no end in sight, so that it must be cut at a word somewhere.",
                &"x".repeat(90),
            ],
            expect![[r#"
                "This sentence is of some length and fits. This one would not fit, so it is left out entirely." -> "This sentence is of some length and fits."
                "No. This one is far too long to fit and has no end in sight, so that it must be cut at a word somewhere." -> "No. This one is far too long to fit and has no end in sight, so that it must be"
                "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" -> "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
            "#]],
        );
    }

    #[test]
    fn signs_that_people_post() {
        check(
            &["?", "!!", "...", ":)", ">:(", "^^", "😅", "☕", ".", ",", "-", "***", "\"", "---", "", " \n", "</b>"],
            expect![[r#"
                "?" -> "?"
                "!!" -> "!!"
                "..." -> "..."
                ":)" -> ":)"
                ">:(" -> ">:("
                "^^" -> "^^"
                "😅" -> "😅"
                "☕" -> "☕"
                "." -> the reply is empty
                "," -> the reply is empty
                "-" -> the reply is empty
                "***" -> the reply is empty
                "\"" -> the reply is empty
                "---" -> the reply is empty
                "" -> the reply is empty
                " \n" -> the reply is empty
                "</b>" -> the reply is empty
            "#]],
        );
    }

    const FRAGMENTS: &str = concat!(
        "Ada:¦ada¦Bo Lund¦Cleo:¦~d|e|e~:¦:¦：¦@¦@everyone¦every¦one¦@here¦\n¦ ¦. ¦! ¦http¦://¦https://a.b¦",
        "www.¦.com¦x.gg/¦t.me¦/¦<think>¦</think>¦<|¦|>¦im_end¦<|im_start|>assistant¦</s>¦<s>¦<@1¦<@1>¦",
        "<:a:1>¦<b>¦</b>¦<¦>¦> ¦**¦__¦~~¦||¦|¦`¦```¦\\¦[a](¦)¦]¦\"¦“¦”¦«¦你¦λ¦😅¦\u{200b}¦\u{200d}¦\u{301}¦",
        "Respond as¦Recent messages:¦Next speaker:¦- ¦?¦,¦word¦l",
    );

    /// Replies made of what breaks things when it comes together.
    fn hostile() -> impl Strategy<Value = String> {
        let fragment = prop_oneof![
            prop::sample::select(FRAGMENTS.split('¦').collect::<Vec<_>>()).prop_map(str::to_owned),
            any::<char>().prop_map(String::from),
        ];
        proptest::collection::vec(fragment, 0..30).prop_map(|fragments| fragments.concat())
    }

    /// Checks what every cleaned reply promises.
    fn keeps_its_promises(raw: &str) -> Result<(), TestCaseError> {
        let cleaner = cleaner();
        let Ok(said) = cleaner.clean("Cleo", raw) else { return Ok(()) };
        prop_assert_eq!(cleaner.clean("Cleo", &said), Ok(said.clone()));
        let breaks = ['\n', '\r', '\u{2028}', '\u{2029}', '\u{85}'];
        prop_assert!(!said.contains(breaks));
        prop_assert!(said.chars().count() <= cleaner.max_chars && !said.is_empty());
        let lower = said.to_lowercase();
        for forbidden in ["@everyone", "@here", "https://", "t.me/", "<|im_end|>", "<think>"] {
            prop_assert!(!lower.contains(forbidden), "{said:?}");
        }
        let is_domain = |word: &str| {
            let word = word.trim_matches(|c: char| !c.is_alphanumeric());
            word.ends_with("a.com") || word.starts_with("www.x")
        };
        prop_assert!(!lower.split(' ').any(is_domain), "{said:?}");
        for other in ["ada:", "bo lund:", "~d|e|e~:"] {
            prop_assert!(!lower.starts_with(other), "{said:?}");
        }
        prop_assert_eq!(cleaner.scripts.first_foreign(&said), None);
        Ok(())
    }

    proptest! {
        #[test]
        fn any_text_is_cleaned(raw in any::<String>()) {
            keeps_its_promises(&raw)?;
        }

        #[test]
        fn hostile_text_is_cleaned(raw in hostile()) {
            keeps_its_promises(&raw)?;
        }
    }
}
