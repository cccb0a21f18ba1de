//! `/say`: words in a persona's mouth.

use chat::sanitise;

use super::{Answer, people};
use crate::room::RoomTask;

pub(super) fn say(room: &mut RoomTask, name: &str, text: &str) -> Answer {
    let persona = match people::find_here(room.cast(), name) {
        Ok(persona) => persona.clone(),
        Err(unknown) => return unknown,
    };
    let line = sanitise::text(text);
    if line.is_empty() {
        return Answer::refused("There is nothing to say in that.");
    }
    let said = format!("{} will say it.", persona.name);
    if room.put_in_mouth(persona, line) {
        Answer::asker(said)
    } else {
        Answer::refused("Too many lines are waiting; one moment.")
    }
}
