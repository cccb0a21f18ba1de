//! The people of a sitting: a name, a style, and phrases of their own that they come back to.

use std::collections::BTreeMap;

use super::{
    chance::Chance,
    grammar::{GRAMMAR, Scope},
    style::Style,
    voice::capitalised,
};

/// How many come back from sitting to sitting.
const REGULARS: usize = 64;
/// How many come back to the channel.
const CHANNEL_REGULARS: usize = 32;
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
    channel: Vec<Person>,
}

impl People {
    pub(super) fn drawn(chance: &mut Chance) -> Self {
        let regulars = different(REGULARS, || Person::drawn(chance));
        Self { regulars, channel: different(CHANNEL_REGULARS, || Person::of_a_channel(chance)) }
    }

    /// `count` people of different names.
    pub(super) fn group(&self, count: usize, chance: &mut Chance) -> Vec<Person> {
        some(count, &self.regulars, Person::drawn, chance)
    }

    /// `count` people of different names who meet in a channel.
    pub(super) fn channel(&self, count: usize, chance: &mut Chance) -> Vec<Person> {
        some(count, &self.channel, Person::of_a_channel, chance)
    }
}

/// `count` people of different names: some of the `regulars`, and guests of other names, drawn by `guest`.
fn some(count: usize, regulars: &[Person], guest: fn(&mut Chance) -> Person, chance: &mut Chance) -> Vec<Person> {
    different(count, || {
        if chance.percent(REGULAR_PERCENT) {
            return chance.pick(regulars).clone();
        }
        loop {
            let guest = guest(chance);
            if regulars.iter().all(|regular| regular.name != guest.name) {
                return guest;
            }
        }
    })
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
        let name = GRAMMAR.say("name", &mut scope, chance);
        Self::named(name, style, chance)
    }

    fn of_a_channel(chance: &mut Chance) -> Self {
        let name = handle(chance);
        Self::named(name, Style::of_a_channel(chance), chance)
    }

    fn named(name: String, style: Style, chance: &mut Chance) -> Self {
        let mut scope = Scope { kept: BTreeMap::new(), register: style.register.name() };
        let mut say = |rule| GRAMMAR.say(rule, &mut scope, chance);
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

/// A name that somebody made up for a channel, such as `zenwolf_` or `Tashi42`.
fn handle(chance: &mut Chance) -> String {
    let mut scope = Scope { kept: BTreeMap::new(), register: "plain" };
    let mut say = |rule, chance: &mut Chance| GRAMMAR.say(rule, &mut scope, chance);
    let mut parts = match chance.below(5) {
        0 => vec![say("handle.part", chance), say("handle.part", chance)],
        1 => vec![say("handle.part", chance)],
        2 => vec![say("first", chance)],
        more => vec![(1..more).map(|_| say("handle.syllable", chance)).collect()],
    };
    let capitals = chance.below(4);
    for (place, part) in parts.iter_mut().enumerate() {
        match capitals {
            0 => *part = capitalised(part),
            1 if place == 0 => *part = capitalised(part),
            _ => *part = part.to_lowercase(),
        }
    }
    let mut name = parts.join(chance.weighted(&[(6, ""), (1, "-"), (1, "_")]));
    match chance.below(6) {
        0 => name.push('_'),
        1 => name.push_str(&chance.below(100).to_string()),
        _ => {}
    }
    name
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
            for people in [all.group(7, &mut chance), all.channel(7, &mut chance)] {
                for (place, person) in people.iter().enumerate() {
                    assert_eq!(chat::sanitise::name(&person.name), person.name);
                    assert!(people[..place].iter().all(|other| other.name != person.name));
                }
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
