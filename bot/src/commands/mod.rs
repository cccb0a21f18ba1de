//! The commands: what they are called, what they take, and what they do. No platform is named here.
//!
//! A platform offers [`SPECS`] in its own way (a slash menu, a page, an application command) and hands what somebody
//! entered to [`parse`], or builds a [`Command`] itself where it has typed options.

mod answer;
mod cast;
mod consent;
mod forgetme;
mod help;
mod history;
mod idle;
mod language;
mod model;
mod more;
mod mydata;
mod pace;
mod parse;
mod people;
mod policy;
mod privacy;
mod reset;
mod run;
mod say;
mod speaker;
mod spec;
mod summon;
mod topic;
mod tune;
mod who;

use std::time::Duration;

use chat::{ConsentPolicy, MessageKey, Pacing, RoomSettings, Sampling};

pub use answer::{Answer, AnswerFile, Audience};
pub use language::Language;
pub(crate) use parse::weighted;
pub use parse::{Usage, parse};
pub(crate) use privacy::privacy;
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
    /// Who may be imitated in this group; none asks.
    Policy(Option<ConsentPolicy>),
    /// Everything that is kept about me.
    MyData,
    /// Which persona wrote a message, and with what; none for the latest.
    Who(Option<MessageKey>),
    /// What the personas speak with.
    Model,
    /// Read what was said before the bot came.
    History(HistoryCommand),
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

/// The forms of `/history`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HistoryCommand {
    /// How far is it?
    Show,
    /// Read on backwards from the oldest message that was read.
    Backfill,
    /// Read no further for now.
    Stop,
}

/// Where somebody stands who gives a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rank {
    /// A member like others.
    Member,
    /// Somebody who may set what counts for all of a group.
    Administrator,
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

    /// Whether it decides something for a whole group, which only its administrators may.
    pub fn is_for_administrators(&self) -> bool {
        matches!(self, Command::Policy(Some(_)) | Command::History(HistoryCommand::Backfill | HistoryCommand::Stop))
    }
}

/// Settings as a person reads them.
fn describe(settings: &RoomSettings) -> String {
    let idle = settings.idle().map_or("off".to_owned(), |idle| format!("after {}", parse::duration_words(idle)));
    format!(
        "topic: {}\npace: {}\nidle chat: {idle}\n{}",
        settings.topic.as_deref().unwrap_or("anything"),
        settings.pacing,
        describe_sampling(settings.sampling),
    )
}

fn describe_sampling(Sampling { temperature, top_p, top_k }: Sampling) -> String {
    format!("temperature {temperature}, top-p {top_p}, top-k {top_k}")
}
