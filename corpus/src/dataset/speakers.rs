//! What the members of a community are called in rows, and whose words may be learned from.

use std::collections::{HashMap, HashSet};

use chat::{Member, MemberId, sanitise};

use super::Rule;

/// The people of a community.
#[derive(Debug, Clone, Default)]
pub(super) struct Speakers {
    by_id: HashMap<MemberId, Speaker>,
    /// All names, in lower case, the longest first.
    folded: Vec<String>,
}

#[derive(Debug, Clone)]
struct Speaker {
    name: String,
    protected_by: Option<Rule>,
}

impl Speakers {
    /// The members of a community, each with a name that no other has.
    ///
    /// The name is the one that the window shows, and the one that is remembered longest keeps it bare: of two Adas, the
    /// second by id is `Ada 2`. Case does not tell names apart.
    pub(super) fn new(members: &[Member]) -> Self {
        let mut by_age: Vec<&Member> = members.iter().collect();
        by_age.sort_by_key(|member| member.id);
        let mut taken: HashSet<String> = HashSet::new();
        let mut by_id = HashMap::new();
        for member in by_age {
            let name = free_name(&sanitise::name(&member.name), &taken);
            taken.insert(name.to_lowercase());
            by_id.insert(member.id, Speaker { name, protected_by: protection(member) });
        }
        let mut folded: Vec<String> = taken.into_iter().collect();
        folded.sort_by_key(|name| (std::cmp::Reverse(name.len()), name.clone()));
        Self { by_id, folded }
    }

    /// The rule that keeps a member's words out, if there is one. Of somebody unknown nobody has said that they agreed.
    pub(super) fn protected_by(&self, member: MemberId) -> Option<Rule> {
        self.by_id.get(&member).map_or(Some(Rule::NoConsent), |speaker| speaker.protected_by)
    }

    /// The name of a member whose words are not kept out.
    pub(super) fn name(&self, member: MemberId) -> &str {
        &self.by_id.get(&member).expect("the words of the unknown are kept out").name
    }

    /// The names of all, in lower case, the longest first.
    pub(super) fn folded_names(&self) -> &[String] {
        &self.folded
    }
}

fn protection(member: &Member) -> Option<Rule> {
    if member.is_bot {
        return Some(Rule::Bots);
    }
    (!member.may_be_learned_from()).then_some(Rule::NoConsent)
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
    use chat::{CommunityId, Consent, ConsentPolicy};

    use super::*;

    fn member(id: i32, name: &str) -> Member {
        Member {
            id: MemberId(id),
            community: CommunityId(1),
            key: name.into(),
            name: name.to_owned(),
            is_bot: false,
            avatar_url: None,
            consent: Consent::Granted,
            policy: ConsentPolicy::OptIn,
            has_left: false,
        }
    }

    #[test]
    fn those_of_one_name_are_told_apart_by_age() {
        let members = [member(4, "ada"), member(2, "Ada"), member(3, "A:da"), member(5, "ADA"), member(6, "Ada 2")];
        let speakers = Speakers::new(&members);
        let names = [2, 3, 4, 5, 6].map(|id| speakers.name(MemberId(id)));
        assert_eq!(names, ["Ada", "A da", "ada 2", "ADA 3", "Ada 2 2"]);
    }

    #[test]
    fn a_number_fits_into_the_longest_name() {
        let long = "x".repeat(50);
        let speakers = Speakers::new(&[member(1, &long), member(2, &long)]);
        let second = speakers.name(MemberId(2));
        assert!(second.ends_with("x 2") && second.len() == sanitise::MAX_NAME_CHARS, "{second}");
        assert_eq!(sanitise::name(second), second);
    }

    #[test]
    fn only_people_who_agreed_are_learned_from() {
        let of = |member: Member| Speakers::new(std::slice::from_ref(&member)).protected_by(member.id);
        assert_eq!(of(member(1, "a")), None);
        assert_eq!(of(Member { has_left: true, ..member(1, "a") }), None);
        assert_eq!(of(Member { is_bot: true, ..member(1, "a") }), Some(Rule::Bots));
        for (consent, policy, rule) in [
            (Consent::Refused, ConsentPolicy::OptOut, Some(Rule::NoConsent)),
            (Consent::Unasked, ConsentPolicy::OptIn, Some(Rule::NoConsent)),
            (Consent::Unasked, ConsentPolicy::OptOut, None),
            (Consent::Declared, ConsentPolicy::OptIn, None),
        ] {
            assert_eq!(of(Member { consent, policy, ..member(1, "a") }), rule, "{consent} {policy}");
        }
        assert_eq!(Speakers::default().protected_by(MemberId(1)), Some(Rule::NoConsent));
    }
}
