//! The two forms that an answer takes: a message of a conversation, or text that goes on.

use chat::wire::{Answer, ChatChoice, ChatDelta, ChatMessage, Delta, FinishReason, Role, TextChoice, Usage};
use serde::Serialize;

/// What all parts of one answer have in common.
#[derive(Debug, Clone)]
pub(super) struct Label {
    pub(super) id: String,
    pub(super) created: u64,
    pub(super) model: String,
}

impl Label {
    fn answer<Choice>(&self, object: &str, choices: Vec<Choice>, usage: Option<Usage>) -> Answer<Choice> {
        Answer {
            id: self.id.clone(),
            object: object.to_owned(),
            created: self.created,
            model: self.model.clone(),
            choices,
            usage,
        }
    }
}

/// How an answer is written down.
pub(super) trait Form: Send + 'static {
    /// A whole choice.
    type Choice: Serialize;
    /// A choice of a chunk.
    type Piece: Serialize;
    /// What ids begin with.
    const ID: &'static str;
    /// The name of a whole answer.
    const WHOLE: &'static str;
    /// The name of a chunk.
    const CHUNK: &'static str;

    fn choice(text: String, finish_reason: FinishReason) -> Self::Choice;
    /// What comes before any text.
    fn opening() -> Option<Self::Piece>;
    fn piece(text: String) -> Self::Piece;
    fn closing(finish_reason: FinishReason) -> Self::Piece;

    fn whole(label: &Label, text: String, finish_reason: FinishReason, usage: Usage) -> Answer<Self::Choice> {
        label.answer(Self::WHOLE, vec![Self::choice(text, finish_reason)], Some(usage))
    }

    fn chunk(label: &Label, piece: Self::Piece) -> Answer<Self::Piece> {
        label.answer(Self::CHUNK, vec![piece], None)
    }

    fn count(label: &Label, usage: Usage) -> Answer<Self::Piece> {
        label.answer(Self::CHUNK, Vec::new(), Some(usage))
    }
}

/// The answer to a chat request.
pub(super) struct ChatForm;

impl Form for ChatForm {
    type Choice = ChatChoice;
    type Piece = ChatDelta;
    const ID: &'static str = "chatcmpl";
    const WHOLE: &'static str = "chat.completion";
    const CHUNK: &'static str = "chat.completion.chunk";

    fn choice(text: String, finish_reason: FinishReason) -> ChatChoice {
        let message = ChatMessage { role: Role::Assistant, content: text };
        ChatChoice { index: 0, message, finish_reason: Some(finish_reason) }
    }

    fn opening() -> Option<ChatDelta> {
        let delta = Delta { role: Some(Role::Assistant), content: Some(String::new()) };
        Some(ChatDelta { index: 0, delta, finish_reason: None })
    }

    fn piece(text: String) -> ChatDelta {
        ChatDelta { index: 0, delta: Delta { role: None, content: Some(text) }, finish_reason: None }
    }

    fn closing(finish_reason: FinishReason) -> ChatDelta {
        ChatDelta { index: 0, delta: Delta::default(), finish_reason: Some(finish_reason) }
    }
}

/// The answer to a completion request.
pub(super) struct TextForm;

impl Form for TextForm {
    type Choice = TextChoice;
    type Piece = TextChoice;
    const ID: &'static str = "cmpl";
    const WHOLE: &'static str = "text_completion";
    const CHUNK: &'static str = "text_completion";

    fn choice(text: String, finish_reason: FinishReason) -> TextChoice {
        TextChoice { index: 0, text, finish_reason: Some(finish_reason) }
    }

    fn opening() -> Option<TextChoice> {
        None
    }

    fn piece(text: String) -> TextChoice {
        TextChoice { index: 0, text, finish_reason: None }
    }

    fn closing(finish_reason: FinishReason) -> TextChoice {
        Self::choice(String::new(), finish_reason)
    }
}
