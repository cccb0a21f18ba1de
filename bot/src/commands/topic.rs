//! `/topic`: what the personas talk about.

use chat::RoomSettings;

use super::{Answer, Caller};
use crate::room::RoomTask;

pub(super) async fn set(room: &mut RoomTask, caller: &Caller, topic: Option<String>) -> anyhow::Result<Answer> {
    let said = match &topic {
        Some(topic) => format!("The topic is now: {topic}"),
        None => "They may talk about anything again.".to_owned(),
    };
    room.set(RoomSettings { topic, ..room.settings().clone() }, caller).await?;
    Ok(Answer::room(said))
}
