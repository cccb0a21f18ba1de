//! A training: rows in, an adapter out, with all that is said and kept on the way.

mod batches;
mod checkpoint;
mod drawing;
mod kept;
mod metrics;
mod options;
mod plan;
mod run;

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use sha2::{Digest, Sha256};

use self::batches::{Batches, Part, pack};
pub(crate) use self::checkpoint::{bytes as number_bytes, numbers};
pub use self::{options::Options, plan::Plan};
use crate::{
    adapter::Notes,
    backend::{Backend, Candle, Cpu},
    error::{Error, Result},
    gguf::{Base, hex},
    lora,
    rows::{self, Tokenised, Unit},
    shape::Shape,
    tokens::Tokeniser,
};

/// Windows of the validation rows that are looked at; more take longer and tell no more.
const LOOKED_AT: usize = 100;

/// What computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    /// The processor.
    Cpu,
    /// An NVIDIA GPU, where the program was built with the feature `cuda`.
    Cuda,
    /// An Apple GPU, where it was built with `metal`.
    Metal,
}

/// What is trained on what.
#[derive(Debug, Clone)]
pub struct Job {
    /// The GGUF file that is served.
    pub base: PathBuf,
    /// A folder that `groupchat dataset` made.
    pub dataset: PathBuf,
    /// Where checkpoint, metrics, plot and adapter go.
    pub out: PathBuf,
    /// What the adapter is called.
    pub name: String,
    /// Whom the rows are of, for the adapter's file: JSON.
    pub members: Option<String>,
    /// What computes.
    pub device: Device,
    /// Whether an earlier training in the same folder is forgotten.
    pub restart: bool,
}

/// What happens on the way.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// It begins, or goes on after some steps.
    Started {
        /// What it is going to take.
        plan: Plan,
        /// Steps that are done already.
        done: u64,
    },
    /// What comes of the layers below the adapter was computed and kept for some tokens.
    Kept {
        /// So many were there then.
        tokens: usize,
        /// So many are going to be there before the first step.
        of: usize,
    },
    /// A step is done.
    Step {
        /// Steps that are done.
        step: u64,
        /// Minus the mean logarithm of what was to be predicted.
        loss: f64,
        /// Tokens of rows a second, as if nothing were shared.
        tokens_per_second: f64,
    },
    /// It was looked at rows that are not learned from.
    Looked {
        /// Steps that are done.
        step: u64,
        /// The loss there.
        loss: f64,
        /// Whether it is the best so far.
        best: bool,
        /// The share of five-grams of drawn replies that stand in the training text.
        overlap: Option<f64>,
    },
}

/// Whether to go on.
pub type Verdict = std::ops::ControlFlow<()>;

/// What came of a training.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The adapter's file.
    pub adapter: PathBuf,
    /// The loss on the validation rows before anything was learned.
    pub first_loss: f64,
    /// The best one.
    pub best_loss: f64,
    /// After how many steps.
    pub best_step: u64,
    /// Steps that were done.
    pub steps: u64,
    /// Why it ended.
    pub reason: String,
}

/// A training that can begin.
pub struct Training {
    base: Base,
    job: Job,
    options: Options,
    tokeniser: Tokeniser,
    prepared: Prepared,
    plan: Plan,
}

/// The rows of a training.
struct Prepared {
    train: Tokenised,
    validation: Tokenised,
    /// Answers that are learned, in words.
    said: Vec<String>,
    /// Validation replies, in words.
    held_out: Vec<String>,
    rows_sha256: String,
    report_sha256: Option<String>,
}

impl Prepared {
    /// The validation rows that are looked at.
    fn looked_at(&self) -> Vec<&Unit> {
        let units = &self.validation.units;
        units.iter().step_by(units.len().div_ceil(LOOKED_AT)).collect()
    }

    /// All rows that are learned from or looked at, in parts that have nothing to do with steps.
    fn all_parts(&self, tokens: usize) -> impl Iterator<Item = Part> {
        let train: Vec<&Unit> = self.train.units.iter().collect();
        pack(&train, tokens).chain(pack(&self.looked_at(), tokens))
    }
}

impl Training {
    /// Reads base and rows. `change` may change what is right for the base's shape.
    ///
    /// # Errors
    /// Where base, rows or options do not do.
    pub fn new(job: Job, change: impl FnOnce(&Shape, &mut Options)) -> Result<Self> {
        let base = Base::open(&job.base)?;
        let tokeniser = Tokeniser::read(base.file(), base.shape().family)?;
        let mut options = Options::for_shape(base.shape());
        change(base.shape(), &mut options);
        options.check(base.shape())?;
        let prepared = prepare(&job.dataset, &tokeniser, &options)?;
        let plan = Plan::new(&prepared, &options, base.shape(), base.weight_bytes());
        Ok(Self { base, job, options, tokeniser, prepared, plan })
    }

