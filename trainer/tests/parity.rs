//! Our training against that of transformers and PEFT: the same base, rows, first adapter, pace and optimiser give the same
//! losses, step by step, and the same gradients.
//!
//! `make test-parity` runs it. Where `PARITY_PYTHON` names no Python that has torch, transformers and PEFT, it is skipped.
#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]
#![expect(clippy::disallowed_methods, reason = "a test is told by the environment where Python is")]

use std::{
    env,
    ffi::OsString,
    fs,
    io::{self, Write},
    path::Path,
    process::Command,
    sync::LazyLock,
};

use safetensors::SafeTensors;
use serde::Deserialize;
use serde_json::json;
use trainer::{
    backend::Cpu,
    gguf::{Base, GgufFile},
    learner::{Learner, Named, Step},
    lora::Layout,
    optimiser::{Pace, Schedule},
    packing::{Example, Packed},
    pocket::{self, Recipe},
    shape::{Family, Module, Shape},
    testing::{self, RandomBase, Weights},
    tokens::Tokeniser,
};

/// What may lie between two figures, as a share of the reference's.
const TOLERANCE: f64 = 1e-3;
const STEPS: u64 = 50;
const VOCABULARY: usize = 400;
/// Windows of the sample group, each of which is two rows; those of a step, and those of each part that a step adds up.
const WINDOWS: usize = 24;
const WINDOWS_A_STEP: usize = 4;
const WINDOWS_A_PART: usize = 2;

static PYTHON: LazyLock<Option<OsString>> = LazyLock::new(|| {
    let python = env::var_os("PARITY_PYTHON");
    if python.is_none() {
        // Written past the test harness, which shows what was printed only where a test fails.
        let line =
            "skipped: PARITY_PYTHON names no Python with torch, transformers and peft; make test-parity installs one\n";
        io::stderr().write_all(line.as_bytes()).unwrap();
    }
    python
});

#[test]
fn qwen2_with_tied_embeddings() {
    check(QWEN2, true, Weights::F32);
}

#[test]
fn qwen2_with_a_head_of_its_own() {
    check(QWEN2, false, Weights::F32);
}

#[test]
fn qwen3() {
    check(QWEN3, true, Weights::F32);
}

#[test]
fn qwen3_in_eight_bits() {
    check(QWEN3, true, Weights::Q8_0);
}

#[test]
fn qwen3_in_a_mix_of_four_and_six_bits() {
    // The blocks of these forms have 256 numbers.
    check(Shape { width: 256, feed_forward: 512, head_size: 128, ..QWEN3 }, false, Weights::Q4KM);
}

#[test]
fn qwen2_in_eight_bits() {
    check(QWEN2, false, Weights::Q8_0);
}

const QWEN2: Shape = Shape {
    family: Family::Qwen2,
    vocabulary: VOCABULARY,
    width: 64,
    feed_forward: 160,
    layers: 3,
    heads: 4,
    key_heads: 2,
    head_size: 16,
    rope_base: 1e6,
    epsilon: 1e-6,
};
/// As in Qwen3, its heads together are wider than its states.
const QWEN3: Shape = Shape { family: Family::Qwen3, head_size: 32, ..QWEN2 };

/// Trains on both sides, and compares.
fn check(shape: Shape, tied: bool, weights: Weights) {
    let Some(python) = &*PYTHON else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut base = write_base(folder.path(), RandomBase { shape, tied, weights, seed: 5 });
    let windows = windows(&base);
    let ours = train(&mut base, &windows, folder.path());
    let theirs = Reference::run(python, folder.path());
    theirs.check_classes(base.shape().family);
    assert_that_it_learned(&ours.steps);
    assert_steps_agree(&ours.steps, &theirs.said);
    assert_matrices_agree("trained matrix", &ours.later, &theirs.trained);
    assert_matrices_agree("gradient", &ours.gradients, &theirs.gradients);
}

