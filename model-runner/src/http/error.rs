//! Everything that is not an answer, in the body that OpenAI's clients read.

use axum::{
    Json,
    http::{HeaderValue, Method, StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
};
use chat::wire::{ErrorBody, ErrorDetail};

use crate::job::Refusal;

/// What is said to a client whose request cannot be answered.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    code: &'static str,
    field: Option<&'static str>,
    sentence: String,
}

impl ApiError {
    fn new(status: StatusCode, code: &'static str, sentence: impl Into<String>) -> Self {
        let mut sentence = sentence.into().replace(char::is_control, " ");
        if let Some((cut, _)) = sentence.char_indices().nth(LONGEST_SENTENCE) {
            sentence.truncate(cut);
            sentence.push('…');
        }
        Self { status, code, field: None, sentence }
    }

    pub(super) fn refused(refusal: &Refusal) -> Self {
        let error = Self::new(StatusCode::BAD_REQUEST, "invalid_value", &refusal.sentence);
        Self { field: Some(refusal.field), ..error }
    }

    pub(super) fn wrong_field(field: &'static str, sentence: impl Into<String>) -> Self {
        Self::refused(&Refusal::new(field, sentence))
    }

    pub(super) fn wrong_key() -> Self {
        let sentence = "this server wants its key as Authorization: Bearer KEY, and this is not it";
        Self::new(StatusCode::UNAUTHORIZED, "invalid_api_key", sentence)
    }

    pub(super) fn needs_a_key() -> Self {
        let sentence =
            "adapters are only changed for who shows a key; start the runner with one in MODEL_RUNNER_API_KEY";
        Self::new(StatusCode::FORBIDDEN, "no_api_key", sentence)
    }

    pub(super) fn not_json(reason: &serde_json::Error) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_json", format!("the body is not such a request: {reason}"))
    }

    pub(super) fn body(status: StatusCode, reason: impl Into<String>) -> Self {
        Self::new(status, "invalid_body", reason)
    }

    pub(super) fn no_such_model(asked: &str, here: &str) -> Self {
        let error = Self::new(
            StatusCode::NOT_FOUND,
            "model_not_found",
            format!("the model {asked} is not here; ask for one of these, or for none: {here}"),
        );
        Self { field: Some("model"), ..error }
    }

    pub(super) fn no_such_path(method: &Method, path: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not_found",
            format!(
                "there is no {method} {path}; there are POST /v1/chat/completions, /v1/completions, /v1/prefill, \
                 /v1/score, /v1/load_lora_adapter and /v1/unload_lora_adapter, and GET /v1/models, /health and /metrics"
            ),
        )
    }

    pub(super) fn wrong_method(method: &Method, path: &str) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", format!("{path} is not for {method}"))
    }

    pub(super) fn queue_full(capacity: usize) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            QUEUE_FULL,
            format!("{capacity} requests wait already; ask again in a moment"),
        )
    }

    pub(super) fn stopping() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", "the runner is stopping")
    }

    pub(super) fn failed(sentence: &str) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "failed", sentence)
    }

    pub(super) fn out_of_time() -> Self {
        Self::new(
            StatusCode::GATEWAY_TIMEOUT,
            "timeout",
            "the answer was not finished in time; ask for fewer tokens, or give the runner more time with --time-limit",
        )
    }

    /// The body, for where a status can no longer be sent.
    pub(super) fn into_body(self) -> ErrorBody {
        let kind = match self.status {
            StatusCode::SERVICE_UNAVAILABLE => "unavailable_error",
            status if status.is_server_error() => "server_error",
            _ => "invalid_request_error",
        };
        ErrorBody {
            error: ErrorDetail {
                message: self.sentence,
                kind: kind.to_owned(),
                param: self.field.map(str::to_owned),
                code: Some(self.code.to_owned()),
            },
        }
    }
}

/// In characters: sentences repeat what was sent, which can be a megabyte.
const LONGEST_SENTENCE: usize = 1000;
const QUEUE_FULL: &str = "queue_full";
/// In seconds: about what a short answer takes.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, code) = (self.status, self.code);
        let mut response = (status, Json(self.into_body())).into_response();
        if code == QUEUE_FULL {
            response.headers_mut().insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
        }
        response
    }
}
