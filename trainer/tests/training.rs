//! A whole training on a tiny base: it learns, goes on after it was stopped as if it had not been, and leaves files that can
//! be read.
#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::{
    fs,
    ops::ControlFlow,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::{Path, PathBuf},
    sync::LazyLock,
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;
use trainer::{
    Error, adapter,
    gguf::Base,
    pocket::{self, Recipe},
    shape::{Family, Shape},
    training::{Device, Event, Job, Options, Outcome, Training, Verdict},
};

/// A base that is made once for all tests.
static BASE: LazyLock<(TempDir, PathBuf)> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("base.gguf");
    let shape = Shape {
        family: Family::Qwen3,
        vocabulary: 400,
        width: 32,
        feed_forward: 64,
        layers: 2,
        heads: 4,
        key_heads: 2,
        head_size: 16,
        rope_base: 1e4,
        epsilon: 1e-6,
    };
    let recipe = Recipe { shape, steps: 2, sittings: 2, vocabulary_sittings: 60, seed: 3 };
    pocket::make(&recipe, &path, |_| {}).unwrap();
    (folder, path)
});

/// Rows in which each of two people always says the same few things.
fn dataset(folder: &Path) -> PathBuf {
    let dataset = folder.join("dataset");
    fs::create_dir_all(dataset.join("chatml")).unwrap();
    for (part, count) in [("train", 24), ("validation", 6)] {
        let rows: String = (0..count).flat_map(rows).collect();
        fs::write(dataset.join("chatml").join(format!("{part}.jsonl")), rows).unwrap();
    }
    dataset
}

