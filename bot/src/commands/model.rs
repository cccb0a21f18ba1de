//! `/model`: what the personas speak with.

use super::{Answer, describe_sampling};
use crate::room::RoomTask;

pub(super) fn show(room: &RoomTask) -> Answer {
    Answer::asker(format!(
        "They speak with: {}. Replies are drawn with {}; /tune changes that.",
        room.shared.voice.describe(room.knowledge().community()),
        describe_sampling(room.settings().sampling),
    ))
}
