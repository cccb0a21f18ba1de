//! `/forgetme`: everything of the one who asks is erased.

use super::{Answer, Caller};
use crate::room::{Input, RoomTask};

pub(super) async fn forget(room: &mut RoomTask, caller: &Caller, confirmed: bool) -> anyhow::Result<Answer> {
    if !confirmed {
        return Ok(Answer::asker(
            "This erases every message of yours that I keep, what your persona said, and the persona itself, for good. \
             If that is what you want: /forgetme confirm",
        ));
    }
    let member = &caller.member;
    let gone = room.store().forget_member(member.id, room.clock_now()).await?;
    room.knowledge().forget(member.id);
    room.shared.member_changed(member.community, member);
    room.shared.tell_community(member.community, || Input::MembersChanged);
    Ok(Answer::asker(format!(
        "Erased: {} messages of yours and {} that your persona said. What you write from now on is not kept.",
        gone.messages, gone.generated
    )))
}
