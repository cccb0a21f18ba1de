//! A model that is let go when nobody asks, and comes back when somebody does; and what is told of it.
#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod served;

use std::time::Duration;

use chat::wire::RunnerStatus;
use model_runner::testing::{TinyAdapter, TinyModel};
use serde_json::{Value, json};
use served::Served;

async fn restless() -> Served {
    Served::with(TinyModel::default(), |options| {
        options.rest_after = Some(Duration::from_millis(50));
        options.api_key = Some("key".into());
    })
    .await
}

async fn ask(served: &Served, model: &str) -> Value {
    let request = json!({"model": model, "messages": [{"role": "user", "content": "hi"}], "temperature": 0,
                         "max_tokens": 20});
    let response = served.request("/v1/chat/completions", &request).bearer_auth("key").send().await.unwrap();
    assert_eq!(response.status(), 200);
    response.json::<Value>().await.unwrap()["choices"].take()
}

#[tokio::test]
async fn the_model_rests_and_comes_back_with_its_adapters() {
    let served = restless().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("crew.gguf");
    TinyAdapter { scale: 3.0, ..TinyAdapter::default() }.write(&file).unwrap();
    // It may rest already: loading an adapter wakes it too.
    let load = json!({"lora_name": "crew", "lora_path": file});
    let loaded = served.request("/v1/load_lora_adapter", &load).bearer_auth("key").send().await.unwrap();
    assert_eq!(loaded.status(), 200);
    let (base, crew) = (ask(&served, "tiny").await, ask(&served, "crew").await);
    assert_ne!(base, crew);

    let resting = served.health_until(|health| health.status == RunnerStatus::Resting).await;
    assert_eq!((resting.memory.model, resting.memory.cache, resting.memory.cached_tokens), (0, 0, 0));
    assert_eq!(ask(&served, "crew").await, crew);
    assert_eq!(ask(&served, "tiny").await, base);
    let awake = served.health_until(|health| health.status == RunnerStatus::Ready).await;
    assert!(awake.memory.model > 0 && awake.memory.cache > 0 && awake.memory.resident > 0);
}

#[tokio::test]
async fn an_adapter_whose_file_went_while_it_rested_is_offered_no_longer() {
    let served = restless().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("crew.gguf");
    TinyAdapter::default().write(&file).unwrap();
    let load = json!({"lora_name": "crew", "lora_path": file});
    served.request("/v1/load_lora_adapter", &load).bearer_auth("key").send().await.unwrap();
    served.health_until(|health| health.status == RunnerStatus::Resting).await;
    drop(folder);
    ask(&served, "tiny").await;
    let models = served.client.get(served.url("/v1/models")).bearer_auth("key").send().await.unwrap();
    assert_eq!(models.json::<Value>().await.unwrap()["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn metrics_are_in_the_text_format_of_prometheus() {
    let served = Served::start().await;
    let request = json!({"prompt": "once", "max_tokens": 5, "temperature": 0});
    served.post("/v1/completions", &request).await;
    served.health_until(|health| health.counters.finished == 1).await;
    let response = served.get("/metrics").await;
    assert_eq!(response.headers()["content-type"], "text/plain; version=0.0.4");
    let text = response.text().await.unwrap();
    for line in [
        "groupchat_runner_requests_finished_total 1",
        "groupchat_runner_generation_tokens_total 5",
        "groupchat_runner_time_to_first_token_seconds_count 1",
        "groupchat_runner_queue_wait_seconds_count 1",
        "groupchat_runner_step_answers_bucket{le=\"1\"} 4",
        "groupchat_runner_queue_length 0",
    ] {
        assert!(text.lines().any(|here| here == line), "{line} in\n{text}");
    }
    // Each sample stands under its description.
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap();
        let family = name.trim_end_matches("_bucket").trim_end_matches("_sum").trim_end_matches("_count");
        assert!([name, family].iter().any(|name| text.contains(&format!("# TYPE {name} "))), "{line}");
    }
}

#[tokio::test]
async fn nothing_is_in_hand_once_the_last_client_has_gone() {
    let served = Served::start().await;
    let request = json!({"messages": [{"role": "user", "content": "hi"}], "temperature": 0, "max_tokens": 30_000});
    let (streaming, _) = served.begin_stream(&request).await;
    assert!(is_told(&served, "groupchat_runner_requests_running 1").await);
    drop(streaming);
    let gone = async { while !is_told(&served, "groupchat_runner_requests_running 0").await {} };
    tokio::time::timeout(Duration::from_secs(60), gone).await.expect("the gauge falls");
}

async fn is_told(served: &Served, line: &str) -> bool {
    served.get("/metrics").await.text().await.unwrap().lines().any(|here| here == line)
}
