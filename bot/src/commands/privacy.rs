//! `/privacy`: what is kept, for what, and how to end it.

use super::Answer;
use crate::voice::Voice;

/// What is kept of a group whose personas speak with this voice.
pub(crate) fn privacy(voice: &Voice) -> Answer {
    let elsewhere = match voice.is_remote() {
        true => {
            "The five latest are shown to the model server that whoever runs me has chosen; nothing else goes anywhere,"
        }
        false => "Nothing is sent anywhere else,",
    };
    Answer::asker(format!(
        "What I keep: the messages of this group, who wrote them and when, in a database on the machine of whoever runs me. \
         {elsewhere} and nothing of this group is shown in another.\n\
         What for: to speak like members who agreed to it.\n\
         How long: until it is erased. A message that is deleted or edited here is deleted or edited there.\n\
         Your say: /consent no ends any persona of you at once; /forgetme erases what you wrote; /mydata \
         shows it to you.",
    ))
}
