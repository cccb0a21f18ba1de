//! From a platform's markup to plain chat text, and back.
//!
//! The history holds what people read, not what they typed: `**no**` is `no`, `<@123>` is `@Ada`. Live messages and
//! imported ones go through the same functions, so that a group has one history however its messages arrived. Nothing
//! here makes one line of several: that is the business of [`crate::sanitise`].

mod discord;
mod tag;
mod telegram;

pub use discord::{discord_escape, discord_plain, model_plain};
pub use telegram::{Entity, EntityKind, telegram_html_escape, telegram_mention, telegram_plain};

/// Somebody or something that a message names by the platform's identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mention<'a> {
    /// A member, by id.
    Member(&'a str),
    /// A role, by id (Discord).
    Role(&'a str),
    /// A channel, by id (Discord).
    Channel(&'a str),
}

/// Says what a mentioned member, role or channel is called, without `@` or `#`, if that is known.
pub type NameOf<'a> = &'a dyn Fn(Mention<'_>) -> Option<String>;
