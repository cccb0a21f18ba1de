//! A model server that can be killed: it lives in a runtime of its own, with which its connections go too.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Json, Router,
    extract::State,
    routing::{get, post},
};
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    runtime::{Builder, Runtime},
};

/// How long a reply takes, so that trouble can come while one is drawn.
const THINKING: Duration = Duration::from_millis(60);

/// A server whose every reply is a line of its own, over all its lives.
pub struct Runner {
    address: SocketAddr,
    drawn: Arc<AtomicUsize>,
    runtime: Mutex<Option<Runtime>>,
}

impl Runner {
    pub async fn start() -> Self {
        let address = ([127, 0, 0, 1], 0).into();
        let mut runner = Self { address, drawn: Arc::default(), runtime: Mutex::default() };
        runner.come_back().await;
        runner
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many replies were drawn.
    pub fn drawn(&self) -> usize {
        self.drawn.load(Ordering::SeqCst)
    }

    /// Listens where it listened before.
    pub async fn come_back(&mut self) {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let routes = Router::new()
            .route("/v1/chat/completions", post(complete))
            .route("/health", get(async || Json(json!({ "status": "ready" }))))
            .with_state(self.drawn.clone());
        let address = self.address;
        let listener = runtime.spawn(async move { TcpListener::bind(address).await.unwrap() }).await.unwrap();
        self.address = listener.local_addr().unwrap();
        runtime.spawn(async move { axum::serve(listener, routes).await.unwrap() });
        *self.runtime.lock().unwrap() = Some(runtime);
    }

    /// From one moment to the next nobody listens any more, and whoever waits for a reply gets none.
    pub fn kill(&self) {
        if let Some(runtime) = self.runtime.lock().unwrap().take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.kill();
    }
}

async fn complete(State(drawn): State<Arc<AtomicUsize>>, Json(request): Json<Value>) -> Json<Value> {
    if request["max_tokens"] == 1 {
        // A window that is shown ahead; nobody reads the answer.
        return Json(json!({ "choices": [{ "message": { "role": "assistant", "content": "x" } }] }));
    }
    let number = drawn.fetch_add(1, Ordering::SeqCst);
    tokio::time::sleep(THINKING).await;
    Json(json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "fake",
        "choices": [{
            "index": 0, "finish_reason": "stop",
            "message": { "role": "assistant", "content": format!("reply number {number}") },
        }],
        "usage": { "prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2 },
    }))
}
