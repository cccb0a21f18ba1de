//! The two paths that draw answers, whole or streamed.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{
    Json,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response, Sse, sse},
};
use chat::wire::{ChatRequest, CompletionRequest, DrawOptions};
use futures_util::{Stream, StreamExt, stream};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    Answering, Asked, Runner,
    error::ApiError,
    forms::{ChatForm, Form, Label, TextForm},
};
use crate::job::{Draw, Event, Prompt, Said, Task, Urgency};

pub(super) type Body = Result<Bytes, BytesRejection>;

/// `POST /v1/chat/completions`
pub(super) async fn chat(
    State(runner): State<Arc<Runner>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let request: ChatRequest = parse(&headers, body)?;
    answer::<ChatForm>(runner, request.model, Prompt::Chat(request.messages), &request.options).await
}

/// `POST /v1/completions`
pub(super) async fn completion(
    State(runner): State<Arc<Runner>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let request: CompletionRequest = parse(&headers, body)?;
    answer::<TextForm>(runner, request.model, Prompt::Raw(request.prompt), &request.options).await
}

/// Takes JSON only when it is called so: a web page of somebody else can make a browser post text to this machine, but
/// not JSON.
pub(super) fn parse<T: DeserializeOwned>(headers: &HeaderMap, body: Body) -> Result<T, ApiError> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !content_type.to_ascii_lowercase().starts_with("application/json") {
        return Err(ApiError::body(StatusCode::UNSUPPORTED_MEDIA_TYPE, "send JSON as content-type: application/json"));
    }
    let body = body.map_err(|rejection| ApiError::body(rejection.status(), rejection.body_text()))?;
    serde_json::from_slice(&body).map_err(|error| ApiError::not_json(&error))
}

/// How urgent a request is that says a priority, which is the lower the more urgent.
pub(super) fn urgency(priority: Option<i32>) -> Urgency {
    if priority.is_some_and(|priority| priority > 0) { Urgency::Idle } else { Urgency::Live }
}

async fn answer<F: Form>(
    runner: Arc<Runner>,
    model: Option<String>,
    prompt: Prompt,
    options: &DrawOptions,
) -> Result<Response, ApiError>
where
    F::Piece: Send,
{
    let draw = Draw::from_options(options).map_err(|refusal| ApiError::refused(&refusal))?;
    let label = label::<F>(&runner, model.as_deref(), draw.sampling.logprobs.is_some());
    let asked = Asked {
        model: model.as_deref(),
        room: options.prompt_cache_key.as_deref(),
        urgency: urgency(options.priority),
        timeout: options.timeout,
    };
    let answering = runner.submit(&asked, Task::Draw { prompt, draw: Box::new(draw) }).await?;
    if options.stream == Some(true) {
        let count_tokens = options.stream_options.is_some_and(|options| options.include_usage);
        let events = streamed::<F>(runner, answering, label, count_tokens);
        Ok(Sse::new(events).keep_alive(sse::KeepAlive::default()).into_response())
    } else {
        whole::<F>(&runner, answering, &label).await
    }
}

fn label<F: Form>(runner: &Runner, model: Option<&str>, logprobs: bool) -> Label {
    static ANSWERS: AtomicU64 = AtomicU64::new(0);
    let created = (runner.now)();
    let number = ANSWERS.fetch_add(1, Ordering::Relaxed);
    Label { id: format!("{}-{created:x}-{number:x}", F::ID), created, model: runner.named(model), logprobs }
}

async fn whole<F: Form>(runner: &Runner, mut answering: Answering, label: &Label) -> Result<Response, ApiError> {
    let mut answer = Said::default();
    loop {
        match answering.next(runner).await? {
            Event::Text(said) => answer.extend(said),
            Event::Finished { reason, usage } => {
                return Ok(Json(F::whole(label, answer, reason, usage)).into_response());
            }
            event => unreachable!("{event:?} after the start"),
        }
    }
}

/// The events of a streamed answer. An error after the start can only be told within the stream, which then ends
/// without `[DONE]`.
fn streamed<F: Form>(
    runner: Arc<Runner>,
    answering: Answering,
    label: Label,
    count_tokens: bool,
) -> impl Stream<Item = Result<sse::Event, Infallible>>
where
    F::Piece: Send,
{
    let opening: Vec<_> = F::opening().map(|piece| data(&F::chunk(&label, piece))).into_iter().collect();
    let rest = stream::unfold(Some((runner, answering, label, 0)), move |state| async move {
        let (runner, mut answering, label, place) = state?;
        Some(match answering.next(&runner).await {
            Ok(Event::Text(said)) => {
                let next = place + said.text.chars().count();
                (vec![data(&F::chunk(&label, F::piece(&label, said, place)))], Some((runner, answering, label, next)))
            }
            Ok(Event::Finished { reason, usage }) => {
                let mut last = vec![data(&F::chunk(&label, F::closing(reason)))];
                last.extend(count_tokens.then(|| data(&F::count(&label, usage))));
                last.push(sse::Event::default().data("[DONE]"));
                (last, None)
            }
            Ok(event) => unreachable!("{event:?} after the start"),
            Err(error) => (vec![data(&error.into_body())], None),
        })
    });
    stream::iter([opening]).chain(rest).flat_map(|events| stream::iter(events.into_iter().map(Ok)))
}

fn data(chunk: &impl Serialize) -> sse::Event {
    sse::Event::default().json_data(chunk).expect("wire types are JSON")
}
