//! Asks a model server for a reply.

use std::{
    sync::{Arc, OnceLock, atomic::AtomicBool},
    time::Duration,
};

use chat::{
    Sampling, ScriptSet,
    wire::{ChatMessage, ChatRequest, DrawOptions, RunnerStatus},
};
use reqwest::{RequestBuilder, Response, StatusCode, Url, header::RETRY_AFTER};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

/// How long a server may take to accept a connection.
const CONNECT_TIME: Duration = Duration::from_secs(3);
/// How long a reply may take, waiting in the server's queue included. Who is talked to in a chat does not wait longer.
const REPLY_TIME: Duration = Duration::from_secs(60);
/// How long a server may take to say how it is.
const HEALTH_TIME: Duration = Duration::from_secs(5);
/// When to ask again where a busy server does not say.
const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(1);

/// How one reply is drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Draw {
    /// Temperature, top-p and top-k.
    pub sampling: Sampling,
    /// At most this many tokens.
    pub max_tokens: u32,
    /// The same seed draws the same reply.
    pub seed: u64,
    /// The reply ends before the first of these.
    pub stop: Vec<String>,
    /// What only our own runner is told: others may refuse a request with a field that they do not know.
    pub extras: Extras,
}

/// What our own runner can take care of beyond what every server can.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Extras {
    /// An opaque name for the room, under which its prompt is kept for its next request.
    pub room: Option<String>,
    /// Who goes first where several wait.
    pub priority: Priority,
    /// The scripts that the reply may use.
    pub scripts: ScriptSet,
    /// Whether the reply must hold no address of a web page.
    pub no_urls: bool,
}

/// Who goes first where several wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Priority {
    /// Somebody waits for it.
    #[default]
    Awaited,
    /// Nobody would miss it.
    Idle,
}

/// What has been found out about a server. All clones of a client share it.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Whether it is our own runner; empty until it has said so.
    is_ours: OnceLock<bool>,
    /// Whether it has no path to prefill.
    pub(super) lacks_prefill: AtomicBool,
}

/// Why there is no reply, and so what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunnerError {
    /// Its queue is full: ask again after a while.
    #[error("the model server is busy")]
    Busy {
        /// When to ask again.
        retry_after: Duration,
    },
    /// It is not there, or not yet: ask again once it is.
    #[error("the model server cannot be reached: {0}")]
    Unavailable(String),
    /// It refuses this request: asking again does not help.
    #[error("the model server refuses the request: {sentence}")]
    Rejected {
        /// What it says.
        sentence: String,
    },
    /// It does not offer the model that was asked for, or no longer: ask for another.
    #[error("the model server refuses the request: {sentence}")]
    NoSuchModel {
        /// What it says.
        sentence: String,
    },
    /// It took too long: ask for less, or later.
    #[error("the model server did not answer in time")]
    Timeout,
    /// It failed, or what came is no answer: ask once more.
    #[error("the model server failed: {0}")]
    Broken(String),
}

/// An address that is none.
#[derive(Debug, thiserror::Error)]
#[error("\"{url}\" is not the address of a model server ({reason}); write it as http://127.0.0.1:8080")]
pub struct BadAddress {
    url: String,
    reason: String,
}

/// A model server with OpenAI's HTTP interface: our own runner, vLLM, llama-server or Ollama.
#[derive(Debug, Clone)]
pub struct RunnerClient {
    http: reqwest::Client,
    /// Without a path.
    base: String,
    api_key: Option<SecretString>,
    pub(super) model: Option<String>,
    is_on_this_machine: bool,
    pub(super) known: Arc<Known>,
}

