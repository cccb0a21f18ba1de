//! What the members of a community are called in rows, and whose words may be learned from.

use std::collections::HashMap;

use chat::{Member, MemberId, Names};

use super::Rule;

/// The people of a community.
#[derive(Debug, Clone, Default)]
pub(super) struct Speakers {
    names: Names,
    protected_by: HashMap<MemberId, Option<Rule>>,
    /// All names, in lower case, the longest first.
    folded: Vec<String>,
}

impl Speakers {
    /// The members of a community, each with a name that no other has.
    pub(super) fn new(members: &[Member]) -> Self {
        let names = Names::new(members);
        let mut folded: Vec<String> = names.all().map(str::to_lowercase).collect();
        folded.sort_by_key(|name| (std::cmp::Reverse(name.len()), name.clone()));
        let protected_by = members.iter().map(|member| (member.id, protection(member))).collect();
        Self { names, protected_by, folded }
    }

    /// The rule that keeps a member's words out, if there is one. Of somebody unknown nobody has said that they agreed.
    pub(super) fn protected_by(&self, member: MemberId) -> Option<Rule> {
        self.protected_by.get(&member).copied().unwrap_or(Some(Rule::NoConsent))
    }

    /// The name of a member whose words are not kept out.
    pub(super) fn name(&self, member: MemberId) -> &str {
        self.names.of(member).expect("the words of the unknown are kept out")
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
