//! `/summon` and `/dismiss`: who is in the room.

use chat::{Consent, Member, RoomSettings};

use super::{Answer, Caller, people};
use crate::room::RoomTask;

/// The most personas that a room can hold: more than this nobody can tell apart.
const MAX_CAST: usize = 20;

/// What a room is told when the first persona comes into it.
const NOTICE: &str = "-- I speak like members of this group who agreed to it, and I keep what is written here for that. \
     /privacy tells what is kept, /consent no ends any persona of you, /forgetme erases what you wrote.";

/// Brings personas in. Those who may not be imitated stay out, and the answer says so.
pub(super) async fn summon(room: &mut RoomTask, caller: &Caller, names: &[String]) -> anyhow::Result<Answer> {
    if let Err(why) = room.may_speak().await {
        return Ok(Answer::refused(why));
    }
    let mut came = Vec::new();
    let mut notes = Vec::new();
    for name in names {
        match people::find(room, name).await? {
            Err(unknown) => notes.push(unknown.text),
            Ok(member) => match bring(room, caller, &member).await? {
                Ok(()) => came.push(member.name),
                Err(why) => notes.push(why),
            },
        }
    }
    if came.is_empty() {
        return Ok(Answer::refused(notes.join("\n")));
    }
    room.cast_changed().await?;
    notes.insert(0, format!("{} joined the room.", people::list(came.iter().map(String::as_str))));
    if room.store().notice_room(room.room.id, room.clock_now()).await? {
        notes.push(NOTICE.to_owned());
    }
    Ok(Answer::room(notes.join("\n")))
}

async fn bring(room: &RoomTask, caller: &Caller, member: &Member) -> anyhow::Result<Result<(), String>> {
    let Some(proof) = member.may_imitate() else { return Ok(Err(why_not(member))) };
    if room.cast().len() >= MAX_CAST {
        return Ok(Err(format!("A room holds {MAX_CAST} personas; /dismiss somebody first.")));
    }
    let persona = room.store().persona(proof).await?;
    let is_new = room.store().summon(room.room.id, persona.id, Some(caller.member.id), room.clock_now()).await?;
    Ok(if is_new { Ok(()) } else { Err(format!("{} is here already.", member.name)) })
}

fn why_not(member: &Member) -> String {
    let name = &member.name;
    match member.consent {
        _ if member.is_bot => format!("{name} is a bot; I only speak like people."),
        _ if member.has_left => format!("{name} has left this group."),
        Consent::Refused => format!("{name} does not want to be imitated."),
        _ => format!("{name} has not agreed to be imitated yet; /consent yes, said by {name}, is all it takes."),
    }
}

/// Sends personas away; none named means all.
pub(super) async fn dismiss(room: &mut RoomTask, caller: &Caller, names: &[String]) -> anyhow::Result<Answer> {
    let mut leaving = Vec::new();
    let mut notes = Vec::new();
    if names.is_empty() {
        leaving.extend(room.cast().iter().cloned());
    }
    for name in names {
        match people::find_here(room.cast(), name) {
            Ok(persona) => leaving.push(persona.clone()),
            Err(unknown) => notes.push(unknown.text),
        }
    }
    for persona in &leaving {
        room.store().dismiss(room.room.id, persona.id).await?;
    }
    if leaving.is_empty() {
        notes.push("Nobody left.".to_owned());
        return Ok(Answer::refused(notes.join("\n")));
    }
    let mut speakers = room.settings().speakers.clone();
    speakers.retain(|speaker| leaving.iter().all(|persona| persona.id != speaker.persona));
    if speakers.len() < room.settings().speakers.len() {
        let settings = RoomSettings { speakers, ..room.settings().clone() };
        room.set(settings, caller).await?;
    }
    room.cast_changed().await?;
    notes.insert(0, format!("{} left the room.", people::list(leaving.iter().map(|persona| persona.name.as_str()))));
    Ok(Answer::room(notes.join("\n")))
}