/// A base with the vocabulary of a toy, and the same for transformers.
fn write_base(folder: &Path, base: RandomBase) -> Base {
    let toy = folder.join("toy.gguf");
    let shape = Shape { family: Family::Qwen3, layers: 1, ..base.shape.clone() };
    pocket::make(&Recipe { shape, steps: 0, sittings: 1, vocabulary_sittings: 60, seed: 3 }, &toy, |_| {}).unwrap();
    let path = folder.join("base.gguf");
    base.write(&path, &GgufFile::open(&toy).unwrap()).unwrap();
    let mut base = Base::open(&path).unwrap();
    testing::export(&mut base, &folder.join("model")).unwrap();
    base
}

fn windows(base: &Base) -> Vec<[Example; 2]> {
    let tokeniser = Tokeniser::read(base.file(), base.shape().family).unwrap();
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sample/result.json");
    testing::windows(&sample, &tokeniser, WINDOWS).unwrap()
}

fn layout() -> Layout {
    Layout { rank: 4, alpha: 8.0, modules: Module::ALL.to_vec(), first_layer: 0 }
}

fn pace() -> Pace {
    Pace { learning_rate: 5e-3, schedule: Schedule::Cosine, warm_up: 0.1, weight_decay: 0.1, clip: 1.0 }
}

/// The windows of a step.
fn chosen(step: u64) -> impl Iterator<Item = usize> {
    (0..WINDOWS_A_STEP).map(move |place| (step as usize * WINDOWS_A_STEP + place) % WINDOWS)
}

/// What our training does.
struct Ours {
    steps: Vec<Step>,
    later: Vec<Named>,
    gradients: Vec<Named>,
}

/// Trains, and writes down what the reference needs for doing the same. Its gradients are taken where our last step led to,
/// since at the first adapter half of them are zero.
fn train(base: &mut Base, windows: &[[Example; 2]], folder: &Path) -> Ours {
    let mut learner = Learner::new(Cpu, base, &layout(), 1).unwrap();
    testing::write_matrices(&folder.join("start.safetensors"), &learner.adapter().unwrap()).unwrap();
    let steps = (0..STEPS).map(|step| {
        let chosen: Vec<&[Example; 2]> = chosen(step).map(|window| &windows[window]).collect();
        learner.step(&parts(&chosen), &pace(), pace().rate(step, STEPS)).unwrap()
    });
    let steps: Vec<Step> = steps.collect();
    let later = learner.adapter().unwrap();
    testing::write_matrices(&folder.join("later.safetensors"), &later).unwrap();
    let gradients = learner.gradients(&parts(&windows.iter().collect::<Vec<_>>())).unwrap();
    fs::write(folder.join("job.json"), job(windows).to_string()).unwrap();
    Ours { steps, later, gradients }
}

fn parts(windows: &[&[Example; 2]]) -> Vec<Packed> {
    windows.chunks(WINDOWS_A_PART).map(|part| Packed::new(part.iter().copied().flatten())).collect()
}

fn job(windows: &[[Example; 2]]) -> serde_json::Value {
    let rows = windows.iter().flatten().map(|row| json!({ "tokens": row.tokens, "answer": row.answer }));
    let steps = (0..STEPS).map(|step| chosen(step).flat_map(|window| [2 * window, 2 * window + 1]).collect::<Vec<_>>());
    let modules = layout().modules.into_iter().map(|module| format!("{}_proj", module.short_name()));
    let Pace { learning_rate, schedule, warm_up, weight_decay, clip } = pace();
    json!({
        "layout": { "rank": layout().rank, "alpha": layout().alpha, "modules": modules.collect::<Vec<_>>() },
        "pace": {
            "learning_rate": learning_rate,
            "schedule": schedule,
            "warm_up_steps": (warm_up * STEPS as f64).ceil(),
            "weight_decay": weight_decay,
            "clip": clip,
        },
        "rows": rows.collect::<Vec<_>>(),
        "steps": steps.collect::<Vec<_>>(),
    })
}

/// What the reference says of its training.
#[derive(Deserialize)]
struct Said {
    classes: [String; 2],
    losses: Vec<f64>,
    norms: Vec<f64>,
}

/// What transformers and PEFT do.
struct Reference {
    said: Said,
    trained: Vec<(String, Vec<f32>)>,
    gradients: Vec<(String, Vec<f32>)>,
}