fn rows(number: usize) -> [String; 2] {
    let (speaker, answer) = [("Ada", "the kettle is on"), ("Bo", "LOVELY see you there")][number % 2];
    let lines = [chat::Line::new("Cleo", &format!("are we meeting at {number}")), chat::Line::new(speaker, "hm")];
    let row = |prompt: String, answer: &str, kind: &str| {
        let messages = json!([{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]);
        format!("{}\n", json!({"messages": messages, "kind": kind, "speaker": speaker}))
    };
    [
        row(chat::prompt::reply(&lines, None, speaker), answer, "reply"),
        row(chat::prompt::next_speaker(&lines, None), speaker, "next_speaker"),
    ]
}

fn job(folder: &Path, out: &str) -> Job {
    Job {
        base: BASE.1.clone(),
        dataset: dataset(folder),
        out: folder.join(out),
        name: "friends".to_owned(),
        members: Some("[]".to_owned()),
        device: Device::Cpu,
        restart: false,
    }
}

fn quick(_: &Shape, options: &mut Options) {
    options.layout.rank = 4;
    options.pace.learning_rate = 1e-2;
    options.drop_out = 0.1;
    options.epochs = 4;
    options.batch_rows = 8;
    options.batch_tokens = 200;
    options.looks = 1;
    options.patience = 0;
    options.checkpoint_every = Duration::ZERO;
}

/// An adapter on the upper layer of two.
fn upper(shape: &Shape, options: &mut Options) {
    quick(shape, options);
    options.layout.first_layer = 1;
}

fn upper_recomputing(shape: &Shape, options: &mut Options) {
    upper(shape, options);
    options.recompute = true;
}

type Change = fn(&Shape, &mut Options);

fn train(job: Job, on_event: &mut dyn FnMut(&Event) -> Verdict) -> trainer::Result<Outcome> {
    train_with(quick, job, on_event)
}

fn train_with(change: Change, job: Job, on_event: &mut dyn FnMut(&Event) -> Verdict) -> trainer::Result<Outcome> {
    Training::new(job, change).unwrap().run(on_event)
}

fn go_on(_: &Event) -> Verdict {
    ControlFlow::Continue(())
}

/// Trains until `is_last`, and dies there without a word.
fn train_and_die(change: Change, job: Job, mut is_last: impl FnMut(&Event) -> bool) {
    let mut die = |event: &Event| if is_last(event) { resume_unwind(Box::new(())) } else { go_on(event) };
    assert!(catch_unwind(AssertUnwindSafe(|| train_with(change, job, &mut die))).is_err(), "it went on to the end");
}

/// The losses of all steps and looks.
fn losses(out: &Path) -> Vec<f64> {
    let text = fs::read_to_string(out.join("metrics.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["loss"].as_f64().unwrap()).collect()
}

#[test]
fn it_learns_what_people_always_say() {
    let folder = tempfile::tempdir().unwrap();
    let outcome = train(job(folder.path(), "out"), &mut go_on).unwrap();
    assert!(outcome.best_loss < 0.97 * outcome.first_loss, "{outcome:?}");
    let plot = fs::read_to_string(folder.path().join("out/loss.svg")).unwrap();
    assert!(plot.contains("<polyline") && !plot.contains("NaN"));
    let lines = fs::read_to_string(folder.path().join("out/metrics.jsonl")).unwrap().lines().count();
    assert_eq!(lines as u64, outcome.steps + 5, "a line for each step, and for each of the looks");
}

#[test]
fn a_training_that_was_stopped_ends_as_one_that_was_not() {
    let folder = tempfile::tempdir().unwrap();
    let whole = train(job(folder.path(), "whole"), &mut go_on).unwrap();
    let mut stops = 0;
    let outcome = loop {
        let mut steps = 0;
        let mut stop_soon = |event: &Event| {
            steps += u32::from(matches!(event, Event::Step { .. }));
            if steps >= 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        match train(job(folder.path(), "stopped"), &mut stop_soon) {
            Ok(outcome) => break outcome,
            Err(Error::Stopped) => stops += 1,
            Err(error) => panic!("{error}"),
        }
    };
    assert!(stops >= 3, "it was stopped {stops} times");
    assert_eq!((outcome.best_loss, outcome.best_step), (whole.best_loss, whole.best_step));
    let numbers = |path: &Path| adapter::read(path).unwrap();
    assert_eq!(numbers(&outcome.adapter), numbers(&whole.adapter));
}

#[test]
fn what_is_kept_of_the_lower_layers_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut kept = Vec::new();
    let mut note = |event: &Event| {
        kept.extend(if let Event::Kept { tokens, of } = event { Some((*tokens, *of)) } else { None });
        ControlFlow::Continue(())
    };
    train_with(upper, job(folder.path(), "kept"), &mut note).unwrap();
    assert!(kept.len() > 2 && kept.is_sorted(), "{kept:?}");
    assert!(kept.iter().all(|(_, of)| *of == kept.last().unwrap().0), "{kept:?}");
    let mut refuse = |event: &Event| {
        assert!(!matches!(event, Event::Kept { .. }));
        ControlFlow::Continue(())
    };
    train_with(upper_recomputing, job(folder.path(), "recomputed"), &mut refuse).unwrap();
    let [kept, recomputed] = ["kept", "recomputed"].map(|out| losses(&folder.path().join(out)));
    assert_eq!(kept.len(), recomputed.len());
    for (kept, recomputed) in kept.iter().zip(&recomputed) {
        assert!((kept / recomputed - 1.0).abs() < 1e-5, "{kept} and {recomputed}");
    }
}

#[test]
fn a_training_that_died_ends_as_one_that_did_not() {
    let folder = tempfile::tempdir().unwrap();
    let whole = train_with(upper, job(folder.path(), "whole"), &mut go_on).unwrap();
    let died = || job(folder.path(), "died");
    let mut parts = 0;
    train_and_die(upper, died(), |event| {
        parts += u32::from(matches!(event, Event::Kept { .. }));
        parts == 2
    });
    train_and_die(upper, died(), |event| matches!(event, Event::Step { step: 5, .. }));
    let outcome = train_with(upper, died(), &mut go_on).unwrap();
    assert_eq!((outcome.best_loss, outcome.best_step), (whole.best_loss, whole.best_step));
    assert_eq!(adapter::read(&outcome.adapter).unwrap(), adapter::read(&whole.adapter).unwrap());
    assert_eq!(losses(&folder.path().join("died")), losses(&folder.path().join("whole")));
}

#[test]
fn nothing_is_left_of_the_lower_layers_for_another_training_to_find() {
    let folder = tempfile::tempdir().unwrap();
    let whole = train_with(upper, job(folder.path(), "whole"), &mut go_on).unwrap();
    let other: Change = |shape, options| {
        upper(shape, options);
        options.layout.rank = 8;
        options.batch_tokens = 100;
    };
    train_and_die(other, job(folder.path(), "out"), |event| matches!(event, Event::Step { .. }));
    let names = fs::read_dir(folder.path().join("out")).unwrap().map(|file| file.unwrap().file_name());
    let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["best.gguf", "checkpoint.safetensors", "metrics.jsonl"]);
    let restarted = Job { restart: true, ..job(folder.path(), "out") };
    let outcome = train_with(upper, restarted, &mut go_on).unwrap();
    assert_eq!(adapter::read(&outcome.adapter).unwrap(), adapter::read(&whole.adapter).unwrap());
}

#[test]
fn a_plan_tells_what_is_kept_of_the_lower_layers() {
    let folder = tempfile::tempdir().unwrap();
    let plan = |change: Change| Training::new(job(folder.path(), "out"), change).unwrap().plan().clone();
    let kept = plan(upper);
    assert!(kept.kept_tokens > kept.computed_tokens / 2, "{kept:?}");
    assert_eq!(kept.disk, kept.kept_tokens as u64 * 32 * 4, "a number of 4 bytes for each of 32 elements");
    assert!(kept.to_string().contains("\ndisk  "), "{kept}");
    let once: Change = |shape, options| {
        upper(shape, options);
        options.epochs = 1;
    };
    for other in [quick as Change, upper_recomputing, once].map(plan) {
        assert_eq!((other.kept_tokens, other.disk), (0, 0));
        assert!(!other.to_string().contains("disk"), "{other}");
    }
    assert!(kept.memory < plan(quick).memory, "an adapter on fewer layers leaves less for the way back");
}

#[test]
fn rows_that_count_nothing_are_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let weighing = |weight: f32| {
        let change = move |shape: &Shape, options: &mut Options| {
            quick(shape, options);
            (options.speaker_weight, options.epochs) = (weight, 1);
        };
        Training::new(job(folder.path(), &format!("{weight}")), change)
    };
    let (replies, all) = (weighing(0.0).unwrap(), weighing(0.5).unwrap());
    assert_eq!((replies.plan().rows, replies.plan().validation_rows), (24, 6));
    assert_eq!((all.plan().rows, all.plan().validation_rows), (48, 12));
    let (replies, all) = (replies.run(&mut go_on).unwrap(), all.run(&mut go_on).unwrap());
    let both = weighing(1.0).unwrap().run(&mut go_on).unwrap();
    // Who speaks next is a name of few tokens; the first losses are means over the same ones, weighed differently.
    let [replies, all, both] = [replies, all, both].map(|outcome| outcome.first_loss);
    assert!((replies < all && all < both) || (replies > all && all > both), "{replies}, {all}, {both}");
    let error = weighing(-1.0).map(drop).unwrap_err().to_string();
    assert!(error.contains("--speaker-weight"), "{error}");
}

#[test]
fn a_checkpoint_of_another_training_is_not_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    train(job(folder.path(), "out"), &mut go_on).unwrap();
    let other = |_: &Shape, options: &mut Options| options.seed = 9;
    let error = Training::new(job(folder.path(), "out"), other).unwrap().run(&mut go_on).unwrap_err();
    assert!(error.to_string().contains("--restart"), "{error}");
}

