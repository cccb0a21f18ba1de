//! `/tune`: how replies are drawn from the model.

use chat::RoomSettings;

use super::{Answer, Caller, TuneCommand, describe_sampling};
use crate::room::RoomTask;

pub(super) async fn show_or_set(room: &mut RoomTask, caller: &Caller, tune: TuneCommand) -> anyhow::Result<Answer> {
    if tune == TuneCommand::default() {
        return Ok(Answer::asker(format!("Replies are drawn with {}.", describe_sampling(room.settings().sampling))));
    }
    let sampling = match tune.over(room.settings().sampling) {
        Ok(sampling) => sampling,
        Err(bad) => return Ok(Answer::refused(format!("That cannot be set: {bad}."))),
    };
    room.set(RoomSettings { sampling, ..room.settings().clone() }, caller).await?;
    Ok(Answer::room(format!("Replies are now drawn with {}.", describe_sampling(sampling))))
}
