//! Who speaks next, when, and why: decided purely from the state of a room, what just happened, the time and chance.
//!
//! Nothing here awaits, logs or fails. The room's task carries out what is decided.

pub mod habits;
mod memory;
mod pacing;
mod speaker;

use std::time::Duration;

use chat::{Author, Message, MessageKey, Pacing, Persona, PersonaId, RoomSettings, Window};
use chrono::{DateTime, Utc};
use rand::Rng;

pub use habits::Habits;
pub use memory::Memory;
pub use pacing::typing_time;

/// What the decision is made from.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    /// The latest messages.
    pub window: &'a Window,
    /// The personas in the room.
    pub cast: &'a [Persona],
    /// What is set.
    pub settings: &'a RoomSettings,
    /// What the group's history shows.
    pub habits: &'a Habits,
    /// What the room remembers of itself.
    pub memory: &'a Memory,
}

/// What just happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// A human posted the latest message of the window.
    HumanSpoke,
    /// One of ours did.
    PersonaSpoke,
    /// The idle interval has passed in silence.
    Idle,
    /// Somebody came to look.
    Arrival,
    /// `/more` asked for turns.
    More,
}

/// Why somebody speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The message was meant for them.
    Addressed,
    /// They felt like answering.
    Answer,
    /// The exchange goes on.
    Exchange,
    /// It was quiet.
    Idle,
    /// `/more` asked for it.
    Asked,
}

/// Why nobody speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quiet {
    /// Nobody is in the room.
    NoCast,
    /// Pacing is off.
    Off,
    /// Another bot spoke.
    Bot,
    /// Our personas have had their share.
    Share,
    /// Nobody felt like it.
    Chance,
    /// The exchange is over.
    Over,
    /// It is not the time of day at which this group talks.
    Hour,
    /// Idle chat is off or not yet due.
    NotDue,
}

/// A turn to be carried out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TurnPlan {
    /// Who.
    pub persona: PersonaId,
    /// How long until they begin to type.
    pub delay: Duration,
    /// Why.
    pub why: Why,
    /// Which message they answer, where that is to be shown.
    pub reply_to: Option<MessageKey>,
    /// How many turns may follow this one.
    pub exchange: u32,
}

/// What is to happen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Decision {
    /// Nothing.
    Silence(Quiet),
    /// This.
    Turn(TurnPlan),
}

/// Decides who speaks next, if anybody.
pub fn next_turn(scene: &Scene<'_>, trigger: Trigger, now: DateTime<Utc>, rng: &mut impl Rng) -> Decision {
    if scene.cast.is_empty() {
        return Decision::Silence(Quiet::NoCast);
    }
    match trigger {
        Trigger::More => speak(scene, Why::Asked, scene.memory.exchange_left().saturating_sub(1), rng),
        _ if scene.settings.pacing == Pacing::Off => Decision::Silence(Quiet::Off),
        Trigger::HumanSpoke => answer(scene, now, rng),
        Trigger::PersonaSpoke => go_on(scene, now, rng),
        Trigger::Arrival | Trigger::Idle => chat_idly(scene, trigger, now, rng),
    }
}

fn answer(scene: &Scene<'_>, now: DateTime<Utc>, rng: &mut impl Rng) -> Decision {
    let Some(latest) = scene.window.latest() else { return Decision::Silence(Quiet::NotDue) };
    if scene.memory.is_bot(latest.key) {
        return Decision::Silence(Quiet::Bot);
    }
    let addressed = speaker::addressed(latest, scene.window, scene.cast);
    if let Some(persona) = addressed.filter(|persona| speaker::is_free_to_speak(*persona, scene)) {
        return Decision::Turn(TurnPlan {
            persona,
            delay: pacing::delay(scene, rng),
            why: Why::Addressed,
            reply_to: pacing::shows_reply(latest, scene.window, rng),
            exchange: pacing::exchange_length(scene.settings.pacing, rng).saturating_sub(1),
        });
    }
    if pacing::has_had_its_share(scene, now) {
        return Decision::Silence(Quiet::Share);
    }
    if !rng.random_bool(pacing::reply_chance(scene)) {
        return Decision::Silence(Quiet::Chance);
    }
    speak(scene, Why::Answer, pacing::exchange_length(scene.settings.pacing, rng).saturating_sub(1), rng)
}

fn go_on(scene: &Scene<'_>, now: DateTime<Utc>, rng: &mut impl Rng) -> Decision {
    match scene.memory.exchange_left() {
        0 => Decision::Silence(Quiet::Over),
        _ if pacing::has_had_its_share(scene, now) => Decision::Silence(Quiet::Share),
        left => speak(scene, Why::Exchange, left - 1, rng),
    }
}

fn chat_idly(scene: &Scene<'_>, trigger: Trigger, now: DateTime<Utc>, rng: &mut impl Rng) -> Decision {
    let due = match trigger {
        Trigger::Arrival => scene.settings.idle().is_some(),
        _ => scene.memory.idle_due(scene.settings, scene.window).is_some_and(|due| due <= now),
    };
    if !due {
        return Decision::Silence(Quiet::NotDue);
    }
    if scene.settings.pacing == Pacing::Natural && !scene.habits.is_awake_at(now) {
        return Decision::Silence(Quiet::Hour);
    }
    speak(scene, Why::Idle, pacing::idle_exchange_length(scene.settings.pacing, rng) - 1, rng)
}

fn speak(scene: &Scene<'_>, why: Why, exchange: u32, rng: &mut impl Rng) -> Decision {
    match speaker::choose(scene, rng) {
        None => Decision::Silence(Quiet::NoCast),
        Some(persona) => {
            let delay = match why {
                Why::Asked => pacing::delay(scene, rng).min(Duration::from_secs(2)),
                _ => pacing::delay(scene, rng),
            };
            Decision::Turn(TurnPlan { persona, delay, why, reply_to: None, exchange })
        }
    }
}

/// The persona that said a message.
fn persona_of(message: &Message) -> Option<PersonaId> {
    match message.author {
        Author::Persona(persona) => Some(persona),
        Author::Member(_) => None,
    }
}

#[cfg(test)]
mod tests;
