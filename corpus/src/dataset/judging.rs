//! Decides of each message that is kept whether it is an answer, and in which split.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap, HashSet},
};

use chat::MemberId;

use super::{
    Options, Rule, Split,
    rules::{balance, duplicates::Duplicates, near_duplicates::NearDuplicates, normal::Normal, thinning::Thinning},
    sitting::{Said, Sitting},
    split,
};

/// What becomes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It stands in windows, and under this rule is no answer.
    WindowOnly(Rule),
    /// It is the answer of a pair of rows, and stands in windows.
    Answer(Split),
}

/// The fate of each message. The sittings come by time, and so are the messages judged: what repeats something earlier is
/// the repetition.
pub(super) fn judge(said: &[Said], sittings: &[Sitting], options: &Options) -> Vec<Fate> {
    let mut judging = Judging { said, sittings, options, barred_by: vec![None; said.len()] };
    judging.bar_single_messages();
    judging.bar_repetitions();
    judging.bar_the_quiet();
    let splits = judging.splits();
    judging.balance(&splits);
    let fate = |(barred_by, split): (Option<Rule>, Split)| barred_by.map_or(Fate::Answer(split), Fate::WindowOnly);
    judging.barred_by.into_iter().zip(splits).map(fate).collect()
}

struct Judging<'d> {
    said: &'d [Said],
    sittings: &'d [Sitting],
    options: &'d Options,
    /// Why each message is no answer, as far as is known yet.
    barred_by: Vec<Option<Rule>>,
}

impl Judging<'_> {
    fn bar_single_messages(&mut self) {
        for sitting in self.sittings {
            for place in sitting.said.clone() {
                let is_first = place == sitting.said.start;
                self.barred_by[place] = if is_first { Some(Rule::Opening) } else { self.said[place].barred_by };
            }
        }
    }

    /// The places that are answers yet, by time.
    fn candidates(&self) -> Vec<usize> {
        let all = self.sittings.iter().flat_map(|sitting| sitting.said.clone());
        all.filter(|&place| self.barred_by[place].is_none()).collect()
    }

    fn bar_repetitions(&mut self) {
        let follows = |rule| self.options.follows(rule);
        let (equal, near, thin) = (follows(Rule::Duplicates), follows(Rule::NearDuplicates), follows(Rule::Thinning));
        let (mut duplicates, mut near_duplicates, mut thinning) =
            (Duplicates::default(), NearDuplicates::default(), Thinning::default());
        for place in self.candidates() {
            let answer = Normal::new(&self.said[place].text);
            if equal && duplicates.is_one(&answer) {
                self.barred_by[place] = Some(Rule::Duplicates);
            } else if near && near_duplicates.is_one(&answer) {
                self.barred_by[place] = Some(Rule::NearDuplicates);
            } else if thin {
                thinning.add(self.said[place].member, &answer);
            }
        }
        if thin {
            for (place, is_kept) in self.candidates().into_iter().zip(thinning.kept()) {
                self.barred_by[place] = (!is_kept).then_some(Rule::Thinning);
            }
        }
    }

    /// Bars whoever is not among those who answer most; of two who answer as often, the one who is known longer is.
    fn bar_the_quiet(&mut self) {
        let Some(most) = self.options.busiest else { return };
        let candidates = self.candidates();
        let mut answers: HashMap<MemberId, usize> = HashMap::new();
        for &place in &candidates {
            *answers.entry(self.said[place].member).or_default() += 1;
        }
        let mut members: Vec<MemberId> = answers.keys().copied().collect();
        members.sort_by_key(|member| (Reverse(answers[member]), *member));
        let busiest: HashSet<MemberId> = members.into_iter().take(most).collect();
        for place in candidates {
            if !busiest.contains(&self.said[place].member) {
                self.barred_by[place] = Some(Rule::Quiet);
            }
        }
    }

    /// The split of each message, which is that of its sitting.
    fn splits(&self) -> Vec<Split> {
        let answers: Vec<BTreeMap<MemberId, usize>> =
            self.sittings.iter().map(|sitting| self.answers_of(sitting)).collect();
        let counts: Vec<usize> = answers.iter().map(|answers| answers.values().sum()).collect();
        let mut assigned = split::assign(&counts, self.options.shares);
        if self.options.cover_regulars {
            split::cover_regulars(&mut assigned, &answers);
        }
        let mut splits = vec![Split::Train; self.said.len()];
        for (sitting, split) in self.sittings.iter().zip(assigned) {
            splits[sitting.said.clone()].fill(split);
        }
        splits
    }

    /// How many answers each member has in a sitting.
    fn answers_of(&self, sitting: &Sitting) -> BTreeMap<MemberId, usize> {
        let mut answers = BTreeMap::new();
        for place in sitting.said.clone().filter(|&place| self.barred_by[place].is_none()) {
            *answers.entry(self.said[place].member).or_default() += 1;
        }
        answers
    }

    fn balance(&mut self, splits: &[Split]) {
        if !self.options.follows(Rule::Balance) {
            return;
        }
        let candidates = self.candidates();
        let mut answers = HashMap::new();
        for &place in &candidates {
            *answers.entry((self.said[place].member, splits[place])).or_default() += 1;
        }
        let mut left = balance::limits(&answers, self.options.balance);
        for place in candidates.into_iter().rev() {
            match left.get_mut(&(self.said[place].member, splits[place])) {
                Some(left) if *left > 0 => *left -= 1,
                _ => self.barred_by[place] = Some(Rule::Balance),
            }
        }
    }
}
