//! Buttons below our answers. What a button does stays here under a key that nobody can guess; Telegram only carries the
//! key, so that a button cannot be forged, used in another group, or pressed for somebody else.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
};

use chat::MessageKey;
use rand::Rng;
use teloxide::types::{ChatId, InlineKeyboardButton, InlineKeyboardMarkup, UserId};

use crate::commands::Command;

/// How many buttons are remembered; those of older answers are dead.
const REMEMBERED: usize = 4_096;
/// How many buttons stand side by side.
const IN_A_ROW: usize = 3;
/// The longest label, in characters: more than this a phone does not show.
const LONGEST_LABEL: usize = 40;

/// What a button does.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Press {
    /// Gives a command.
    Give(Command),
    /// Makes it one step less lively.
    Quieter,
    /// Reacts to a message of ours, as with an emoji.
    React(MessageKey, &'static str),
}

/// A button with what it is to do and for whom.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Choice {
    pub chat: ChatId,
    /// Who may press it; none for everybody in the chat.
    pub for_whom: Option<UserId>,
    pub press: Press,
}

/// A button before it has a key.
pub(super) struct Button {
    pub label: String,
    pub press: Press,
}

impl Button {
    pub(super) fn new(label: &str, press: Press) -> Self {
        Self { label: label.chars().take(LONGEST_LABEL).collect(), press }
    }
}

/// The buttons that live.
#[derive(Debug, Default)]
pub(super) struct Choices(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    order: VecDeque<String>,
    by_key: HashMap<String, Choice>,
}

impl Choices {
    /// A keyboard of buttons that one person may press, or everybody in the chat.
    pub(super) fn keyboard(
        &self,
        chat: ChatId,
        for_whom: Option<UserId>,
        buttons: Vec<Button>,
        rng: &mut impl Rng,
    ) -> InlineKeyboardMarkup {
        let mut made = Vec::with_capacity(buttons.len());
        for Button { label, press } in buttons {
            let key = format!("{:032x}", rng.random::<u128>());
            self.keep(key.clone(), Choice { chat, for_whom, press });
            made.push(InlineKeyboardButton::callback(label, key));
        }
        InlineKeyboardMarkup::new(made.chunks(IN_A_ROW).map(<[_]>::to_vec))
    }

    fn keep(&self, key: String, choice: Choice) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.order.push_back(key.clone());
        kept.by_key.insert(key, choice);
        while kept.order.len() > REMEMBERED {
            let oldest = kept.order.pop_front().expect("it is longer than nothing");
            kept.by_key.remove(&oldest);
        }
    }

    /// What a key stands for in a chat; none where it is dead, or of another chat.
    pub(super) fn find(&self, key: &str, chat: ChatId) -> Option<Choice> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.by_key.get(key).filter(|choice| choice.chat == chat).cloned()
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use teloxide::types::InlineKeyboardButtonKind;

    use super::*;

    fn keys(keyboard: &InlineKeyboardMarkup) -> Vec<String> {
        let buttons = keyboard.inline_keyboard.iter().flatten();
        let key = |button: &InlineKeyboardButton| match &button.kind {
            InlineKeyboardButtonKind::CallbackData(key) => key.clone(),
            _ => panic!("every button has a key"),
        };
        buttons.map(key).collect()
    }

    #[test]
    fn a_key_counts_in_its_chat_and_is_short_enough() {
        let (choices, mut rng) = (Choices::default(), ChaCha8Rng::seed_from_u64(1));
        let buttons =
            vec![Button::new(&"x".repeat(99), Press::Quieter), Button::new("More", Press::Give(Command::Cast))];
        let keyboard = choices.keyboard(ChatId(-5), Some(UserId(1)), buttons, &mut rng);
        let keys = keys(&keyboard);
        assert!(keys.iter().all(|key| key.len() <= 64) && keys[0] != keys[1]);
        assert_eq!(choices.find(&keys[0], ChatId(-5)).unwrap().press, Press::Quieter);
        assert_eq!(choices.find(&keys[0], ChatId(-6)), None);
        assert_eq!(choices.find("forged", ChatId(-5)), None);
    }

    #[test]
    fn old_buttons_die() {
        let (choices, mut rng) = (Choices::default(), ChaCha8Rng::seed_from_u64(1));
        let mut one =
            || keys(&choices.keyboard(ChatId(-5), None, vec![Button::new("x", Press::Quieter)], &mut rng)).remove(0);
        let first = one();
        let last = (0..REMEMBERED).map(|_| one()).last().unwrap();
        assert!(choices.find(&first, ChatId(-5)).is_none() && choices.find(&last, ChatId(-5)).is_some());
    }
}
