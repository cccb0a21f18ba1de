//! `/cast`: who is in the room, who could be, and what is set.

use super::{Answer, describe, people};
use crate::room::RoomTask;

/// How many of those who could come are named.
const NAMED: usize = 15;

pub(super) async fn show(room: &RoomTask) -> anyhow::Result<Answer> {
    let here = people::list(room.cast().iter().map(|persona| persona.name.as_str()));
    let active = room.store().activity(room.room.community).await?;
    let could_come: Vec<&str> = active
        .iter()
        .filter(|a| a.messages > 0 && a.member.may_imitate().is_some())
        .filter(|a| room.cast().iter().all(|persona| persona.member != a.member.id))
        .map(|a| a.member.name.as_str())
        .collect();
    let more = could_come.len().saturating_sub(NAMED);
    let mut others = people::list(could_come.into_iter().take(NAMED));
    if more > 0 {
        others.push_str(&format!(", and {more} more"));
    }
    let trouble = room.trouble().map_or_else(String::new, |why| format!("\nthe last message was not posted: {why}"));
    let settings = describe(room.settings());
    Ok(Answer::asker(format!("in the room: {here}\ncould be summoned: {others}\n{settings}{trouble}")))
}
