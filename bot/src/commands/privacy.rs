//! `/privacy`: what is kept, for what, and how to end it.

use super::Answer;

pub(super) fn show() -> Answer {
    Answer::asker(
        "What I keep: the messages of this group, who wrote them and when, in a database on the machine of whoever runs me. \
         Nothing is sent anywhere else, and nothing of this group is shown in another.\n\
         What for: to speak like members who agreed to it.\n\
         How long: until it is erased. A message that is deleted or edited here is deleted or edited there.\n\
         Your say: /consent no ends any persona of you at once; /forgetme erases what you wrote.",
    )
}
