//! `/who`: which persona wrote a message, whose voice that is, and what it was drawn with.

use chat::MessageKey;

use super::Answer;
use crate::room::RoomTask;

pub(super) async fn show(room: &RoomTask, key: Option<MessageKey>) -> anyhow::Result<Answer> {
    let key = match key {
        Some(key) => key,
        None => match room.store().latest_generated(room.room.id).await? {
            Some(key) => key,
            None => return Ok(Answer::refused("No persona has said anything here yet.")),
        },
    };
    let Some(written) = room.store().authorship(room.room.id, key).await? else {
        return Ok(Answer::asker("That was not written by one of my personas."));
    };
    let name = &written.persona.name;
    let why = match written.cause.split(':').next() {
        _ if !written.voice.is_empty() => format!("drawn with {}", written.voice),
        Some("say") => "somebody put the words in its mouth with /say".to_owned(),
        _ => "nobody noted what it was drawn with".to_owned(),
    };
    Ok(Answer::asker(format!(
        "That was my persona of {name}, not {name}: {why}, at {} UTC. A ❌ takes it away.",
        written.sent_at.format("%Y-%m-%d %H:%M")
    )))
}