    /// What it is going to take.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// How it is done.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Trains until it is done, or `on_event` says to stop.
    ///
    /// # Errors
    /// A sentence; what was learned until a minute before is whole.
    pub fn run(self, on_event: &mut dyn FnMut(&Event) -> Verdict) -> Result<Outcome> {
        match self.job.device.on_gpu()? {
            Some(gpu) => run::run(self, gpu, on_event),
            None => run::run(self, Cpu, on_event),
        }
    }

    /// How long all of it is going to take, measured on a part of a step.
    ///
    /// # Errors
    /// Where that fails.
    pub fn measure(mut self) -> Result<Duration> {
        match self.job.device.on_gpu()? {
            Some(gpu) => self.measure_on(gpu),
            None => self.measure_on(Cpu),
        }
    }

    fn measure_on<B: Backend>(&mut self, backend: B) -> Result<Duration> {
        let mut decoder = lora::attach(backend, &mut self.base, &self.options.layout, self.options.seed)?;
        let units = &self.prepared.train.units;
        let mut batches = Batches::new(units, self.options.batch_rows, self.options.batch_tokens, self.options.seed);
        let parts = batches.step(0);
        // The first part warms caches and threads; the second is what all others are like.
        let (warm, timed) = (&parts[0].packed, &parts.get(1).unwrap_or(&parts[0]).packed);
        decoder.learn(warm, 1.0, 0)?;
        let start = Instant::now();
        let states = decoder.states_below(timed)?;
        let below = start.elapsed().as_secs_f64();
        decoder.learn_above(timed, states, 1.0, 0)?;
        let above = start.elapsed().as_secs_f64() - below;
        let epochs = f64::from(self.options.epochs);
        let times_below = if self.options.keeps_states() { 1.0 } else { epochs };
        let a_token = (times_below * below + epochs * above) / timed.len() as f64;
        Ok(Duration::from_secs_f64(a_token * self.plan.computed_tokens as f64))
    }

    fn fingerprint(&self, base_sha256: &str) -> String {
        let options = serde_json::to_string(&self.options).expect("options are plain data");
        let parts = [base_sha256, &self.prepared.rows_sha256, &options];
        hex(&Sha256::digest(parts.join("\n")))
    }

    fn notes(&self, base_sha256: &str, evaluation: String) -> Notes {
        Notes {
            name: self.job.name.clone(),
            base_name: self.base.name(),
            base_sha256: base_sha256.to_owned(),
            members: self.job.members.clone(),
            report_sha256: self.prepared.report_sha256.clone(),
            training: Some(serde_json::to_string(&self.options).expect("options are plain data")),
            evaluation: Some(evaluation),
        }
    }
}

impl Device {
    /// The GPU, where it is one.
    fn on_gpu(self) -> Result<Option<Candle>> {
        let (name, device) = match self {
            Self::Cpu => return Ok(None),
            Self::Cuda => ("cuda", candle_core::Device::new_cuda(0)),
            Self::Metal => ("metal", candle_core::Device::new_metal(0)),
        };
        let device = device.map_err(|error| {
            Error::Request(format!(
                "--device {name} cannot be used: {error}. Build with FEATURES={name} on a machine that has one, or train \
                 with --device cpu"
            ))
        })?;
        Ok(Some(Candle::new(device)))
    }
}

fn prepare(dataset: &Path, tokeniser: &Tokeniser, options: &Options) -> Result<Prepared> {
    let mut hasher = Sha256::new();
    let train_rows = rows::read(dataset, "train", &mut hasher)?;
    let validation_rows = rows::read(dataset, "validation", &mut hasher)?;
    let train = Tokenised::new(&train_rows, tokeniser, options, 0);
    let validation = Tokenised::new(&validation_rows, tokeniser, options, train.rows());
    if train.rows() == 0 || validation.rows() == 0 {
        return Err(Error::Request(format!(
            "the dataset {} has {} rows to learn from and {} to check with, and needs some of both; import more history \
             and make it again",
            dataset.display(),
            train.rows(),
            validation.rows()
        )));
    }
    let replies = |rows: Vec<rows::Row>| rows.into_iter().filter(|row| row.is_reply).map(|row| row.answer).collect();
    let report = std::fs::read(dataset.join("report.json")).ok();
    Ok(Prepared {
        train,
        validation,
        said: replies(train_rows),
        held_out: replies(validation_rows),
        rows_sha256: hex(&hasher.finalize()),
        report_sha256: report.map(|report| hex(&Sha256::digest(report))),
    })
}
