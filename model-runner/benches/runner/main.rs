//! Our model runner against llama-server, side by side in one run and in turns: latency, throughput, the start, memory,
//! what the masks cost, and a run at twice what the runner takes.
//!
//! `make bench-runner` or `cargo bench -p model-runner --bench runner -- PARTS OPTIONS`. The parts are `latency`,
//! `throughput` (memory included), `decode`, `start`, `mask` and `load`; all of them without a word. `quick` measures less
//! of each. `--peer FILE` or `LLAMA_SERVER=FILE` is the llama-server; without it only our figures are printed. Both serve
//! a model of random weights in the shape of Qwen3-0.6B, or `--model FILE`.

#![allow(clippy::disallowed_methods, reason = "a bench reads the clock and its environment")]

mod client;
mod decode;
mod figures;
mod latency;
mod load;
mod server;
mod start;
mod throughput;
mod words;

use std::{
    env, fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use model_runner::testing::Shape;
use tokio::signal::unix::{SignalKind, signal};

use self::{figures::Goals, server::Setup, throughput::Span};

const PARTS: [&str; 6] = ["latency", "throughput", "decode", "start", "mask", "load"];

/// What was asked for on the command line.
#[derive(Default)]
struct Wanted {
    parts: Vec<String>,
    quick: bool,
    peer: Option<PathBuf>,
    peer_args: Option<Vec<String>>,
    model: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let wanted = Wanted::read(env::args().skip(1))?;
    let Some(model) = wanted.model.clone().map_or_else(random_model, |model| Ok(Some(model)))? else { return Ok(()) };
    let mut terminate = signal(SignalKind::terminate())?;
    // Dropped on the way out, the servers end.
    tokio::select! {
        done = measure(&wanted, model) => done,
        _ = tokio::signal::ctrl_c() => bail!("interrupted"),
        _ = terminate.recv() => bail!("terminated"),
    }
}

async fn measure(wanted: &Wanted, model: PathBuf) -> Result<()> {
    figures::print_machine();
    let setup =
        Setup { model, peer: wanted.peer.clone(), threads: figures::cores(), peer_args: wanted.peer_args.clone() };
    match &setup.peer {
        Some(peer) => println!("peer: {}, {} threads each", peer.display(), setup.threads),
        None => println!("no peer: give one with --peer FILE or LLAMA_SERVER=FILE; these are our figures alone"),
    }
    let mut goals = Goals::default();
    let mut outcome = Ok(());
    for part in &wanted.parts {
        let done = wanted.measure_part(part, &setup, &mut goals).await;
        // What one part has found out is worth printing although another fails.
        outcome = outcome.and(done.inspect_err(|error| eprintln!("{error:#}")));
    }
    goals.print();
    outcome
}

impl Wanted {
    fn read(arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut wanted = Self { peer: env::var_os("LLAMA_SERVER").map(PathBuf::from), ..Self::default() };
        let mut arguments = arguments.peekable();
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().with_context(|| format!("{argument} needs a value"));
            match argument.as_str() {
                "--peer" => wanted.peer = Some(value()?.into()),
                "--peer-args" => wanted.peer_args = Some(value()?.split(' ').map(str::to_owned).collect()),
                "--model" => wanted.model = Some(value()?.into()),
                "quick" => wanted.quick = true,
                // Cargo says this to every bench.
                "--bench" => {}
                part if PARTS.contains(&part) => wanted.parts.push(argument),
                _ => bail!("{argument} is none of {}, quick, --peer FILE, --model FILE", PARTS.join(", ")),
            }
        }
        if wanted.parts.is_empty() {
            wanted.parts = PARTS.map(str::to_owned).to_vec();
        }
        Ok(wanted)
    }

    async fn measure_part(&self, part: &str, setup: &Setup, goals: &mut Goals) -> Result<()> {
        match part {
            "latency" => latency::measure(setup, self.pick(4, 15), goals).await,
            "throughput" => {
                let span = Span { slices: self.pick(2, 3), slice: Duration::from_secs(self.pick(4, 15)) };
                throughput::measure(setup, span, goals).await
            }
            "decode" => decode::measure(setup, self.pick(2, 5), goals).await,
            "start" => start::measure(setup, self.pick(2, 5), goals).await,
            "mask" => decode::measure_masks(setup, self.pick(3, 10), goals).await,
            "load" => load::measure(setup, Duration::from_secs(self.pick(20, 600)), goals).await,
            part => bail!("{part} is no part"),
        }
        .with_context(|| format!("the part {part} could not be measured"))
    }

    fn pick<T>(&self, quick: T, full: T) -> T {
        if self.quick { quick } else { full }
    }
}

/// The model of random weights, written once; none where its vocabulary is not on this machine.
fn random_model() -> Result<Option<PathBuf>> {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("qwen3-0.6b-random-q4_k_m.gguf");
    if path.exists() {
        return Ok(Some(path));
    }
    let shared = env::var_os("GROUPCHAT_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"), PathBuf::from);
    let vocabulary = shared.join("data/ggml-vocab-qwen2.gguf");
    if !vocabulary.is_file() {
        println!("skipped: there is no {}; set GROUPCHAT_SHARED, or give a --model", vocabulary.display());
        return Ok(None);
    }
    // An interrupted run must not leave half a model under the name of a whole one.
    let unfinished = path.with_extension("unfinished");
    Shape::QWEN3_06B.write_q4_k_m(&vocabulary, &unfinished).context("cannot write the model of random weights")?;
    fs::rename(&unfinished, &path)?;
    Ok(Some(path))
}
