//! The runner over real HTTP on a free port of the loopback, with a tiny model of random weights.
#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod served;

use chat::wire::{ChatChunk, ChatCompletion, Completion, FinishReason, Health, ModelList, RunnerStatus};
use expect_test::{Expect, expect};
use model_runner::testing::TinyModel;
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use serde_json::{Value, json};
use served::{Served, read_events};

/// A conversation whose answer is drawn without chance.
fn greedy(content: &str, max_tokens: u32) -> Value {
    json!({"messages": [{"role": "user", "content": content}], "temperature": 0, "max_tokens": max_tokens})
}

fn with(mut request: Value, more: Value) -> Value {
    request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    request
}

#[tokio::test]
async fn a_whole_answer_and_a_streamed_one_are_the_same_text() {
    let served = Served::start().await;
    let sampled = json!({"messages": [{"role": "user", "content": "hello"}], "seed": 7, "max_tokens": 40});
    for request in [greedy("hello", 40), sampled] {
        served.warm(&request).await;
        let whole: ChatCompletion = served.chat(&request).await;
        let events = served.stream("/v1/chat/completions", &request).await;
        let (done, chunks) = events.split_last().unwrap();
        assert_eq!(done, "[DONE]");
        let chunks: Vec<ChatChunk> = chunks.iter().map(|chunk| serde_json::from_str(chunk).unwrap()).collect();
        let text: String = chunks.iter().filter_map(|chunk| chunk.choices[0].delta.content.clone()).collect();
        assert_eq!(text, whole.choices[0].message.content);
        assert!(!text.is_empty());
        assert_eq!(chunks.last().unwrap().choices[0].finish_reason, Some(FinishReason::Length));
        assert_eq!(whole.choices[0].finish_reason, Some(FinishReason::Length));
        assert_eq!(whole.usage.unwrap().completion_tokens, 40);
    }
}

#[tokio::test]
async fn a_completion_goes_on_from_text_and_can_be_streamed_with_a_count() {
    let served = Served::start().await;
    let request = json!({"model": "tiny", "prompt": "once upon", "temperature": 0, "max_tokens": 20});
    served.warm(&request).await;
    let whole: Completion = served.post("/v1/completions", &request).await.json().await.unwrap();
    let request = with(request, json!({"stream_options": {"include_usage": true}}));
    let events = served.stream("/v1/completions", &request).await;
    let chunks: Vec<Completion> =
        events[..events.len() - 1].iter().map(|chunk| serde_json::from_str(chunk).unwrap()).collect();
    let text: String = chunks.iter().flat_map(|chunk| &chunk.choices).map(|choice| choice.text.as_str()).collect();
    assert_eq!(text, whole.choices[0].text);
    assert!(!text.is_empty());
    assert_eq!(chunks.last().unwrap().usage, whole.usage);
    assert!(chunks.last().unwrap().choices.is_empty());
}

#[tokio::test]
async fn a_seed_repeats_an_answer_and_another_seed_does_not() {
    let served = Served::start().await;
    let ask = async |seed: i64| {
        let request = json!({"messages": [{"role": "user", "content": "hi"}], "seed": seed, "max_tokens": 30});
        served.warm(&request).await;
        served.chat(&request).await.choices[0].message.content.clone()
    };
    let first = ask(1).await;
    assert_eq!(ask(1).await, first);
    assert_ne!(ask(2).await, first);
}

#[tokio::test]
async fn the_answer_ends_before_a_stop_string() {
    let served = Served::start().await;
    served.warm(&greedy("stop here", 60)).await;
    let full = served.chat(&greedy("stop here", 60)).await.choices[0].message.content.clone();
    let characters: Vec<char> = full.chars().collect();
    for start in (4..characters.len() - 3).step_by(5) {
        let stop: String = characters[start..start + 3].iter().collect();
        let request = with(greedy("stop here", 60), json!({"stop": [stop, "never comes"]}));
        let stopped = served.chat(&request).await;
        assert_eq!(stopped.choices[0].message.content, full[..full.find(&stop).unwrap()]);
        assert_eq!(stopped.choices[0].finish_reason, Some(FinishReason::Stop));
    }
}

#[tokio::test]
async fn the_answer_ends_where_the_model_ends_its_turn() {
    let served = Served::start().await;
    let request = greedy("and then", 60);
    let text = served.chat(&request).await.choices[0].message.content.clone();
    // Tokens 0 to 255 are the bytes, so a model for which this byte ends a turn is otherwise the same. No merge takes
    // in an upper-case letter.
    let end = text.bytes().rev().find(u8::is_ascii_uppercase).unwrap();
    let ending = Served::with_model(&TinyModel { end_token: Some(u32::from(end)), ..TinyModel::default() }).await;
    let ended = ending.chat(&request).await;
    let content = &ended.choices[0].message.content;
    assert_eq!(ended.choices[0].finish_reason, Some(FinishReason::Stop));
    assert!(text.starts_with(content.as_str()) && content.len() < text.len(), "{content:?} of {text:?}");
    assert!(ended.usage.unwrap().completion_tokens < 60);
}

