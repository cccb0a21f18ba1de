//! Adapters over HTTP: they come, answer, are replaced and go while others are answered.
#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod served;

use std::path::{Path, PathBuf};

use chat::wire::{ChatCompletion, ModelList};
use expect_test::{Expect, expect};
use model_runner::testing::{TinyAdapter, TinyModel};
use reqwest::Response;
use serde_json::{Value, json};
use served::{Served, assert_same_answer};
use sha2::{Digest, Sha256};

const KEY: &str = "open sesame";

/// A server with a key, and a folder for adapters.
struct Library {
    served: Served,
    folder: tempfile::TempDir,
}

impl Library {
    async fn open() -> Self {
        let served = Served::with(TinyModel::default(), |options| {
            (options.queue, options.parallel) = (32, 8);
            options.api_key = Some(KEY.into());
        })
        .await;
        Self { served, folder: tempfile::tempdir().unwrap() }
    }

    fn write(&self, adapter: &TinyAdapter) -> PathBuf {
        let path = self.folder.path().join(format!("adapter-{}.gguf", adapter.seed));
        adapter.write(&path).unwrap();
        path
    }

    async fn post(&self, path: &str, body: &Value) -> Response {
        self.served.request(path, body).bearer_auth(KEY).send().await.unwrap()
    }

    async fn load(&self, name: &str, file: &Path, in_place: bool) -> Response {
        let body = json!({"lora_name": name, "lora_path": file, "load_inplace": in_place});
        self.post("/v1/load_lora_adapter", &body).await
    }

    async fn ask(&self, model: &str) -> Response {
        let request = json!({"model": model, "messages": [{"role": "user", "content": "who are you"}],
                             "temperature": 0, "max_tokens": 24, "logprobs": true, "top_logprobs": 20, "prompt_cache_key": "room-1"});
        self.post("/v1/chat/completions", &request).await
    }

    async fn answer(&self, model: &str) -> ChatCompletion {
        let response = self.ask(model).await;
        assert_eq!(response.status(), 200);
        let answer: ChatCompletion = response.json().await.unwrap();
        assert_eq!(answer.model, model);
        answer
    }

    async fn models(&self) -> Vec<String> {
        let list = self.served.client.get(self.served.url("/v1/models")).bearer_auth(KEY).send().await.unwrap();
        list.json::<ModelList>().await.unwrap().data.into_iter().map(|card| card.id).collect()
    }
}

fn strong(seed: u64) -> TinyAdapter {
    TinyAdapter { seed, scale: 3.0, ..TinyAdapter::default() }
}

#[tokio::test]
async fn adapters_answer_under_their_names_beside_the_base() {
    let library = Library::open().await;
    let base = library.answer("tiny").await;
    for seed in [1, 2] {
        assert_eq!(library.load(&format!("crew-{seed}"), &library.write(&strong(seed)), false).await.status(), 200);
    }
    assert_eq!(library.models().await, ["tiny", "crew-1", "crew-2"]);
    let [first, second] = [library.answer("crew-1").await, library.answer("crew-2").await];
    let texts = [&base, &first, &second].map(|answer| &answer.choices[0].message.content);
    assert!(texts[0] != texts[1] && texts[0] != texts[2] && texts[1] != texts[2]);
    // In any order and at once each says the same as before: nothing of one is reused for another.
    for _ in 0..2 {
        let names = ["crew-1", "tiny", "crew-2", "tiny", "crew-1", "crew-2"];
        let answers = futures_util::future::join_all(names.map(|name| library.answer(name))).await;
        let expected = [&first, &base, &second, &base, &first, &second];
        answers.iter().zip(expected).for_each(|(answer, expected)| assert_same_answer(answer, expected));
    }
}

#[tokio::test]
async fn a_new_version_takes_the_place_of_the_old_one_while_it_answers() {
    let library = Library::open().await;
    let (old, new) = (library.write(&strong(1)), library.write(&strong(2)));
    library.load("crew", &old, false).await;
    let before = library.answer("crew").await;
    let long = json!({"model": "crew", "messages": [{"role": "user", "content": "go on"}], "temperature": 0,
                      "max_tokens": 500, "logprobs": true, "top_logprobs": 20});
    let alone: ChatCompletion = library.post("/v1/chat/completions", &long).await.json().await.unwrap();
    let in_hand = library.post("/v1/chat/completions", &long);
    let replaced = async {
        library.served.health_until(|health| health.counters.started == 3).await;
        assert_eq!(library.load("crew", &new, true).await.status(), 200);
        library.answer("crew").await
    };
    let (in_hand, after) = tokio::join!(in_hand, replaced);
    // What was in hand went on with the old version to its end.
    assert_same_answer(&in_hand.json().await.unwrap(), &alone);
    assert_ne!(after.choices[0].message, before.choices[0].message);
    assert_eq!(library.models().await, ["tiny", "crew"]);
}

