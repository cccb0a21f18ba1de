//! What the people of a room may set: topic, forced speakers, pacing, idle chat and sampling.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    ids::{MessageKey, PersonaId},
    sanitise,
};

/// Why a setting was refused, in words for the person who set it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadSetting(pub String);

/// A persona that `/speaker` made speak, and how often among the others.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ForcedSpeaker {
    /// Who.
    pub persona: PersonaId,
    /// Its share relative to the other forced speakers, over 0.
    pub weight: f32,
}

/// How lively the personas of a room are.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pacing {
    /// Nobody speaks unless `/more` or `/say` asks for it.
    Off,
    /// Now and then, after a pause.
    Calm,
    /// As the group itself: delays and bursts are sampled from its history.
    #[default]
    Natural,
    /// Often and soon.
    Chatty,
    /// Numbers given by hand.
    Custom {
        /// The chance that a message nobody was addressed by is answered, 0 to 1.
        reply_chance: f32,
        /// The shortest delay before a reply, in seconds.
        min_delay: f32,
        /// The longest delay before a reply, in seconds.
        max_delay: f32,
    },
}

/// The longest delay that a person may set.
pub const MAX_DELAY_SECONDS: f32 = 3600.0;

impl Pacing {
    /// One step less lively; none where it is off already.
    pub fn quieter(self) -> Option<Pacing> {
        match self {
            Pacing::Off => None,
            Pacing::Calm => Some(Pacing::Off),
            Pacing::Natural | Pacing::Custom { .. } => Some(Pacing::Calm),
            Pacing::Chatty => Some(Pacing::Natural),
        }
    }

    /// The presets that have a name.
    pub const PRESETS: [Pacing; 4] = [Pacing::Off, Pacing::Calm, Pacing::Natural, Pacing::Chatty];

    /// Checks numbers given by hand.
    ///
    /// # Errors
    /// [`BadSetting`] where the chance is outside 0 to 1, or the delays are outside 0 to [`MAX_DELAY_SECONDS`] or the
    /// wrong way round.
    pub fn custom(reply_chance: f32, min_delay: f32, max_delay: f32) -> Result<Pacing, BadSetting> {
        if !(0.0..=1.0).contains(&reply_chance) {
            return Err(BadSetting(format!("the chance of a reply is between 0 and 1, not {reply_chance}")));
        }
        if !(0.0..=MAX_DELAY_SECONDS).contains(&min_delay) || !(min_delay..=MAX_DELAY_SECONDS).contains(&max_delay) {
            return Err(BadSetting(format!(
                "delays are seconds from 0 to {MAX_DELAY_SECONDS}, the shorter first, not {min_delay} and {max_delay}"
            )));
        }
        Ok(Pacing::Custom { reply_chance, min_delay, max_delay })
    }
}

impl fmt::Display for Pacing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pacing::Off => f.write_str("off"),
            Pacing::Calm => f.write_str("calm"),
            Pacing::Natural => f.write_str("natural"),
            Pacing::Chatty => f.write_str("chatty"),
            Pacing::Custom { reply_chance, min_delay, max_delay } => {
                write!(f, "{reply_chance} {min_delay} {max_delay}")
            }
        }
    }
}

impl FromStr for Pacing {
    type Err = BadSetting;

    /// Reads a preset's name, or `CHANCE MIN MAX`.
    fn from_str(text: &str) -> Result<Self, BadSetting> {
        let text = text.trim().to_lowercase();
        if let Some(preset) = Pacing::PRESETS.into_iter().find(|preset| preset.to_string() == text) {
            return Ok(preset);
        }
        let numbers: Result<Vec<f32>, _> = text.split_whitespace().map(str::parse).collect();
        match numbers.as_deref() {
            Ok(&[chance, min, max]) => Pacing::custom(chance, min, max),
            _ => Err(BadSetting(format!(
                "pacing is off, calm, natural, chatty, or three numbers (chance of a reply, shortest and longest delay \
                 in seconds, as in \"0.5 2 20\"), not \"{text}\""
            ))),
        }
    }
}

/// How a reply is drawn from the model.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Sampling {
    /// 0 (always the likeliest token) to 2.
    pub temperature: f32,
    /// Only the likeliest tokens whose probabilities sum to this: over 0, at most 1.
    pub top_p: f32,
    /// Only this many of the likeliest tokens; 0 for all.
    pub top_k: u32,
}

impl Default for Sampling {
    fn default() -> Self {
        Self { temperature: 0.9, top_p: 0.95, top_k: 40 }
    }
}

impl Sampling {
    /// The largest `top_k` that may be set.
    pub const MAX_TOP_K: u32 = 1000;