impl Reference {
    fn run(python: &OsString, folder: &Path) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("peft/parity.py");
        // Models this small gain nothing by a second thread, and on a busy machine torch's wait for each other, spinning.
        let settings = [("HF_HUB_OFFLINE", "1"), ("OMP_NUM_THREADS", "1")];
        let output = Command::new(python).arg(script).arg(folder).envs(settings).output().unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "PARITY_PYTHON could not train: {complaint}");
        Self {
            said: serde_json::from_slice(&fs::read(folder.join("result.json")).unwrap()).unwrap(),
            trained: read_matrices(&folder.join("trained.safetensors")),
            gradients: read_matrices(&folder.join("gradients.safetensors")),
        }
    }

    fn check_classes(&self, family: Family) {
        let of_family = match family {
            Family::Qwen2 => "Qwen2ForCausalLM",
            Family::Qwen3 => "Qwen3ForCausalLM",
        };
        assert_eq!(self.said.classes, ["PeftModelForCausalLM", of_family]);
    }
}

fn read_matrices(path: &Path) -> Vec<(String, Vec<f32>)> {
    let content = fs::read(path).unwrap();
    let tensors = SafeTensors::deserialize(&content).unwrap();
    let numbers = |bytes: &[u8]| bytes.as_chunks::<4>().0.iter().map(|number| f32::from_le_bytes(*number)).collect();
    tensors.iter().map(|(name, view)| (name.to_owned(), numbers(view.data()))).collect()
}

/// A comparison says something only where the loss falls and gradients are cut.
fn assert_that_it_learned(steps: &[Step]) {
    let mean = |steps: &[Step]| steps.iter().map(|step| step.loss).sum::<f64>() / steps.len() as f64;
    let (first, last) = (mean(&steps[..10]), mean(&steps[steps.len() - 10..]));
    assert!(last < 0.9 * first, "the loss went from {first} to {last}");
    let cut = steps.iter().filter(|step| step.norm > pace().clip).count();
    assert!(cut > 0, "no gradient was cut");
}

fn assert_steps_agree(ours: &[Step], theirs: &Said) {
    let losses: Vec<f64> = ours.iter().map(|step| step.loss).collect();
    let norms: Vec<f64> = ours.iter().map(|step| step.norm).collect();
    assert_curve_agrees("loss", &losses, &theirs.losses);
    assert_curve_agrees("norm of the gradients", &norms, &theirs.norms);
}

fn assert_curve_agrees(what: &str, ours: &[f64], theirs: &[f64]) {
    assert_eq!(ours.len(), theirs.len());
    let apart = ours.iter().zip(theirs).map(|(ours, theirs)| (ours / theirs - 1.0).abs());
    let (step, worst) = apart.enumerate().max_by(|(_, a), (_, b)| a.total_cmp(b)).unwrap();
    println!("{what}: {worst:.1e} apart at most, in step {step}");
    assert!(worst < TOLERANCE, "the {what} of step {step} is {}, and with PEFT {}", ours[step], theirs[step]);
}

fn assert_matrices_agree(what: &str, ours: &[Named], theirs: &[(String, Vec<f32>)]) {
    assert_eq!(ours.len(), theirs.len());
    let share_apart = |ours: &Named| {
        let (name, theirs) = theirs.iter().find(|(name, _)| *name == ours.name).unwrap();
        let square = |x: f32| f64::from(x) * f64::from(x);
        let size: f64 = theirs.iter().map(|&x| square(x)).sum();
        assert!(size > 0.0, "{what} {name} is zero");
        let apart: f64 = ours.values.iter().zip(theirs).map(|(ours, theirs)| square(ours - theirs)).sum();
        (name, (apart / size).sqrt())
    };
    let (name, worst) = ours.iter().map(share_apart).max_by(|(_, a), (_, b)| a.total_cmp(b)).unwrap();
    println!("{what}: {worst:.1e} of its size apart at most, of {} matrices", ours.len());
    assert!(worst < TOLERANCE, "{what} {name} differs by {worst:e} of its size");
}