#[test]
fn an_adapter_is_the_same_after_peft_and_back() {
    let folder = tempfile::tempdir().unwrap();
    let outcome = train(job(folder.path(), "out"), &mut go_on).unwrap();
    let ours = adapter::read(&outcome.adapter).unwrap();
    let peft = folder.path().join("peft");
    adapter::export(&peft, &ours, "base").unwrap();
    assert_eq!(adapter::import(&peft, Family::Qwen3).unwrap(), ours);
}

#[test]
fn what_cannot_be_trained_on_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |job: Job| Training::new(job, quick).map(drop).unwrap_err().to_string();
    let text = folder.path().join("text.gguf");
    fs::write(&text, "no model").unwrap();
    assert!(refused(Job { base: text, ..job(folder.path(), "a") }).contains("is no base to train on"));
    let mut cut = fs::read(&BASE.1).unwrap();
    cut.truncate(cut.len() - 1000);
    let short = folder.path().join("short.gguf");
    fs::write(&short, cut).unwrap();
    let error = Training::new(Job { base: short, ..job(folder.path(), "b") }, quick).unwrap().run(&mut go_on);
    assert!(error.unwrap_err().to_string().contains("is not whole"));
    let empty = job(folder.path(), "c");
    fs::write(empty.dataset.join("chatml/train.jsonl"), "").unwrap();
    assert!(refused(empty.clone()).contains("0 rows to learn from"));
    fs::write(empty.dataset.join("chatml/train.jsonl"), "{}\n").unwrap();
    assert!(refused(empty).contains("line 1 is no row"));
}

#[test]
fn a_loss_that_is_no_number_ends_it_with_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let wild = |_: &Shape, options: &mut Options| {
        options.pace.learning_rate = 1e30;
        options.pace.warm_up = 0.0;
        options.pace.clip = 0.0;
    };
    let training = Training::new(job(folder.path(), "out"), wild).unwrap();
    let error = training.run(&mut go_on).unwrap_err();
    assert!(error.to_string().contains("--learning-rate"), "{error}");
}

#[test]
fn a_merged_model_has_the_adapter_worked_in() {
    let folder = tempfile::tempdir().unwrap();
    let outcome = train(job(folder.path(), "out"), &mut go_on).unwrap();
    let ours = adapter::read(&outcome.adapter).unwrap();
    let (mut base, path) = (Base::open(&BASE.1).unwrap(), folder.path().join("merged.gguf"));
    adapter::merge(&mut base, &ours, "merged", &path).unwrap();
    let mut merged = Base::open(&path).unwrap();
    assert_eq!((merged.shape(), merged.name().as_str()), (base.shape(), "merged"));
    let name = "blk.1.ffn_down.weight";
    let (before, after) =
        (base.file_mut().tensor(name).unwrap().values(), merged.file_mut().tensor(name).unwrap().values());
    let pair = ours.pairs.iter().find(|pair| (pair.layer, pair.module.gguf_name()) == (1, "ffn_down")).unwrap();
    let change = |row: usize, column: usize| -> f32 {
        let product = (0..pair.rank).map(|i| pair.b[row * pair.rank + i] * pair.a[i * pair.inputs() + column]);
        ours.alpha / pair.rank as f32 * product.sum::<f32>()
    };
    for (row, column) in [(0, 0), (7, 13), (31, 63)] {
        let at = row * pair.inputs() + column;
        assert!((after[at] - before[at] - change(row, column)).abs() < 1e-3);
        assert!(change(row, column) != 0.0);
    }
}
