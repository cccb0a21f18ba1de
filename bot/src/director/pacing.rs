//! When and how much: the chance of an answer, delays, the length of an exchange, the share of the talk.

use std::time::Duration;

use chat::{Author, Message, MessageKey, Pacing, Window};
use chrono::{DateTime, TimeDelta, Utc};
use rand::Rng;

use super::Scene;

/// Over what time our share of the talk is counted.
const SHARE_SPAN: TimeDelta = TimeDelta::minutes(10);

/// The chance that a human's message that was meant for nobody is answered.
pub(super) fn reply_chance(scene: &Scene<'_>) -> f64 {
    match scene.settings.pacing {
        Pacing::Off => 0.0,
        Pacing::Calm => 0.35,
        Pacing::Natural => scene.habits.answer_chance(),
        Pacing::Chatty => 0.9,
        Pacing::Custom { reply_chance, .. } => f64::from(reply_chance),
    }
}

/// How long until a persona begins to type.
pub(super) fn delay(scene: &Scene<'_>, rng: &mut impl Rng) -> Duration {
    let seconds = match scene.settings.pacing {
        Pacing::Off | Pacing::Chatty => rng.random_range(0.6..3.0),
        Pacing::Calm => rng.random_range(6.0..45.0),
        Pacing::Natural => scene.habits.reply_delay(rng).as_secs_f32().clamp(1.0, 90.0),
        Pacing::Custom { min_delay, max_delay, .. } => rng.random_range(min_delay..=max_delay),
    };
    Duration::from_secs_f32(seconds)
}

/// How long a person types `text`: at 7 characters a second where it is natural, faster where it is chatty, and never
/// longer than anybody would watch.
pub fn typing_time(pacing: Pacing, text: &str) -> Duration {
    let (per_second, longest) = match pacing {
        Pacing::Off | Pacing::Chatty => (22.0, 4.0),
        Pacing::Calm | Pacing::Natural => (7.0, 12.0),
        Pacing::Custom { max_delay, .. } => (7.0, max_delay.min(12.0)),
    };
    Duration::from_secs_f32((text.chars().count() as f32 / per_second).min(longest))
}

/// How many turns an answer may begin, itself included.
pub(super) fn exchange_length(pacing: Pacing, rng: &mut impl Rng) -> u32 {
    match pacing {
        Pacing::Off => 1,
        Pacing::Calm => rng.random_range(1..=2),
        Pacing::Natural | Pacing::Custom { .. } => rng.random_range(1..=3),
        Pacing::Chatty => rng.random_range(2..=4),
    }
}

/// How many turns idle chat has: at least two, or it would be nobody talking to anybody.
pub(super) fn idle_exchange_length(pacing: Pacing, rng: &mut impl Rng) -> u32 {
    exchange_length(pacing, rng) + rng.random_range(1..=2)
}

/// Whether our personas have said enough while humans are talking too. Among themselves they have no share to keep.
pub(super) fn has_had_its_share(scene: &Scene<'_>, now: DateTime<Utc>) -> bool {
    let cap = match scene.settings.pacing {
        Pacing::Off => 0.0,
        Pacing::Calm => 0.4,
        Pacing::Natural => 0.6,
        Pacing::Chatty => 0.8,
        Pacing::Custom { .. } => 0.75,
    };
    let (humans, ours) = scene
        .memory
        .turns_since(now - SHARE_SPAN)
        .fold((0u32, 0u32), |(humans, ours), turn| if turn.human { (humans + 1, ours) } else { (humans, ours + 1) });
    humans >= 3 && f64::from(ours) > cap * f64::from(humans + ours)
}

/// Whether an answer is shown as a reply to the message: where others have spoken since, and then only sometimes, as
/// people do.
pub(super) fn shows_reply(message: &Message, window: &Window, rng: &mut impl Rng) -> Option<MessageKey> {
    let authors: Vec<Author> = window.messages().rev().take(3).map(|m| m.author).collect();
    let is_crowded = authors.iter().any(|author| *author != message.author);
    (is_crowded && rng.random_bool(0.3)).then_some(message.key)
}
