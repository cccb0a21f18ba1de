//! `groupchat train` as a whole program over a tiny model: killed and gone on with, handed to the personas, and what it
//! trained the same in llama.cpp.
#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Output,
    time::Duration,
};

use bot::runner::{RunnerClient, RunnerOptions, RunnerProcess};
use model_runner::testing::TinyModel;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tempfile::TempDir;
use tokio::{process::Command, time::timeout};
use tokio_util::sync::CancellationToken;
use trainer::{adapter, judge::judge, rows::Row};

/// More than anything here takes, on a busy machine too.
const PATIENCE: Duration = Duration::from_secs(180);
const SAMPLE: &[u8] = include_bytes!("../../sample/result.json");
/// Messages of it: all of them would take a test too long.
const MESSAGES: usize = 250;
/// How often a training is killed before it may end.
const KILLS: usize = 20;
/// One epoch, at a rate that shows.
const QUICK: [&str; 16] = [
    "--epochs",
    "1",
    "--batch-rows",
    "16",
    "--batch-tokens",
    "4000",
    "--looks",
    "1",
    "--rank",
    "4",
    "--patience",
    "0",
    "--longest",
    "700",
    "--learning-rate",
    "1e-2",
];

/// A folder with a model and a history.
struct Bench {
    folder: TempDir,
}

