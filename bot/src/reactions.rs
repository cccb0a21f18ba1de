//! What a reaction to something that a persona said means to us, beside being a reaction.

use store::Verdict;

/// What somebody asks for with an emoji.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// A judgement, kept for later training.
    Verdict(Verdict),
    /// Say something else instead.
    Reroll,
    /// Take it away.
    Delete,
}

/// The emoji that asks for other words.
pub const REROLL: &str = "🔁";
/// The emoji that asks to take something away.
pub const DELETE: &str = "❌";

/// What an emoji means, whatever its skin tone.
pub fn meaning(emoji: &str) -> Option<Meaning> {
    match emoji.trim_end_matches(|c: char| c == '\u{fe0f}' || ('\u{1f3fb}'..='\u{1f3ff}').contains(&c)) {
        "👍" => Some(Meaning::Verdict(Verdict::Up)),
        "👎" => Some(Meaning::Verdict(Verdict::Down)),
        REROLL | "🔄" => Some(Meaning::Reroll),
        DELETE | "🗑" => Some(Meaning::Delete),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thumbs_count_in_every_skin_tone() {
        assert_eq!(meaning("👍🏿"), Some(Meaning::Verdict(Verdict::Up)));
        assert_eq!(meaning("👎"), Some(Meaning::Verdict(Verdict::Down)));
        assert_eq!(meaning("🗑️"), Some(Meaning::Delete));
        assert_eq!(meaning("🔁"), Some(Meaning::Reroll));
        assert_eq!(meaning("😂"), None);
        assert_eq!(meaning(":yes:"), None);
    }
}