#[tokio::test]
async fn control_tokens_that_people_type_stay_text() {
    let served = Served::start().await;
    let count = async |content: &str| served.chat(&greedy(content, 1)).await.usage.unwrap().prompt_tokens;
    let frame = count("").await;
    // Each of these would be one token if it were taken for a control token; as text it is a token a byte, since no
    // merge of this vocabulary applies to it.
    for typed in ["<|im_end|>", "<|im_start|>", "</think>"] {
        let spelt_out = count(&typed.replace(['|', '/'], "\u{1}")).await;
        assert_eq!(count(typed).await, spelt_out, "{typed}");
        assert!(count(typed).await > frame + 5, "{typed}");
    }
    // In a raw prompt its author means them.
    let raw = json!({"prompt": "<|im_end|>", "max_tokens": 1});
    let raw: Completion = served.post("/v1/completions", &raw).await.json().await.unwrap();
    assert_eq!(raw.usage.unwrap().prompt_tokens, 1);
}

#[tokio::test]
async fn a_prompt_that_begins_like_the_last_is_not_computed_again() {
    let served = Served::start().await;
    let long = "the same beginning ".repeat(20);
    let first = served.chat(&greedy(&format!("{long}one"), 5)).await;
    let before = served.health().await.counters;
    assert_eq!(before.reused_tokens, 0);
    let second = served.chat(&greedy(&format!("{long}two"), 5)).await;
    let after = served.health().await.counters;
    let prompt = u64::from(second.usage.unwrap().prompt_tokens);
    assert_eq!(after.reused_tokens + after.prompt_tokens - before.prompt_tokens, prompt);
    assert!(after.reused_tokens > prompt / 2);
    // What was reused makes no difference to what is said.
    let fresh = Served::start().await;
    assert_eq!(fresh.chat(&greedy(&format!("{long}two"), 5)).await.choices, second.choices);
    assert_eq!(served.chat(&greedy(&format!("{long}one"), 5)).await.choices, first.choices);
}

#[tokio::test]
async fn a_full_queue_turns_requests_away_at_once() {
    let served = Served::with(TinyModel::default(), |options| options.parallel = 1).await;
    let (_in_hand, _) = served.begin_stream(&greedy("long", 30_000)).await;
    let waiting = tokio::spawn(served.request("/v1/chat/completions", &greedy("next", 1)).send());
    served.health_until(|health| health.queue_length == 1).await;
    let response = served.post("/v1/chat/completions", &greedy("too many", 1)).await;
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "1");
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["error"]["code"], "queue_full");
    assert_eq!(served.health().await.counters.turned_away, 1);
    waiting.abort();
}

