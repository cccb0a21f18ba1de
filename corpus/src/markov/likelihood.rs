//! How likely it is that a member's chain says something: the Markov voice as a probability, so that a model can be
//! measured beside it.
//!
//! A text is the words between its spaces and then its end, which makes every text one sequence of words and every
//! sequence one text. Each next word is judged by the latest three, two, one and no words, each time as the member went
//! on and as the group did, and a word that nobody has said by its spelling. So there is no text of probability 0, and
//! the probabilities of all texts sum to one.
//!
//! What was never seen in a context gets what Witten and Bell's method C sets aside: with `n` words seen after the
//! context, `t` of them different, the share `t / (n + t)` goes by the next shorter context. Source: Ian H. Witten and
//! Timothy C. Bell, "The zero-frequency problem", IEEE Transactions on Information Theory 37(4), 1991.

use std::{
    collections::{HashMap, hash_map::Entry},
    hash::Hash,
};

use chat::MemberId;

use super::voice::fold;

/// How many words are looked back at: as many as the chain that speaks looks back at.
const WORDS: usize = 3;
/// How many letters of a word are looked back at where its spelling is judged.
const LETTERS: usize = 5;
/// What a word can go on with: every character but the space, or its end.
const ALPHABET: f64 = (0x11_0000 - 0x800) as f64;

/// The number of what stands before the first word of a text and after its last.
const EDGE: u32 = 0;
/// The number of a word that nobody has said.
const UNKNOWN: u32 = u32::MAX;
/// Stands where a context does not look.
const ANYTHING: u32 = u32::MAX - 1;
/// Stand, among letters, for the two ends of a word: they are the numbers of no character.
const BEGINNING: u32 = 0x11_0000;
const END: u32 = 0x11_0001;

/// Counts of what followed what.
#[derive(Debug)]
struct Followers<Context> {
    seen: HashMap<(Context, u32), u32>,
    totals: HashMap<Context, Total>,
}

/// What followed one context in all.
#[derive(Debug, Default, Clone, Copy)]
struct Total {
    count: u32,
    different: u32,
}

impl<Context: Copy + Eq + Hash> Followers<Context> {
    fn new() -> Self {
        Self { seen: HashMap::new(), totals: HashMap::new() }
    }

    fn learn(&mut self, context: Context, next: u32) {
        let total = self.totals.entry(context).or_default();
        total.count += 1;
        match self.seen.entry((context, next)) {
            Entry::Occupied(mut seen) => *seen.get_mut() += 1,
            Entry::Vacant(new) => {
                new.insert(1);
                total.different += 1;
            }
        }
    }

    /// How likely `next` is by the contexts, which come from the shortest to the longest.
    fn look(&self, contexts: impl Iterator<Item = Context>, next: u32) -> Outlook {
        contexts.fold(Outlook { seen: 0.0, unseen: 1.0 }, |shorter, context| {
            let Some(total) = self.totals.get(&context) else { return shorter };
            let count = f64::from(self.seen.get(&(context, next)).copied().unwrap_or(0));
            let (all, different) = (f64::from(total.count), f64::from(total.different));
            let novelty = different / (all + different);
            Outlook { seen: count / (all + different) + novelty * shorter.seen, unseen: novelty * shorter.unseen }
        })
    }
}

/// How likely something is next: `seen + unseen * p`, where `p` is its probability without any context.
#[derive(Debug, Clone, Copy)]
struct Outlook {
    seen: f64,
    unseen: f64,
}

impl Outlook {
    /// The binary logarithm, given that of `p`. A long word's `p` can be less than any number of 64 bits.
    fn log2(self, without_context: f64) -> f64 {
        match self.seen {
            0.0 => self.unseen.log2() + without_context,
            seen => (seen + self.unseen * without_context.exp2()).log2(),
        }
    }
}

/// What a word stands after. Of the words, the nearest first, the nearest counts as it was written and the others without
/// case and punctuation, as in the chain that speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Phrase {
    /// Who says it; none for anybody of the group.
    by: Option<MemberId>,
    words: [u32; WORDS],
}

/// The letters before a letter, the nearest first.
type Spelling = [u32; LETTERS];

/// The chains of a group's members as probability distributions over texts.
///
/// It keeps each transition of all that it learned, about 0.5 kB a word where nothing repeats.
#[derive(Debug)]
pub struct Likelihood {
    words: HashMap<String, u32>,
    folds: HashMap<String, u32>,
    /// By the number of a word.
    fold_of: Vec<u32>,
    phrases: Followers<Phrase>,
    spellings: Followers<Spelling>,
    messages: u32,
    said: u32,
    alphabet: f64,
}

impl Default for Likelihood {
    fn default() -> Self {
        Self::over(ALPHABET)
    }
}

impl Likelihood {
    /// A group that nobody has spoken in yet: all characters are equally likely.
    pub fn new() -> Self {
        Self::default()
    }

