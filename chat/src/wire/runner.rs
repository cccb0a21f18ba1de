//! What the runner offers beyond OpenAI's interface. Adapters are loaded as in vLLM; the rest is our own.

use serde::{Deserialize, Serialize};

use super::{ChatMessage, Usage};

/// `POST /v1/prefill`: computes a conversation whose last turn is not finished, so that a request that goes on from
/// there costs only what follows.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct PrefillRequest {
    /// The model's id; none for whatever the server has loaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The conversation, oldest turn first; the text of the last turn is the beginning of what it will be.
    pub messages: Vec<ChatMessage>,
    /// As in [`super::DrawOptions`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_cache_key: Option<String>,
}

/// The answer to a [`PrefillRequest`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prefilled {
    /// `prefill`.
    pub object: String,
    /// The id of the model that computed it.
    pub model: String,
    /// How many tokens it has, and how many of them were there already.
    pub usage: Usage,
}

/// `POST /v1/score`: how likely each of some continuations is after one prompt.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ScoreRequest {
    /// The model's id; none for whatever the server has loaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// A conversation; the continuations are the assistant's next turn. Either this or `prompt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages: Option<Vec<ChatMessage>>,
    /// A text that the continuations go on from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// What may follow.
    pub continuations: Vec<String>,
    /// Whether the turn ends after each continuation: its end is judged too, as the last token. Only with `messages`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub end_of_turn: bool,
    /// As in [`super::DrawOptions`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_cache_key: Option<String>,
    /// As in [`super::DrawOptions`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<i32>,
    /// As in [`super::DrawOptions`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<f32>,
}

/// The answer to a [`ScoreRequest`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// `list`.
    pub object: String,
    /// The id of the model that judged.
    pub model: String,
    /// One for each continuation, in their order.
    pub data: Vec<Score>,
    /// The tokens of the prompt and of all continuations.
    pub usage: Usage,
}

/// How likely a continuation is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// `score`.
    pub object: String,
    /// Which continuation this is.
    pub index: usize,
    /// The natural logarithm of its probability: the sum over its tokens.
    pub logprob: f64,
    /// The same of each of its tokens.
    pub token_logprobs: Vec<f32>,
}

/// `POST /v1/load_lora_adapter`: offers an adapter as a model of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadAdapterRequest {
    /// The id under which it is asked for.
    pub lora_name: String,
    /// Its GGUF file, on the server's machine.
    pub lora_path: String,
    /// Whether it may take the place of another of the same name: what is being answered goes on with the old one.
    #[serde(default)]
    pub load_inplace: bool,
}

/// `POST /v1/unload_lora_adapter`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnloadAdapterRequest {
    /// The id under which it is asked for.
    pub lora_name: String,
}

/// `GET /health`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Whether it can answer.
    pub status: RunnerStatus,
    /// Why not, where it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The model's id.
    pub model: String,
    /// The length of the context in tokens, once it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<u32>,
    /// Requests that wait; those in hand are not among them.
    pub queue_length: usize,
    /// How many may wait.
    pub queue_capacity: usize,
    /// What it takes, as far as it is known.
    #[serde(default)]
    pub memory: RunnerMemory,
    /// What has happened since the start.
    pub counters: RunnerCounters,
}

/// What the runner takes in memory, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RunnerMemory {
    /// What of the process is in memory, the file's mapped pages included.
    pub resident: u64,
    /// The model's weights.
    pub model: u64,
    /// The cache of keys and values, used or not.
    pub cache: u64,
    /// Tokens that the cache has room for.
    pub cache_tokens: u32,
    /// Tokens that it holds.
    pub cached_tokens: u32,
}

/// Whether the runner can answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunnerStatus {
    /// The model is being loaded.
    Loading,
    /// It answers.
    Ready,
    /// It has let go of the model for want of work and loads it again with the next request.
    Resting,
    /// It never will.
    Failed,
}

/// What has happened since the runner started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RunnerCounters {
    /// Requests that the model began to work on.
    pub started: u64,
    /// Requests that were answered to the end.
    pub finished: u64,
    /// Requests whose client went away, or whose time ran out, before the end.
    pub cancelled: u64,
    /// Requests that were turned away because the queue was full.
    pub turned_away: u64,
    /// Prompt tokens that were computed.
    pub prompt_tokens: u64,
    /// Prompt tokens that did not have to be computed, because the request before began with the same.
    pub reused_tokens: u64,
    /// Tokens that were generated.
    pub generated_tokens: u64,
}