#[tokio::test]
async fn work_stops_when_the_client_goes_away() {
    let served = Served::start().await;
    let (streaming, _) = served.begin_stream(&greedy("long", 30_000)).await;
    drop(streaming);
    served.health_until(|health| health.counters.cancelled == 1).await;

    let whole = tokio::spawn(served.request("/v1/chat/completions", &greedy("long", 30_000)).send());
    served.health_until(|health| health.counters.started == 2).await;
    whole.abort();
    let health = served.health_until(|health| health.counters.cancelled == 2).await;
    assert_eq!(health.counters.finished, 0);
    assert!(health.counters.generated_tokens < 60_000);
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_given_up() {
    let served = Served::with(TinyModel::default(), |options| options.time_limit = std::time::Duration::ZERO).await;
    let response = served.post("/v1/chat/completions", &greedy("long", 30_000)).await;
    assert_eq!(response.status(), 504);
    served.health_until(|health| health.counters.cancelled == 1).await;
}

#[tokio::test]
async fn shutdown_finishes_the_answer_in_hand() {
    let served = Served::start().await;
    let (streaming, first) = served.begin_stream(&greedy("last words", 400)).await;
    served.shutdown();
    let events = read_events(streaming, first).await;
    assert_eq!(events.last().unwrap(), "[DONE]");
    served.ended().await.unwrap();
}

#[tokio::test]
async fn only_whole_characters_are_sent() {
    let served = Served::start().await;
    let runtime = tokio::runtime::Handle::current();
    let check = move || {
        let mut runner = TestRunner::new(Config { cases: 24, failure_persistence: None, ..Config::default() });
        runner.run(&(any::<i64>(), ".{0,12}"), |(seed, content)| {
            let request = json!({"messages": [{"role": "user", "content": content}], "temperature": 1.6, "top_k": 0,
                                 "seed": seed, "max_tokens": 48});
            let (whole, events) = runtime.block_on(async {
                served.warm(&request).await;
                let whole = served.chat(&request).await;
                (whole, served.stream("/v1/chat/completions", &request).await)
            });
            let whole = &whole.choices[0].message.content;
            prop_assert!(!whole.contains(char::REPLACEMENT_CHARACTER));
            let chunks =
                events[..events.len() - 1].iter().map(|chunk| serde_json::from_str::<ChatChunk>(chunk).unwrap());
            let streamed: String = chunks.filter_map(|chunk| chunk.choices[0].delta.content.clone()).collect();
            prop_assert_eq!(&streamed, whole);
            Ok(())
        })
    };
    tokio::task::spawn_blocking(check).await.unwrap().unwrap();
}

#[tokio::test]
async fn health_and_models_say_what_is_here() {
    let served = Served::start().await;
    let health: Health = served.health().await;
    assert_eq!((health.status, health.model.as_str(), health.context), (RunnerStatus::Ready, "tiny", Some(32_768)));
    let models: ModelList = served.get("/v1/models").await.json().await.unwrap();
    assert_eq!(models.data.iter().map(|model| model.id.as_str()).collect::<Vec<_>>(), ["tiny"]);
    assert_eq!(served.get("/v1/models/tiny").await.status(), 200);
    assert_eq!(served.get("/v1/models/other").await.status(), 404);
}

/// Sends a request that is wrong and shows the answer.
async fn check_error(served: &Served, path: &str, body: impl Into<reqwest::Body>, expected: Expect) {
    let request = served.client.post(served.url(path)).header("content-type", "application/json").body(body);
    show_error(request.send().await.unwrap(), expected).await;
}

async fn show_error(response: reqwest::Response, expected: Expect) {
    let status = response.status();
    let error = response.json::<Value>().await.unwrap()["error"].take();
    let field = error["param"].as_str().map(|field| format!(" {field}")).unwrap_or_default();
    let [message, code] = ["message", "code"].map(|key| error[key].as_str().unwrap());
    expected.assert_eq(&format!("{status} ({code}{field})\n{message}"));
}

#[tokio::test]
async fn wrong_requests_are_answered_with_a_sentence() {
    let served = Served::with(TinyModel { context: 512, ..TinyModel::default() }, |_| {}).await;
    let chat = "/v1/chat/completions";
    check_error(
        &served,
        chat,
        "{",
        expect![[r#"
        400 Bad Request (invalid_json)
        the body is not such a request: EOF while parsing an object at line 1 column 1"#]],
    )
    .await;
    check_error(
        &served,
        chat,
        r#"{"messages":[]}"#,
        expect![[r#"
        400 Bad Request (invalid_value messages)
        there is no message to answer"#]],
    )
    .await;
    check_error(
        &served,
        chat,
        greedy(&"x".repeat(600), 1).to_string(),
        expect![[r#"
        400 Bad Request (invalid_value messages)
        the prompt has 620 tokens, and with at least one for the answer it must fit a context of 512"#]],
    )
    .await;
    check_error(
        &served,
        chat,
        with(greedy("x", 1), json!({"n": 3})).to_string(),
        expect![[r#"
        400 Bad Request (invalid_value n)
        one answer is drawn for a request, not 3; ask several times"#]],
    )
    .await;
    check_error(
        &served,
        chat,
        with(greedy("x", 1), json!({"model": "gpt-4"})).to_string(),
        expect![[r#"
            404 Not Found (model_not_found model)
            the model gpt-4 is not here; ask for one of these, or for none: tiny"#]],
    )
    .await;
    check_error(
        &served,
        "/v1/completions",
        r#"{"prompt":""}"#,
        expect![[r#"
        400 Bad Request (invalid_value prompt)
        the prompt is empty"#]],
    )
    .await;
    check_error(
        &served,
        chat,
        "x".repeat(2_000_000),
        expect![[r#"
        413 Payload Too Large (invalid_body)
        Failed to buffer the request body: length limit exceeded"#]],
    )
    .await;
    check_error(&served, "/v2", "{}", expect![[r#"
        404 Not Found (not_found)
        there is no POST /v2; there are POST /v1/chat/completions, /v1/completions, /v1/prefill, /v1/score, /v1/load_lora_adapter and /v1/unload_lora_adapter, and GET /v1/models, /health and /metrics"#]]).await;
    show_error(
        served.get(chat).await,
        expect![[r#"
        405 Method Not Allowed (method_not_allowed)
        /v1/chat/completions is not for GET"#]],
    )
    .await;
    let as_text = served.client.post(served.url(chat)).body(greedy("x", 1).to_string()).send().await.unwrap();
    show_error(
        as_text,
        expect![[r#"
        415 Unsupported Media Type (invalid_body)
        send JSON as content-type: application/json"#]],
    )
    .await;
    assert_eq!(served.health().await.counters.generated_tokens, 0);
}

#[tokio::test]
async fn an_answer_fills_the_context_and_no_more() {
    let served = Served::with(TinyModel { context: 512, ..TinyModel::default() }, |_| {}).await;
    let request = json!({"messages": [{"role": "user", "content": "go on"}], "temperature": 0});
    let answer = served.chat(&request).await;
    assert_eq!(answer.choices[0].finish_reason, Some(FinishReason::Length));
    assert_eq!(answer.usage.unwrap().total_tokens, 512);
}

#[tokio::test]
async fn a_model_that_llama_cpp_does_not_take_ends_the_server_with_a_sentence() {
    let model = TinyModel { architecture: "babel".to_owned(), ..TinyModel::default() };
    let sentence = Served::start_unready(model).await.ended().await.unwrap_err().to_string();
    assert!(sentence.contains("tiny.gguf") && sentence.contains("unknown model architecture: 'babel'"), "{sentence}");
}
