//! Bodies of every shape, sent to every path that takes one: each is answered with a result or with a sentence, and the
//! runner goes on as before.
#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod served;
#[path = "bodies/shapes.rs"]
mod shapes;

use std::time::Duration;

use chat::wire::ErrorBody;
use model_runner::testing::TinyModel;
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use reqwest::StatusCode;
use serde_json::json;
use served::Served;
use shapes::Body;

const PATHS: [&str; 6] = [
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/prefill",
    "/v1/score",
    "/v1/load_lora_adapter",
    "/v1/unload_lora_adapter",
];
const KEY: &str = "a key of the tests";

/// A runner that may load adapters, and gives up early what would be drawn for long.
async fn served() -> Served {
    Served::with(TinyModel::default(), |options| {
        options.context = 512;
        options.queue = 1;
        options.api_key = Some(KEY.into());
        options.time_limit = Duration::from_secs(20);
    })
    .await
}

/// Sends a body, and says what is wrong with the answer, where something is.
async fn send(served: &Served, path: &str, body: &Body) -> Result<(), String> {
    let mut request = served.client.post(served.url(path)).bearer_auth(KEY).body(body.bytes.clone());
    if let Some(kind) = body.content_type {
        request = request.header("content-type", kind);
    }
    let response = request.timeout(Duration::from_secs(60)).send().await.map_err(|error| format!("{error:?}"))?;
    let status = response.status();
    let text = response.text().await.map_err(|error| format!("{status}, and then {error:?}"))?;
    check_answer(status, &text).map_err(|what| format!("{what}: {status} {text:.500}"))
}

fn check_answer(status: StatusCode, text: &str) -> Result<(), &'static str> {
    let expected = status.is_success()
        || status.is_client_error()
        || [StatusCode::SERVICE_UNAVAILABLE, StatusCode::GATEWAY_TIMEOUT].contains(&status);
    if !expected {
        return Err("the runner takes the blame");
    }
    if status.is_success() {
        return Ok(());
    }
    let error = serde_json::from_str::<ErrorBody>(text).map_err(|_| "it is not the body of an error")?.error;
    if error.kind.is_empty() || error.code.is_none_or(|code| code.is_empty()) {
        return Err("the error has no type or no code");
    }
    // A sentence may repeat what was sent, within limits.
    if !error.message.contains(' ') || error.message.contains(char::is_control) || error.message.chars().count() > 1001
    {
        return Err("the message is no sentence");
    }
    Ok(())
}

/// The same greedy answer as ever, or the status where there is none.
async fn greeting(served: &Served) -> Result<String, StatusCode> {
    let request = json!({"messages": [{"role": "user", "content": "hello"}], "temperature": 0, "max_tokens": 12});
    let response = served.request("/v1/chat/completions", &request).bearer_auth(KEY).send().await.unwrap();
    if response.status() != StatusCode::OK {
        return Err(response.status());
    }
    let answer: chat::wire::ChatCompletion = response.json().await.unwrap();
    Ok(answer.choices[0].message.content.clone())
}

/// What the runner answers once its cache holds the prompt, which rounds otherwise than an empty one.
async fn usual_greeting(served: &Served) -> Result<String, StatusCode> {
    greeting(served).await.unwrap();
    Ok(greeting(served).await.unwrap())
}

/// Sends bodies that are drawn by chance to all paths, and looks at the runner after each.
fn check(cases: u32, bodies: impl Strategy<Value = Body>) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let served = runtime.block_on(served());
    let before = runtime.block_on(usual_greeting(&served));
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let result = runner.run(&(prop::sample::select(&PATHS[..]), bodies), |(path, body)| {
        runtime.block_on(async {
            send(&served, path, &body).await.map_err(TestCaseError::fail)?;
            prop_assert_eq!(served.get("/health").await.status(), 200);
            prop_assert_eq!(greeting(&served).await, before.clone());
            Ok(())
        })
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn bytes_that_are_no_request() {
    check(150, shapes::no_request());
}

#[test]
fn any_json() {
    check(150, shapes::any_json().prop_map(Body::json));
}

#[test]
fn requests_with_fields_that_are_wrong() {
    check(400, shapes::request_with_wrong_fields());
}

#[test]
fn requests_that_are_cut_off_or_damaged() {
    check(150, shapes::damaged_request());
}

#[test]
fn requests_with_grammars() {
    check(60, shapes::request_with_grammar());
}

#[test]
fn bodies_that_somebody_thought_of() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let served = runtime.block_on(served());
    let before = runtime.block_on(usual_greeting(&served));
    let mut failures = Vec::new();
    for body in shapes::thought_of() {
        let beginning = String::from_utf8_lossy(&body.bytes[..body.bytes.len().min(120)]).into_owned();
        for path in PATHS {
            if let Err(what) = runtime.block_on(send(&served, path, &body)) {
                failures.push(format!("{path} {beginning}: {what}"));
            }
        }
        let after = runtime.block_on(greeting(&served));
        assert_eq!(after, before, "after {beginning}; before that: {failures:?}");
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
