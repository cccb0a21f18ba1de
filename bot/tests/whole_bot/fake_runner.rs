//! A model runner that answers what it is told to, over real HTTP in OpenAI's form, and remembers what it was asked.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::watch};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

#[derive(Default)]
struct Script {
    answers: Mutex<VecDeque<Result<String, StatusCode>>>,
    prompts: watch::Sender<Vec<String>>,
    asked: AtomicUsize,
    gate: watch::Sender<bool>,
    /// Cancelled when a request that waits at the gate is given up by its client.
    given_up: CancellationToken,
}

pub struct FakeRunner {
    pub url: String,
    script: Arc<Script>,
    _server: AbortOnDropHandle<()>,
}

impl FakeRunner {
    pub async fn start() -> Self {
        let script = Arc::new(Script { gate: watch::Sender::new(true), ..Script::default() });
        let app = Router::new()
            .route("/v1/chat/completions", post(complete))
            .route("/health", get(|| async { Json(json!({ "status": "ready" })) }))
            .with_state(script.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, script, _server: AbortOnDropHandle::new(server) }
    }

    /// The next answers; once they are used up each answer is a line of its own.
    pub fn will_say(&self, answers: &[&str]) {
        self.script.answers.lock().unwrap().extend(answers.iter().map(|text| Ok((*text).to_owned())));
    }

    pub fn will_fail(&self, status: u16) {
        self.script.answers.lock().unwrap().push_back(Err(StatusCode::from_u16(status).unwrap()));
    }

    pub fn set_open(&self, open: bool) {
        self.script.gate.send_replace(open);
    }

    pub fn prompts(&self) -> Vec<String> {
        self.script.prompts.borrow().clone()
    }

    /// Waits until a reply of this persona is being drawn.
    pub async fn is_asked_as(&self, name: &str) {
        let wanted = format!("Respond as {name}:");
        let mut prompts = self.script.prompts.subscribe();
        prompts.wait_for(|prompts| prompts.iter().any(|prompt| prompt.ends_with(&wanted))).await.unwrap();
    }

    /// Waits until so many replies have been asked for.
    pub async fn is_asked_times(&self, times: usize) {
        self.script.prompts.subscribe().wait_for(|prompts| prompts.len() >= times).await.unwrap();
    }

    pub async fn a_request_was_given_up(&self) {
        self.script.given_up.cancelled().await;
    }
}

async fn complete(State(script): State<Arc<Script>>, Json(request): Json<Value>) -> Response {
    let prompt = request["messages"][0]["content"].as_str().unwrap().to_owned();
    let waiting = script.given_up.clone().drop_guard();
    script.prompts.send_modify(|prompts| prompts.push(prompt));
    script.gate.subscribe().wait_for(|open| *open).await.unwrap();
    waiting.disarm();
    let asked = script.asked.fetch_add(1, Ordering::SeqCst);
    let answer = script.answers.lock().unwrap().pop_front().unwrap_or_else(|| Ok(format!("line number {asked}")));
    match answer {
        Ok(text) => Json(json!({
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "fake",
            "choices": [{ "index": 0, "message": { "role": "assistant", "content": text }, "finish_reason": "stop" }],
            "usage": { "prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2 },
        }))
        .into_response(),
        Err(status) => {
            let error = json!({ "error": { "message": "no", "type": "server_error", "param": null, "code": null } });
            (status, Json(error)).into_response()
        }
    }
}
