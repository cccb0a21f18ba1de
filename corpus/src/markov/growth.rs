//! How a sentence grows: to both sides, by what the member has put next to its latest three, two or one words.

use std::collections::VecDeque;

use rand::Rng;

use super::voice::{EDGE, FoldId, Side, Voice, WordId};

/// How many words a chain looks back at most.
const MAX_ORDER: usize = 3;
/// The longest run of words that may be taken from one line.
const MAX_QUOTED: usize = 6;
/// The longest reply, in words.
const MAX_REPLY_WORDS: usize = 40;
/// The chance, at temperature 1, of looking back less far where looking further leaves no choice.
const STRAY: f32 = 0.4;
/// How well a word fits that was chosen by one, two or three others.
const FIT: [f32; MAX_ORDER] = [0.35, 0.8, 1.0];
/// What each word beyond the first that only its neighbour suggests takes from a draft's fluency.
const TURN_COST: f32 = 0.12;

/// One sentence that might be said.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) words: Vec<WordId>,
    /// Whether it begins and ends where the member begins and ends messages, and was not cut for want of words that
    /// would not quote.
    pub(super) ends_whole: bool,
    fits: Vec<f32>,
}

impl Draft {
    /// How well its words follow each other, at most 1. One turn nobody saw coming is wit, and each further one makes it
    /// harder to follow, however long the reply.
    pub(super) fn fluency(&self) -> f32 {
        let mean = self.fits.iter().sum::<f32>() / self.fits.len().max(1) as f32;
        let turns = self.fits.iter().filter(|&&fit| fit == FIT[0]).count();
        mean - TURN_COST * turns.saturating_sub(1) as f32
    }
}

/// Grows drafts of one voice at one temperature.
pub(super) struct Growth<'a> {
    pub(super) voice: &'a Voice,
    pub(super) temperature: f32,
}

/// A sentence that is growing.
#[derive(Default)]
struct Shoot {
    /// May have edges at its ends.
    words: VecDeque<WordId>,
    fits: Vec<f32>,
}

impl Growth<'_> {
    /// A draft that begins as the member begins.
    pub(super) fn opening(&self, rng: &mut impl Rng) -> Option<Draft> {
        let mut shoot = Shoot { words: VecDeque::from([EDGE]), ..Shoot::default() };
        let ends_whole = self.grow(&mut shoot, Side::Right, rng);
        shoot.finished(ends_whole)
    }

    /// A draft that passes through one of `seeds`; without any, one that begins as the member begins.
    pub(super) fn around(&self, seeds: &[(FoldId, f32)], rng: &mut impl Rng) -> Option<Draft> {
        let Some(seed) = choose(seeds, self.temperature, rng) else { return self.opening(rng) };
        let places = self.voice.places(seed);
        let place = places[rng.random_range(0..places.len())];
        // With its right neighbour the seed has a context on both sides.
        let next = Some(self.voice.word_at(place + 1)).filter(|&word| word != EDGE);
        let mut shoot = Shoot::default();
        shoot.words.extend([Some(self.voice.word_at(place)), next].into_iter().flatten());
        let begins_whole = self.grow(&mut shoot, Side::Left, rng);
        let ends_whole = self.grow(&mut shoot, Side::Right, rng);
        shoot.finished(begins_whole && ends_whole)
    }

    /// Grows to one side until the member would stop, and says so, or until nothing fits that would not quote.
    fn grow(&self, shoot: &mut Shoot, side: Side, rng: &mut impl Rng) -> bool {
        while shoot.words.len() < MAX_REPLY_WORDS {
            let Some((word, fit)) = self.next(&shoot.words, side, rng) else { return false };
            shoot.fits.push(fit);
            match side {
                Side::Left => shoot.words.push_front(word),
                Side::Right => shoot.words.push_back(word),
            }
            if word == EDGE {
                return true;
            }
        }
        false
    }

    /// The next word on one side and how well it fits, backing off from three words of context to one.
    fn next(&self, grown: &VecDeque<WordId>, side: Side, rng: &mut impl Rng) -> Option<(WordId, f32)> {
        let inwards: Vec<WordId> = match side {
            Side::Left => grown.iter().take(MAX_QUOTED).copied().collect(),
            Side::Right => grown.iter().rev().take(MAX_QUOTED).copied().collect(),
        };
        let mut only_choice = None;
        for order in (1..=MAX_ORDER.min(inwards.len())).rev() {
            let mut options = tally(&self.voice.beside(&inwards[..order], side));
            let Some(word) = self.choose_unquoted(&mut options, &inwards, side, rng) else { continue };
            let choice = Some((word, FIT[order - 1]));
            if options.len() > 1 || order == 1 {
                // What one word suggests is taken instead of what more words demand only where the mind strays.
                return if options.len() > 1 { choice } else { only_choice.or(choice) };
            }
            only_choice = only_choice.or(choice);
            if rng.random::<f32>() >= STRAY * self.temperature {
                break;
            }
        }
        only_choice
    }

    /// One of `options` that would not quote. Those found to do so are removed; most are never looked at.
    fn choose_unquoted(
        &self,
        options: &mut Vec<(WordId, f32)>,
        inwards: &[WordId],
        side: Side,
        rng: &mut impl Rng,
    ) -> Option<WordId> {
        loop {
            let chosen = choose(options, self.temperature, rng)?;
            if !self.would_quote(inwards, chosen, side) {
                return Some(chosen);
            }
            options.retain(|&(word, _)| word != chosen);
        }
    }

    /// Whether `word`, put beside the words that go `inwards` from there, makes a run too long to be taken from one line.
    fn would_quote(&self, inwards: &[WordId], word: WordId, side: Side) -> bool {
        let is_short = inwards.len() < MAX_QUOTED || inwards.contains(&EDGE);
        if word == EDGE || is_short {
            return false;
        }
        let mut run: Vec<WordId> = std::iter::once(word).chain(inwards.iter().copied()).collect();
        if side == Side::Right {
            run.reverse();
        }
        self.voice.quotes(&run)
    }
}

impl Shoot {
    fn finished(self, ends_whole: bool) -> Option<Draft> {
        let words: Vec<WordId> = self.words.into_iter().filter(|&word| word != EDGE).collect();
        (!words.is_empty()).then_some(Draft { words, ends_whole, fits: self.fits })
    }
}

/// How often each word stands in `sorted`.
fn tally(sorted: &[WordId]) -> Vec<(WordId, f32)> {
    sorted.chunk_by(PartialEq::eq).map(|same| (same[0], same.len() as f32)).collect()
}

/// One of `options`, by weights that the temperature sharpens or flattens; at 0 the first of the heaviest.
fn choose<T: Copy>(options: &[(T, f32)], temperature: f32, rng: &mut impl Rng) -> Option<T> {
    let heaviest = options.iter().map(|&(_, weight)| weight).reduce(f32::max)?;
    // Below this the powers would leave the range of f32 without changing any choice.
    let sharpness = 1.0 / temperature.max(0.02);
    let power = |weight: f32| (weight / heaviest).powf(sharpness);
    if temperature <= 0.0 {
        return options.iter().find(|&&(_, weight)| weight == heaviest).map(|&(option, _)| option);
    }
    let total: f32 = options.iter().map(|&(_, weight)| power(weight)).sum();
    let mut left = rng.random::<f32>() * total;
    let passed = options.iter().find(|&&(_, weight)| {
        left -= power(weight);
        left < 0.0
    });
    passed.or(options.last()).map(|&(option, _)| option)
}
