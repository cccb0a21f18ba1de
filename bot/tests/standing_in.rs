//! Another server in place of our runner: llama.cpp's own, with a tiny model of random weights. It is not part of this
//! repository: the variable GROUPCHAT_LLAMA_SERVER says where it lies, and where nothing is said nothing is tested.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]
#![allow(clippy::disallowed_methods, reason = "what is posted here carries the time of the test")]

use std::{
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use bot::runner::{Draw, Extras, RunnerClient, RunnerError};
use chat::{Sampling, prompt};
use model_runner::testing::TinyModel;
use secrecy::SecretString;
use serde_json::{Value, json};
use tempfile::TempDir;

#[path = "whole_bot/fake_runner.rs"]
#[expect(dead_code, reason = "the other tests of the whole bot use more of it")]
mod fake_runner;
#[path = "whole_bot/memory_platform.rs"]
#[expect(dead_code, reason = "the other tests of the whole bot use more of it")]
mod memory_platform;
#[path = "whole_bot/tester.rs"]
#[expect(dead_code, reason = "the other tests of the whole bot use more of it")]
mod tester;

use tester::{BotTester, Setup};

/// More than it takes to load half a megabyte, on a busy machine too.
const PATIENCE: Duration = Duration::from_secs(60);

/// A llama-server of this test's own.
struct LlamaServer {
    url: String,
    child: Child,
    _folder: TempDir,
}

impl Drop for LlamaServer {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl LlamaServer {
    /// Starts it and waits until it answers. None, with a word about it, where there is none to be started.
    async fn start(arguments: &[&str]) -> Option<Self> {
        let Some(program) = std::env::var_os("GROUPCHAT_LLAMA_SERVER").map(PathBuf::from) else {
            eprintln!("skipped: set GROUPCHAT_LLAMA_SERVER to the path of a llama-server to have it stand in");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let model = folder.path().join("tiny.gguf");
        TinyModel::default().write(&model).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new(&program)
            .arg("--model")
            .arg(model)
            .args(["--host", "127.0.0.1", "--port", &port.to_string(), "--chat-template", "chatml"])
            .args(["--ctx-size", "4096", "--threads", "1", "--no-webui"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut server = Self { url: format!("http://127.0.0.1:{port}"), child, _folder: folder };
        server.ready().await;
        Some(server)
    }

    async fn ready(&mut self) {
        let (client, started) = (self.client(None), Instant::now());
        while let Err(error) = client.health().await {
            assert!(started.elapsed() < PATIENCE, "{error}");
            assert_eq!(self.child.try_wait().unwrap(), None, "it ended");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn client(&self, key: Option<&str>) -> RunnerClient {
        RunnerClient::new(&self.url, key.map(SecretString::from), None).unwrap()
    }
}

fn draw() -> Draw {
    let sampling = Sampling { temperature: 0.0, ..Sampling::default() };
    let extras = Extras { room: Some("room-1".to_owned()), no_urls: true, ..Extras::default() };
    Draw { sampling, max_tokens: 20, seed: 1, stop: vec!["\n".to_owned()], extras }
}

fn window() -> Vec<prompt::Line> {
    let said = ["who has the boat keys", "not me, ask the others", "they are in the harbour", "are they", "they are"];
    said.iter().enumerate().map(|(i, text)| prompt::Line::new(["Ada", "Bo"][i % 2], text)).collect()
}

#[tokio::test]
async fn it_answers_the_same_to_the_same() {
    let Some(server) = LlamaServer::start(&[]).await else { return };
    let client = server.client(None);
    let prompt = prompt::reply(&window(), None, "Ada");
    let answer = client.complete(&prompt, &draw()).await.unwrap();
    assert!(!answer.is_empty());
    assert_eq!(client.complete(&prompt, &draw()).await.unwrap(), answer);
}

#[tokio::test]
async fn what_it_was_shown_ahead_is_not_computed_again() {
    let Some(server) = LlamaServer::start(&[]).await else { return };
    server.client(None).prefill(&prompt::prefix(&window()), "room-1").await.unwrap();
    let request = json!({
        "messages": [{ "role": "user", "content": prompt::reply(&window(), Some("the sea"), "Cleo") }],
        "max_tokens": 1,
    });
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let asked = http.post(format!("{}/v1/chat/completions", server.url)).json(&request).send().await.unwrap();
    let answer: Value = asked.json().await.unwrap();
    let count = |pointer| answer.pointer(pointer).and_then(Value::as_u64).unwrap_or_else(|| panic!("{answer}"));
    let (cached, all) = (count("/usage/prompt_tokens_details/cached_tokens"), count("/usage/prompt_tokens"));
    assert!(cached * 10 > all * 8, "{cached} of {all} tokens were there");
}

#[tokio::test]
async fn it_wants_its_key() {
    let Some(server) = LlamaServer::start(&["--api-key", "hush"]).await else { return };
    assert!(!server.client(Some("hush")).complete("hello", &draw()).await.unwrap().is_empty());
    server.client(Some("hush")).prefill("hello", "room-1").await.unwrap();
    for wrong in [None, Some("shout")] {
        let client = server.client(wrong);
        client.health().await.unwrap();
        let error = client.complete("hello", &draw()).await.unwrap_err();
        let expected = RunnerError::Rejected { sentence: "Invalid API Key".to_owned() };
        assert_eq!(error, expected, "{wrong:?}");
        assert_eq!(client.prefill("hello", "room-1").await, Err(expected), "{wrong:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_conversation_goes_on_with_it() {
    let Some(server) = LlamaServer::start(&[]).await else { return };
    let bot =
        BotTester::set_up(Setup { server: Some(server.client(None)), limits: tester::no_limits(), ..Setup::default() })
            .await;
    bot.command("Dora", "/summon Ada Bo").await;
    bot.says("Dora", "Ada, who has the boat keys?").await;
    // Most of what random weights say is nothing that anybody would post.
    let said = loop {
        tokio::select! {
            said = bot.next() => break said,
            _ = bot.platform.gives_up() => assert!(bot.command("Dora", "/more").await.done),
        }
    };
    assert!(["Ada", "Bo"].contains(&said.name.as_str()), "{said:?}");
}