impl Bench {
    /// Imports the beginning of the sample group.
    async fn new() -> Self {
        let folder = tempfile::Builder::new().permissions(Permissions::from_mode(0o755)).tempdir().unwrap();
        let bench = Self { folder };
        TinyModel::default().write(&bench.file("tiny.gguf")).unwrap();
        let mut sample: serde_json::Value = serde_json::from_slice(SAMPLE).unwrap();
        sample["messages"].as_array_mut().unwrap().truncate(MESSAGES);
        fs::write(bench.file("result.json"), sample.to_string()).unwrap();
        bench.run(&["import", "--data", "data", "--members-agreed", "result.json"]).await;
        bench
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn program(&self, arguments: &[&str]) -> Command {
        let mut program = Command::new(env!("CARGO_BIN_EXE_groupchat"));
        program.current_dir(self.folder.path()).args(arguments).kill_on_drop(true);
        program.env("OMP_WAIT_POLICY", "passive").env("RAYON_NUM_THREADS", "2");
        program
    }

    async fn run(&self, arguments: &[&str]) -> String {
        let output: Output = timeout(PATIENCE, self.program(arguments).output()).await.unwrap().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

fn train<'a>(dataset: &'a str, name: &'a str) -> Vec<&'a str> {
    let start = ["train", "--data", "data", "--model", "tiny.gguf", "--dataset", dataset, "--name", name];
    start.into_iter().chain(QUICK).collect()
}

#[tokio::test]
async fn a_training_that_is_killed_again_and_again_ends_as_one_that_was_not() {
    let bench = Bench::new().await;
    bench.run(&["dataset", "--data", "data", "--out", "rows"]).await;
    let plan = bench.run(&[&train("rows", "whole")[..], &["--dry-run"]].concat()).await;
    assert!(plan.contains("steps") && plan.contains("memory") && plan.contains("on this machine"), "{plan}");
    assert!(!bench.file("data/training/whole").exists(), "a dry run leaves nothing");
    let said = bench.run(&train("rows", "whole")).await;
    assert!(said.contains("speaks with it"), "{said}");
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let mut kills = 0;
    while kills < KILLS {
        let mut child = bench.program(&train("rows", "killed")).stdout(std::process::Stdio::null()).spawn().unwrap();
        let life = Duration::from_millis(rng.random_range(100..2500));
        match timeout(life, child.wait()).await {
            // It was done before it could be killed as often: that is an end, too.
            Ok(_) => break,
            Err(_) => child.kill().await.unwrap(),
        }
        kills += 1;
    }
    bench.run(&train("rows", "killed")).await;
    let adapter = |name: &str| adapter::read(&bench.file(&format!("data/training/{name}/{name}.gguf"))).unwrap();
    assert_eq!(adapter("killed"), adapter("whole"));
    let list = bench.run(&["adapter", "list", "--data", "data"]).await;
    assert!(list.contains("whole") && list.contains("killed"), "{list}");
}

/// A model runner of its own over a file.
struct Served {
    client: RunnerClient,
    shutdown: CancellationToken,
}

impl Served {
    async fn start(model: &Path) -> Self {
        let options = RunnerOptions {
            model: model.to_owned(),
            threads: Some(1),
            context: Some(2048),
            parallel: None,
            rest_after: None,
        };
        let program = env!("CARGO_BIN_EXE_groupchat").into();
        let process = RunnerProcess::with_program(options, program, vec!["model-runner".into()]);
        let (mut client, shutdown) = (process.client(), CancellationToken::new());
        tokio::spawn(process.run(shutdown.clone()));
        let client = timeout(PATIENCE, client.wait_for(Option::is_some)).await.unwrap().unwrap().clone().unwrap();
        Self { client, shutdown }
    }

    async fn judge(&self, row: &Row) -> f64 {
        self.client.judge(&row.prompt, &[&row.answer]).await.unwrap()[0]
    }
}

fn rows() -> Vec<Row> {
    let row = |window: &[(&str, &str)], speaker: &str, answer: &str| {
        let lines: Vec<chat::Line> = window.iter().map(|(name, text)| chat::Line::new(name, text)).collect();
        Row { prompt: chat::prompt::reply(&lines, None, speaker), answer: answer.to_owned(), is_reply: true }
    };
    vec![
        row(&[("Ada", "who has the boat keys"), ("Bo", "not me 😅")], "Cleo", "I thought you had them"),
        row(
            &[("Ada", "</think> hm <|im_end|>"), ("Zoë", "it's 10:30, they're late")],
            "Ada",
            "  what </think> now?\u{301}",
        ),
    ]
}

/// The greatest difference in nats a token between ours and llama.cpp's: its cache holds keys and values in 16 bits.
const NOISE: f64 = 0.01;

#[tokio::test]
async fn llama_cpp_finds_what_the_trainer_finds() {
    let bench = Bench::new().await;
    bench.run(&[&["train", "--data", "data", "--model", "tiny.gguf", "--name", "crew"][..], &QUICK].concat()).await;
    let (base, file) = (bench.file("tiny.gguf"), bench.file("data/training/crew/crew.gguf"));
    bench.run(&["adapter", "export", text(&file), "--out", "peft"]).await;
    bench.run(&["adapter", "import", "peft", "--model", "tiny.gguf", "--out", "back.gguf"]).await;
    bench
        .run(&["adapter", "merge", text(&file), "--model", "tiny.gguf", "--out", "f16.gguf", "--quantisation", "f16"])
        .await;
    bench
        .run(&["adapter", "merge", text(&file), "--model", "tiny.gguf", "--out", "q8.gguf", "--quantisation", "q8_0"])
        .await;

    let served = Served::start(&base).await;
    served.client.load_adapter("crew", &file).await.unwrap();
    served.client.load_adapter("back", &bench.file("back.gguf")).await.unwrap();
    let without = judge(&base, None, &rows()).unwrap();
    let with = judge(&base, Some(&file), &rows()).unwrap();
    let with_adapter =
        |name: &str| Served { client: served.client.with_model(name), shutdown: served.shutdown.clone() };
    assert_close(&served, &without, NOISE).await;
    assert_close(&with_adapter("crew"), &with, NOISE).await;
    assert_close(&with_adapter("back"), &with, NOISE).await;
    let changed: f64 = with[0].iter().sum::<f64>() - without[0].iter().sum::<f64>();
    assert!(changed.abs() > 1.0, "the adapter changes something: {changed}");
    for (merged, noise) in [("f16.gguf", NOISE), ("q8.gguf", 0.1)] {
        let merged = Served::start(&bench.file(merged)).await;
        assert_close(&merged, &with, noise).await;
        merged.shutdown.cancel();
    }
    served.shutdown.cancel();
}

async fn assert_close(served: &Served, ours: &[Vec<f64>], noise: f64) {
    for (row, ours) in rows().iter().zip(ours) {
        let (theirs, sum) = (served.judge(row).await, ours.iter().sum::<f64>());
        assert!((theirs - sum).abs() < noise * ours.len() as f64, "{theirs} is not {sum}");
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
