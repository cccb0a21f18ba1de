//! The two paths that are ours: a prompt computed before it is needed, and continuations that are judged.

use std::sync::Arc;

use axum::{Json, extract::State, http::HeaderMap};
use chat::wire::{PrefillRequest, Prefilled, Score, ScoreRequest, Scores};

use super::{
    Asked, Runner,
    answers::{Body, parse, urgency},
    error::ApiError,
};
use crate::job::{Event, Prompt, Task, Urgency};

/// `POST /v1/prefill`
pub(super) async fn prefill(
    State(runner): State<Arc<Runner>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Prefilled>, ApiError> {
    let request: PrefillRequest = parse(&headers, body)?;
    let asked = Asked {
        model: request.model.as_deref(),
        room: request.prompt_cache_key.as_deref(),
        urgency: Urgency::Ahead,
        timeout: None,
    };
    let mut answering = runner.submit(&asked, Task::Prefill { prompt: Prompt::Open(request.messages) }).await?;
    match answering.next(&runner).await? {
        Event::Finished { usage, .. } => {
            Ok(Json(Prefilled { object: "prefill".to_owned(), model: runner.named(asked.model), usage }))
        }
        event => unreachable!("a prefill says nothing, so not {event:?}"),
    }
}

/// `POST /v1/score`
pub(super) async fn score(
    State(runner): State<Arc<Runner>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Scores>, ApiError> {
    let request: ScoreRequest = parse(&headers, body)?;
    let prompt = match (request.messages, request.prompt) {
        (Some(messages), None) => Prompt::Chat(messages),
        (None, Some(_)) if request.end_of_turn => {
            return Err(ApiError::wrong_field("end_of_turn", "a prompt has no turns; give messages, or leave it out"));
        }
        (None, Some(prompt)) => Prompt::Raw(prompt),
        _ => return Err(ApiError::wrong_field("messages", "give either messages or a prompt")),
    };
    let asked = Asked {
        model: request.model.as_deref(),
        room: request.prompt_cache_key.as_deref(),
        urgency: urgency(request.priority),
        timeout: request.timeout,
    };
    let task = Task::Score { prompt, continuations: request.continuations, end_of_turn: request.end_of_turn };
    let mut answering = runner.submit(&asked, task).await?;
    let (logprobs, usage) = match answering.next(&runner).await? {
        Event::Scored { logprobs, usage } => (logprobs, usage),
        event => unreachable!("what is judged says nothing, so not {event:?}"),
    };
    let data = logprobs.into_iter().enumerate().map(|(index, token_logprobs)| Score {
        object: "score".to_owned(),
        index,
        logprob: token_logprobs.iter().copied().map(f64::from).sum(),
        token_logprobs,
    });
    Ok(Json(Scores { object: "list".to_owned(), model: runner.named(asked.model), data: data.collect(), usage }))
}
