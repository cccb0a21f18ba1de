//! The wire types of the model runner: OpenAI's HTTP interface, as far as the runner speaks it and the bot uses it.
//!
//! Requests take what OpenAI's clients send: a field that is not known here is ignored, content is a string or a list
//! of text parts, `stop` is a string or a list. What is asked for but not offered (`n`) is read, so that the runner can
//! refuse it in words instead of quietly doing something else.
//!
//! Source: <https://platform.openai.com/docs/api-reference>; `top_k`, `min_p`, `repetition_penalty` and `priority` as in
//! vLLM, the DRY penalties and `grammar` as in llama-server. Ours are `allowed_scripts`, `no_urls`, `timeout`, and the
//! paths whose types stand in `runner`.

mod runner;

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

pub use self::runner::{
    Health, LoadAdapterRequest, PrefillRequest, Prefilled, RunnerCounters, RunnerMemory, RunnerStatus, Score,
    ScoreRequest, Scores, UnloadAdapterRequest,
};
use crate::scripts::ScriptSet;

/// Who wrote a turn of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The one who sets the scene; OpenAI's newer name for it is `developer`.
    #[serde(alias = "developer")]
    System,
    /// The one who asks.
    User,
    /// The model.
    Assistant,
}

/// A turn of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatMessage {
    /// Who wrote it.
    pub role: Role,
    /// Its text; a list of text parts is joined.
    #[serde(default, deserialize_with = "text_of_content")]
    pub content: String,
}

impl ChatMessage {
    /// A turn of the one who asks.
    pub fn user(content: impl Into<String>) -> Self {
        Self { role: Role::User, content: content.into() }
    }
}

/// `POST /v1/chat/completions`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ChatRequest {
    /// The model's id; none for whatever the server has loaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The conversation, oldest turn first.
    pub messages: Vec<ChatMessage>,
    /// How to draw the answer.
    #[serde(flatten)]
    pub options: DrawOptions,
}

/// `POST /v1/completions`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct CompletionRequest {
    /// The model's id; none for whatever the server has loaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The text to go on from. A list of exactly one string is taken too.
    #[serde(deserialize_with = "only_prompt")]
    pub prompt: String,
    /// How to draw the answer.
    #[serde(flatten)]
    pub options: DrawOptions,
}

/// What both kinds of request say about how the answer is drawn and sent.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct DrawOptions {
    /// At most this many tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// OpenAI's newer name for `max_tokens`; it wins where both are given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_completion_tokens: Option<u32>,
    /// 0 (always the likeliest token) to 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f32>,
    /// Only the likeliest tokens whose probabilities sum to this, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f32>,
    /// Only this many of the likeliest tokens; 0 or less for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_k: Option<i32>,
    /// Only tokens at least this likely relative to the likeliest, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_p: Option<f32>,
    /// The same seed draws the same answer from the same prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    /// The answer ends before the first of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "one_or_many")]
    pub stop: Vec<String>,
    /// Whether the answer comes in pieces, as server-sent events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<bool>,
    /// What a streamed answer carries besides text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream_options: Option<StreamOptions>,
    /// How many answers; only 1 is offered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n: Option<u32>,
    /// Whether (chat) or of how many candidates (completions) log-probabilities are wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<serde_json::Value>,
    /// Of how many candidates a token log-probabilities are wanted (chat), 0 to 20.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_logprobs: Option<u32>,
    /// Divides the logits of tokens that came already; 1 for none. llama-server calls it `repeat_penalty`.
    #[serde(default, alias = "repeat_penalty", skip_serializing_if = "Option::is_none")]
    pub repetition_penalty: Option<f32>,
    /// How many of the latest tokens, prompt included, the repetition penalty looks at; -1 for all, 64 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat_last_n: Option<i32>,
    /// Taken off the logit of a token for each time the answer holds it, -2 to 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frequency_penalty: Option<f32>,
    /// Taken off the logit of a token that the answer holds, -2 to 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presence_penalty: Option<f32>,
    /// The DRY penalty of a token that would continue a repetition is `multiplier * base ^ (length - allowed_length)`;
    /// 0 for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dry_multiplier: Option<f32>,
    /// The base of the DRY penalty, 1.75 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dry_base: Option<f32>,
    /// The longest repetition, in tokens, that the DRY penalty lets pass, 2 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dry_allowed_length: Option<u32>,
    /// How many of the latest tokens, prompt included, the DRY penalty looks at; -1 (the default) for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dry_penalty_last_n: Option<i32>,
    /// What is added to the logits of tokens, by their number as text, -100 to 100; -100 bans one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logit_bias: Option<BTreeMap<String, f32>>,
    /// A grammar in GBNF that the answer follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grammar: Option<String>,
    /// The scripts that the answer may use besides what is common to all.
    #[serde(default, skip_serializing_if = "ScriptSet::is_everything")]
    pub allowed_scripts: ScriptSet,
    /// Whether the answer must hold no address of a web page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_urls: Option<bool>,
    /// What room this is: its prompt is kept for its next request, and replaces what was kept for it before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_cache_key: Option<String>,
    /// 0 (the default) for what people wait for; what is greater gives way to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<i32>,
    /// How many seconds the answer may take, waiting included; at most what the server allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<f32>,
}

