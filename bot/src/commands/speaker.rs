//! `/speaker`: who is to speak.

use chat::{ForcedSpeaker, RoomSettings};

use super::{Answer, Caller, people};
use crate::room::RoomTask;

pub(super) async fn set(room: &mut RoomTask, caller: &Caller, named: &[(String, f32)]) -> anyhow::Result<Answer> {
    let mut speakers: Vec<ForcedSpeaker> = Vec::new();
    let mut names = Vec::new();
    for (name, weight) in named {
        let persona = match people::find_here(room.cast(), name) {
            Ok(persona) => persona,
            Err(unknown) => return Ok(unknown),
        };
        if speakers.iter().any(|speaker| speaker.persona == persona.id) {
            return Ok(Answer::refused(format!("{} is named twice.", persona.name)));
        }
        speakers.push(ForcedSpeaker { persona: persona.id, weight: *weight });
        names.push(persona.name.clone());
    }
    room.set(RoomSettings { speakers, ..room.settings().clone() }, caller).await?;
    Ok(Answer::room(match names.len() {
        0 => "Anyone may speak again.".to_owned(),
        _ => format!("Only {} will speak.", people::list(names.iter().map(String::as_str))),
    }))
}
