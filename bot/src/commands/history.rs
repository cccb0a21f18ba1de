//! `/history`: reading what was said before the bot came. How that goes is the platform's business.

use super::{Answer, Caller, HistoryCommand};
use crate::room::RoomTask;

pub(super) async fn read(room: &RoomTask, caller: &Caller, what: HistoryCommand) -> Answer {
    room.platform().history(&room.room, &caller.member, what).await
}
