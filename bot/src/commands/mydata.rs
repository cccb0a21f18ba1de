//! `/mydata`: everything that is kept about the one who asks, as a file for them alone.

use anyhow::Context;

use super::{Answer, Caller};
use crate::room::RoomTask;

pub(super) async fn hand_over(room: &RoomTask, caller: &Caller) -> anyhow::Result<Answer> {
    let Some(data) = room.store().member_data(caller.member.id).await? else {
        return Ok(Answer::asker("Nothing is kept about you."));
    };
    let file = serde_json::to_string_pretty(&data).context("what is kept cannot be written as JSON")?;
    Ok(Answer::asker("This is everything that I keep about you in this group. /forgetme erases it.")
        .with_file("mydata.json", file))
}