    fn over(alphabet: f64) -> Self {
        Self {
            words: HashMap::new(),
            folds: HashMap::new(),
            fold_of: vec![EDGE],
            phrases: Followers::new(),
            spellings: Followers::new(),
            messages: 0,
            said: 0,
            alphabet,
        }
    }

    /// Adds a text to what `member` has said.
    pub fn learn(&mut self, member: MemberId, text: &str) {
        let mut before = [EDGE; WORDS];
        for word in text.split(' ') {
            let word = self.intern(word);
            self.learn_word(member, &before, word);
            self.said += 1;
            before = self.after(before, word);
        }
        self.learn_word(member, &before, EDGE);
        self.messages += 1;
    }

    /// How many bits `member` needs to say `text` and to end there: the negative binary logarithm of its probability.
    pub fn bits(&self, member: MemberId, text: &str) -> f64 {
        let (messages, said) = (f64::from(self.messages), f64::from(self.said));
        // Without any context the end is as likely as ends are among words and ends.
        let end = (messages + 1.0) / (messages + said + 2.0);
        let mut before = [EDGE; WORDS];
        // Every text has a first word, if only an empty one: what the end would get in its place is shared by all words.
        let ends_at_once = self.phrases.look(contexts(member, &before), EDGE).log2(end.log2()).exp2();
        let mut bits = (1.0 - ends_at_once).log2();
        for word in text.split(' ') {
            let number = self.words.get(word).copied().unwrap_or(UNKNOWN);
            let without_context = (1.0 - end).log2() + self.log2_of_spelling(word);
            bits -= self.phrases.look(contexts(member, &before), number).log2(without_context);
            before = self.after(before, number);
        }
        bits - self.phrases.look(contexts(member, &before), EDGE).log2(end.log2())
    }

    fn learn_word(&mut self, member: MemberId, before: &[u32; WORDS], word: u32) {
        contexts(member, before).for_each(|context| self.phrases.learn(context, word));
    }

    /// The words before the next, once this one was said.
    fn after(&self, before: [u32; WORDS], word: u32) -> [u32; WORDS] {
        let nearest = self.fold_of.get(before[0] as usize).copied().unwrap_or(UNKNOWN);
        [word, nearest, before[1]]
    }

    fn intern(&mut self, word: &str) -> u32 {
        if let Some(&number) = self.words.get(word) {
            return number;
        }
        let number =
            u32::try_from(self.fold_of.len()).expect("a group has said fewer than four thousand million words");
        let next_fold = u32::try_from(self.folds.len() + 1).expect("there are no more folds than words");
        self.fold_of.push(*self.folds.entry(fold(word)).or_insert(next_fold));
        self.words.insert(word.to_owned(), number);
        // Once for each word and not for each time that it was said: what is judged by its spelling is rare.
        for (context, letter) in spelling(word) {
            orders(&context, BEGINNING).for_each(|context| self.spellings.learn(context, letter));
        }
        number
    }

    /// The binary logarithm of the probability that a word is spelled so.
    fn log2_of_spelling(&self, word: &str) -> f64 {
        let floor = -self.alphabet.log2();
        let letters = spelling(word);
        letters.map(|(before, letter)| self.spellings.look(orders(&before, BEGINNING), letter).log2(floor)).sum()
    }
}

/// What the next word is judged by, from the least telling to the most: each number of words, of the group and then of
/// the member.
fn contexts(member: MemberId, before: &[u32; WORDS]) -> impl Iterator<Item = Phrase> + use<> {
    orders(before, EDGE).flat_map(move |words| [None, Some(member)].map(|by| Phrase { by, words }))
}

/// Each letter of a word and its end, with the letters before it.
fn spelling(word: &str) -> impl Iterator<Item = (Spelling, u32)> {
    let mut before = [ANYTHING; LETTERS];
    before[0] = BEGINNING;
    word.chars().map(u32::from).chain([END]).map(move |letter| {
        let context = before;
        before.rotate_right(1);
        before[0] = letter;
        (context, letter)
    })
}

