//! The list of commands with what a menu needs to offer them.

use serde::Serialize;

/// One command as a menu shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Spec {
    /// Its name, without the slash.
    pub name: &'static str,
    /// What it takes, as people write it; empty for nothing.
    pub takes: &'static str,
    /// What it does, as a short sentence.
    pub does: &'static str,
}

const fn spec(name: &'static str, takes: &'static str, does: &'static str) -> Spec {
    Spec { name, takes, does }
}

/// Every command, in the order in which a menu shows them.
pub const SPECS: &[Spec] = &[
    spec("summon", "NAME..", "Bring personas into the room."),
    spec("dismiss", "[NAME..]", "Send personas away, or all of them."),
    spec("cast", "", "Show who is here, who could be, and what is set."),
    spec("topic", "[TEXT]", "Talk only about this; nothing lifts it."),
    spec("speaker", "[NAME[:WEIGHT]..]", "Only these speak; one is a monologue, nobody lifts it."),
    spec("pace", "[off|calm|natural|chatty|CHANCE MIN MAX]", "Show or set how lively it is."),
    spec("idle", "[off|TIME]", "Show or set after what silence they chat among themselves, as in 30s, 10m or 2h."),
    spec("say", "NAME TEXT", "Put words in a persona's mouth."),
    spec("more", "[N]", "Have them say N more things now, at most 20."),
    spec("reset", "", "Start afresh: what was said so far no longer counts."),
    spec("tune", "[temperature=0.9] [top_p=0.95] [top_k=40]", "Show or set how replies are drawn."),
    spec("consent", "[yes|no]", "Say whether there may be a persona of you."),
    spec("forgetme", "[confirm]", "Erase what you wrote, and your persona."),
    spec("policy", "[opt-in|opt-out]", "Show or set whether members must agree before they are imitated."),
    spec("mydata", "", "Get everything that is kept about you, as a file."),
    spec("who", "", "Show which persona wrote the latest message of ours, and with what."),
    spec("model", "", "Show what the personas speak with."),
    spec("history", "[backfill|stop]", "Read older messages of this room, show how far that is, or stop it."),
    spec("privacy", "", "Show what is kept, for how long and for what."),
    spec("help", "", "Show this list."),
];
