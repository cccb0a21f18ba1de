//! The grammar: rules with weighted alternatives, read from the text files of `words/` and `rules/`, and their
//! expansion into plain sentences. It knows nothing of who speaks but the register and the names it is given.
//!
//! A template is text with three kinds of brackets:
//!
//! - `[now|later|]` is one of these, the last being nothing.
//! - `{food}` is an expansion of the rule `food`, or of `food.formal` where the speaker is formal and such a rule exists.
//! - `{thing=tool}` is an expansion of `tool` that is kept under the name `thing`: whoever says `{thing}` later in the
//!   same scene says the same. `{thing:s}`, `{do:ed}` and so on are [forms](super::inflect::Form).

use std::{collections::BTreeMap, sync::LazyLock};

use super::{chance::Chance, inflect::Form};

/// What an expansion can refer to.
pub(super) struct Scope {
    /// Values by their name: those that templates kept, and the names of the people.
    pub(super) kept: BTreeMap<String, String>,
    /// The suffix of the rules that the speaker prefers, such as `formal`.
    pub(super) register: &'static str,
}

/// Text with slots and choices.
pub(super) struct Template(Vec<Piece>);

enum Piece {
    Text(&'static str),
    Choice(Vec<Template>),
    Slot { name: &'static str, rule: &'static str, keep: bool, form: Form },
}

/// Every rule, by name.
pub(super) struct Grammar(BTreeMap<&'static str, Vec<(usize, Template)>>);

/// How often a speaker prefers the rule of their register where there is one, of 100.
const REGISTER_SHARE: usize = 75;

/// The grammar of the program's own files.
pub(super) static GRAMMAR: LazyLock<Grammar> = LazyLock::new(|| {
    let mut grammar = Grammar(BTreeMap::new());
    let words = [
        include_str!("words/people.txt"),
        include_str!("words/things.txt"),
        include_str!("words/food.txt"),
        include_str!("words/places.txt"),
        include_str!("words/qualities.txt"),
        include_str!("words/doings.txt"),
        include_str!("words/times.txt"),
        include_str!("words/leisure.txt"),
        include_str!("words/more.txt"),
        include_str!("words/computers.txt"),
    ];
    for file in words {
        grammar.read(file, |line| line.split(',').map(str::trim).filter(|entry| !entry.is_empty()).collect());
    }
    for file in [
        include_str!("rules/acts.txt"),
        include_str!("rules/small_talk.txt"),
        include_str!("rules/longer.txt"),
        include_str!("rules/voices.txt"),
    ] {
        grammar.read(file, |line| vec![line]);
    }
    grammar
});

impl Grammar {
    /// Adds the rules of a file: `= name` opens a rule, `#` a comment, and `alternatives` cuts any other line.
    fn read(&mut self, file: &'static str, alternatives: impl Fn(&'static str) -> Vec<&'static str>) {
        let mut rule = "";
        for line in file.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            match line.strip_prefix("= ") {
                Some(name) => rule = name,
                None => self.0.entry(rule).or_default().extend(alternatives(line).into_iter().map(weighted)),
            }
        }
    }

    /// Whether there is a rule of this name.
    pub(super) fn has(&self, rule: &str) -> bool {
        self.0.contains_key(rule)
    }

    /// One expansion of `rule`.
    pub(super) fn say(&self, rule: &str, scope: &mut Scope, chance: &mut Chance) -> String {
        let mut said = String::new();
        self.expand_rule(rule, scope, chance, &mut said);
        said
    }

    /// One expansion of `template`.
    pub(super) fn fill(&self, template: &Template, scope: &mut Scope, chance: &mut Chance) -> String {
        let mut said = String::new();
        self.expand(template, scope, chance, &mut said);
        said
    }

    /// Draws and keeps whatever `template` may keep, so that it is there even where the choice that names it is not taken.
    pub(super) fn prepare(&self, template: &Template, scope: &mut Scope, chance: &mut Chance) {
        for piece in &template.0 {
            match piece {
                Piece::Choice(options) => options.iter().for_each(|option| self.prepare(option, scope, chance)),
                Piece::Slot { name, rule, keep: true, .. } if !scope.kept.contains_key(*name) => {
                    let value = self.say(rule, scope, chance);
                    scope.kept.insert((*name).to_owned(), value);
                }
                Piece::Text(_) | Piece::Slot { .. } => {}
            }
        }
    }

    fn expand_rule(&self, rule: &str, scope: &mut Scope, chance: &mut Chance, said: &mut String) {
        let special = format!("{rule}.{}", scope.register);
        let rule = if self.has(&special) && chance.percent(REGISTER_SHARE) { special.as_str() } else { rule };
        let alternatives = self.0.get(rule).unwrap_or_else(|| panic!("the grammar has no rule {rule:?}"));
        let mut place = chance.below(alternatives.iter().map(|(weight, _)| weight).sum());
        for (weight, template) in alternatives {
            if place < *weight {
                return self.expand(template, scope, chance, said);
            }
            place -= weight;
        }
    }

