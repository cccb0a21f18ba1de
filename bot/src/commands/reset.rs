//! `/reset`: what was said so far no longer counts for what comes next. Nothing is erased.

use chat::RoomSettings;

use super::{Answer, Caller};
use crate::room::RoomTask;

pub(super) async fn reset(room: &mut RoomTask, caller: &Caller) -> anyhow::Result<Answer> {
    let newest = room.store().latest(room.room.id, 1).await?.last().map(|message| message.key);
    room.set(RoomSettings { window_after: newest, topic: None, ..room.settings().clone() }, caller).await?;
    room.clear_window();
    Ok(Answer::room("A fresh start: what was said so far no longer counts, and any topic will do."))
}