#[tokio::test]
async fn an_adapter_that_is_unloaded_is_not_found() {
    let library = Library::open().await;
    library.load("crew", &library.write(&strong(1)), false).await;
    assert_eq!(library.post("/v1/unload_lora_adapter", &json!({"lora_name": "crew"})).await.status(), 200);
    check(
        library.ask("crew").await,
        expect!["404 Not Found: the model crew is not here; ask for one of these, or for none: tiny"],
    )
    .await;
    check(
        library.post("/v1/unload_lora_adapter", &json!({"lora_name": "crew"})).await,
        expect!["400 Bad Request: there is no adapter crew"],
    )
    .await;
}

/// Shows an answer that is an error, without the test's folder.
async fn check(response: Response, expected: Expect) {
    let status = response.status();
    let body: Value = response.json().await.unwrap();
    let message = body["error"]["message"].as_str().unwrap();
    let message = message.split_whitespace().map(|word| if word.ends_with(".gguf") { "FILE" } else { word });
    expected.assert_eq(&format!("{status}: {}", message.collect::<Vec<_>>().join(" ")));
}

#[tokio::test]
async fn an_adapter_that_does_not_fit_is_refused_with_the_reason() {
    let library = Library::open().await;
    let load = async |adapter: TinyAdapter| library.load("crew", &library.write(&adapter), false).await;
    check(load(TinyAdapter { prompt_version: Some(99), ..strong(1) }).await, expect!["400 Bad Request: the adapter was trained with version 99 of the prompt, and this program renders version 1; train it again"]).await;
    check(load(TinyAdapter { base_sha256: Some("00".repeat(32)), ..strong(1) }).await, expect!["400 Bad Request: the adapter was trained on another file than tiny (SHA-256 0000000000000000000000000000000000000000000000000000000000000000, not f5f4383a7cbb18a9da09b8e7d86312365ad779991ffde26583e2a5861433a15b); serve that file, or train it again on this one"]).await;
    check(load(TinyAdapter { architecture: "llama".to_owned(), ..strong(1) }).await, expect!["400 Bad Request: cannot use FILE as an adapter: llama.cpp does not take it (llama_adapter_lora_init_from_file_ptr: failed to apply lora adapter: model arch and LoRA arch mismatch)"]).await;
    check(library.load("crew", &library.folder.path().join("none.gguf"), false).await, expect!["400 Bad Request: cannot use FILE as an adapter: it cannot be read (No such file or directory (os error 2)); give the path of a GGUF file that this user may read"]).await;
    check(
        library.load("tiny", &library.write(&strong(1)), false).await,
        expect!["400 Bad Request: tiny is the base; give the adapter another name"],
    )
    .await;
    check(
        library.load("a/b", &library.write(&strong(1)), false).await,
        expect!["400 Bad Request: a name has 1 to 128 bytes, and no slash or control character"],
    )
    .await;
    assert_eq!(library.models().await, ["tiny"]);

    // One that says what it was made for, rightly, is taken; a second one of its name only where it is meant so.
    let sha256 = Sha256::digest(TinyModel::default().to_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    let fits =
        TinyAdapter { prompt_version: Some(chat::prompt::PROMPT_VERSION), base_sha256: Some(sha256), ..strong(1) };
    assert_eq!(load(fits.clone()).await.status(), 200);
    check(
        load(fits).await,
        expect!["400 Bad Request: there is an adapter crew; set load_inplace to put this one in its place"],
    )
    .await;
}

#[tokio::test]
async fn without_the_key_nothing_is_told_or_changed() {
    let library = Library::open().await;
    let ask = json!({"messages": [{"role": "user", "content": "hi"}]});
    check(
        library.served.post("/v1/chat/completions", &ask).await,
        expect!["401 Unauthorized: this server wants its key as Authorization: Bearer KEY, and this is not it"],
    )
    .await;
    let wrong =
        library.served.request("/v1/load_lora_adapter", &json!({})).bearer_auth("open sesamE").send().await.unwrap();
    assert_eq!(wrong.status(), 401);
    assert_eq!(library.served.get("/v1/models").await.status(), 401);
    assert_eq!(library.served.get("/health").await.status(), 200);

    // Where there is no key at all everybody may ask and nobody may load.
    let open = Served::start().await;
    let load = json!({"lora_name": "crew", "lora_path": "/etc/passwd"});
    check(open.post("/v1/load_lora_adapter", &load).await, expect!["403 Forbidden: adapters are only changed for who shows a key; start the runner with one in MODEL_RUNNER_API_KEY"]).await;
}
