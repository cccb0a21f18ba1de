//! The two forms that an answer takes: a message of a conversation, or text that goes on.

use std::collections::BTreeMap;

use chat::wire::{
    Answer, Candidate, ChatChoice, ChatDelta, ChatLogprobs, ChatMessage, Delta, FinishReason, Role, TextChoice,
    TextLogprobs, TokenLogprob, Usage,
};
use serde::Serialize;

use crate::job::{LikelyToken, Said, SaidToken};

/// What all parts of one answer have in common.
#[derive(Debug, Clone)]
pub(super) struct Label {
    pub(super) id: String,
    pub(super) created: u64,
    pub(super) model: String,
    /// Whether log-probabilities are told.
    pub(super) logprobs: bool,
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

    fn choice(label: &Label, said: Said, finish_reason: FinishReason) -> Self::Choice;
    /// What comes before any text.
    fn opening() -> Option<Self::Piece>;
    /// A piece that begins after so many characters of the answer.
    fn piece(label: &Label, said: Said, place: usize) -> Self::Piece;
    fn closing(finish_reason: FinishReason) -> Self::Piece;

    fn whole(label: &Label, said: Said, finish_reason: FinishReason, usage: Usage) -> Answer<Self::Choice> {
        label.answer(Self::WHOLE, vec![Self::choice(label, said, finish_reason)], Some(usage))
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

    fn choice(label: &Label, said: Said, finish_reason: FinishReason) -> ChatChoice {
        let logprobs = label.logprobs.then(|| chat_logprobs(said.tokens));
        let message = ChatMessage { role: Role::Assistant, content: said.text };
        ChatChoice { index: 0, message, logprobs, finish_reason: Some(finish_reason) }
    }

    fn opening() -> Option<ChatDelta> {
        let delta = Delta { role: Some(Role::Assistant), content: Some(String::new()) };
        Some(ChatDelta { index: 0, delta, logprobs: None, finish_reason: None })
    }

    fn piece(label: &Label, said: Said, _: usize) -> ChatDelta {
        let logprobs = label.logprobs.then(|| chat_logprobs(said.tokens));
        let delta = Delta { role: None, content: Some(said.text) };
        ChatDelta { index: 0, delta, logprobs, finish_reason: None }
    }

    fn closing(finish_reason: FinishReason) -> ChatDelta {
        ChatDelta { index: 0, delta: Delta::default(), logprobs: None, finish_reason: Some(finish_reason) }
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

    fn choice(label: &Label, said: Said, finish_reason: FinishReason) -> TextChoice {
        TextChoice { finish_reason: Some(finish_reason), ..Self::piece(label, said, 0) }
    }

    fn opening() -> Option<TextChoice> {
        None
    }

    fn piece(label: &Label, said: Said, place: usize) -> TextChoice {
        let logprobs = label.logprobs.then(|| text_logprobs(&said.tokens, place));
        TextChoice { index: 0, text: said.text, logprobs, finish_reason: None }
    }

    fn closing(finish_reason: FinishReason) -> TextChoice {
        TextChoice { index: 0, text: String::new(), logprobs: None, finish_reason: Some(finish_reason) }
    }
}

fn chat_logprobs(tokens: Vec<SaidToken>) -> ChatLogprobs {
    let token = |token: SaidToken| TokenLogprob {
        chosen: candidate(token.chosen),
        top_logprobs: token.top.into_iter().map(candidate).collect(),
    };
    ChatLogprobs { content: tokens.into_iter().map(token).collect() }
}

fn candidate(token: LikelyToken) -> Candidate {
    Candidate { token: readable(&token.bytes), logprob: token.logprob, bytes: token.bytes }
}

/// The older form, of tokens that begin after so many characters.
fn text_logprobs(tokens: &[SaidToken], mut place: usize) -> TextLogprobs {
    let mut logprobs = TextLogprobs::default();
    for SaidToken { chosen, top } in tokens {
        let text = readable(&chosen.bytes);
        logprobs.text_offset.push(place);
        place += text.chars().count();
        logprobs.tokens.push(text);
        logprobs.token_logprobs.push(chosen.logprob);
        let top: BTreeMap<String, f32> = top.iter().map(|token| (readable(&token.bytes), token.logprob)).collect();
        logprobs.top_logprobs.push(top);
    }
    logprobs
}

/// A token as text. Bytes that are no characters of their own are replaced, as OpenAI does it; they are told beside it.
fn readable(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
