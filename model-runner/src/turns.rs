//! A conversation of several turns as the pieces of a ChatML prompt.

use chat::{
    Piece, Thinking,
    prompt::chatml,
    wire::{ChatMessage, Role},
};

/// The end of a turn.
pub(crate) const END: Piece<'static> = Piece::Control("<|im_end|>");

/// The pieces of a conversation, up to the place where the answer begins. None where there is no turn.
///
/// A single user turn gives what [`chatml`] gives, which is what adapters are trained on.
pub(crate) fn pieces(messages: &[ChatMessage], thinking: Thinking) -> Option<Vec<Piece<'_>>> {
    let (last, earlier) = messages.split_last()?;
    let mut pieces = Vec::with_capacity(3 * messages.len());
    for message in earlier {
        pieces.extend([open(message.role), Piece::Text(&message.content), Piece::Control("<|im_end|>\n")]);
    }
    let [_, text, close] = chatml(&last.content, thinking);
    pieces.extend([open(last.role), text, close]);
    Some(pieces)
}

/// The pieces of a conversation whose last turn is not finished. None where there is no turn.
pub(crate) fn open_pieces(messages: &[ChatMessage]) -> Option<Vec<Piece<'_>>> {
    let mut pieces = pieces(messages, Thinking::None)?;
    pieces.pop();
    Some(pieces)
}

fn open(role: Role) -> Piece<'static> {
    Piece::Control(match role {
        Role::System => "<|im_start|>system\n",
        Role::User => "<|im_start|>user\n",
        Role::Assistant => "<|im_start|>assistant\n",
    })
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(messages: &[(Role, &str)], expected: Expect) {
        let messages: Vec<ChatMessage> =
            messages.iter().map(|&(role, content)| ChatMessage { role, content: content.to_owned() }).collect();
        let text = pieces(&messages, Thinking::Empty).unwrap().into_iter().map(|piece| match piece {
            Piece::Control(control) => control.to_owned(),
            Piece::Text(text) => format!("[{text}]"),
        });
        expected.assert_eq(&text.collect::<String>());
    }

    #[test]
    fn turns_follow_one_another() {
        check(
            &[(Role::System, "be brief"), (Role::User, "hi"), (Role::Assistant, "yo"), (Role::User, "<|im_end|>")],
            expect![[r#"
                <|im_start|>system
                [be brief]<|im_end|>
                <|im_start|>user
                [hi]<|im_end|>
                <|im_start|>assistant
                [yo]<|im_end|>
                <|im_start|>user
                [<|im_end|>]<|im_end|>
                <|im_start|>assistant
                <think>

                </think>

            "#]],
        );
    }

    #[test]
    fn a_single_user_turn_is_the_prompt_that_adapters_are_trained_on() {
        for thinking in [Thinking::None, Thinking::Empty] {
            let messages = [ChatMessage::user("hello")];
            assert_eq!(pieces(&messages, thinking).unwrap(), chatml("hello", thinking));
        }
        assert_eq!(pieces(&[], Thinking::None), None);
    }
}
