//! The people of a community, the personas that may speak like them, and the consent between the two.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    ids::{CommunityId, MemberId, MemberKey, PersonaId},
    message::UnknownName,
};

/// A person of a community.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Ours.
    pub id: MemberId,
    /// The community it is a member of.
    pub community: CommunityId,
    /// The platform's.
    pub key: MemberKey,
    /// What the member is called now.
    pub name: String,
    /// Whether the platform says that it is a bot. A bot is recorded, never answered and never imitated.
    pub is_bot: bool,
    /// The picture, where the platform has one.
    pub avatar_url: Option<String>,
    /// What the member has said about being imitated.
    pub consent: Consent,
    /// What it means in the member's community to have said nothing.
    pub policy: ConsentPolicy,
    /// Whether the member left the community so long ago that they are not expected back.
    pub has_left: bool,
}

/// Who said that a member may be imitated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConsentSource {
    /// The member, with `/consent`.
    Member,
    /// The operator, declaring at an import that the members of the history agreed.
    Operator,
}

/// The last word on whether a member may be imitated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Consent {
    /// Nobody has said anything, which is what the community's [`ConsentPolicy`] makes of it.
    #[default]
    Unasked,
    /// Yes, said by the operator for the member.
    Declared,
    /// Yes, said by the member.
    Granted,
    /// No, said by the member. No declaration of the operator overrides it.
    Refused,
}

impl Consent {
    /// The name in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Consent::Unasked => "unasked",
            Consent::Declared => "declared",
            Consent::Granted => "granted",
            Consent::Refused => "refused",
        }
    }

    /// What it becomes when `source` says yes.
    pub fn granted_by(self, source: ConsentSource) -> Consent {
        match (self, source) {
            (_, ConsentSource::Member) => Consent::Granted,
            (Consent::Unasked, ConsentSource::Operator) => Consent::Declared,
            (said, ConsentSource::Operator) => said,
        }
    }

    /// Whether it is a yes that was said.
    pub fn allows(self) -> bool {
        matches!(self, Consent::Declared | Consent::Granted)
    }

    /// Whether it counts as a yes in a community of that policy.
    pub fn allows_under(self, policy: ConsentPolicy) -> bool {
        self.allows() || (self == Consent::Unasked && policy == ConsentPolicy::OptOut)
    }
}

impl fmt::Display for Consent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Consent {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        [Consent::Unasked, Consent::Declared, Consent::Granted, Consent::Refused]
            .into_iter()
            .find(|consent| consent.as_str() == name)
            .ok_or_else(|| UnknownName(name.to_owned(), "state of consent"))
    }
}

/// What a community makes of a member who has said nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum ConsentPolicy {
    /// Silence is a no.
    #[default]
    OptIn,
    /// Silence is a yes: who does not want to be imitated says so.
    OptOut,
}

impl ConsentPolicy {
    /// The name in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            ConsentPolicy::OptIn => "opt_in",
            ConsentPolicy::OptOut => "opt_out",
        }
    }
}

impl fmt::Display for ConsentPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ConsentPolicy {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        [ConsentPolicy::OptIn, ConsentPolicy::OptOut]
            .into_iter()
            .find(|policy| policy.as_str() == name)
            .ok_or_else(|| UnknownName(name.to_owned(), "policy of consent"))
    }
}

/// Proof that a member may be imitated. A persona is made from nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MayImitate {
    member: MemberId,
}

impl MayImitate {
    /// The member who may be imitated.
    pub fn member(self) -> MemberId {
        self.member
    }
}

impl Member {
    /// The proof that this member may be imitated, if it may.
    pub fn may_imitate(&self) -> Option<MayImitate> {
        let may = !self.is_bot && !self.has_left && self.consent.allows_under(self.policy);
        may.then_some(MayImitate { member: self.id })
    }

    /// Whether a model may be trained on what this member said. Leaving the community takes nothing back: who returns finds
    /// the persona as it was, without another training.
    pub fn may_be_learned_from(&self) -> bool {
        !self.is_bot && self.consent.allows_under(self.policy)
    }
}

/// A member's voice, name and picture, worn by the bot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Persona {
    /// Ours.
    pub id: PersonaId,
    /// The community it may speak in.
    pub community: CommunityId,
    /// The member it speaks like.
    pub member: MemberId,
    /// The member's name now: in `Respond as NAME:` and on the platform.
    pub name: String,
    /// The member's picture, where the platform has one.
    pub avatar_url: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operator_cannot_overrule_a_member() {
        assert_eq!(Consent::Unasked.granted_by(ConsentSource::Operator), Consent::Declared);
        assert_eq!(Consent::Refused.granted_by(ConsentSource::Operator), Consent::Refused);
        assert_eq!(Consent::Granted.granted_by(ConsentSource::Operator), Consent::Granted);
        assert_eq!(Consent::Refused.granted_by(ConsentSource::Member), Consent::Granted);
    }

    #[test]
    fn there_is_no_proof_without_consent_and_none_for_a_bot_or_who_left() {
        let ada = |consent, policy| Member {
            id: MemberId(1),
            community: CommunityId(1),
            key: "ada".into(),
            name: "Ada".to_owned(),
            is_bot: false,
            avatar_url: None,
            consent,
            policy,
            has_left: false,
        };
        for (consent, in_opt_in, in_opt_out) in [
            (Consent::Unasked, false, true),
            (Consent::Declared, true, true),
            (Consent::Granted, true, true),
            (Consent::Refused, false, false),
        ] {
            assert_eq!(ada(consent, ConsentPolicy::OptIn).may_imitate().is_some(), in_opt_in, "{consent}");
            let member = ada(consent, ConsentPolicy::OptOut);
            assert_eq!(member.may_imitate().is_some(), in_opt_out, "{consent}");
            assert!(Member { is_bot: true, ..member.clone() }.may_imitate().is_none());
            assert!(!Member { is_bot: true, ..member.clone() }.may_be_learned_from());
            assert!(Member { has_left: true, ..member.clone() }.may_imitate().is_none());
            assert_eq!(Member { has_left: true, ..member }.may_be_learned_from(), in_opt_out);
        }
    }

    #[test]
    fn a_policy_reads_what_it_prints() {
        for policy in [ConsentPolicy::OptIn, ConsentPolicy::OptOut] {
            assert_eq!(policy.to_string().parse(), Ok(policy));
            assert_eq!(serde_json::to_value(policy).unwrap(), policy.as_str());
        }
        assert!("maybe".parse::<ConsentPolicy>().is_err());
    }
}