impl DrawOptions {
    /// At most this many tokens, under either name.
    pub fn token_limit(&self) -> Option<u32> {
        self.max_completion_tokens.or(self.max_tokens)
    }
}

/// What a streamed answer carries besides text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StreamOptions {
    /// Whether a last chunk counts the tokens.
    #[serde(default)]
    pub include_usage: bool,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The model ended its turn, or one of the stop strings came.
    Stop,
    /// The token limit or the end of the context was reached.
    Length,
}

/// How many tokens a request cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens of the prompt, control tokens included.
    pub prompt_tokens: u32,
    /// Tokens that were generated.
    pub completion_tokens: u32,
    /// The sum of both.
    pub total_tokens: u32,
    /// What of the prompt did not have to be computed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_tokens_details: Option<PromptTokensDetails>,
}

/// What of a prompt did not have to be computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PromptTokensDetails {
    /// Tokens that were in the cache.
    pub cached_tokens: u32,
}

impl Usage {
    /// Counts the sum.
    pub fn new(prompt_tokens: u32, cached_tokens: u32, completion_tokens: u32) -> Self {
        Self {
            prompt_tokens,
            completion_tokens,
            total_tokens: prompt_tokens.saturating_add(completion_tokens),
            prompt_tokens_details: Some(PromptTokensDetails { cached_tokens }),
        }
    }

    /// Tokens of the prompt that were in the cache, where the server says.
    pub fn cached_tokens(&self) -> u32 {
        self.prompt_tokens_details.map_or(0, |details| details.cached_tokens)
    }
}

/// A whole answer, or a chunk of one: they differ in `object` and in what a choice is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer<Choice> {
    /// An id for logs.
    pub id: String,
    /// `chat.completion`, `chat.completion.chunk` or `text_completion`.
    pub object: String,
    /// When it was asked for, in seconds since 1970.
    pub created: u64,
    /// The id of the model that answered.
    pub model: String,
    /// One choice; none in the chunk that only counts tokens.
    pub choices: Vec<Choice>,
    /// How many tokens it cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
}

/// The answer to a [`ChatRequest`].
pub type ChatCompletion = Answer<ChatChoice>;
/// A piece of the streamed answer to a [`ChatRequest`].
pub type ChatChunk = Answer<ChatDelta>;
/// The answer to a [`CompletionRequest`], and a piece of it where it is streamed.
pub type Completion = Answer<TextChoice>;

/// The log-probability of a token that could have come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Its text; bytes that are no characters of their own are replaced.
    pub token: String,
    /// The natural logarithm of its probability, before any sampling option changed it.
    pub logprob: f32,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// The log-probability of a token of the answer, and of what could have come in its place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TokenLogprob {
    /// The token that came.
    #[serde(flatten)]
    pub chosen: Candidate,
    /// The likeliest, as many as were asked for.
    pub top_logprobs: Vec<Candidate>,
}

/// The log-probabilities of a message.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ChatLogprobs {
    /// One for each token.
    pub content: Vec<TokenLogprob>,
}

/// The log-probabilities of a text, in the older form: lists side by side.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct TextLogprobs {
    /// The tokens.
    pub tokens: Vec<String>,
    /// Their log-probabilities.
    pub token_logprobs: Vec<f32>,
    /// The likeliest in their places.
    pub top_logprobs: Vec<BTreeMap<String, f32>>,
    /// Where they begin in the answer, in characters.
    pub text_offset: Vec<usize>,
}

/// The one choice of a [`ChatCompletion`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChatChoice {
    /// Always 0.
    pub index: u32,
    /// What the model said.
    pub message: ChatMessage,
    /// How likely its tokens were, where that was asked for.
    #[serde(default)]
    pub logprobs: Option<ChatLogprobs>,
    /// Why it ended there.
    pub finish_reason: Option<FinishReason>,
}

/// The one choice of a [`ChatChunk`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChatDelta {
    /// Always 0.
    pub index: u32,
    /// What is new since the last chunk.
    pub delta: Delta,
    /// How likely the new tokens were, where that was asked for.
    #[serde(default)]
    pub logprobs: Option<ChatLogprobs>,
    /// Why it ended; in the last chunk with a choice.
    pub finish_reason: Option<FinishReason>,
}

/// What is new since the last chunk.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Delta {
    /// Who speaks; in the first chunk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// More text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
}

/// The one choice of a [`Completion`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TextChoice {
    /// Always 0.
    pub index: u32,
    /// What the model wrote; in a chunk what is new.
    pub text: String,
    /// How likely the tokens were, where that was asked for.
    #[serde(default)]
    pub logprobs: Option<TextLogprobs>,
    /// Why it ended.
    pub finish_reason: Option<FinishReason>,
}

