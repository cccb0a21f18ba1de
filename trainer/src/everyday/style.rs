//! How somebody writes: traits that are drawn once for a person and stay visible in each of their messages.

use super::{
    chance::Chance,
    spelling::{EMOJI_SETS, LAUGHS, MISSPELLINGS, SHORT_FORMS},
};

/// The tone somebody takes. It also chooses among the grammar's rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Register {
    Plain,
    Formal,
    Dry,
    Excited,
    Casual,
}

impl Register {
    /// The suffix of the grammar's rules for this tone.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Formal => "formal",
            Self::Dry => "dry",
            Self::Excited => "excited",
            Self::Casual => "casual",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    Sentence,
    Lower,
    Capitals,
    /// A word or two in capitals, the rest as in a sentence.
    Emphatic,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Commas {
    Keep,
    Drop,
    Semicolons,
    Dots,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stops {
    Keep,
    Drop,
    /// None at the end of the message.
    DropLast,
    Exclaim,
    Dots,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Questions {
    Keep,
    Drop,
    Double,
    /// A full stop in place of the mark.
    Flat,
}

/// Beginning a message with the name of whom it is for, as is done in a channel where many talk at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Address {
    /// What follows the name: `:` or `,`.
    pub(super) mark: char,
    /// How often, of 100.
    pub(super) percent: usize,
}

/// Every trait of one person's writing.
#[derive(Debug, Clone)]
pub(super) struct Style {
    pub(super) register: Register,
    pub(super) case: Case,
    pub(super) commas: Commas,
    pub(super) stops: Stops,
    pub(super) questions: Questions,
    pub(super) apostrophes: bool,
    pub(super) address: Option<Address>,
    /// Sends each sentence, and some clauses, as a message of its own.
    pub(super) bursts: bool,
    /// Words that this person writes shorter or wrong, and how.
    pub(super) spellings: Vec<(&'static str, &'static str)>,
    pub(super) laugh: Option<&'static str>,
    pub(super) laugh_percent: usize,
    pub(super) emoji: Vec<&'static str>,
    pub(super) emoji_percent: usize,
    pub(super) emoji_most: usize,
    /// How often they add something to what they say, of 100.
    pub(super) more_percent: usize,
    pub(super) slip_percent: usize,
    pub(super) stretch_percent: usize,
}

impl Style {
    pub(super) fn drawn(chance: &mut Chance) -> Self {
        let tone = chance.weighted(&[
            (28, Register::Plain),
            (16, Register::Formal),
            (17, Register::Dry),
            (17, Register::Excited),
            (22, Register::Casual),
        ]);
        let mut style = Self::of(tone, chance);
        if chance.percent(30) {
            style.borrow_a_trait(chance);
        }
        style
    }

    /// The style of somebody in a channel: brief, without emoji, and mostly to somebody by name.
    pub(super) fn of_a_channel(chance: &mut Chance) -> Self {
        let address = Address { mark: *chance.pick(&[':', ',']), percent: *chance.pick(&[30, 70, 80, 90, 95]) };
        Self { address: Some(address), emoji_percent: 0, more_percent: 0, ..Self::drawn(chance) }
    }

    fn of(register: Register, chance: &mut Chance) -> Self {
        match register {
            Register::Plain => Self::plain(chance),
            Register::Formal => Self::formal(chance),
            Register::Dry => Self::dry(chance),
            Register::Excited => Self::excited(chance),
            Register::Casual => Self::casual(chance),
        }
    }

    /// One trait that does not go with the rest, as people have.
    fn borrow_a_trait(&mut self, chance: &mut Chance) {
        match chance.below(7) {
            0 => self.case = Case::Lower,
            1 => self.commas = *chance.pick(&[Commas::Semicolons, Commas::Dots, Commas::Drop]),
            2 => self.stops = *chance.pick(&[Stops::Dots, Stops::Drop, Stops::DropLast]),
            3 => (self.emoji, self.emoji_percent) = (palette(chance), 25),
            4 => self.questions = *chance.pick(&[Questions::Double, Questions::Flat, Questions::Drop]),
            5 => (self.laugh, self.laugh_percent) = (Some(*chance.pick(LAUGHS)), 20),
            _ => self.bursts = true,
        }
    }

    fn plain(chance: &mut Chance) -> Self {
        let case = chance.weighted(&[(6, Case::Sentence), (4, Case::Lower)]);
        Self {
            register: Register::Plain,
            case,
            commas: chance.weighted(&[(7, Commas::Keep), (2, Commas::Drop), (1, Commas::Dots)]),
            stops: chance.weighted(&[(4, Stops::Keep), (4, Stops::DropLast), (2, Stops::Drop)]),
            questions: chance.weighted(&[(8, Questions::Keep), (1, Questions::Drop)]),
            apostrophes: case == Case::Sentence || chance.percent(40),
            address: None,
            bursts: chance.percent(20),
            spellings: Vec::new(),
            laugh: chance.percent(50).then(|| *chance.pick(LAUGHS)),
            laugh_percent: 12,
            emoji: palette(chance),
            emoji_percent: chance.weighted(&[(5, 0), (3, 10), (2, 25)]),
            emoji_most: 1 + chance.below(2),
            more_percent: 10 + 10 * chance.below(5),
            slip_percent: 0,
            stretch_percent: 0,
        }
    }

    fn formal(chance: &mut Chance) -> Self {
        Self {
            register: Register::Formal,
            case: Case::Sentence,
            commas: chance.weighted(&[(4, Commas::Keep), (6, Commas::Semicolons)]),
            stops: Stops::Keep,
            questions: Questions::Keep,
            apostrophes: true,
            bursts: false,
            laugh: None,
            emoji_percent: 0,
            more_percent: 30 + 10 * chance.below(4),
            ..Self::plain(chance)
        }
    }

    fn dry(chance: &mut Chance) -> Self {
        Self {
            register: Register::Dry,
            case: chance.weighted(&[(8, Case::Sentence), (2, Case::Lower)]),
            commas: Commas::Keep,
            stops: Stops::Keep,
            questions: chance.weighted(&[(5, Questions::Keep), (5, Questions::Flat)]),
            apostrophes: true,
            bursts: false,
            laugh: None,
            emoji_percent: 0,
            ..Self::plain(chance)
        }
    }

    fn excited(chance: &mut Chance) -> Self {
        Self {
            register: Register::Excited,
            case: chance.weighted(&[(3, Case::Capitals), (6, Case::Emphatic), (2, Case::Lower)]),
            commas: chance.weighted(&[(5, Commas::Drop), (5, Commas::Keep)]),
            stops: chance.weighted(&[(5, Stops::Exclaim), (5, Stops::Drop)]),
            questions: chance.weighted(&[(5, Questions::Keep), (5, Questions::Double)]),
            apostrophes: chance.percent(75),
            bursts: chance.percent(30),
            emoji_percent: 30 + 10 * chance.below(6),
            emoji_most: 1 + chance.below(4),
            stretch_percent: 2 + chance.below(6),
            ..Self::plain(chance)
        }
    }

    fn casual(chance: &mut Chance) -> Self {
        let count = 4 + chance.below(SHORT_FORMS.len() / 2);
        let mut spellings = chance.sample(SHORT_FORMS, count);
        if chance.percent(50) {
            spellings.extend(chance.sample(MISSPELLINGS, MISSPELLINGS.len() / 2));
        }
        Self {
            register: Register::Casual,
            case: chance.weighted(&[(8, Case::Lower), (1, Case::Sentence)]),
            commas: chance.weighted(&[(5, Commas::Keep), (4, Commas::Drop), (2, Commas::Dots)]),
            stops: chance.weighted(&[(6, Stops::Drop), (3, Stops::DropLast), (1, Stops::Exclaim)]),
            questions: chance.weighted(&[(3, Questions::Keep), (4, Questions::Double), (4, Questions::Drop)]),
            apostrophes: chance.percent(10),
            bursts: chance.percent(35),
            spellings,
            laugh_percent: 8 + chance.below(20),
            slip_percent: chance.weighted(&[(5, 0), (3, 2), (2, 4)]),
            ..Self::plain(chance)
        }
    }
}

/// A few emoji that somebody likes.
fn palette(chance: &mut Chance) -> Vec<&'static str> {
    let set = *chance.pick(EMOJI_SETS);
    let few = 2 + chance.below(3);
    chance.sample(set, few)
}
