//! A runner that serves a tiny model to a test.

#![allow(dead_code, reason = "each test program uses a part of it")]

use std::{net::SocketAddr, time::Duration};

use chat::wire::{ChatCompletion, Health, RunnerStatus};
use model_runner::{CacheType, Options, ServeError, serve, testing::TinyModel};
use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::{CancellationToken, DropGuard};

/// A server on a free port of the loopback, with room for one waiting request.
pub struct Served {
    pub client: reqwest::Client,
    address: SocketAddr,
    shutdown: CancellationToken,
    _stop_at_the_end: DropGuard,
    ended: JoinHandle<Result<(), ServeError>>,
    _folder: tempfile::TempDir,
}

impl Served {
    pub async fn start() -> Self {
        Self::with_model(&TinyModel::default()).await
    }

    pub async fn with_model(model: &TinyModel) -> Self {
        Self::with(model.clone(), |_| {}).await
    }

    pub async fn with(model: TinyModel, change: impl FnOnce(&mut Options)) -> Self {
        let served = Self::spawn(&model, change).await;
        served.health_until(|health| health.status == RunnerStatus::Ready).await;
        served
    }

    pub async fn start_unready(model: TinyModel) -> Self {
        Self::spawn(&model, |_| {}).await
    }

    async fn spawn(model: &TinyModel, change: impl FnOnce(&mut Options)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tiny.gguf");
        model.write(&file).unwrap();
        let mut options = Options {
            model: file,
            context: 32_768,
            parallel: 4,
            threads: 1,
            repack: false,
            cache: CacheType::F32,
            queue: 1,
            time_limit: Duration::from_secs(60),
            rest_after: None,
            api_key: None,
            now: || 1_600_000_000,
        };
        change(&mut options);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let ended = tokio::spawn(serve(listener, options, shutdown.clone()));
        Self {
            client: reqwest::Client::new(),
            address,
            shutdown: shutdown.clone(),
            _stop_at_the_end: shutdown.drop_guard(),
            ended,
            _folder: folder,
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn request(&self, path: &str, body: &Value) -> RequestBuilder {
        self.client.post(self.url(path)).json(body)
    }

    pub async fn post(&self, path: &str, body: &Value) -> Response {
        self.request(path, body).send().await.unwrap()
    }

    pub async fn get(&self, path: &str) -> Response {
        self.client.get(self.url(path)).send().await.unwrap()
    }

    pub async fn chat(&self, body: &Value) -> ChatCompletion {
        let response = self.post("/v1/chat/completions", body).await;
        assert_eq!(response.status(), 200);
        response.json().await.unwrap()
    }

    /// Brings the prompt of a request into the cache. What is computed in batches of another shape is rounded otherwise,
    /// so only answers that begin from the same place are the same to the last character.
    pub async fn warm(&self, request: &Value) {
        let mut request = request.clone();
        request["max_tokens"] = json!(0);
        let path = if request.get("prompt").is_some() { "/v1/completions" } else { "/v1/chat/completions" };
        assert_eq!(self.post(path, &request).await.status(), 200);
    }

    /// How many tokens a text has in a chat prompt, up to its end.
    pub async fn tokens_of(&self, text: &str) -> u32 {
        let request = json!({"messages": [{"role": "user", "content": text}]});
        let prefilled: chat::wire::Prefilled = self.post("/v1/prefill", &request).await.json().await.unwrap();
        prefilled.usage.prompt_tokens
    }

    /// The data of all events of a streamed answer.
    pub async fn stream(&self, path: &str, body: &Value) -> Vec<String> {
        let mut body = body.clone();
        body["stream"] = json!(true);
        read_events(self.post(path, &body).await, Vec::new()).await
    }

    /// Asks for a streamed answer and waits for the first text of it.
    pub async fn begin_stream(&self, body: &Value) -> (Response, Vec<u8>) {
        let mut body = body.clone();
        body["stream"] = json!(true);
        let mut response = self.post("/v1/chat/completions", &body).await;
        assert_eq!(response.status(), 200);
        let mut read = Vec::new();
        while String::from_utf8_lossy(&read).matches("data: ").count() < 2 {
            read.extend(response.chunk().await.unwrap().unwrap());
        }
        (response, read)
    }

    pub async fn health(&self) -> Health {
        self.get("/health").await.json().await.unwrap()
    }

    /// Asks until the answer is as wanted.
    pub async fn health_until(&self, wanted: impl Fn(&Health) -> bool) -> Health {
        let asking = async {
            loop {
                let health = self.health().await;
                if wanted(&health) {
                    return health;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(60), asking).await.expect("it comes to pass")
    }

    /// Stops the server as a signal would.
    pub fn shutdown(&self) {
        self.shutdown.cancel();
    }

    pub async fn ended(self) -> Result<(), ServeError> {
        self.ended.await.unwrap()
    }
}

/// Reads a streamed answer to its end, of which `read` is there already.
pub async fn read_events(response: Response, mut read: Vec<u8>) -> Vec<String> {
    read.extend(response.bytes().await.unwrap());
    let all = String::from_utf8(read).unwrap();
    all.split("\n\n").filter_map(|event| event.strip_prefix("data: ")).map(str::to_owned).collect()
}

/// Asserts that two answers, both with `top_logprobs`, are the same token for token.
///
/// What is computed in steps of other shapes is rounded otherwise, so where two tokens are as good as tied either may
/// come; from there on the answers are of different texts and are not compared.
pub fn assert_same_answer(answer: &ChatCompletion, expected: &ChatCompletion) {
    /// What rounding makes of a log-probability of the tiny model; what is computed from anything else is off by tenths.
    const ROUNDING: f32 = 0.001;
    let tokens = |answer: &ChatCompletion| answer.choices[0].logprobs.clone().unwrap().content;
    let (answer, expected) = (tokens(answer), tokens(expected));
    for (token, wanted) in answer.iter().zip(&expected) {
        let same = |candidate: &&chat::wire::Candidate| candidate.bytes == token.chosen.bytes;
        let there = wanted.top_logprobs.iter().find(same).unwrap_or_else(|| panic!("{token:?} instead of {wanted:?}"));
        assert!((there.logprob - token.chosen.logprob).abs() < ROUNDING, "{token:?} beside {wanted:?}");
        if token.chosen.bytes != wanted.chosen.bytes {
            assert!((there.logprob - wanted.chosen.logprob).abs() < 2.0 * ROUNDING, "{token:?} instead of {wanted:?}");
            return;
        }
    }
    assert_eq!(answer.len(), expected.len());
}
