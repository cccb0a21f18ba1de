//! What an adapter on the upper layers saves, where what comes of the layers below is computed anew in each step, and where
//! it is kept.
//!
//! `cargo bench -p trainer --bench upper_layers` trains beside random weights in twelve layers, which take as long as good
//! ones. For losses that mean something `-- BASE.gguf DATASET LAYERS` names a base, a folder of rows and how many layers are
//! the upper ones.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a bench measures time, and stops at any fault")]

use std::{
    fs,
    ops::ControlFlow,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use serde_json::json;
use trainer::{
    everyday::{Everyday, Sitting},
    pocket::{self, Recipe},
    shape::Shape,
    training::{Device, Event, Job, Options, Training},
};

const EPOCHS: u32 = 3;
const SITTINGS: usize = 100;

/// What a training took.
struct Taken {
    keeping: Duration,
    /// The steps of each epoch.
    epochs: Vec<Duration>,
    looking: Duration,
    /// Tokens of rows an epoch.
    tokens: usize,
    predicted: Duration,
    disk: u64,
    loss: f64,
}

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let given: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let (base, dataset, upper) = match given.as_slice() {
        [base, dataset, upper] => (PathBuf::from(base), PathBuf::from(dataset), upper.parse().unwrap()),
        _ => (random_base(folder.path()), everyday_rows(folder.path()), 4),
    };
    let ways = [("all layers", 0, false), ("upper, computed anew", upper, true), ("upper, kept", upper, false)];
    println!(
        "{:<22} {:>9} {:>13} {:>13} {:>6} {:>9} {:>9} {:>7} {:>7}",
        "adapter on", "lower", "first epoch", "later epochs", "ratio", "all", "predicted", "disk", "loss"
    );
    for (number, (name, upper, recompute)) in ways.into_iter().enumerate() {
        let job = job(&base, &dataset, &folder.path().join(number.to_string()));
        say(name, &train(&job, upper, recompute));
    }
}

/// A line of the table: tokens of rows a second, the first epoch with what is done once.
fn say(name: &str, taken: &Taken) {
    let rate = |time: Duration| taken.tokens as f64 / time.as_secs_f64();
    let later = taken.epochs[1..].iter().sum::<Duration>() / (taken.epochs.len() as u32 - 1);
    let (first, later) = (rate(taken.keeping + taken.epochs[0]), rate(later));
    let all = taken.keeping + taken.epochs.iter().sum::<Duration>() + taken.looking;
    println!(
        "{name:<22} {:>7.1} s {:>11.0}/s {:>11.0}/s {:>6.2} {:>7.1} s {:>7.1} s {:>4} MB {:>7.4}",
        taken.keeping.as_secs_f64(),
        first,
        later,
        later / first,
        all.as_secs_f64(),
        taken.predicted.as_secs_f64(),
        taken.disk / 1_000_000,
        taken.loss
    );
}

fn train(job: &Job, upper: usize, recompute: bool) -> Taken {
    let change = |shape: &Shape, options: &mut Options| {
        options.layout.first_layer = if upper > 0 { shape.layers.saturating_sub(upper) } else { 0 };
        options.recompute = recompute;
        options.epochs = EPOCHS;
        options.looks = 1;
        options.patience = 0;
    };
    let predicted = Training::new(job.clone(), change).unwrap().measure().unwrap();
    let training = Training::new(job.clone(), change).unwrap();
    let plan = training.plan().clone();
    let per_epoch = plan.steps / u64::from(EPOCHS);
    let (mut keeping, mut looking) = (Duration::ZERO, Duration::ZERO);
    let mut epochs = vec![Duration::ZERO; EPOCHS as usize];
    let mut last = Instant::now();
    let mut note = |event: &Event| {
        let taken = std::mem::replace(&mut last, Instant::now()).elapsed();
        match event {
            Event::Started { .. } => {}
            Event::Kept { .. } => keeping += taken,
            Event::Step { step, .. } => epochs[((step - 1) / per_epoch) as usize] += taken,
            Event::Looked { .. } => looking += taken,
        }
        ControlFlow::Continue(())
    };
    let outcome = training.run(&mut note).unwrap();
    Taken { keeping, epochs, looking, tokens: plan.tokens, predicted, disk: plan.disk, loss: outcome.best_loss }
}

fn job(base: &Path, dataset: &Path, out: &Path) -> Job {
    Job {
        base: base.to_owned(),
        dataset: dataset.to_owned(),
        out: out.to_owned(),
        name: "bench".to_owned(),
        members: None,
        device: Device::Cpu,
        restart: true,
    }
}

fn random_base(folder: &Path) -> PathBuf {
    let path = folder.join("base.gguf");
    let shape =
        Shape { layers: 12, width: 384, feed_forward: 1024, heads: 6, head_size: 64, ..Recipe::default().shape };
    pocket::make(&Recipe { shape, steps: 0, ..Recipe::default() }, &path, |_| {}).unwrap();
    path
}

/// Rows of made-up chats: each sitting has two windows, and each of these two rows.
fn everyday_rows(folder: &Path) -> PathBuf {
    let dataset = folder.join("dataset");
    fs::create_dir_all(dataset.join("chatml")).unwrap();
    let mut sittings = Everyday::new(1);
    for (part, count) in [("train", SITTINGS), ("validation", SITTINGS / 10)] {
        let rows: String = sittings.by_ref().take(count).flat_map(|sitting| rows(&sitting)).collect();
        fs::write(dataset.join("chatml").join(format!("{part}.jsonl")), rows).unwrap();
    }
    dataset
}

fn rows(sitting: &Sitting) -> Vec<String> {
    let lines: Vec<chat::Line> = sitting.lines.iter().map(|line| chat::Line::new(&line.name, &line.text)).collect();
    let ends = [lines.len() / 2, lines.len() - 1];
    let windows = ends.map(|end| {
        let (window, next) = (&lines[end.saturating_sub(5)..end], &sitting.lines[end]);
        let row = |prompt: String, answer: &str, kind: &str| {
            let messages = json!([{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]);
            format!("{}\n", json!({"messages": messages, "kind": kind}))
        };
        [
            row(chat::prompt::reply(window, None, &next.name), &next.text, "reply"),
            row(chat::prompt::next_speaker(window, None), &next.name, "next_speaker"),
        ]
    });
    windows.into_iter().flatten().collect()
}