impl RunnerClient {
    /// A client for the server at `base_url`, with or without the final `/v1`. The model may be left out where the server
    /// has only one.
    ///
    /// # Errors
    /// [`BadAddress`] where the URL is none.
    pub fn new(base_url: &str, api_key: Option<SecretString>, model: Option<String>) -> Result<Self, BadAddress> {
        let bad = |reason: String| BadAddress { url: base_url.to_owned(), reason };
        let url = Url::parse(base_url).map_err(|error| bad(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(bad(format!("its scheme is {}", url.scheme())));
        }
        let base = url.as_str().trim_end_matches('/').trim_end_matches("/v1").to_owned();
        let mut http = reqwest::Client::builder().connect_timeout(CONNECT_TIME);
        let is_on_this_machine = is_this_machine(&url);
        if is_on_this_machine {
            // A proxy from the environment is for the world outside.
            http = http.no_proxy();
        }
        let http = http.build().map_err(|error| bad(error.to_string()))?;
        Ok(Self { http, base, api_key, model, is_on_this_machine, known: Arc::default() })
    }

    /// The same, for a server that is known to be our own runner.
    pub(super) fn ours(self) -> Self {
        let known = Known { is_ours: OnceLock::from(true), ..Known::default() };
        Self { known: Arc::new(known), ..self }
    }

    /// The same server, asked for this one of its models.
    pub fn with_model(&self, model: &str) -> Self {
        Self { model: Some(model.to_owned()), ..self.clone() }
    }

    /// Whether the server's address is one of this machine.
    pub fn is_on_this_machine(&self) -> bool {
        self.is_on_this_machine
    }

    /// What answers, for people: the model's name, or the server's address where no name is set.
    pub fn model_name(&self) -> String {
        self.model.clone().unwrap_or_else(|| self.base.clone())
    }

    /// Draws the reply to one user turn. Dropping the future cancels the work on the server too.
    ///
    /// # Errors
    /// [`RunnerError`] says by its variant what to do next.
    pub async fn complete(&self, prompt: &str, draw: &Draw) -> Result<String, RunnerError> {
        let request = ChatRequest {
            model: self.model.clone(),
            messages: vec![ChatMessage::user(prompt)],
            options: if self.is_ours().await { all_options(draw) } else { options(draw) },
        };
        let request = self.post("/v1/chat/completions").json(&request);
        let response = self.send(request.timeout(REPLY_TIME)).await?;
        let body: Value = response.json().await.map_err(transport)?;
        // Only what is needed is read: servers differ in the rest. An assistant that says nothing may say null.
        match body.pointer("/choices/0/message/content") {
            Some(Value::String(text)) => Ok(text.clone()),
            Some(Value::Null) => Ok(String::new()),
            _ => Err(RunnerError::Broken("its answer holds no message".to_owned())),
        }
    }

    /// Succeeds once the server can answer; one that rests can, after a moment. A server that has no such path but
    /// answers is taken to be ready.
    ///
    /// # Errors
    /// [`RunnerError::Unavailable`] while it cannot be reached or loads its model; others as for a request.
    pub async fn health(&self) -> Result<(), RunnerError> {
        let response = match self.send(self.get("/health").timeout(HEALTH_TIME)).await {
            Ok(response) => response,
            Err(RunnerError::Rejected { .. }) => {
                self.known.is_ours.get_or_init(|| false);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let body = response.bytes().await.map_err(transport)?;
        let health: Value = serde_json::from_slice(&body).unwrap_or_default();
        // No other server counts there what it does. Another version of ours may count other things.
        let is_ours = *self.known.is_ours.get_or_init(|| health["counters"].is_object());
        match serde_json::from_value(health["status"].clone()) {
            Ok(RunnerStatus::Loading) if is_ours => Err(RunnerError::Unavailable("it loads its model".to_owned())),
            Ok(RunnerStatus::Failed) if is_ours => {
                Err(RunnerError::Broken(health["error"].as_str().unwrap_or("it does not say why").to_owned()))
            }
            // One that rests loads its model again with the next request.
            Ok(RunnerStatus::Loading | RunnerStatus::Failed | RunnerStatus::Ready | RunnerStatus::Resting) | Err(_) => {
                Ok(())
            }
        }
    }

    /// Whether the server is our own runner. It is asked once; one that cannot be asked now is none for now.
    pub async fn is_ours(&self) -> bool {
        if self.known.is_ours.get().is_none() {
            // Whatever is wrong with it, the request that this is for will tell.
            drop(self.health().await);
        }
        self.known.is_ours.get().copied().unwrap_or(false)
    }

    pub(super) fn post(&self, path: &str) -> RequestBuilder {
        self.http.post(format!("{}{path}", self.base))
    }

    pub(super) fn get(&self, path: &str) -> RequestBuilder {
        self.http.get(format!("{}{path}", self.base))
    }

    pub(super) async fn send(&self, request: RequestBuilder) -> Result<Response, RunnerError> {
        let response = self.send_for_any_answer(request).await?;
        if response.status().is_success() { Ok(response) } else { Err(refusal(response).await) }
    }

    /// The answer, whatever its status.
    pub(super) async fn send_for_any_answer(&self, request: RequestBuilder) -> Result<Response, RunnerError> {
        let request = match &self.api_key {
            Some(key) => request.bearer_auth(key.expose_secret()),
            None => request,
        };
        request.send().await.map_err(transport)
    }
}

fn options(draw: &Draw) -> DrawOptions {
    DrawOptions {
        max_tokens: Some(draw.max_tokens),
        temperature: Some(draw.sampling.temperature),
        top_p: Some(draw.sampling.top_p),
        top_k: Some(i32::try_from(draw.sampling.top_k).unwrap_or(0)),
        // 31 bits: what every server takes.
        seed: Some((draw.seed >> 33) as i64),
        stop: draw.stop.clone(),
        ..DrawOptions::default()
    }
}

fn all_options(draw: &Draw) -> DrawOptions {
    let Extras { room, priority, scripts, no_urls } = &draw.extras;
    DrawOptions {
        prompt_cache_key: room.clone(),
        priority: Some(match priority {
            Priority::Awaited => 0,
            Priority::Idle => 1,
        }),
        timeout: Some(REPLY_TIME.as_secs_f32()),
        allowed_scripts: scripts.clone(),
        no_urls: Some(*no_urls),
        ..options(draw)
    }
}

fn is_this_machine(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

pub(super) fn transport(error: reqwest::Error) -> RunnerError {
    if error.is_connect() {
        RunnerError::Unavailable(root_cause(&error))
    } else if error.is_timeout() {
        RunnerError::Timeout
    } else {
        RunnerError::Broken(root_cause(&error))
    }
}

/// The innermost of the errors, which is the one that says what happened.
fn root_cause(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), root_cause)
}

async fn refusal(response: Response) -> RunnerError {
    let status = response.status();
    let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    refusal_of(status, retry_after, &response.bytes().await.unwrap_or_default())
}

pub(super) fn refusal_of(status: StatusCode, retry_after: Option<u64>, body: &[u8]) -> RunnerError {
    let sentence = sentence(status, body);
    match (status, retry_after.map(Duration::from_secs)) {
        (StatusCode::TOO_MANY_REQUESTS, retry_after) => {
            RunnerError::Busy { retry_after: retry_after.unwrap_or(DEFAULT_RETRY_AFTER) }
        }
        (StatusCode::SERVICE_UNAVAILABLE, Some(retry_after)) => RunnerError::Busy { retry_after },
        (StatusCode::SERVICE_UNAVAILABLE | StatusCode::BAD_GATEWAY, _) => RunnerError::Unavailable(sentence),
        (StatusCode::GATEWAY_TIMEOUT | StatusCode::REQUEST_TIMEOUT, _) => RunnerError::Timeout,
        (StatusCode::NOT_FOUND, _) if is_about_the_model(body) => RunnerError::NoSuchModel { sentence },
        (status, _) if status.is_client_error() => RunnerError::Rejected { sentence },
        _ => RunnerError::Broken(sentence),
    }
}

/// Whether an error says that there is no such model, and not that there is no such path.
pub(super) fn is_about_the_model(body: &[u8]) -> bool {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    body.pointer("/error/code").and_then(Value::as_str) == Some("model_not_found")
}

/// What an error's body says: as OpenAI writes it, as Ollama does, or else only the status.
fn sentence(status: StatusCode, body: &[u8]) -> String {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let said = [body.pointer("/error/message"), body.get("error"), body.get("message")];
    said.into_iter().flatten().find_map(Value::as_str).map_or_else(|| format!("it says only {status}"), str::to_owned)
}

#[cfg(test)]
mod tests {
    use axum::{
        Json, Router,
        http::HeaderMap,
        response::IntoResponse,
        routing::{get, post},
    };
    use chat::scripts::Script;
    use expect_test::{Expect, expect};
    use serde_json::json;
    use tokio::net::TcpListener;

    use super::*;

    fn draw() -> Draw {
        Draw {
            sampling: Sampling::default(),
            max_tokens: 9,
            seed: u64::MAX,
            stop: vec!["\n".to_owned()],
            extras: Extras {
                room: Some("room-17".to_owned()),
                priority: Priority::Idle,
                scripts: ScriptSet::only([Script::Latin]),
                no_urls: true,
            },
        }
    }

    /// A client of a server that answers every chat request in the same way.
    async fn client_of<R: IntoResponse + Clone + Send + Sync + 'static>(answer: R) -> RunnerClient {
        let router = Router::new().route("/v1/chat/completions", post(async move || answer));
        serve(router, None).await
    }

    async fn serve(router: Router, key: Option<&str>) -> RunnerClient {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1/", listener.local_addr().unwrap());
        tokio::spawn(axum::serve(listener, router).into_future());
        RunnerClient::new(&url, key.map(SecretString::from), None).unwrap()
    }

    async fn check<R: IntoResponse + Clone + Send + Sync + 'static>(answer: R, expected: Expect) {
        expected.assert_eq(&format!("{:?}", client_of(answer).await.complete("hi", &draw()).await));
    }

