//! Everyday talk: an endless stream of made-up group chats, the text that a pocket model learns English and manners from.
//!
//! Most are groups of friends, some a channel in which people mend one another's computers, under names that they made up.
//! Each of the people has a style and phrases of their own. Some come back from sitting to sitting and always write alike,
//! so that whoever continues a sitting well has to know them by name; the others are there once, and one has to look back
//! at how they wrote. What is said comes from scenes: somebody asks, others answer about the same thing, the same place,
//! the same hour. All words, rules and scenes are written for this project and lie in the text files beside this module.
//! The stream knows nothing of models, tokens or prompts.

mod chance;
mod grammar;
mod inflect;
mod people;
mod plan;
mod scene;
mod spelling;
mod style;
mod voice;

use chance::Chance;
use people::People;

/// One sitting of a made-up group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sitting {
    /// Who says what, in order; at least a few lines.
    pub lines: Vec<Line>,
    /// What all of it is about, such as `the lost ladder`, where it is about one thing and is told so.
    pub topic: Option<String>,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Who wrote it.
    pub name: String,
    /// What they wrote: one line that is not empty.
    pub text: String,
}

/// Sittings without end, the same ones in the same order for the same seed, on every platform.
pub struct Everyday {
    people: People,
    chance: Chance,
}

impl Everyday {
    /// The stream of `seed`.
    pub fn new(seed: u64) -> Self {
        let mut chance = Chance::seeded(seed);
        Self { people: People::drawn(&mut chance), chance }
    }
}

impl Iterator for Everyday {
    type Item = Sitting;

    fn next(&mut self) -> Option<Sitting> {
        Some(plan::sitting(&self.people, &mut self.chance))
    }
}

#[cfg(test)]
mod measures;
