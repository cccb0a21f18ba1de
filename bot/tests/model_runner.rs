//! The model runner as a child of the bot: this program's own subcommand, with a tiny model of random weights.
#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use axum::{
    Json, Router,
    http::HeaderMap,
    routing::{get, post},
};
use bot::runner::{Draw, Extras, RunnerClient, RunnerError, RunnerOptions, RunnerProcess};
use chat::Sampling;
use model_runner::testing::{TinyAdapter, TinyModel};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::{sync::watch, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

/// More than anything here takes, on a busy machine too.
const PATIENCE: Duration = Duration::from_secs(60);

struct Supervised {
    folder: TempDir,
    client: watch::Receiver<Option<RunnerClient>>,
    shutdown: CancellationToken,
    ended: JoinHandle<()>,
}

impl Supervised {
    fn start(model: &[u8]) -> Self {
        Self::start_program(model, env!("CARGO_BIN_EXE_groupchat").into(), "model-runner")
    }

    /// A shell that does this in place of the runner, in the test's folder.
    fn start_script(script: &str) -> Self {
        Self::start_program(&TinyModel::default().to_bytes(), "/bin/sh".into(), script)
    }

    fn start_program(model: &[u8], program: PathBuf, first: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tiny.gguf");
        fs::write(&file, model).unwrap();
        let options = RunnerOptions {
            model: file,
            threads: Some(1),
            context: Some(1024),
            parallel: None,
            rest_after: Some(Duration::from_secs(600)),
        };
        let arguments = match first {
            "model-runner" => vec![first.into()],
            script => vec!["-c".into(), script.into(), folder.path().into()],
        };
        let process = RunnerProcess::with_program(options, program, arguments);
        let shutdown = CancellationToken::new();
        let client = process.client();
        Self { folder, client, shutdown: shutdown.clone(), ended: tokio::spawn(process.run(shutdown)) }
    }

    async fn client(&mut self) -> RunnerClient {
        timeout(PATIENCE, self.client.wait_for(Option::is_some)).await.unwrap().unwrap().clone().unwrap()
    }

    async fn no_client(&mut self) {
        timeout(PATIENCE, self.client.wait_for(Option::is_none)).await.unwrap().unwrap();
    }

    /// The process whose command line names this test's folder.
    fn child(&self) -> Option<Pid> {
        fs::read_dir("/proc").unwrap().find_map(|entry| {
            let entry = entry.unwrap();
            let pid = entry.file_name().to_str()?.parse().ok()?;
            names(&entry.path(), self.folder.path()).then(|| Pid::from_raw(pid))?
        })
    }

    async fn stop(self) {
        self.shutdown.cancel();
        timeout(PATIENCE, self.ended).await.unwrap().unwrap();
    }
}

fn names(process: &Path, folder: &Path) -> bool {
    let command = fs::read(process.join("cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&command).contains(&*folder.to_string_lossy())
}

fn draw() -> Draw {
    let sampling = Sampling { temperature: 0.0, ..Sampling::default() };
    Draw { sampling, max_tokens: 20, seed: 1, stop: vec![], extras: Extras::default() }
}

#[tokio::test]
async fn a_killed_child_is_started_again_and_answers_the_same() {
    let mut supervised = Supervised::start(&TinyModel::default().to_bytes());
    let client = supervised.client().await;
    assert_eq!(client.model_name(), "tiny");
    let answer = client.complete("hello", &draw()).await.unwrap();
    assert!(!answer.is_empty());

    kill_process(supervised.child().unwrap(), Signal::KILL).unwrap();
    supervised.no_client().await;
    let error = client.complete("hello", &draw()).await.unwrap_err();
    assert!(matches!(error, RunnerError::Unavailable(_) | RunnerError::Broken(_)), "{error}");

    let client = supervised.client().await;
    assert_eq!(client.complete("hello", &draw()).await.unwrap(), answer);
    supervised.stop().await;
}

#[tokio::test]
async fn the_child_offers_adapters_and_judges_what_is_said() {
    let mut supervised = Supervised::start(&TinyModel::default().to_bytes());
    let client = supervised.client().await;
    let file = supervised.folder.path().join("crew.gguf");
    TinyAdapter { scale: 3.0, ..TinyAdapter::default() }.write(&file).unwrap();
    client.load_adapter("crew@1", &file).await.unwrap();
    let offered: Vec<String> = client.models().await.unwrap().into_iter().map(|model| model.id).collect();
    assert_eq!(offered, ["tiny", "crew@1"]);

    let adapted = client.with_model("crew@1");
    assert!(adapted.is_of_the_same_server(&client));
    assert_ne!(adapted.complete("hello", &draw()).await.unwrap(), client.complete("hello", &draw()).await.unwrap());
    let judged =
        [client.judge("hello", &["yes", "no"]).await.unwrap(), adapted.judge("hello", &["yes", ""]).await.unwrap()];
    assert!(judged.iter().flatten().all(|logprob| *logprob < 0.0) && judged[0][0] != judged[1][0], "{judged:?}");

    client.unload_adapter("crew@1").await.unwrap();
    let error = adapted.complete("hello", &draw()).await.unwrap_err();
    assert!(matches!(error, RunnerError::NoSuchModel { .. }), "{error:?}");
    let error = client.load_adapter("crew@1", Path::new("/nowhere/crew.gguf")).await.unwrap_err();
    assert!(matches!(&error, RunnerError::Rejected { sentence } if sentence.contains("cannot be read")), "{error:?}");
    supervised.stop().await;
}

#[tokio::test]
async fn a_bad_model_is_given_up_at_once() {
    let whole = TinyModel::default().to_bytes();
    let mut supervised = Supervised::start(&whole[..whole.len() / 2]);
    timeout(PATIENCE, &mut supervised.ended).await.unwrap().unwrap();
    assert!(supervised.client.borrow().is_none());
    assert!(supervised.child().is_none());
}

#[tokio::test]
async fn shutdown_leaves_no_child() {
    let mut supervised = Supervised::start(&TinyModel::default().to_bytes());
    supervised.client().await;
    supervised.shutdown.cancel();
    timeout(PATIENCE, &mut supervised.ended).await.unwrap().unwrap();
    assert!(supervised.child().is_none());
}

#[tokio::test]
async fn a_child_that_crashes_over_the_model_twice_is_given_up() {
    // The folder is the script's own name; each life leaves a line there.
    for signal in ["ABRT", "SEGV", "BUS"] {
        let mut supervised = Supervised::start_script(&format!("echo lived >> $0/lives; kill -{signal} $$"));
        timeout(PATIENCE, &mut supervised.ended).await.unwrap().unwrap();
        let lives = fs::read_to_string(supervised.folder.path().join("lives")).unwrap();
        assert_eq!(lives.lines().count(), 2, "{signal}");
    }
}

#[tokio::test]
async fn a_child_that_is_killed_before_it_was_ready_is_started_again_and_again() {
    let supervised = Supervised::start_script("echo lived >> $0/lives; kill -KILL $$");
    let lives = || fs::read_to_string(supervised.folder.path().join("lives")).unwrap_or_default();
    timeout(PATIENCE, async {
        while lives().lines().count() < 3 {
            tokio::task::yield_now().await
        }
    })
    .await
    .unwrap();
    supervised.stop().await;
}

#[tokio::test]
async fn the_child_is_given_a_key_where_no_other_user_sees_it_and_requests_carry_it() {
    let answer = async |headers: HeaderMap| {
        let key = headers["authorization"].to_str().unwrap().to_owned();
        Json(serde_json::json!({ "choices": [{ "message": { "content": key } }] }))
    };
    let router = Router::new().route("/health", get(async || ())).route("/v1/chat/completions", post(answer));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(axum::serve(listener, router).into_future());
    let note = "echo $MODEL_RUNNER_API_KEY > $0/key; echo $* > $0/arguments";
    let mut supervised = Supervised::start_script(&format!("{note}; echo listening on {address}; read end"));
    let sent = supervised.client().await.complete("hi", &draw()).await.unwrap();
    let noted = |name: &str| fs::read_to_string(supervised.folder.path().join(name)).unwrap();
    let (key, arguments) = (noted("key").trim().to_owned(), noted("arguments"));
    assert_eq!(sent, format!("Bearer {key}"));
    assert_eq!(key.len(), 32);
    assert!(arguments.contains("--rest-after 600") && !arguments.contains(&key), "{arguments}");
    supervised.stop().await;
}