/// The shorter beginnings of a context, from nothing to all of it; what lies beyond the edge tells nothing.
fn orders<const LENGTH: usize>(before: &[u32; LENGTH], edge: u32) -> impl Iterator<Item = [u32; LENGTH]> + use<LENGTH> {
    let before = *before;
    let whole = before.iter().position(|&word| word == edge).map_or(LENGTH, |place| place + 1);
    (0..=whole).map(move |order| std::array::from_fn(|place| if place < order { before[place] } else { ANYTHING }))
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    const ADA: MemberId = MemberId(1);
    const BEN: MemberId = MemberId(2);

    /// A group whose letters are a and b.
    fn babblers() -> Likelihood {
        let mut likelihood = Likelihood::over(3.0);
        for (member, text) in [(ADA, "a"), (ADA, "b"), (BEN, "b"), (ADA, "a b"), (BEN, ""), (BEN, "a"), (ADA, "")] {
            (0..3).for_each(|_| likelihood.learn(member, text));
        }
        likelihood
    }

    fn friends() -> Likelihood {
        let mut likelihood = Likelihood::new();
        for text in ["the boat is leaking", "the boat needs paint", "Boat, boat, boat", "is the paint dry?"] {
            likelihood.learn(ADA, text);
        }
        for text in ["no worries", "no worries!!", "the cake is eaten", "who ate the cake"] {
            likelihood.learn(BEN, text);
        }
        likelihood
    }

    /// All texts of so many letters and spaces.
    fn texts(length: usize) -> Vec<String> {
        (0..length).fold(vec![String::new()], |shorter, _| {
            shorter.iter().flat_map(|text| ['a', 'b', ' '].map(|letter| format!("{text}{letter}"))).collect()
        })
    }

    #[test]
    fn the_probabilities_of_all_texts_sum_to_one() {
        for member in [ADA, BEN, MemberId(3)] {
            let likelihood = babblers();
            let mut sum = 0.0;
            for length in 0..=7 {
                sum += texts(length).iter().map(|text| (-likelihood.bits(member, text)).exp2()).sum::<f64>();
                assert!(sum < 1.0, "{sum} up to a length of {length}");
            }
            assert!(sum > 0.999, "{sum} of member {member}");
        }
    }

    #[test]
    fn after_everything_the_probabilities_of_what_may_follow_sum_to_one() {
        let likelihood = friends();
        let boat = likelihood.words["boat"];
        for before in [[EDGE; 3], [boat, EDGE, EDGE], [boat, likelihood.folds["the"], EDGE], [UNKNOWN, EDGE, EDGE]] {
            let look = |next| likelihood.phrases.look(contexts(ADA, &before), next);
            let seen: f64 = (0..likelihood.fold_of.len()).map(|next| look(next as u32).seen).sum();
            assert!((seen + look(UNKNOWN).unseen - 1.0).abs() < 1e-12, "{before:?}");
        }
        for word in ["", "b", "boa", "xyz", "worries"] {
            let before = spelling(word).last().unwrap().0;
            let look = |letter| likelihood.spellings.look(orders(&before, BEGINNING), letter);
            let seen: f64 = (0..0x80).chain([END]).map(|letter| look(letter).seen).sum();
            assert!((seen + look(END + 1).unseen - 1.0).abs() < 1e-9, "{word}");
        }
    }

    #[test]
    fn a_chain_of_one_text_can_be_computed_by_hand() {
        // Words and ends are as likely after the first word, and a word ends at once or goes on with a.
        let mut likelihood = Likelihood::over(2.0);
        let close = |bits: f64, probability: f64| assert!((bits + probability.log2()).abs() < 1e-12, "{bits}");
        close(likelihood.bits(ADA, ""), 0.5 * 0.5);
        close(likelihood.bits(ADA, "a"), 0.25 * 0.5);
        likelihood.learn(ADA, "a");
        // Two things of two kinds were seen without any context; one of one kind after the edge, and after "a".
        let by_two = |p: f64| (1.0 + 2.0 * p) / (2.0 + 2.0);
        let by_one = |p: f64| (1.0 + p) / (1.0 + 1.0);
        let spelled = by_one(by_two(0.5)) * by_one(by_one(by_two(0.5)));
        // Each time by the group and then by her.
        let mixed = |p: f64| by_one(by_one(by_two(by_two(p))));
        let after_a = |p: f64| by_one(by_one(mixed(p)));
        let ends_at_once = by_two(by_two(0.5)) / 2.0 / 2.0;
        close(likelihood.bits(ADA, "a"), mixed(0.5 * spelled) / (1.0 - ends_at_once) * after_a(0.5));
    }

    /// Shows the bits a character, the end counted as one.
    fn check(texts: &[&str], expected: Expect) {
        let likelihood = friends();
        let rate = |member, text: &str| likelihood.bits(member, text) / (text.chars().count() + 1) as f64;
        let shown = texts.iter().map(|text| format!("{:.2} {:.2} {text}\n", rate(ADA, text), rate(BEN, text)));
        expected.assert_eq(&shown.collect::<String>());
    }

    #[test]
    fn what_a_member_says_is_likeliest_by_that_member_and_nothing_is_impossible() {
        check(
            &["the boat needs paint", "no worries", "the boat ate the cake", "boats", "船", "", "a  b"],
            expect![[r#"
                0.12 0.28 the boat needs paint
                0.49 0.23 no worries
                0.75 0.55 the boat ate the cake
                4.02 3.97 boats
                17.35 17.19 船
                12.32 12.00 
                7.73 7.60 a  b
            "#]],
        );
    }

    #[test]
    fn what_is_endless_and_unknown_still_has_a_number_of_bits() {
        let bits = friends().bits(ADA, &"船".repeat(5_000));
        assert!(bits.is_finite() && bits > 5_000.0, "{bits}");
    }
}