    /// Checks the three numbers.
    ///
    /// # Errors
    /// [`BadSetting`] names the one that is out of its range.
    pub fn new(temperature: f32, top_p: f32, top_k: u32) -> Result<Sampling, BadSetting> {
        if !(0.0..=2.0).contains(&temperature) {
            return Err(BadSetting(format!("temperature is between 0 and 2, not {temperature}")));
        }
        if !(top_p > 0.0 && top_p <= 1.0) {
            return Err(BadSetting(format!("top-p is over 0 and at most 1, not {top_p}")));
        }
        if top_k > Self::MAX_TOP_K {
            return Err(BadSetting(format!("top-k is at most {}, not {top_k}; 0 turns it off", Self::MAX_TOP_K)));
        }
        Ok(Sampling { temperature, top_p, top_k })
    }
}

/// The shortest idle interval that may be set.
pub const MIN_IDLE: Duration = Duration::from_secs(5);
/// The longest idle interval that may be set.
pub const MAX_IDLE: Duration = Duration::from_secs(7 * 24 * 3600);

/// What is set in a room.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct RoomSettings {
    /// What the personas are to talk about, as one line; see [`RoomSettings::topic_from`].
    pub topic: Option<String>,
    /// Who is to speak; empty for anyone.
    pub speakers: Vec<ForcedSpeaker>,
    /// How lively it is.
    pub pacing: Pacing,
    /// After how long a silence the personas chat among themselves, in seconds; none for never.
    pub idle_seconds: Option<u64>,
    /// How replies are drawn.
    pub sampling: Sampling,
    /// Messages up to this one are no longer part of the window; set by `/reset`.
    pub window_after: Option<MessageKey>,
}

impl RoomSettings {
    /// The longest topic, in characters.
    pub const MAX_TOPIC_CHARS: usize = 200;

    /// Makes a topic of what somebody typed: one line, or none where nothing is left of it.
    ///
    /// # Errors
    /// [`BadSetting`] where it is longer than [`RoomSettings::MAX_TOPIC_CHARS`].
    pub fn topic_from(text: &str) -> Result<Option<String>, BadSetting> {
        let topic = sanitise::one_line(text);
        let length = topic.chars().count();
        if length > Self::MAX_TOPIC_CHARS {
            return Err(BadSetting(format!(
                "a topic has at most {} characters, this one has {length}",
                Self::MAX_TOPIC_CHARS
            )));
        }
        Ok((!topic.is_empty()).then_some(topic))
    }

    /// Checks an idle interval.
    ///
    /// # Errors
    /// [`BadSetting`] where it is outside [`MIN_IDLE`] to [`MAX_IDLE`].
    pub fn idle_from(interval: Duration) -> Result<u64, BadSetting> {
        if !(MIN_IDLE..=MAX_IDLE).contains(&interval) {
            return Err(BadSetting(format!(
                "the idle interval is between {} seconds and {} days",
                MIN_IDLE.as_secs(),
                MAX_IDLE.as_secs() / 86_400
            )));
        }
        Ok(interval.as_secs())
    }

    /// The idle interval.
    pub fn idle(&self) -> Option<Duration> {
        self.idle_seconds.map(Duration::from_secs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pacing_reads_what_it_prints() {
        let custom = Pacing::custom(0.5, 2.0, 20.0).unwrap();
        for pacing in Pacing::PRESETS.into_iter().chain([custom]) {
            assert_eq!(pacing.to_string().parse(), Ok(pacing));
        }
        assert_eq!(" Chatty ".parse(), Ok(Pacing::Chatty));
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        for bad in
            ["fast", "", "1.5 1 2", "0.5 9 2", "0.5 -1 2", "0.5 1 99999", "NaN 1 2", "0.5 NaN 2", "0.5 1 inf", "1 2"]
        {
            assert!(bad.parse::<Pacing>().is_err(), "{bad}");
        }
        assert!(Sampling::new(f32::NAN, 0.9, 40).is_err());
        assert!(Sampling::new(2.1, 0.9, 40).is_err());
        assert!(Sampling::new(0.7, 0.0, 40).is_err());
        assert!(Sampling::new(0.7, 1.0, 1001).is_err());
        assert!(Sampling::new(0.0, 1.0, 0).is_ok());
        assert!(RoomSettings::idle_from(Duration::from_secs(1)).is_err());
        assert!(RoomSettings::idle_from(Duration::from_secs(60)).is_ok());
    }

    #[test]
    fn a_topic_is_one_line_of_bounded_length() {
        assert_eq!(RoomSettings::topic_from(" cats\nand  dogs "), Ok(Some("cats and dogs".to_owned())));
        assert_eq!(RoomSettings::topic_from("  \n"), Ok(None));
        assert!(RoomSettings::topic_from(&"x".repeat(201)).is_err());
    }
}
