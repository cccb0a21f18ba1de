//! The people of a sitting: a name, a style, and phrases of their own that they come back to.

use std::collections::BTreeMap;

use super::{
    chance::Chance,
    grammar::{GRAMMAR, Scope},
    style::Style,
};

/// How many come back from sitting to sitting.
const REGULARS: usize = 64;
/// How many of those who sit there are regulars, of 100.
const REGULAR_PERCENT: usize = 65;

/// Somebody who talks in a sitting.
#[derive(Clone)]
pub(super) struct Person {
    pub(super) name: String,
    pub(super) style: Style,
    /// What they begin with, such as `right so`.
    opener: String,
    /// What they end with, such as `mark my words`.
    tag: String,
    /// What they say for itself, such as `story of my life`.
    pub(super) cry: String,
    /// The name of what they cannot stop mentioning, such as their van's.
    pub(super) own: String,
    /// What that is, such as `van`.
    pub(super) own_kind: String,
    /// How often a phrase of their own comes with what they say, of 100.
    phrase_percent: usize,
}

/// Who may come to a sitting: regulars, who always write alike, so that a name says something, and guests, of whom nothing
/// is known but what they have just written.
pub(super) struct People {
    regulars: Vec<Person>,
}

impl People {
    pub(super) fn drawn(chance: &mut Chance) -> Self {
        Self { regulars: different(REGULARS, || Person::drawn(chance)) }
    }

    /// `count` people of different names.
    pub(super) fn group(&self, count: usize, chance: &mut Chance) -> Vec<Person> {
        different(count, || match chance.percent(REGULAR_PERCENT) {
            true => chance.pick(&self.regulars).clone(),
            false => self.guest(chance),
        })
    }

    fn guest(&self, chance: &mut Chance) -> Person {
        loop {
            let guest = Person::drawn(chance);
            if self.regulars.iter().all(|regular| regular.name != guest.name) {
                return guest;
            }
        }
    }
}

/// So many people of different names.
fn different(count: usize, mut next: impl FnMut() -> Person) -> Vec<Person> {
    let mut people: Vec<Person> = Vec::with_capacity(count);
    while people.len() < count {
        let person = next();
        if people.iter().all(|known| known.name != person.name) {
            people.push(person);
        }
    }
    people
}

impl Person {
    fn drawn(chance: &mut Chance) -> Self {
        let style = Style::drawn(chance);
        let mut scope = Scope { kept: BTreeMap::new(), register: style.register.name() };
        let mut say = |rule| GRAMMAR.say(rule, &mut scope, chance);
        let name = say("name");
        let own_kind = say("pet.kind");
        scope.kept.insert("ownkind".to_owned(), own_kind.clone());
        let own = GRAMMAR.say("pet.name", &mut scope, chance);
        scope.kept.insert("own".to_owned(), own.clone());
        let mut say = |rule| GRAMMAR.say(rule, &mut scope, chance);
        Self {
            opener: say("pet.opener"),
            tag: say("pet.tag"),
            cry: say("pet.cry"),
            phrase_percent: 6 + 3 * chance.below(7),
            name,
            own,
            own_kind,
            style,
        }
    }

    /// `plain` with a phrase of their own before or after it, now and then.
    pub(super) fn flavoured(&self, plain: String, chance: &mut Chance) -> String {
        if !chance.percent(self.phrase_percent) {
            return plain;
        }
        match chance.below(5) {
            0 | 1 => format!("{}, {plain}", self.opener),
            2 => format!("{} {}.", ended(&plain), self.cry),
            _ => match plain.strip_suffix(['.', '!']).unwrap_or(&plain) {
                question if question.ends_with('?') => format!("{question} {}.", self.tag),
                statement => format!("{statement}, {}.", self.tag),
            },
        }
    }
}

fn ended(text: &str) -> String {
    if text.ends_with(['.', '!', '?']) { text.to_owned() } else { format!("{text}.") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_names_and_differ() {
        let mut chance = Chance::seeded(3);
        let all = People::drawn(&mut chance);
        for _ in 0..400 {
            let people = all.group(7, &mut chance);
            for (place, person) in people.iter().enumerate() {
                assert_eq!(chat::sanitise::name(&person.name), person.name);
                assert!(people[..place].iter().all(|other| other.name != person.name));
            }
        }
    }

    #[test]
    fn the_five_friends_of_the_sample_are_among_them() {
        let mut chance = Chance::seeded(4);
        let people = People::drawn(&mut chance);
        let groups = (0..2_000).flat_map(|_| people.group(5, &mut chance));
        let names: Vec<String> = groups.map(|person| person.name).collect();
        for friend in ["Juno", "Ambrose", "Tilda", "Ines", "Rafi"] {
            assert!(names.iter().any(|name| name == friend), "{friend} never came");
        }
    }
}
