//! What the app asks of a platform. Discord, Telegram and the web page each are one implementation, in one folder.

use std::time::Duration;

use async_trait::async_trait;
use chat::{Member, MessageKey, OutboxId, Persona};
use chrono::{DateTime, Utc};
use store::{Room, Store};

use crate::commands::{Answer, HistoryCommand};

pub mod discord;
pub mod telegram;
pub mod web;

/// Something that one of our personas says.
#[derive(Debug, Clone)]
pub struct Post {
    /// The turn in the outbox.
    pub turn: OutboxId,
    /// Where it goes.
    pub room: Room,
    /// Who says it.
    pub persona: Persona,
    /// What is said, as plain text; the platform escapes it.
    pub text: String,
    /// The message that it answers.
    pub reply_to: Option<MessageKey>,
    /// When the first attempt to post it began: what was posted cannot be older.
    pub started_at: DateTime<Utc>,
}

impl Post {
    /// A name for the post that is the same at each attempt.
    pub fn nonce(&self) -> String {
        format!("outbox:{}", self.turn)
    }
}

/// Where and when a post arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// The platform's id of the message.
    pub key: MessageKey,
    /// The platform's time of it.
    pub sent_at: DateTime<Utc>,
}

/// Why a post did not arrive, by what is to be done.
#[derive(Debug, thiserror::Error)]
pub enum PostError {
    /// Try again, at the earliest after this time.
    #[error("the platform could not take it now: {why}")]
    Retry {
        /// How long to wait.
        after: Duration,
        /// What happened.
        why: String,
    },
    /// The platform will not take it; trying again will not help.
    #[error("the platform refused it: {0}")]
    Refused(String),
}

/// Somebody of ours who is typing.
#[derive(Debug, Clone, Copy)]
pub struct Typing<'a> {
    /// Where.
    pub room: &'a Room,
    /// Who.
    pub persona: &'a Persona,
    /// What stands in the input field so far; none once the persona has stopped without posting.
    pub draft: Option<&'a str>,
}

/// A messenger.
#[async_trait]
pub trait Platform: Send + Sync + 'static {
    /// Which one it is.
    fn kind(&self) -> chat::Platform;

    /// Posts a turn as its persona.
    async fn post(&self, post: &Post) -> Result<Arrival, PostError>;

    /// Looks for a post whose attempt may or may not have arrived, because a process or a connection ended in between.
    async fn find_posted(&self, post: &Post) -> Result<Option<Arrival>, PostError>;

    /// Gives something that a persona has posted another wording.
    async fn edit(&self, room: &Room, key: MessageKey, text: &str) -> Result<(), PostError>;

    /// Takes back something that a persona has posted. One that is gone already is no failure.
    async fn delete(&self, room: &Room, key: MessageKey) -> Result<(), PostError>;

    /// Whether personas can speak in a room, before anybody is promised that they will. What is wrong is a sentence for
    /// the person who asked. Where the platform cannot be asked just now, it is taken for granted.
    async fn may_speak(&self, _room: &Room) -> Result<(), String> {
        Ok(())
    }

    /// Reads what was said before the bot came, where the platform lets it.
    async fn history(&self, _room: &Room, _by: &Member, _what: HistoryCommand) -> Answer {
        Answer::refused("Older messages cannot be read here; `groupchat import` reads exports into the history.")
    }

    /// Shows that a persona is typing, or has stopped. Called again while it goes on; a platform may show it or not, and
    /// a failure is its own to log.
    async fn typing(&self, typing: Typing<'_>);

    /// Cast, settings or voice of a room have changed, where the platform shows them.
    async fn room_changed(&self, _room: &Room) {}

    /// Whether anybody may be looking. Idle chat waits for it.
    fn is_watched(&self, _room: &Room) -> bool {
        true
    }

    /// Whether the history knows all that was said in a room. Nobody speaks before; whoever makes it true again tells
    /// the room with [`crate::App::room_is_ready`].
    fn is_ready(&self, _room: &Room) -> bool {
        true
    }
}

/// A persona's number among those of its name in its community, from 1 on, so that two of one name can be told apart.
async fn place_among_namesakes(store: &Store, persona: &Persona) -> store::Result<usize> {
    let mut of_that_name: Vec<_> = store.personas(persona.community).await?;
    of_that_name.retain(|other| other.name.eq_ignore_ascii_case(&persona.name));
    of_that_name.sort_by_key(|other| other.id);
    Ok(of_that_name.iter().position(|other| other.id == persona.id).unwrap_or(0) + 1)
}
