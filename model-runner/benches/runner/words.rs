//! What people say in the rooms of the bench: English words drawn by a seeded generator, in a window that slides as the
//! bot's does.

use std::collections::VecDeque;

use chat::{prompt, prompt::Line};

/// Messages in a window, as the bot sends it.
const WINDOW: usize = 5;
/// Words of a message: with its name that makes 16 to 20 tokens.
const WORDS_A_MESSAGE: std::ops::Range<usize> = 12..16;
/// The longest reply that goes into the window, in characters. Random weights write words that tokenise anew into more
/// tokens than they were drawn in, and the prompts of a bench must stay of one length.
const LONGEST_REPLY: usize = 70;

const NAMES: [&str; 8] = ["Ada", "Bo", "Cleo", "Dan", "Eve", "Finn", "Gus", "Hana"];

const WORDS: [&str; 144] = [
    "about", "after", "again", "always", "answer", "around", "away", "back", "bad", "bag", "before", "begin", "best",
    "better", "big", "bike", "bird", "boat", "book", "both", "bread", "bridge", "bring", "bus", "buy", "cake", "call",
    "car", "cat", "chair", "change", "city", "close", "coat", "coffee", "cold", "come", "cook", "country", "cup",
    "day", "dinner", "dog", "door", "down", "drink", "early", "east", "eat", "end", "enough", "evening", "every",
    "far", "fast", "few", "film", "find", "fire", "first", "fish", "floor", "food", "friend", "front", "game",
    "garden", "girl", "give", "glass", "go", "good", "green", "ground", "hand", "happy", "hard", "hear", "help",
    "here", "hill", "home", "horse", "hot", "house", "ice", "idea", "just", "keep", "key", "kind", "kitchen", "know",
    "lake", "late", "leave", "light", "little", "long", "look", "lunch", "market", "maybe", "money", "month", "moon",
    "morning", "mother", "mountain", "music", "name", "near", "never", "new", "night", "north", "old", "open", "other",
    "paper", "park", "people", "place", "plan", "play", "rain", "read", "red", "river", "road", "room", "school",
    "sea", "sleep", "snow", "song", "street", "summer", "table", "ticket", "train", "tree", "water", "window",
];

/// A multiplicative congruential generator (Knuth's MMIX constants): the same words on each run.
pub struct Dice(u64);

impl Dice {
    /// Draws that depend on this number alone.
    pub fn seeded(seed: u64) -> Self {
        let mut dice = Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        // The first draws of neighbouring seeds resemble each other.
        dice.words(8);
        dice
    }

    /// A number from 0 on, below `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }

    /// So many words.
    pub fn words(&mut self, count: usize) -> String {
        let words: Vec<&str> = (0..count).map(|_| WORDS[self.below(WORDS.len())]).collect();
        words.join(" ")
    }

    fn message(&mut self) -> Line {
        let length = WORDS_A_MESSAGE.start + self.below(WORDS_A_MESSAGE.len());
        let name = NAMES[self.below(NAMES.len())];
        Line::new(name, &self.words(length))
    }
}

/// A room in which people talk and a persona answers.
pub struct Room {
    /// The room's number: what the servers know it by.
    pub number: usize,
    lines: VecDeque<Line>,
    dice: Dice,
    speaker: &'static str,
}

impl Room {
    /// A room whose window is full. Rooms of different numbers share no message.
    pub fn new(number: usize) -> Self {
        let mut dice = Dice::seeded(number as u64 + 1);
        let lines = (0..WINDOW).map(|_| dice.message()).collect();
        let speaker = NAMES[dice.below(NAMES.len())];
        Self { number, lines, dice, speaker }
    }

    /// Somebody says something, the oldest message leaves, and a persona is about to answer.
    pub fn hear(&mut self) {
        let message = self.dice.message();
        self.push(message);
        self.speaker = NAMES[self.dice.below(NAMES.len())];
    }

    /// The persona's reply becomes a message as any other.
    pub fn take_reply(&mut self, reply: &str) {
        let reply: String = reply.chars().take(LONGEST_REPLY).collect();
        self.push(Line::new(self.speaker, &reply));
    }

    /// What can be computed before it is decided who answers.
    pub fn prefix(&mut self) -> String {
        prompt::prefix(self.lines.make_contiguous())
    }

    /// The prompt of the answer.
    pub fn prompt(&mut self) -> String {
        prompt::reply(self.lines.make_contiguous(), None, self.speaker)
    }

    fn push(&mut self, line: Line) {
        self.lines.push_back(line);
        if self.lines.len() > WINDOW {
            self.lines.pop_front();
        }
    }
}
