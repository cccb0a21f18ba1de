//! The rules by which messages are curated, by name.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Why something of a message is not learned. Each message is counted under one rule at most, the first that applies in
/// the order in which they stand here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// It has no words: an attachment, a sticker, nothing that is visible.
    Empty,
    /// A persona of ours or another bot said it.
    Bots,
    /// It came through the API of a platform that forbids training on that.
    Provenance,
    /// Its author has not agreed to be imitated.
    NoConsent,
    /// Nothing was said before it in its sitting, so that there is nothing it would answer.
    Opening,
    /// It holds a link.
    Links,
    /// It is a command to a bot.
    Commands,
    /// It only calls somebody.
    MentionsOnly,
    /// The same was said before, at some length.
    Duplicates,
    /// Almost the same was said before, at some length.
    NearDuplicates,
    /// Its author says the same too often.
    Thinning,
    /// Its author is not among those who answer most, where only they are learned.
    Quiet,
    /// Its author says much more than the others.
    Balance,
    /// It holds personal data. It is kept, with placeholders in the place of the data.
    PersonalData,
}

impl Rule {
    /// All of them.
    pub const ALL: [Rule; 14] = [
        Rule::Empty,
        Rule::Bots,
        Rule::Provenance,
        Rule::NoConsent,
        Rule::Opening,
        Rule::Links,
        Rule::Commands,
        Rule::MentionsOnly,
        Rule::Duplicates,
        Rule::NearDuplicates,
        Rule::Thinning,
        Rule::Quiet,
        Rule::Balance,
        Rule::PersonalData,
    ];

    /// The name in reports and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Rule::Empty => "empty",
            Rule::Bots => "bots",
            Rule::Provenance => "provenance",
            Rule::NoConsent => "no-consent",
            Rule::Opening => "opening",
            Rule::Links => "links",
            Rule::Commands => "commands",
            Rule::MentionsOnly => "mentions-only",
            Rule::Duplicates => "duplicates",
            Rule::NearDuplicates => "near-duplicates",
            Rule::Thinning => "thinning",
            Rule::Quiet => "quiet",
            Rule::Balance => "balance",
            Rule::PersonalData => "personal-data",
        }
    }

    /// Whether it may be switched off. The others protect people, stand for what cannot be a row, or are an option.
    pub fn may_be_switched_off(self) -> bool {
        self > Rule::Opening && self != Rule::Quiet
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A rule that cannot be switched off, or does not exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotARule {
    /// It does not exist.
    #[error("there is no rule \"{0}\"; those that can be switched off are {list}", list = switchable())]
    Unknown(String),
    /// It is never switched off.
    #[error("the rule \"{0}\" is never switched off; those that can be are {list}", list = switchable())]
    Fixed(Rule),
}

fn switchable() -> String {
    let names: Vec<_> = Rule::ALL.into_iter().filter(|rule| rule.may_be_switched_off()).map(Rule::as_str).collect();
    names.join(", ")
}

impl FromStr for Rule {
    type Err = NotARule;

    /// Reads the name of a rule that may be switched off.
    fn from_str(name: &str) -> Result<Self, NotARule> {
        match Rule::ALL.into_iter().find(|rule| rule.as_str() == name) {
            Some(rule) if rule.may_be_switched_off() => Ok(rule),
            Some(rule) => Err(NotARule::Fixed(rule)),
            None => Err(NotARule::Unknown(name.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_protects_people_is_never_switched_off() {
        for fixed in ["empty", "bots", "provenance", "no-consent", "opening", "quiet"] {
            assert!(matches!(fixed.parse::<Rule>(), Err(NotARule::Fixed(_))), "{fixed}");
        }
        let error = "bot".parse::<Rule>().unwrap_err().to_string();
        assert!(error.ends_with(
            "links, commands, mentions-only, duplicates, near-duplicates, thinning, balance, personal-data"
        ));
    }

    #[test]
    fn a_rule_is_called_the_same_everywhere() {
        for rule in Rule::ALL {
            assert_eq!(serde_json::to_value(rule).unwrap(), rule.as_str());
            assert!(!rule.may_be_switched_off() || rule.as_str().parse() == Ok(rule));
        }
    }
}
