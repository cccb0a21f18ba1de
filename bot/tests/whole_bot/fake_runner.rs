//! A model runner that answers what it is told to, over real HTTP in OpenAI's form, and remembers what it was asked. It
//! is our own runner, unless it is made somebody else's.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering},
    },
};

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use chat::wire::{LoadAdapterRequest, UnloadAdapterRequest};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::watch};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

#[derive(Default)]
struct Script {
    answers: Mutex<VecDeque<Result<String, StatusCode>>>,
    prompts: watch::Sender<Vec<String>>,
    /// The latest request for a reply.
    request: Mutex<Value>,
    /// What was shown ahead, in either way.
    prefills: watch::Sender<Vec<String>>,
    /// What the path for that answers; 404 for that there is none.
    prefill_status: AtomicU16,
    /// The models that were asked for with it.
    prefilled_with: Mutex<Vec<Option<String>>>,
    prefill_gate: watch::Sender<bool>,
    prefills_given_up: watch::Sender<usize>,
    is_foreign: AtomicBool,
    /// The names of the adapters that it offers.
    adapters: watch::Sender<BTreeSet<String>>,
    /// What it was told to load, by name and file.
    loads: watch::Sender<Vec<(String, String)>>,
    /// Why it loads none, if it does not.
    refusal: Mutex<Option<String>>,
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
        let script = Arc::new(Script {
            gate: watch::Sender::new(true),
            prefill_gate: watch::Sender::new(true),
            prefill_status: AtomicU16::new(200),
            ..Script::default()
        });
        let app = Router::new()
            .route("/v1/chat/completions", post(complete))
            .route("/v1/prefill", post(prefill))
            .route("/v1/models", get(models))
            .route("/v1/load_lora_adapter", post(load_adapter))
            .route("/v1/unload_lora_adapter", post(unload_adapter))
            .route("/health", get(health))
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

    /// Makes it a server that knows nothing of ours, before anybody has asked it anything.
    pub fn is_foreign(&self) {
        self.script.is_foreign.store(true, Ordering::SeqCst);
        self.script.prefill_status.store(404, Ordering::SeqCst);
    }

    /// What it answers to what is shown ahead.
    pub fn answers_prefills_with(&self, status: u16) {
        self.script.prefill_status.store(status, Ordering::SeqCst);
    }

    /// Whether it gets done with what is shown ahead.
    pub fn set_prefilling(&self, open: bool) {
        self.script.prefill_gate.send_replace(open);
    }

    /// What it was shown ahead.
    pub fn prefills(&self) -> Vec<String> {
        self.script.prefills.borrow().clone()
    }

    /// Waits until it was shown a window that ends with this line.
    pub async fn is_shown(&self, line: &str) -> String {
        let wanted = format!("{line}\n\n");
        let mut prefills = self.script.prefills.subscribe();
        let shown =
            prefills.wait_for(|prefills| prefills.iter().any(|prefix| prefix.ends_with(&wanted))).await.unwrap();
        shown.iter().find(|prefix| prefix.ends_with(&wanted)).unwrap().clone()
    }

    /// The models that it was shown windows for.
    pub fn prefilled_with(&self) -> Vec<Option<String>> {
        self.script.prefilled_with.lock().unwrap().clone()
    }

    /// Waits until so many windows were taken back before it was done with them.
    pub async fn prefills_were_given_up(&self, times: usize) {
        self.script.prefills_given_up.subscribe().wait_for(|given_up| *given_up >= times).await.unwrap();
    }

    /// Waits until it offers exactly these adapters.
    pub async fn offers(&self, names: &[&str]) {
        let is_so = |offered: &BTreeSet<String>| offered.iter().map(String::as_str).eq(names.iter().copied());
        self.script.adapters.subscribe().wait_for(is_so).await.unwrap();
    }

    /// Waits until it was told so often to load an adapter, and says which, by name and file.
    pub async fn has_loaded(&self, times: usize) -> Vec<(String, String)> {
        self.script.loads.subscribe().wait_for(|loads| loads.len() >= times).await.unwrap().clone()
    }

    /// Loads no adapter from now on, for this reason.
    pub fn refuses_adapters(&self, why: &str) {
        *self.script.refusal.lock().unwrap() = Some(why.to_owned());
    }

    /// Drops all adapters, as a runner does that cannot read them again after a rest.
    pub fn loses_adapters(&self) {
        self.script.adapters.send_replace(BTreeSet::new());
    }

    /// The latest request for a reply, as it came.
    pub fn request(&self) -> Value {
        self.script.request.lock().unwrap().clone()
    }
}

