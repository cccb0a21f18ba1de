//! The voice a member has until a model is given: a Markov chain over that member's own words.
//!
//! It answers the room instead of talking past it: it looks for words that the latest messages share with the member's
//! history, grows sentences to both sides of such a word, and says the one that is most to the point and reads best.
//! It knows texts only; who may be imitated is decided elsewhere.

mod growth;
mod likelihood;
mod subject;
mod voice;

use std::collections::{BTreeSet, HashMap};

use chat::MemberId;
use rand::Rng;

pub use self::likelihood::Likelihood;
use self::{
    growth::{Draft, Growth},
    subject::Subject,
    voice::{FoldId, Voice, words},
};

/// How many replies are drawn for each one that is said.
const DRAFTS: usize = 12;
/// From how many lines on a member's chain is worth listening to.
const ENOUGH_LINES: usize = 5;
/// A reply that shares a run of this many words with a message it answers is an echo.
const ECHO_WORDS: usize = 5;

/// The voices of one community.
///
/// It holds each member's latest 150,000 to 300,000 words and nothing older: when a member reaches the upper bound, the
/// older half is let go. That is about 4 MB a member at most.
#[derive(Debug, Default)]
pub struct Markov {
    voices: HashMap<MemberId, Voice>,
}

impl Markov {
    /// A community nobody has spoken in yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a message to what `member` has said. Links are left out, and so is what exceeds
    /// [`chat::sanitise::MAX_TEXT_CHARS`].
    pub fn learn(&mut self, member: MemberId, text: &str) {
        let line = chat::sanitise::text(text);
        if words(&line).next().is_some() {
            self.voices.entry(member).or_default().learn(&line);
        }
    }

    /// Lets go of everything `member` has said.
    pub fn forget(&mut self, member: MemberId) {
        self.voices.remove(&member);
    }

    /// Whether `member` has said enough to be imitated.
    pub fn knows(&self, member: MemberId) -> bool {
        self.voices.get(&member).is_some_and(|voice| voice.line_count() >= ENOUGH_LINES)
    }

    /// Something `member` could say now, or nothing where the member is unknown or has nothing to say that would be
    /// neither a quotation nor an echo.
    ///
    /// `window` holds the texts of the latest messages, oldest first; `topic` counts for more than any of them.
    /// `temperature`, 0 to 2, sharpens or flattens every choice; at 0 the likeliest is taken. The same history, arguments
    /// and state of `rng` give the same reply.
    pub fn reply(
        &self,
        member: MemberId,
        window: &[&str],
        topic: Option<&str>,
        temperature: f32,
        rng: &mut impl Rng,
    ) -> Option<String> {
        let voice = self.voices.get(&member)?;
        let subject = Subject::of(window, topic);
        let shared = subject.shared_with(voice);
        let growth = Growth { voice, temperature };
        let mut best: Option<(f32, Draft)> = None;
        for number in 0..DRAFTS {
            let draft = match number % 4 {
                3 => growth.opening(rng),
                _ => growth.around(&shared, rng),
            };
            let Some(draft) = draft.filter(|draft| !is_echo(voice, draft, &subject)) else { continue };
            let score = score(voice, &draft, &shared);
            if best.as_ref().is_none_or(|(best_score, _)| score > *best_score) {
                best = Some((score, draft));
            }
        }
        best.map(|(_, draft)| voice.render(&draft.words))
    }
}

/// How good a reply it would be: to the point, fluent, whole, and neither an old line again nor a stammer.
fn score(voice: &Voice, draft: &Draft, shared: &[(FoldId, f32)]) -> f32 {
    let folds = voice.folds_of(&draft.words);
    let relevance: f32 = shared.iter().filter(|(fold, _)| folds.contains(fold)).map(|(_, weight)| weight).sum();
    let heaviest = shared.iter().map(|&(_, weight)| weight).fold(f32::EPSILON, f32::max);
    let pairs: BTreeSet<&[FoldId]> = folds.windows(2).collect();
    let repeated_pairs = folds.len() - 1 - pairs.len();
    let mut score = (relevance / heaviest).min(1.5) + draft.fluency() - 0.1 * repeated_pairs as f32;
    // A stump is better than silence, but than nothing else.
    if !draft.ends_whole {
        score -= 5.0;
    }
    // Everybody says "no worries" twice; a whole sentence of old is a replay.
    if draft.words.len() > 2 && voice.has_line(&draft.words) {
        score -= 0.6;
    }
    if voice.leaves_open(&draft.words) {
        score -= 0.4;
    }
    score
}

/// Whether the reply only gives back what was just said.
fn is_echo(voice: &Voice, draft: &Draft, subject: &Subject) -> bool {
    let reply: Vec<&str> = voice.fold_texts(&draft.words);
    subject.lines().any(|line| {
        let is_whole = reply.as_slice() == line;
        let is_part = reply.len() > 2 && contains(line, &reply);
        is_whole || is_part || reply.windows(ECHO_WORDS).any(|run| contains(line, run))
    })
}

fn contains(line: &[String], run: &[&str]) -> bool {
    line.windows(run.len()).any(|part| part == run)
}

#[cfg(test)]
mod tests;
