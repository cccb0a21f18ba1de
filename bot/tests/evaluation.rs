//! `groupchat eval` over the real model runner: a tiny model of random weights, and adapters for it.
#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::{fmt::Write as _, fs, path::PathBuf, process::Output, time::Duration};

use chat::prompt::{self, Line};
use model_runner::testing::{TinyAdapter, TinyModel};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

/// More than anything here takes, on a busy machine too.
const PATIENCE: Duration = Duration::from_secs(180);

/// A folder with a model, an adapter and a dataset.
struct Bench {
    folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        let bench = Self { folder: tempfile::tempdir().unwrap() };
        TinyModel::default().write(&bench.file("tiny.gguf")).unwrap();
        TinyAdapter::default().write(&bench.file("crew.gguf")).unwrap();
        fs::create_dir_all(bench.file("dataset/chatml")).unwrap();
        fs::write(bench.file("dataset/chatml/train.jsonl"), rows(30)).unwrap();
        fs::write(bench.file("dataset/chatml/test.jsonl"), rows(6)).unwrap();
        fs::write(bench.file("dataset/chatml/judge.jsonl"), "").unwrap();
        bench
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        let mut program = Command::new(env!("CARGO_BIN_EXE_groupchat"));
        program.current_dir(self.folder.path()).args(["eval", "--dataset", "dataset"]).args(arguments);
        // The runner shares the processors with everything else here: it waits without spinning.
        program.env("OMP_WAIT_POLICY", "passive").env("GROUPCHAT__MODEL__THREADS", "1");
        program.env("GROUPCHAT__MODEL__CONTEXT", "1024").kill_on_drop(true);
        tokio::time::timeout(PATIENCE, program.output()).await.unwrap().unwrap()
    }

    /// The last thing that a run says which must fail.
    async fn complaint(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments).await;
        assert!(!output.status.success());
        let said = String::from_utf8(output.stderr).unwrap();
        said.lines().last().unwrap().to_owned()
    }
}

/// Rows of both kinds of three who take turns.
fn rows(windows: usize) -> String {
    let mut rows = String::new();
    for window in 0..windows {
        let (id, speaker) = [(1, "Ada"), (2, "Bo"), (3, "Cleo")][window % 3];
        let lines = [Line::new("Bo", "who has the keys"), Line::new("Ada", &format!("not me, {speaker}?"))];
        let answer = format!("{speaker} has seen them on the boat {window} times");
        let mut row = |kind: &str, prompt: String, answer: &str| {
            let messages = json!([{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]);
            let at = format!("2025-04-14T18:{window:02}:29Z");
            let row =
                json!({"messages": messages, "kind": kind, "speaker": speaker, "member": id, "room": 1, "at": at});
            writeln!(rows, "{row}").unwrap();
        };
        row("reply", prompt::reply(&lines, None, speaker), &answer);
        row("next_speaker", prompt::next_speaker(&lines, None), speaker);
    }
    rows
}

#[tokio::test]
async fn a_model_and_an_adapter_are_measured_as_they_are_served() {
    let bench = Bench::new();
    let arguments = ["--model", "tiny.gguf", "--adapter", "crew.gguf", "--adapter", "crew.gguf", "--json", "a.json"];
    let output = bench.run(&arguments).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(table.contains("bits per character") && table.contains("who speaks next"), "{table}");

    let report: Value = serde_json::from_slice(&fs::read(bench.file("a.json")).unwrap()).unwrap();
    assert_eq!(report["adapters"], json!(["crew.gguf", "crew.gguf"]));
    assert_eq!((&report["rows"]["replies"], &report["rows"]["turns"]), (&json!(6), &json!(6)));
    let all = &report["bits_of_all"];
    let [base, first, second] = [&all["base"], &all["adapters"][0]["right"], &all["adapters"][1]["right"]]
        .map(|bits| bits["value"].as_f64().unwrap());
    // Random weights know nothing: about the 8 bits of a byte, more where they are sure of something wrong.
    assert!((3.0..30.0).contains(&base) && first > 3.0, "{base} {first}");
    assert!((base - first).abs() > 1e-3, "the adapter changes something");
    // What is judged twice is judged alike, but for what a cache rounds.
    assert!((first - second).abs() < 0.02, "{first} {second}");
    // The Markov voice has heard nearly the same.
    assert!(all["markov"]["value"].as_f64().unwrap() < 1.0, "{all}");
    assert_eq!(report["next_speaker"]["candidates"], 3);

    let again = ["--model", "tiny.gguf", "--adapter", "crew.gguf", "--adapter", "crew.gguf", "--json", "b.json"];
    assert!(bench.run(&again).await.status.success());
    assert_eq!(fs::read_to_string(bench.file("b.json")).unwrap(), fs::read_to_string(bench.file("a.json")).unwrap());
}

#[tokio::test]
async fn what_cannot_be_measured_says_why() {
    let bench = Bench::new();
    assert!(
        bench
            .complaint(&["--model", "tiny.gguf", "--split", "judge"])
            .await
            .contains("the split judge of dataset is empty")
    );
    assert!(bench.complaint(&["--model", "none.gguf"]).await.contains("none.gguf cannot be served"));
    assert!(
        bench.complaint(&["--model", "tiny.gguf", "--adapter", "none.gguf"]).await.contains("there is no none.gguf")
    );
    let other = TinyAdapter { prompt_version: Some(99), ..TinyAdapter::default() };
    other.write(&bench.file("other.gguf")).unwrap();
    let complaint = bench.complaint(&["--model", "tiny.gguf", "--adapter", "other.gguf"]).await;
    assert!(complaint.contains("the adapter other.gguf: the adapter was trained with version 99"), "{complaint}");
    fs::remove_dir_all(bench.file("dataset")).unwrap();
    assert!(bench.complaint(&["--model", "tiny.gguf"]).await.contains("there is no dataset in dataset"));
}
