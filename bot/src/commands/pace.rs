//! `/pace`: how lively a room is.

use chat::{Pacing, RoomSettings};

use super::{Answer, Caller};
use crate::room::RoomTask;

pub(super) async fn show_or_set(
    room: &mut RoomTask,
    caller: &Caller,
    pacing: Option<Pacing>,
) -> anyhow::Result<Answer> {
    let Some(pacing) = pacing else {
        return Ok(Answer::asker(format!("The pace is {}.", room.settings().pacing)));
    };
    room.set(RoomSettings { pacing, ..room.settings().clone() }, caller).await?;
    Ok(Answer::room(match pacing {
        Pacing::Off => "They are quiet until somebody asks for /more.".to_owned(),
        Pacing::Custom { reply_chance, min_delay, max_delay } => {
            format!("They answer with a chance of {reply_chance}, after {min_delay} to {max_delay} seconds.")
        }
        preset => format!("The pace is now {preset}."),
    }))
}
