//! Doing what a command says. Each command is a file of its own; this one only finds it.

use chat::Member;

use super::{
    Answer, Command, Rank, cast, consent, forgetme, help, history, idle, model, more, mydata, pace, policy, reset, say,
    speaker, summon, topic, tune, who,
};
use crate::room::RoomTask;

/// Who gave a command.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// The member who gave it.
    pub member: Member,
    /// Where they stand.
    pub rank: Rank,
}

/// Does it. What goes wrong underneath is logged here and becomes a sentence.
pub(crate) async fn run(room: &mut RoomTask, caller: &Caller, command: Command) -> Answer {
    if command.is_for_administrators() && caller.rank != Rank::Administrator {
        return Answer::refused("That is for those who manage this group.");
    }
    let answer = match command {
        Command::Summon(names) => summon::summon(room, caller, &names).await,
        Command::Dismiss(names) => summon::dismiss(room, caller, &names).await,
        Command::Cast => cast::show(room).await,
        Command::Topic(topic) => topic::set(room, caller, topic).await,
        Command::Speaker(speakers) => speaker::set(room, caller, &speakers).await,
        Command::Pace(pacing) => pace::show_or_set(room, caller, pacing).await,
        Command::Idle(idle) => idle::show_or_set(room, caller, idle).await,
        Command::Say { name, text } => Ok(say::say(room, caller, &name, &text).await),
        Command::More(turns) => Ok(more::ask(room, turns).await),
        Command::Reset => reset::reset(room, caller).await,
        Command::Tune(tune) => tune::show_or_set(room, caller, tune).await,
        Command::Consent(consent) => consent::show_or_set(room, caller, consent).await,
        Command::ForgetMe { confirmed } => forgetme::forget(room, caller, confirmed).await,
        Command::Policy(policy) => policy::show_or_set(room, policy).await,
        Command::MyData => mydata::hand_over(room, caller).await,
        Command::Who(key) => who::show(room, key).await,
        Command::Model => Ok(model::show(room)),
        Command::History(what) => Ok(history::read(room, caller, what).await),
        Command::Privacy => Ok(super::privacy(&room.shared.voice)),
        Command::Help => Ok(help::show()),
    };
    answer.unwrap_or_else(|error| {
        tracing::error!("a command failed: {error:#}");
        Answer::refused("That did not work just now: the history cannot be reached. Please try again in a moment.")
    })
}
