//! `/consent`: whether there may be a persona of the one who asks. It counts at once, in every room of the community.

use chat::{Consent, ConsentSource, Member};
use store::NewMember;

use super::{Answer, Caller, ConsentCommand};
use crate::room::{Input, RoomTask};

pub(super) async fn show_or_set(room: &mut RoomTask, caller: &Caller, said: ConsentCommand) -> anyhow::Result<Answer> {
    let member = room.store().member_by_id(caller.member.id).await?.unwrap_or_else(|| caller.member.clone());
    let (consent, answer) = match said {
        ConsentCommand::Show => return Ok(Answer::asker(describe(member.consent))),
        ConsentCommand::Yes => (
            member.consent.granted_by(ConsentSource::Member),
            "Thank you. There may be a persona of you now; /consent no takes that back at any time.",
        ),
        ConsentCommand::No => (
            Consent::Refused,
            "There is no persona of you any more, anywhere in this group, and there will be none. What you wrote stays in \
             the history; /forgetme erases that too.",
        ),
    };
    let now = room.clock_now();
    room.store().set_consent(member.id, consent, now).await?;
    if consent.allows() {
        // Somebody who was forgotten before has no name yet.
        let Member { community, ref key, ref name, is_bot, ref avatar_url, .. } = caller.member;
        let seen = NewMember { community, key, name, is_bot, avatar_url: avatar_url.as_deref(), seen_at: now };
        room.store().member(&seen).await?;
        room.knowledge().members_changed(room.store()).await?;
    }
    room.shared.member_changed(member.community, &member);
    room.shared.tell_community(member.community, || Input::MembersChanged);
    Ok(Answer::asker(answer))
}

fn describe(consent: Consent) -> String {
    match consent {
        Consent::Unasked => "You have not said anything yet, so there is no persona of you. /consent yes allows one.",
        Consent::Declared => {
            "The operator declared at an import that you agreed to a persona. /consent yes confirms it, /consent no ends it."
        }
        Consent::Granted => "You agreed to a persona of you. /consent no takes that back.",
        Consent::Refused => "You said no: there is no persona of you. /consent yes would allow one.",
    }
    .to_owned()
}
