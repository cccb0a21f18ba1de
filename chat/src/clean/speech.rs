//! Finds where a reply stops being its speaker's own words and goes on in the name of others, as transcripts do.

use crate::{clean::Rejected, markup, sanitise};

/// Lines of the prompt that no member would write.
const PROMPT_LINES: [&str; 3] = ["Recent messages:", "Next speaker:", "Talk ONLY about "];
const RESPOND_AS: &str = "Respond as";

/// The names of a room, as they can stand in a reply.
pub struct Names {
    speaker: Vec<String>,
    others: Vec<String>,
}

impl Names {
    /// The names, the speaker among them or not.
    pub fn new(speaker: &str, all: &[String]) -> Self {
        let speaker = spellings(speaker);
        let others = all.iter().flat_map(|name| spellings(name)).filter(|name| !speaker.contains(name)).collect();
        Self { speaker, others }
    }

    /// Drops the speaker's own `NAME:` from the start and everything from the first later line that opens with a name
    /// and a colon. Like the cut below it rejects a reply that begins in the name of another.
    pub fn cut_lines<'t>(&self, text: &'t str) -> Result<&'t str, Rejected> {
        let said = self.behind_own_name(text);
        if self.opens_with_other(said) {
            return Err(Rejected::SpeaksForOthers);
        }
        let line_starts = said.match_indices(['\n', '\u{2028}', '\r']).map(|(place, c)| (place, place + c.len()));
        let cut = line_starts.filter(|&(_, start)| self.opens_speech(&said[start..])).map(|(place, _)| place).next();
        Ok(&said[..cut.unwrap_or(said.len())])
    }

    /// Cuts a line where a sentence is followed by a name and a colon, or a part of the prompt stands.
    pub fn cut_sentences<'t>(&self, line: &'t str) -> Result<&'t str, Rejected> {
        let said = self.behind_own_name(line);
        if self.opens_with_other(said) {
            return Err(Rejected::SpeaksForOthers);
        }
        let after_sentence = said
            .match_indices(' ')
            .filter(|&(place, space)| ends_sentence(&said[..place]) && self.opens_speech(&said[place + space.len()..]))
            .map(|(place, _)| place)
            .next();
        let prompt = PROMPT_LINES.iter().filter_map(|line| said.find(line));
        let cut = prompt.chain(self.respond_as(said)).chain(after_sentence).min();
        match cut {
            Some(0) => Err(Rejected::SpeaksForOthers),
            cut => Ok(said[..cut.unwrap_or(said.len())].trim_end()),
        }
    }

    fn behind_own_name<'t>(&self, text: &'t str) -> &'t str {
        let text = text.trim_start();
        self.speaker.iter().find_map(|name| behind_name(text, name)).map_or(text, str::trim_start)
    }

    fn opens_with_other(&self, text: &str) -> bool {
        opens(text, &self.others)
    }

    fn opens_speech(&self, text: &str) -> bool {
        opens(text, &self.others) || opens(text, &self.speaker)
    }

    /// Where `Respond as NAME:` stands. "Respond as soon as you can" is something that people say.
    fn respond_as(&self, line: &str) -> Option<usize> {
        line.match_indices(RESPOND_AS).map(|(place, _)| place).find(|place| {
            let after = line[place + RESPOND_AS.len()..].trim_start();
            let has_colon = after.chars().take(sanitise::MAX_NAME_CHARS + 1).any(|c| c == ':');
            let names_somebody =
                self.speaker.iter().chain(&self.others).any(|name| behind_prefix(after, name).is_some());
            after.is_empty() || has_colon || names_somebody
        })
    }
}

/// A name as the prompt shows it, and as it looks once it went through the steps of cleaning.
fn spellings(name: &str) -> Vec<String> {
    let shown = sanitise::name(name);
    let plain = sanitise::one_line(&markup::model_plain(&shown)).trim_start_matches('@').to_owned();
    if plain == shown || plain.is_empty() { vec![shown] } else { vec![shown, plain] }
}

/// Whether `text` begins with one of the names and a colon, be it behind a bullet, a bracket or a quotation mark.
fn opens(text: &str, names: &[String]) -> bool {
    let text = text.trim_start();
    let bare = text.trim_start_matches(['-', '*', '•', '>', '[', '<', '(', '"', ' ']);
    names.iter().any(|name| behind_name(text, name).is_some() || behind_name(bare, name).is_some())
}

/// What follows the name and its colon, if `text` begins with them.
fn behind_name<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    behind_prefix(text, name)?.trim_start_matches([' ', ']', '>', '*']).strip_prefix([':', '：'])
}

fn behind_prefix<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let mut rest = text.chars();
    let same = prefix.chars().all(|c| rest.next().is_some_and(|d| c == d || c.to_lowercase().eq(d.to_lowercase())));
    same.then_some(rest.as_str())
}

/// Whether a sentence, or what people put in the place of a full stop, ends the text.
fn ends_sentence(text: &str) -> bool {
    text.trim_end()
        .chars()
        .next_back()
        .is_some_and(|c| matches!(c, '.' | '!' | '?' | ')') || (!c.is_ascii() && !c.is_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        Names::new("Cleo", &["Ada", "Bo Lund", "Cleo", "__dee__"].map(str::to_owned))
    }

    fn lines(text: &str, expected: &str) {
        assert_eq!(names().cut_lines(text), Ok(expected), "{text}");
    }

    fn sentences(text: &str, expected: &str) {
        assert_eq!(names().cut_sentences(text), Ok(expected), "{text}");
    }

    #[test]
    fn the_speaker_may_say_its_own_name() {
        lines("Cleo: hi", "hi");
        lines(" cleo : hi", "hi");
        lines("Cleopatra: hi", "Cleopatra: hi");
        lines("hi from Cleo", "hi from Cleo");
    }

    #[test]
    fn a_line_of_another_ends_the_reply() {
        lines("hi\nAda: yo\nCleo: so", "hi");
        lines("hi\nthere\nbo lund： yo", "hi\nthere");
        lines("hi\nCleo: and", "hi");
        lines("hi\n- dee: yo", "hi");
        lines("hi\nAda is here", "hi\nAda is here");
        assert_eq!(names().cut_lines("Ada: hi"), Err(Rejected::SpeaksForOthers));
        assert_eq!(names().cut_lines("Cleo: [Ada]: hi"), Err(Rejected::SpeaksForOthers));
    }

    #[test]
    fn a_sentence_of_another_ends_the_reply() {
        sentences("hi. Ada: yo", "hi.");
        sentences("lol 😅 Bo Lund: yo", "lol 😅");
        sentences("ask Ada: she knows", "ask Ada: she knows");
        sentences("no. Ada knows: ask her", "no. Ada knows: ask her");
    }

    #[test]
    fn a_prompt_is_no_speech() {
        sentences("hi Respond as Ada: yo", "hi");
        sentences("hi Respond as", "hi");
        sentences("hi Respond as Zed: yo", "hi");
        sentences("Respond as soon as you can", "Respond as soon as you can");
        sentences("ok Recent messages: Ada", "ok");
        sentences("ok Next speaker:", "ok");
        assert_eq!(names().cut_sentences("Next speaker: Ada"), Err(Rejected::SpeaksForOthers));
    }
}
