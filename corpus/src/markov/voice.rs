//! What one member has said, indexed so that a chain of any order can be read out of it in both directions.
//!
//! The lines themselves are the chain: they stand one after another as word numbers, and each word knows its places. What
//! follows or precedes a phrase is looked up where the phrase stands, so that no table of transitions is kept, and a run
//! that would quote a line is recognised by the same index.

use std::{collections::HashMap, sync::Arc};

/// A word as it was written, with its case, punctuation and emoji.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct WordId(u32);

/// A word without case and punctuation, shared by the ways of writing it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FoldId(u32);

/// What stands before the first and after the last word of a line.
pub(super) const EDGE: WordId = WordId(0);
const EDGE_FOLD: FoldId = FoldId(0);

/// The most words a member's history holds, edges included.
const MAX_WORDS: usize = 300_000;
/// How many of a phrase's latest places are looked at: more would change nothing that anybody could notice.
const MAX_PLACES: usize = 250;

/// The direction in which a phrase grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

impl Side {
    /// The place `steps` further in this direction.
    fn beyond(self, place: usize, steps: usize) -> Option<usize> {
        match self {
            Side::Left => place.checked_sub(steps),
            Side::Right => place.checked_add(steps),
        }
    }

    fn opposite(self) -> Side {
        match self {
            Side::Left => Side::Right,
            Side::Right => Side::Left,
        }
    }
}

#[derive(Debug)]
struct Word {
    text: Arc<str>,
    fold: FoldId,
}

#[derive(Debug)]
struct Fold {
    text: Arc<str>,
    /// Where the word stands in `said`, in rising order.
    places: Vec<u32>,
}

/// One member's history.
#[derive(Debug)]
pub(super) struct Voice {
    words: Vec<Word>,
    word_ids: HashMap<Arc<str>, WordId>,
    folds: Vec<Fold>,
    fold_ids: HashMap<Arc<str>, FoldId>,
    /// The lines, an edge before, between and after them.
    said: Vec<WordId>,
}

impl Default for Voice {
    fn default() -> Self {
        let nothing: Arc<str> = Arc::from("");
        Self {
            words: vec![Word { text: nothing.clone(), fold: EDGE_FOLD }],
            word_ids: HashMap::new(),
            folds: vec![Fold { text: nothing, places: vec![0] }],
            fold_ids: HashMap::new(),
            said: vec![EDGE],
        }
    }
}

impl Voice {
    /// Adds a line.
    pub(super) fn learn(&mut self, line: &str) {
        if self.said.len() >= MAX_WORDS {
            *self = self.newer_half();
        }
        for word in words(line) {
            let id = self.intern(word);
            self.append(id);
        }
        self.append(EDGE);
    }

    fn append(&mut self, word: WordId) {
        let place = u32::try_from(self.said.len()).expect("a history is bounded by MAX_WORDS and one line");
        let fold = self.fold_of(word);
        self.folds[fold.0 as usize].places.push(place);
        self.said.push(word);
    }

    fn intern(&mut self, word: &str) -> WordId {
        if let Some(&id) = self.word_ids.get(word) {
            return id;
        }
        let id = WordId(u32::try_from(self.words.len()).expect("there are no more words than places"));
        let text: Arc<str> = Arc::from(word);
        let fold = self.intern_fold(&fold(word));
        self.words.push(Word { text: text.clone(), fold });
        self.word_ids.insert(text, id);
        id
    }

    fn intern_fold(&mut self, folded: &str) -> FoldId {
        if let Some(&id) = self.fold_ids.get(folded) {
            return id;
        }
        let id = FoldId(u32::try_from(self.folds.len()).expect("there are no more folds than words"));
        let text: Arc<str> = Arc::from(folded);
        self.folds.push(Fold { text: text.clone(), places: Vec::new() });
        self.fold_ids.insert(text, id);
        id
    }

    fn newer_half(&self) -> Voice {
        let mut newer = Voice::default();
        for line in self.said[self.said.len() / 2..].split(|&word| word == EDGE).skip(1).filter(|line| !line.is_empty())
        {
            newer.learn(&self.render(line));
        }
        newer
    }

    /// How many lines it holds.
    pub(super) fn line_count(&self) -> usize {
        self.places(EDGE_FOLD).len() - 1
    }

    /// The fold with this text.
    pub(super) fn find(&self, folded: &str) -> Option<FoldId> {
        self.fold_ids.get(folded).copied()
    }

