//! What the members of a community are called in prompts, so that a name means one of them.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::{Author, Line, Member, MemberId, Message, Persona, sanitise};

/// The names of a community's members, of whom no two have the same.
///
/// A name is the one that the window shows, and the one that is remembered longest keeps it bare: of two Adas, the second
/// by id is `Ada 2`. Case does not tell names apart. Training and the bot take the names from here, or an adapter would
/// know people whom nobody asks for.
#[derive(Debug, Clone, Default)]
pub struct Names {
    own: BTreeMap<MemberId, String>,
    told_apart: HashMap<MemberId, String>,
}

impl Names {
    /// The names of these members.
    pub fn new(members: &[Member]) -> Self {
        let own = members.iter().map(|member| (member.id, sanitise::name(&member.name))).collect();
        let mut names = Self { own, told_apart: HashMap::new() };
        names.tell_apart();
        names
    }

    /// Learns what a member calls themself now.
    pub fn meet(&mut self, member: MemberId, name: &str) {
        let name = sanitise::name(name);
        if self.own.get(&member) != Some(&name) {
            self.own.insert(member, name);
            self.tell_apart();
        }
    }

    /// The name of a member; none of somebody unknown.
    pub fn of(&self, member: MemberId) -> Option<&str> {
        self.told_apart.get(&member).map(String::as_str)
    }

    /// All names.
    pub fn all(&self) -> impl Iterator<Item = &str> {
        self.told_apart.values().map(String::as_str)
    }

    /// What a persona is called: the same as its member.
    pub fn of_persona<'a>(&'a self, persona: &'a Persona) -> &'a str {
        self.of(persona.member).unwrap_or(&persona.name)
    }

    /// The lines of a window. Somebody unknown, and a persona that is not of `cast`, keep the name that the message has.
    pub fn lines<'a>(&self, messages: impl IntoIterator<Item = &'a Message>, cast: &[Persona]) -> Vec<Line> {
        let line = |message: &Message| {
            let member = match message.author {
                Author::Member(member) => Some(member),
                Author::Persona(id) => cast.iter().find(|persona| persona.id == id).map(|persona| persona.member),
            };
            Line::new(member.and_then(|member| self.of(member)).unwrap_or(&message.author_name), &message.text)
        };
        messages.into_iter().map(line).collect()
    }

    fn tell_apart(&mut self) {
        let mut taken: HashSet<String> = HashSet::new();
        self.told_apart.clear();
        for (member, name) in &self.own {
            let name = free_name(name, &taken);
            taken.insert(name.to_lowercase());
            self.told_apart.insert(*member, name);
        }
    }
}

/// The name, or its first variant with a number that nobody has.
fn free_name(name: &str, taken: &HashSet<String>) -> String {
    let mut free = name.to_owned();
    let mut place = 1;
    while taken.contains(&free.to_lowercase()) {
        place += 1;
        let number = format!(" {place}");
        let room = sanitise::MAX_NAME_CHARS - number.chars().count();
        free = sanitise::cut_at_word(name, room) + &number;
    }
    free
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::{CommunityId, MessageKey, Origin, PersonaId, Provenance, RoomId};

    fn names(members: &[(i32, &str)]) -> Names {
        let mut names = Names::default();
        members.iter().for_each(|&(member, name)| names.meet(MemberId(member), name));
        names
    }

    #[test]
    fn those_of_one_name_are_told_apart_by_age() {
        let names = names(&[(4, "ada"), (2, "Ada"), (3, "A:da"), (5, "ADA"), (6, "Ada 2")]);
        let told_apart = [2, 3, 4, 5, 6].map(|member| names.of(MemberId(member)).unwrap());
        assert_eq!(told_apart, ["Ada", "A da", "ada 2", "ADA 3", "Ada 2 2"]);
        assert_eq!(names.of(MemberId(7)), None);
    }

    #[test]
    fn a_number_fits_into_the_longest_name() {
        let long = "x".repeat(50);
        let names = names(&[(1, &long), (2, &long)]);
        let second = names.of(MemberId(2)).unwrap();
        assert!(second.ends_with("x 2") && second.len() == sanitise::MAX_NAME_CHARS, "{second}");
        assert_eq!(sanitise::name(second), second);
    }

    #[test]
    fn who_comes_later_or_changes_their_name_is_told_apart_too() {
        let mut names = names(&[(1, "Ada"), (2, "Bo")]);
        names.meet(MemberId(3), "ada");
        assert_eq!(names.of(MemberId(3)), Some("ada 2"));
        names.meet(MemberId(1), "Countess");
        assert_eq!([1, 3].map(|member| names.of(MemberId(member)).unwrap()), ["Countess", "ada"]);
    }

    #[test]
    fn a_window_shows_members_and_their_personas_under_one_name() {
        let names = names(&[(1, "Ada"), (2, "Ada"), (3, "Bo")]);
        let persona = |id, member| Persona {
            id: PersonaId(id),
            community: CommunityId(1),
            member: MemberId(member),
            name: "Ada".to_owned(),
            avatar_url: None,
        };
        let said = |author, author_name: &str| Message {
            key: MessageKey(1),
            room: RoomId(1),
            author,
            author_name: author_name.to_owned(),
            sent_at: DateTime::from_timestamp(1, 0).unwrap(),
            text: "hi".to_owned(),
            origin: Origin::Posted,
            provenance: Provenance::Api,
            reply_to: None,
            edited_at: None,
        };
        let messages = [
            said(Author::Member(MemberId(2)), "Ada"),
            said(Author::Persona(PersonaId(7)), "Ada"),
            said(Author::Persona(PersonaId(8)), "Gone"),
            said(Author::Member(MemberId(9)), "New: here"),
        ];
        let cast = [persona(7, 2)];
        let shown: Vec<String> = names.lines(&messages, &cast).iter().map(|line| line.name().to_owned()).collect();
        assert_eq!(shown, ["Ada 2", "Ada 2", "Gone", "New here"]);
        assert_eq!(names.of_persona(&cast[0]), "Ada 2");
        assert_eq!(names.of_persona(&persona(9, 9)), "Ada");
    }
}