    #[tokio::test]
    async fn answers_and_refusals_of_various_servers() {
        check(
            Json(json!({"choices": [{"message": {"role": "assistant", "content": "yo"}}]})),
            expect![[r#"Ok("yo")"#]],
        )
        .await;
        check(Json(json!({"choices": [{"message": {"content": null}}]})), expect![[r#"Ok("")"#]]).await;
        check(Json(json!({"choices": []})), expect![[r#"Err(Broken("its answer holds no message"))"#]]).await;
        check("<html>", expect![[r#"Err(Broken("expected value at line 1 column 1"))"#]]).await;
        // Our runner with a full queue, OpenAI over its limit, our runner while it loads, llama-server likewise.
        check((StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "3")], "{}"), expect!["Err(Busy { retry_after: 3s })"])
            .await;
        check((StatusCode::TOO_MANY_REQUESTS, "{}"), expect!["Err(Busy { retry_after: 1s })"]).await;
        let loading = json!({"error": {"message": "Loading model", "type": "unavailable_error", "code": 503}});
        check((StatusCode::SERVICE_UNAVAILABLE, Json(loading)), expect![[r#"Err(Unavailable("Loading model"))"#]])
            .await;
        // Ollama without the model, vLLM, a proxy.
        check(
            (StatusCode::NOT_FOUND, Json(json!({"error": "model 'x' not found"}))),
            expect![[r#"Err(Rejected { sentence: "model 'x' not found" })"#]],
        )
        .await;
        check(
            (StatusCode::BAD_REQUEST, Json(json!({"message": "too long", "code": 400}))),
            expect![[r#"Err(Rejected { sentence: "too long" })"#]],
        )
        .await;
        check((StatusCode::GATEWAY_TIMEOUT, "<html>"), expect!["Err(Timeout)"]).await;
        check(
            (StatusCode::INTERNAL_SERVER_ERROR, "oops"),
            expect![[r#"Err(Broken("it says only 500 Internal Server Error"))"#]],
        )
        .await;
    }

    /// A server that answers with what it was asked.
    fn echo() -> Router {
        let echo = async |headers: HeaderMap, body: String| {
            let authorization = headers["authorization"].to_str().unwrap();
            Json(json!({"choices": [{"message": {"content": format!("{authorization} {body}")}}]}))
        };
        Router::new().route("/v1/chat/completions", post(echo))
    }

    /// What our runner says of itself, as far as it matters.
    fn health(status: &str) -> Value {
        json!({"status": status, "model": "m", "counters": {"started": 0}})
    }

    #[tokio::test]
    async fn the_request_is_one_user_turn_with_its_sampling() {
        let client = serve(echo(), Some("secret")).await;
        let sent = client.complete("Respond as Bo:", &draw()).await.unwrap();
        expect![[r#"Bearer secret {"messages":[{"role":"user","content":"Respond as Bo:"}],"max_tokens":9,"temperature":0.9,"top_p":0.95,"top_k":40,"seed":2147483647,"stop":["\n"]}"#]].assert_eq(&sent);
    }

    #[tokio::test]
    async fn only_our_own_runner_is_told_what_others_might_refuse() {
        let ours = echo().route("/health", get(async || Json(health("ready"))));
        let sent = serve(ours, Some("secret")).await.complete("hi", &draw()).await.unwrap();
        let extras = expect![[
            r#","allowed_scripts":["latin"],"no_urls":true,"prompt_cache_key":"room-17","priority":1,"timeout":60.0}"#
        ]];
        extras.assert_eq(&sent[sent.find(r#","allowed"#).unwrap_or(0)..]);
        // llama-server's health, and a server that cannot be asked for it.
        for other in [get(async || Json(json!({"status": "ok"}))), get(async || StatusCode::SERVICE_UNAVAILABLE)] {
            let sent =
                serve(echo().route("/health", other), Some("secret")).await.complete("hi", &draw()).await.unwrap();
            assert!(sent.ends_with(r#""stop":["\n"]}"#), "{sent}");
        }
    }

    #[tokio::test]
    async fn a_runner_that_rests_is_ready_and_one_that_loads_is_not() {
        for (status, is_ready) in [("ready", true), ("resting", true), ("loading", false), ("failed", false)] {
            let client = serve(Router::new().route("/health", get(async move || Json(health(status)))), None).await;
            assert_eq!(client.health().await.is_ok(), is_ready, "{status}");
        }
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_unavailable() {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", free.local_addr().unwrap());
        drop(free);
        let client = RunnerClient::new(&url, None, None).unwrap();
        assert!(matches!(client.complete("hi", &draw()).await, Err(RunnerError::Unavailable(_))));
        assert!(matches!(client.health().await, Err(RunnerError::Unavailable(_))));
    }

    #[test]
    fn an_address_is_checked_when_it_is_given() {
        let check = |url: &str, expected: Expect| match RunnerClient::new(url, None, None) {
            Ok(client) => expected.assert_eq(&client.base),
            Err(error) => expected.assert_eq(&error.to_string()),
        };
        check("http://localhost:11434/v1", expect!["http://localhost:11434"]);
        check("https://example.org/models/v1/", expect!["https://example.org/models"]);
        check(
            "localhost:8080",
            expect![[
                r#""localhost:8080" is not the address of a model server (its scheme is localhost); write it as http://127.0.0.1:8080"#
            ]],
        );
        check(
            "",
            expect![[
                r#""" is not the address of a model server (relative URL without a base); write it as http://127.0.0.1:8080"#
            ]],
        );
    }
}