    /// The inverse frequency of a fold, on a logarithmic scale, over zero.
    pub(super) fn rarity(&self, fold: FoldId) -> f32 {
        (1.0 + self.line_count() as f32 / self.places(fold).len() as f32).ln()
    }

    /// Where a fold stands, in rising order.
    pub(super) fn places(&self, fold: FoldId) -> &[u32] {
        &self.folds[fold.0 as usize].places
    }

    /// The word at a place.
    pub(super) fn word_at(&self, place: u32) -> WordId {
        self.said[place as usize]
    }

    fn fold_of(&self, word: WordId) -> FoldId {
        self.words[word.0 as usize].fold
    }

    pub(super) fn folds_of(&self, words: &[WordId]) -> Vec<FoldId> {
        words.iter().map(|&word| self.fold_of(word)).collect()
    }

    pub(super) fn fold_texts(&self, words: &[WordId]) -> Vec<&str> {
        words.iter().map(|&word| &*self.folds[self.fold_of(word).0 as usize].text).collect()
    }

    /// The words as text.
    pub(super) fn render(&self, words: &[WordId]) -> String {
        words.iter().map(|word| &*self.words[word.0 as usize].text).collect::<Vec<_>>().join(" ")
    }

    /// What the member has put next to `context` on the given side, once for each time, sorted.
    ///
    /// `context` begins with the word at that side and goes inwards. The first must stand as it was written, the others
    /// only by their folds: "The pump" and "a pump" then know of each other what may come after "pump".
    pub(super) fn beside(&self, context: &[WordId], side: Side) -> Vec<WordId> {
        let folds = self.folds_of(context);
        let rarest = self.rarest(&folds);
        let latest = self.places(folds[rarest]).iter().rev().take(MAX_PLACES);
        let mut found: Vec<WordId> = latest
            .filter_map(|&place| {
                let outermost = side.beyond(place as usize, rarest)?;
                (self.said.get(outermost) == Some(&context[0])).then_some(())?;
                let stands_there = (1..folds.len()).all(|step| {
                    side.opposite()
                        .beyond(outermost, step)
                        .is_some_and(|inner| self.fold_at(inner) == Some(folds[step]))
                });
                stands_there.then_some(())?;
                self.said.get(side.beyond(outermost, 1)?).copied()
            })
            .collect();
        found.sort_unstable();
        found
    }

    /// Whether one line contains `run`, whatever its case and punctuation.
    pub(super) fn quotes(&self, run: &[WordId]) -> bool {
        let folds = self.folds_of(run);
        let rarest = self.rarest(&folds);
        self.places(folds[rarest]).iter().any(|&place| {
            let start = (place as usize).checked_sub(rarest);
            start.is_some_and(|start| (0..folds.len()).all(|step| self.fold_at(start + step) == Some(folds[step])))
        })
    }

    /// Whether `line` was said just so, whatever its case and punctuation.
    pub(super) fn has_line(&self, line: &[WordId]) -> bool {
        self.quotes(&[&[EDGE], line, &[EDGE]].concat())
    }

    /// Whether a bracket or quotation mark is opened that nothing closes, or the other way round.
    pub(super) fn leaves_open(&self, words: &[WordId]) -> bool {
        let text = |word: &WordId| &*self.words[word.0 as usize].text;
        let named = |word: &&str| word.chars().any(char::is_alphanumeric);
        let letters: Vec<char> = words.iter().map(text).filter(named).flat_map(str::chars).collect();
        let count = |mark| letters.iter().filter(|&&letter| letter == mark).count();
        count('(') != count(')') || count('“') != count('”') || count('"') % 2 == 1
    }

    fn fold_at(&self, place: usize) -> Option<FoldId> {
        self.said.get(place).map(|&word| self.fold_of(word))
    }

    /// The index of the fold with the fewest places.
    fn rarest(&self, folds: &[FoldId]) -> usize {
        (0..folds.len()).min_by_key(|&index| self.places(folds[index]).len()).expect("a phrase has a word")
    }
}

/// The words of a line. A link is not one: personas post none.
pub(super) fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split_whitespace().filter(|word| !word.contains("://") && !word.starts_with("www."))
}

/// A word by which its spellings are recognised as the same: without case, punctuation and plural or possessive s, or
/// where it is all punctuation or emoji, itself.
pub(super) fn fold(word: &str) -> String {
    let lower = word.to_lowercase();
    let plain: String = lower.chars().filter(|letter| letter.is_alphanumeric()).collect();
    match plain.strip_suffix('s') {
        _ if plain.is_empty() => lower,
        Some(singular) if singular.len() > 2 => singular.to_owned(),
        _ => plain,
    }
}
