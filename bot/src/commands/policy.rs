//! `/policy`: whether the members of a group must agree before they are imitated. It counts at once, in all its rooms.

use chat::ConsentPolicy;

use super::Answer;
use crate::room::{Input, RoomTask};

pub(super) async fn show_or_set(room: &mut RoomTask, policy: Option<ConsentPolicy>) -> anyhow::Result<Answer> {
    let community = room.room.community;
    let Some(policy) = policy else {
        return Ok(Answer::asker(describe(room.store().consent_policy(community).await?)));
    };
    room.store().set_consent_policy(community, policy, room.clock_now()).await?;
    room.shared.policy_changed(community);
    room.shared.tell_community(community, || Input::MembersChanged);
    Ok(Answer::room(describe(policy)))
}

fn describe(policy: ConsentPolicy) -> &'static str {
    match policy {
        ConsentPolicy::OptIn => {
            "Members must opt in: there is a persona only of those who said /consent yes, or whose agreement was declared \
             with an import."
        }
        ConsentPolicy::OptOut => {
            "Members may be summoned freely, except those who have said /consent no. Whoever says it is left alone at once."
        }
    }
}
