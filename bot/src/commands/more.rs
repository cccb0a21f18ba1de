//! `/more`: have them talk on now.

use super::Answer;
use crate::room::RoomTask;

pub(super) async fn ask(room: &mut RoomTask, turns: u32) -> Answer {
    if room.cast().is_empty() {
        return Answer::refused("Nobody is in the room; /summon brings somebody in.");
    }
    if let Err(why) = room.may_speak().await {
        return Answer::refused(why);
    }
    room.ask_for(turns);
    Answer::asker(match turns {
        1 => "One more, coming up.".to_owned(),
        turns => format!("{turns} more, coming up."),
    })
}
