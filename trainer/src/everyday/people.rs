//! The people of a sitting: a name, a style, and phrases of their own that they come back to.

use std::collections::BTreeMap;

use super::{
    chance::Chance,
    grammar::{GRAMMAR, Scope},
    style::Style,
};

/// Somebody who talks in a sitting.
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

/// `count` people of different names.
pub(super) fn group(count: usize, chance: &mut Chance) -> Vec<Person> {
    let mut people: Vec<Person> = Vec::with_capacity(count);
    while people.len() < count {
        let person = Person::drawn(chance);
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
        for _ in 0..400 {
            let people = group(7, &mut chance);
            for (place, person) in people.iter().enumerate() {
                assert_eq!(chat::sanitise::name(&person.name), person.name);
                assert!(people[..place].iter().all(|other| other.name != person.name));
            }
        }
    }

    #[test]
    fn the_five_friends_of_the_sample_are_among_them() {
        let mut chance = Chance::seeded(4);
        let names: Vec<String> = (0..900).flat_map(|_| group(5, &mut chance)).map(|person| person.name).collect();
        for friend in ["Juno", "Ambrose", "Tilda", "Ines", "Rafi"] {
            assert!(names.iter().any(|name| name == friend), "{friend} never came");
        }
    }
}