    fn expand(&self, template: &Template, scope: &mut Scope, chance: &mut Chance, said: &mut String) {
        for piece in &template.0 {
            match piece {
                Piece::Text(text) => said.push_str(text),
                Piece::Choice(options) => self.expand(chance.pick(options), scope, chance, said),
                Piece::Slot { name, rule, keep, form } => {
                    if let Some(value) = scope.kept.get(*name) {
                        said.push_str(&form.of(value));
                        continue;
                    }
                    let value = self.say(rule, scope, chance);
                    said.push_str(&form.of(&value));
                    if *keep {
                        scope.kept.insert((*name).to_owned(), value);
                    }
                }
            }
        }
    }
}

/// An alternative with its weight: `3* text` is drawn three times as often as `text`.
fn weighted(alternative: &'static str) -> (usize, Template) {
    if let Some((weight, text)) = alternative.split_once("* ")
        && let Ok(weight) = weight.parse()
    {
        return (weight, Template::parse(text));
    }
    (1, Template::parse(alternative))
}

impl Template {
    pub(super) fn parse(text: &'static str) -> Self {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find(['[', '{']) {
            if open > 0 {
                pieces.push(Piece::Text(&rest[..open]));
            }
            let inside = &rest[open + 1..];
            let close = closing(inside).unwrap_or_else(|| panic!("a bracket stays open in {text:?}"));
            pieces.push(match rest.as_bytes()[open] {
                b'[' => Piece::Choice(options(&inside[..close]).into_iter().map(Self::parse).collect()),
                _ => slot(&inside[..close]),
            });
            rest = &inside[close + 1..];
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest));
        }
        Self(pieces)
    }

    /// Each slot's name, rule and whether it keeps, with those in choices.
    #[cfg(test)]
    pub(super) fn slots(&self) -> Vec<(&'static str, &'static str, bool)> {
        let mut slots = Vec::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(_) => {}
                Piece::Choice(options) => slots.extend(options.iter().flat_map(Template::slots)),
                Piece::Slot { name, rule, keep, .. } => slots.push((*name, *rule, *keep)),
            }
        }
        slots
    }
}

/// Where the bracket that was opened just before `text` is closed.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0;
    for (place, character) in text.char_indices() {
        match character {
            '[' | '{' => depth += 1,
            ']' | '}' if depth == 0 => return Some(place),
            ']' | '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

fn options(text: &'static str) -> Vec<&'static str> {
    let mut options = Vec::new();
    let (mut depth, mut start) = (0, 0);
    for (place, character) in text.char_indices() {
        match character {
            '[' | '{' => depth += 1,
            ']' | '}' => depth -= 1,
            '|' if depth == 0 => {
                options.push(&text[start..place]);
                start = place + 1;
            }
            _ => {}
        }
    }
    options.push(&text[start..]);
    options
}

fn slot(text: &'static str) -> Piece {
    let (named, form) = match text.split_once(':') {
        Some((named, form)) => (named, Form::named(form).unwrap_or_else(|| panic!("there is no form {form:?}"))),
        None => (text, Form::Plain),
    };
    match named.split_once('=') {
        Some((name, rule)) => Piece::Slot { name, rule, keep: true, form },
        None => Piece::Slot { name: named, rule: named, keep: false, form },
    }
}

/// Names that a sitting puts into the scope before somebody speaks.
#[cfg(test)]
pub(super) const GIVEN: [&str; 11] = ["A", "B", "C", "D", "E", "F", "G", "other", "own", "ownkind", "cry"];

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(template: &'static str, expected: Expect) {
        let mut chance = Chance::seeded(11);
        let template = Template::parse(template);
        let said: Vec<String> = (0..4)
            .map(|_| {
                let mut scope = Scope { kept: BTreeMap::new(), register: "plain" };
                GRAMMAR.fill(&template, &mut scope, &mut chance)
            })
            .collect();
        expected.assert_eq(&said.join("\n"));
    }

    #[test]
    fn every_slot_names_a_rule_or_a_given_name() {
        for (rule, alternatives) in &GRAMMAR.0 {
            for (_, template) in alternatives {
                for (name, drawn, keep) in template.slots() {
                    let given = GIVEN.contains(&name) || name == "thing";
                    let known = GRAMMAR.has(drawn) || (!keep && given);
                    assert!(known, "the rule {rule:?} names {drawn:?}, which does not exist");
                }
            }
        }
    }

    #[test]
    fn what_is_kept_is_said_again() {
        check(
            "{x=pet:a} and [two|three] {x:s}",
            expect![[r#"
            a parrot and two parrots
            a greyhound and two greyhounds
            a gecko and two geckos
            a terrier and three terriers"#]],
        );
    }

    #[test]
    fn forms_agree() {
        check(
            "I {d=chore:ed}, she {d:es}, we have {d:en}, stop {d:ing}",
            expect![[r#"
            I bled the radiators, she bleeds the radiators, we have bled the radiators, stop bleeding the radiators
            I cleaned out the greyhound, she cleans out the greyhound, we have cleaned out the greyhound, stop cleaning out the greyhound
            I fixed the doorbell, she fixes the doorbell, we have fixed the doorbell, stop fixing the doorbell
            I varnished the stool, she varnishes the stool, we have varnished the stool, stop varnishing the stool"#]],
        );
    }
}