async fn health(State(script): State<Arc<Script>>) -> Json<Value> {
    if script.is_foreign.load(Ordering::SeqCst) {
        return Json(json!({ "status": "ok" }));
    }
    Json(json!({ "status": "ready", "model": "fake", "counters": { "started": 0 } }))
}

fn refused(status: StatusCode, code: Option<&str>, message: &str) -> Response {
    let error = json!({ "message": message, "type": "invalid_request_error", "param": null, "code": code });
    (status, Json(json!({ "error": error }))).into_response()
}

/// What a request for a model is answered with that is not here.
fn no_such_model(script: &Script, request: &Value) -> Option<Response> {
    let model = request["model"].as_str()?;
    let is_here = model == "fake" || script.adapters.borrow().contains(model);
    (!is_here)
        .then(|| refused(StatusCode::NOT_FOUND, Some("model_not_found"), &format!("the model {model} is not here")))
}

async fn models(State(script): State<Arc<Script>>) -> Json<Value> {
    let card = |id: &str| json!({ "id": id, "object": "model", "created": 1, "owned_by": "groupchat" });
    let adapters = script.adapters.borrow();
    let cards: Vec<Value> = ["fake"].into_iter().chain(adapters.iter().map(String::as_str)).map(card).collect();
    Json(json!({ "object": "list", "data": cards }))
}

async fn load_adapter(State(script): State<Arc<Script>>, Json(request): Json<LoadAdapterRequest>) -> Response {
    let LoadAdapterRequest { lora_name, lora_path, load_inplace } = request;
    script.loads.send_modify(|loads| loads.push((lora_name.clone(), lora_path)));
    if let Some(why) = &*script.refusal.lock().unwrap() {
        return refused(StatusCode::BAD_REQUEST, None, why);
    }
    if !load_inplace && script.adapters.borrow().contains(&lora_name) {
        return refused(StatusCode::BAD_REQUEST, None, "there is one of that name");
    }
    script.adapters.send_modify(|adapters| {
        adapters.insert(lora_name.clone());
    });
    Json(json!({ "id": lora_name, "object": "model", "created": 1, "owned_by": "groupchat" })).into_response()
}

async fn unload_adapter(State(script): State<Arc<Script>>, Json(request): Json<UnloadAdapterRequest>) -> Response {
    if !script.adapters.borrow().contains(&request.lora_name) {
        return refused(StatusCode::BAD_REQUEST, None, "there is no such adapter");
    }
    script.adapters.send_modify(|adapters| {
        adapters.remove(&request.lora_name);
    });
    Json(json!({ "id": request.lora_name, "object": "model", "created": 1, "owned_by": "groupchat" })).into_response()
}

/// Counts what its client gave up.
struct Prefilling<'a>(&'a Script, bool);

impl Drop for Prefilling<'_> {
    fn drop(&mut self) {
        if !self.1 {
            self.0.prefills_given_up.send_modify(|given_up| *given_up += 1);
        }
    }
}

async fn prefill(State(script): State<Arc<Script>>, Json(request): Json<Value>) -> Response {
    let status = script.prefill_status.load(Ordering::SeqCst);
    if status == 404 {
        return (StatusCode::NOT_FOUND, "404 page not found").into_response();
    }
    if let Some(refusal) = no_such_model(&script, &request) {
        return refusal;
    }
    script.prefilled_with.lock().unwrap().push(request["model"].as_str().map(str::to_owned));
    let mut prefilling = Prefilling(&script, false);
    script.prefills.send_modify(|prefills| prefills.push(prompt_of(&request)));
    script.prefill_gate.subscribe().wait_for(|open| *open).await.unwrap();
    prefilling.1 = true;
    let usage = json!({ "prompt_tokens": 1, "completion_tokens": 0, "total_tokens": 1 });
    let answer = Json(json!({ "object": "prefill", "model": "fake", "usage": usage }));
    (StatusCode::from_u16(status).unwrap(), answer).into_response()
}

fn prompt_of(request: &Value) -> String {
    request["messages"][0]["content"].as_str().unwrap().to_owned()
}

async fn complete(State(script): State<Arc<Script>>, Json(request): Json<Value>) -> Response {
    let prompt = prompt_of(&request);
    if request["max_tokens"] == 1 {
        assert_eq!(request["cache_prompt"], true, "nobody asks for replies of one token");
        script.prefills.send_modify(|prefills| prefills.push(prompt));
        return Json(json!({ "choices": [{ "message": { "role": "assistant", "content": "x" } }] })).into_response();
    }
    if let Some(refusal) = no_such_model(&script, &request) {
        return refusal;
    }
    *script.request.lock().unwrap() = request;
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