/// `GET /v1/models`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelList {
    /// `list`.
    pub object: String,
    /// The models: the base, and each adapter.
    pub data: Vec<ModelCard>,
}

/// A model on offer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelCard {
    /// Its id: the file's name without folder and ending, or the name under which an adapter was loaded.
    pub id: String,
    /// `model`.
    pub object: String,
    /// When the server began to offer it, in seconds since 1970.
    pub created: u64,
    /// `groupchat`.
    pub owned_by: String,
    /// The base of an adapter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
}

/// The body of every answer that is not a success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// What is wrong.
    pub error: ErrorDetail,
}

/// What is wrong with a request or with the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorDetail {
    /// A sentence for the person who reads the log.
    pub message: String,
    /// `invalid_request_error`, `server_error` or `unavailable_error`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The field that is wrong, where it is one.
    pub param: Option<String>,
    /// A word for programs, as `queue_full`.
    pub code: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany<T> {
    One(String),
    Many(Vec<T>),
}

#[derive(Deserialize)]
struct Part {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    text: String,
}

fn text_of_content<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    match Option::<OneOrMany<Part>>::deserialize(deserializer)? {
        None => Ok(String::new()),
        Some(OneOrMany::One(text)) => Ok(text),
        Some(OneOrMany::Many(parts)) => match parts.iter().find(|part| part.kind != "text") {
            Some(part) => Err(serde::de::Error::custom(format!("a part of type {} is not text", part.kind))),
            None => Ok(parts.into_iter().map(|part| part.text).collect()),
        },
    }
}

fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(match Option::<OneOrMany<String>>::deserialize(deserializer)? {
        None => Vec::new(),
        Some(OneOrMany::One(stop)) => vec![stop],
        Some(OneOrMany::Many(stops)) => stops,
    })
}

fn only_prompt<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    match OneOrMany::<String>::deserialize(deserializer) {
        Ok(OneOrMany::One(prompt)) => Ok(prompt),
        Ok(OneOrMany::Many(prompts)) => match <[String; 1]>::try_from(prompts) {
            Ok([prompt]) => Ok(prompt),
            Err(prompts) => Err(serde::de::Error::custom(format!("one prompt at a time, not {}", prompts.len()))),
        },
        Err(_) => Err(serde::de::Error::custom("the prompt is text; lists of tokens are not taken")),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check_chat(request: &str, expected: Expect) {
        let line = match serde_json::from_str::<ChatRequest>(request) {
            Ok(request) => serde_json::to_string(&request).unwrap(),
            Err(error) => format!("error: {error}"),
        };
        expected.assert_eq(&line);
    }

    fn check_completion(request: &str, expected: Expect) {
        let line = match serde_json::from_str::<CompletionRequest>(request) {
            Ok(request) => serde_json::to_string(&request).unwrap(),
            Err(error) => format!("error: {error}"),
        };
        expected.assert_eq(&line);
    }

    #[test]
    fn a_request_as_an_openai_client_sends_it() {
        check_chat(
            r#"{"model":"m","messages":[{"role":"developer","content":"be brief"},
                {"role":"user","name":"ada","content":[{"type":"text","text":"he"},{"type":"text","text":"llo"}]},
                {"role":"assistant","content":null}],
                "max_completion_tokens":5,"temperature":0.5,"stop":"\n","seed":-7,"stream":true,
                "stream_options":{"include_usage":true},"user":"x","tools":[],"logit_bias":null,"top_k":3}"#,
            expect![[
                r#"{"model":"m","messages":[{"role":"system","content":"be brief"},{"role":"user","content":"hello"},{"role":"assistant","content":""}],"max_completion_tokens":5,"temperature":0.5,"top_k":3,"seed":-7,"stop":["\n"],"stream":true,"stream_options":{"include_usage":true}}"#
            ]],
        );
    }

    #[test]
    fn what_is_not_text_is_refused() {
        check_chat(
            r#"{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"x"}}]}]}"#,
            expect!["error: a part of type image_url is not text at line 1 column 85"],
        );
        check_chat(
            r#"{"messages":[{"role":"tool","content":"x"}]}"#,
            expect![
                "error: unknown variant `tool`, expected one of `developer`, `system`, `user`, `assistant` at line 1 column 27"
            ],
        );
        check_chat("{}", expect!["error: missing field `messages` at line 1 column 2"]);
    }

    #[test]
    fn a_prompt_is_one_text() {
        check_completion(r#"{"prompt":["once"],"stop":["a","b"]}"#, expect![[r#"{"prompt":"once","stop":["a","b"]}"#]]);
        check_completion(r#"{"prompt":["a","b"]}"#, expect!["error: one prompt at a time, not 2 at line 1 column 20"]);
        check_completion(
            r#"{"prompt":[1,2]}"#,
            expect!["error: the prompt is text; lists of tokens are not taken at line 1 column 16"],
        );
    }
}
