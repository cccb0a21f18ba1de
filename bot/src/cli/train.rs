//! `groupchat train`: an adapter that sounds like a community, made on this machine.

use std::{
    io::IsTerminal,
    ops::ControlFlow,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use corpus::dataset::{Options as DatasetOptions, Replace};
use indicatif::{DecimalBytes, HumanDuration, ProgressBar, ProgressStyle};
use store::Community;
use tokio_util::sync::CancellationToken;
use trainer::{
    optimiser::Schedule,
    shape::Module,
    training::{Device, Event, Options, Outcome, Plan, Training, Verdict},
};

use super::{
    ConfigArgs, communities::chosen, database::Database, dataset as dataset_command, import::data_folder, served,
    shutdown_on_signal, start_logging,
};
use crate::{
    Clock,
    community::Learning,
    config::Config,
    dataset,
    training::{self, Order},
};

/// The options of a training.
#[derive(Debug, Args)]
pub(super) struct TrainArgs {
    /// The rows to train on; without it they are made anew, in `dataset` in the data folder
    #[arg(long, value_name = "FOLDER")]
    dataset: Option<PathBuf>,
    /// The base, in GGUF, which must be the file that is served; without it the configured one
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Whose history: a community's number, title or id on its platform. Needed where there are several
    #[arg(long, value_name = "COMMUNITY")]
    community: Option<String>,
    /// What the adapter is called
    #[arg(long, default_value = "group")]
    name: String,
    /// Where checkpoint, metrics, plot and adapter go; without it `training/NAME` in the data folder
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Say what it would take, and how long on this machine, and end
    #[arg(long)]
    dry_run: bool,
    /// Forget an earlier training in the same folder; without it, that one goes on
    #[arg(long)]
    restart: bool,
    /// What computes; a GPU only where the program was built for it
    #[arg(long, value_enum, default_value_t = DeviceArg::Cpu)]
    device: DeviceArg,
    #[command(flatten)]
    learning: LearningArgs,
    #[command(flatten)]
    config: ConfigArgs,
    /// The folder for everything that is kept
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
}

/// How it learns. What is not given is chosen by the size of the base.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct LearningArgs {
    /// The rank of the adapter: more can say more, and takes longer [default: 16]
    #[arg(long)]
    rank: Option<usize>,
    /// What the adapter is multiplied with, times its rank [default: 32]
    #[arg(long)]
    alpha: Option<f32>,
    /// The matrices that it changes, of q, k, v, o, gate, up and down [default: all]
    #[arg(long, value_delimiter = ',', value_parser = module)]
    modules: Option<Vec<Module>>,
    /// Change only so many layers, the upper ones, which is faster; what comes of those below is kept on the disk meanwhile
    /// [default: all]
    #[arg(long)]
    upper_layers: Option<usize>,
    /// With --upper-layers: compute the layers below anew in each step, which takes longer and no disk
    #[arg(long)]
    recompute: bool,
    /// The share of an adapter's inputs that is dropped in each step [default: 0]
    #[arg(long)]
    dropout: Option<f32>,
    /// How much a token of a next speaker's name counts, beside one of a reply; 0 leaves out the rows that ask for it
    /// [default: 1]
    #[arg(long)]
    speaker_weight: Option<f32>,
    /// How far a step goes [default: 2e-4, for small models 2e-3]
    #[arg(long)]
    learning_rate: Option<f64>,
    /// How the learning rate falls [default: cosine]
    #[arg(long, value_enum)]
    schedule: Option<ScheduleArg>,
    /// The share of all steps in which the learning rate rises first [default: 0.03]
    #[arg(long)]
    warm_up: Option<f64>,
    /// What share of themselves numbers lose a step, times the learning rate [default: 0]
    #[arg(long)]
    weight_decay: Option<f64>,
    /// The norm that gradients are cut to; 0 for never [default: 1]
    #[arg(long)]
    clip: Option<f64>,
    /// How often each row is learned from at most [default: 3]
    #[arg(long)]
    epochs: Option<u32>,
    /// Rows a step [default: 32]
    #[arg(long)]
    batch_rows: Option<usize>,
    /// Tokens that are computed at once: fewer take less memory, and a step adds up several parts [default: 512]
    #[arg(long)]
    batch_tokens: Option<usize>,
    /// Leave out rows of more tokens [default: 512]
    #[arg(long)]
    longest: Option<usize>,
    /// What is drawn from [default: 1]
    #[arg(long)]
    seed: Option<u64>,
    /// How often an epoch it looks at rows that it does not learn from [default: 2]
    #[arg(long)]
    looks: Option<u32>,
    /// After how many looks without a gain it ends; 0 for never [default: 3]
    #[arg(long)]
    patience: Option<u32>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum DeviceArg {
    Cpu,
    Cuda,
    Metal,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ScheduleArg {
    Constant,
    Linear,
    Cosine,
}

fn module(name: &str) -> Result<Module, String> {
    let found = Module::ALL.into_iter().find(|module| module.short_name() == name);
    found.ok_or_else(|| "the matrices are q, k, v, o, gate, up and down".to_owned())
}

impl LearningArgs {
    /// Puts what was given in the place of what is usual.
    pub(super) fn change(self, options: &mut Options, layers: usize) {
        fn set<T>(slot: &mut T, given: Option<T>) {
            if let Some(given) = given {
                *slot = given;
            }
        }
        set(&mut options.layout.rank, self.rank);
        set(&mut options.layout.alpha, self.alpha);
        set(&mut options.layout.modules, self.modules);
        set(&mut options.layout.first_layer, self.upper_layers.map(|upper| layers.saturating_sub(upper)));
        options.recompute = self.recompute;
        set(&mut options.drop_out, self.dropout);
        set(&mut options.speaker_weight, self.speaker_weight);
        set(&mut options.pace.learning_rate, self.learning_rate);
        let schedule = self.schedule.map(|schedule| match schedule {
            ScheduleArg::Constant => Schedule::Constant,
            ScheduleArg::Linear => Schedule::Linear,
            ScheduleArg::Cosine => Schedule::Cosine,
        });
        set(&mut options.pace.schedule, schedule);
        set(&mut options.pace.warm_up, self.warm_up);
        set(&mut options.pace.weight_decay, self.weight_decay);
        set(&mut options.pace.clip, self.clip);
        set(&mut options.epochs, self.epochs);
        set(&mut options.batch_rows, self.batch_rows);
        set(&mut options.batch_tokens, self.batch_tokens);
        set(&mut options.longest, self.longest);
        set(&mut options.seed, self.seed);
        set(&mut options.looks, self.looks);
        set(&mut options.patience, self.patience);
    }
}

/// Trains, and hands the adapter over.
pub(super) async fn run(args: TrainArgs) -> anyhow::Result<()> {
    let config = args.config.load()?;
    start_logging(&config.log.filter)?;
    let data = data_folder(args.data.as_deref(), &config)?;
    let base = served::model(args.model.as_deref(), &config, &data)?;
    let database = Database::open(config.database.url.as_ref(), &data).await?;
    let all = database.store.communities_with_history().await.context("cannot read which communities there are")?;
    let community = chosen(all, args.community.as_deref())?;
    let rows = rows(&args, &database, &community, &config, &data).await?;
    let order = Order {
        base,
        dataset: rows,
        out: args.out.clone().unwrap_or_else(|| data.join("training").join(&args.name)),
        name: args.name.clone(),
        device: match args.device {
            DeviceArg::Cpu => Device::Cpu,
            DeviceArg::Cuda => Device::Cuda,
            DeviceArg::Metal => Device::Metal,
        },
        restart: args.restart,
    };
    let learning = args.learning.clone();
    let (training, report) = order.prepare(|shape, options| learning.change(options, shape.layers))?;
    println!("{}", training.plan());
    if report.community.id != community.id {
        bail!("the rows are of another community, {}; choose it with --community", report.community.id);
    }
    if args.dry_run {
        return say_how_long(training).await;
    }
    ensure_memory(training.plan())?;
    let outcome = with_progress(training, &shutdown_on_signal()?).await?;
    say(&outcome);
    if outcome.best_step == 0 {
        bail!(
            "nothing was learned that helps with held-out messages, so the adapter is not handed over; try another \
               --learning-rate, or more history"
        );
    }
    let now = Clock::system().now();
    training::hand_over(&database.store, &community, &args.name, &outcome, &report, now).await?;
    println!("a bot that runs on this history speaks with it from its next reply on");
    database.store.close().await;
    Ok(())
}

/// The folder of the rows: the named one, or a new one.
async fn rows(
    args: &TrainArgs,
    database: &Database,
    community: &Community,
    config: &Config,
    data: &Path,
) -> anyhow::Result<PathBuf> {
    if let Some(folder) = &args.dataset {
        // Nobody who has withdrawn meanwhile is learned from.
        dataset::withdraw(&database.store, data).await?;
        return Ok(folder.clone());
    }
    let out = data.join("dataset");
    let order = dataset::Order {
        community,
        learning: Learning::permitted_by(&config.training),
        options: DatasetOptions::default(),
        data,
        out: &out,
        replace: Replace::AnyDataset,
    };
    dataset_command::with_progress(&database.store, order).await?;
    Ok(out)
}

async fn say_how_long(training: Training) -> anyhow::Result<()> {
    let time =
        tokio::task::spawn_blocking(move || training.measure()).await.context("the measurement was interrupted")??;
    println!("time            about {} on this machine", HumanDuration(time));
    Ok(())
}

/// Ends before a training that the system would end for want of memory.
fn ensure_memory(plan: &Plan) -> anyhow::Result<()> {
    let Some(available) = available_memory() else { return Ok(()) };
    if plan.memory > available {
        bail!(
            "it needs about {} of memory, and {} are free; take fewer --batch-tokens, a smaller --rank or a \
             smaller model",
            DecimalBytes(plan.memory),
            DecimalBytes(available)
        );
    }
    Ok(())
}

/// What the system says is there for new processes, in bytes; none where it does not say.
fn available_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

/// Trains with a progress bar on standard error, or with a line for each look where nobody sits there.
pub(super) async fn with_progress(training: Training, shutdown: &CancellationToken) -> anyhow::Result<Outcome> {
    let mut shown = Shown::new(training.plan().steps)?;
    let shutdown = shutdown.clone();
    training::run(training, move |event| {
        shown.show(event);
        if shutdown.is_cancelled() { Verdict::Break(()) } else { ControlFlow::Continue(()) }
    })
    .await
}

struct Shown {
    bar: ProgressBar,
    steps: u64,
    start: Instant,
    done_before: u64,
    loss: Option<f64>,
}

impl Shown {
    fn new(steps: u64) -> anyhow::Result<Self> {
        let style = ProgressStyle::with_template("{bar:24} {pos}/{len} {msg}").context("the template is wrong")?;
        let bar = if std::io::stderr().is_terminal() {
            ProgressBar::new(steps).with_style(style)
        } else {
            ProgressBar::hidden()
        };
        Ok(Self { bar, steps, start: Instant::now(), done_before: 0, loss: None })
    }

    fn show(&mut self, event: &Event) {
        match event {
            Event::Started { done, .. } => {
                self.done_before = *done;
                if *done > 0 {
                    eprintln!("going on after step {done}");
                }
            }
            Event::Kept { tokens, of } => {
                self.bar.set_message(format!("the lower layers, once: {:.0} %", 100.0 * *tokens as f64 / *of as f64));
                // Of how long steps take this says nothing.
                self.start = Instant::now();
            }
            Event::Step { step, loss, tokens_per_second } => {
                // A step by itself says little; the mean of about the last twenty is shown.
                let mean = self.loss.map_or(*loss, |mean| mean + (loss - mean) / 20.0);
                self.loss = Some(mean);
                self.bar.set_position(*step);
                let (left, memory) = (HumanDuration(self.left(*step)), DecimalBytes(peak_memory().unwrap_or(0)));
                self.bar.set_message(format!("loss {mean:.3}, {tokens_per_second:.0} tokens/s, {left} left, {memory}"));
            }
            Event::Looked { step, loss, best, overlap } => {
                let recited = overlap.map_or_else(String::new, |share| format!(", recited {:.0} %", 100.0 * share));
                let line = format!(
                    "step {step} of {}: loss on held-out messages {loss:.3}{}{recited}",
                    self.steps,
                    if *best { " (best)" } else { "" }
                );
                if self.bar.is_hidden() { eprintln!("{line}") } else { self.bar.println(line) }
            }
        }
    }

    fn left(&self, step: u64) -> Duration {
        let done = step.saturating_sub(self.done_before).max(1);
        self.start.elapsed().mul_f64(self.steps.saturating_sub(step) as f64 / done as f64)
    }
}

/// The most memory that this process ever had, in bytes.
fn peak_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

fn say(outcome: &Outcome) {
    println!(
        "trained {} steps; {}. The loss on held-out messages went from {:.3} to {:.3} (step {})",
        outcome.steps, outcome.reason, outcome.first_loss, outcome.best_loss, outcome.best_step
    );
    println!("written to {}", outcome.adapter.display());
}
