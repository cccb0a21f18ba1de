//! `/idle`: after what silence the personas chat among themselves.

use chat::RoomSettings;

use super::{Answer, Caller, IdleCommand, parse::duration_words};
use crate::room::RoomTask;

pub(super) async fn show_or_set(room: &mut RoomTask, caller: &Caller, idle: IdleCommand) -> anyhow::Result<Answer> {
    let idle_seconds = match idle {
        IdleCommand::Show => {
            let now = room.settings().idle().map_or("off".to_owned(), |idle| format!("after {}", duration_words(idle)));
            return Ok(Answer::asker(format!("Idle chat is {now}.")));
        }
        IdleCommand::Off => None,
        IdleCommand::After(interval) => match RoomSettings::idle_from(interval) {
            Ok(seconds) => Some(seconds),
            Err(bad) => return Ok(Answer::refused(format!("That cannot be set: {bad}."))),
        },
    };
    let settings = RoomSettings { idle_seconds, ..room.settings().clone() };
    let said = match settings.idle() {
        Some(interval) => format!("They chat among themselves after {} of silence.", duration_words(interval)),
        None => "They no longer chat among themselves.".to_owned(),
    };
    room.set(settings, caller).await?;
    Ok(Answer::room(said))
}
