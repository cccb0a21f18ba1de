//! The commands: what they are called, what they take, and what they do. No platform is named here.
//!
//! A platform offers [`SPECS`] in its own way (a slash menu, a page, an application command) and hands what somebody
//! entered to [`parse`], or builds a [`Command`] itself where it has typed options.

mod answer;
mod cast;
mod consent;
mod forgetme;
mod help;
mod idle;
mod more;
mod pace;
mod parse;
mod people;
mod privacy;
mod reset;
mod run;
mod say;
mod speaker;
mod spec;
mod summon;
mod topic;
mod tune;

use std::time::Duration;

use chat::{Pacing, RoomSettings, Sampling};

pub use answer::{Answer, Audience};
pub use parse::{Usage, parse};
pub(crate) use run::{Caller, run};
pub use spec::{SPECS, Spec};

/// A command, understood.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Bring personas into the room, by what their members are called.
    Summon(Vec<String>),
    /// Send personas away; none named means all.
    Dismiss(Vec<String>),
    /// Who is here, and who could be.
    Cast,
    /// Talk only about this; none for anything.
    Topic(Option<String>),
    /// Only these speak, each with its weight; none named means anyone.
    Speaker(Vec<(String, f32)>),
    /// How lively it is; none asks.
    Pace(Option<Pacing>),
    /// Chat among themselves after this silence.
    Idle(IdleCommand),
    /// Put words in a persona's mouth.
    Say {
        /// Who.
        name: String,
        /// What.
        text: String,
    },
    /// Say so many things now.
    More(u32),
    /// Forget what was said so far, for what comes next.
    Reset,
    /// How replies are drawn; what is not named stays.
    Tune(TuneCommand),
    /// May I be imitated?
    Consent(ConsentCommand),
    /// Erase what I wrote.
    ForgetMe {
        /// Whether the member has confirmed it.
        confirmed: bool,
    },
    /// What is kept, and for what.
    Privacy,
    /// What can be said here.
    Help,
}

/// The forms of `/idle`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdleCommand {
    /// What is set?
    Show,
    /// Never.
    Off,
    /// After this silence.
    After(Duration),
}

/// The forms of `/consent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConsentCommand {
    /// What have I said?
    Show,
    /// Yes.
    Yes,
    /// No.
    No,
}

/// What `/tune` changes.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct TuneCommand {
    /// 0 to 2.
    pub temperature: Option<f32>,
    /// Over 0, at most 1.
    pub top_p: Option<f32>,
    /// 0 for off.
    pub top_k: Option<u32>,
}

impl TuneCommand {
    /// The sampling that results, checked.
    fn over(self, now: Sampling) -> Result<Sampling, chat::room::BadSetting> {
        Sampling::new(
            self.temperature.unwrap_or(now.temperature),
            self.top_p.unwrap_or(now.top_p),
            self.top_k.unwrap_or(now.top_k),
        )
    }
}

impl Command {
    /// The most turns that `/more` may ask for at once.
    pub const MAX_MORE: u32 = 20;

    /// Whether it changes something for everybody, so that a platform asks its rights before it lets somebody do it.
    pub fn is_for_moderators(&self) -> bool {
        matches!(
            self,
            Command::Pace(Some(_))
                | Command::Idle(IdleCommand::Off | IdleCommand::After(_))
                | Command::Say { .. }
                | Command::Tune(_)
        )
    }
}

/// Settings as a person reads them.
fn describe(settings: &RoomSettings) -> String {
    let Sampling { temperature, top_p, top_k } = settings.sampling;
    let idle = settings.idle().map_or("off".to_owned(), |idle| format!("after {}", parse::duration_words(idle)));
    format!(
        "topic: {}\npace: {}\nidle chat: {idle}\ntemperature {temperature}, top-p {top_p}, top-k {top_k}",
        settings.topic.as_deref().unwrap_or("anything"),
        settings.pacing,
    )
}
