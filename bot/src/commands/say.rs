//! `/say`: words in a persona's mouth.

use chat::sanitise;

use super::{Answer, Caller, people};
use crate::room::RoomTask;

pub(super) async fn say(room: &mut RoomTask, caller: &Caller, name: &str, text: &str) -> Answer {
    let persona = match people::find_here(room.cast(), name) {
        Ok(persona) => persona.clone(),
        Err(unknown) => return unknown,
    };
    let line = sanitise::text(text);
    if line.is_empty() {
        return Answer::refused("There is nothing to say in that.");
    }
    if let Err(why) = room.may_speak().await {
        return Answer::refused(why);
    }
    let said = format!("{} will say it.", persona.name);
    if room.put_in_mouth(persona, line, caller.member.id) {
        Answer::asker(said)
    } else {
        Answer::refused("Too many lines are waiting; one moment.")
    }
}
