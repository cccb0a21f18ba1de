//! `groupchat eval`: the report card of a model and of adapters over it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, ensure};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};

use super::{ConfigArgs, import::data_folder, served, start_logging};
use crate::{
    config::Config,
    eval::{Progress, Report, Server, Settings, dataset::Dataset, evaluate},
    runner::RunnerOptions,
};

/// The evaluation's options.
#[derive(Debug, Args)]
pub(super) struct EvalArgs {
    /// The folder of the dataset, as `groupchat dataset` makes it
    #[arg(long, value_name = "FOLDER")]
    dataset: PathBuf,
    /// The model, in GGUF format; without it the one that `groupchat run` serves
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// An adapter to measure beside the model itself; may be given several times
    #[arg(long = "adapter", value_name = "FILE")]
    adapters: Vec<PathBuf>,
    /// Which of the dataset's splits to measure
    #[arg(long, value_enum, default_value_t = Split::Test)]
    split: Split,
    /// At most so many replies and so many next speakers, spread evenly over the split
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Write the report as JSON too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// What chance is seeded with: the same seed gives the same report
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    config: ConfigArgs,
    /// The folder for everything that is kept; models lie in `models` below it
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Split {
    Validation,
    Test,
    Judge,
}

impl Split {
    fn name(self) -> &'static str {
        match self {
            Split::Validation => "validation",
            Split::Test => "test",
            Split::Judge => "judge",
        }
    }
}

/// A bar on standard error.
struct Bar(ProgressBar);

impl Progress for Bar {
    fn begins(&self, steps: u64) {
        self.0.set_length(steps);
    }

    fn step(&self) {
        self.0.inc(1);
    }
}

/// Measures, prints the table and writes the JSON.
pub(super) async fn run(args: EvalArgs) -> anyhow::Result<()> {
    let config = args.config.load()?;
    start_logging("warn")?;
    ensure!(args.limit != Some(0), "a limit of 0 leaves nothing to measure; leave --limit out for all rows");
    let dataset = Dataset::read(&args.dataset, args.split.name())?;
    let model = served::model(args.model.as_deref(), &config, &data_folder(args.data.as_deref(), &config)?)?;
    let server = Server::start(options(model, &config)).await?;
    let settings = Settings { split: args.split.name().to_owned(), limit: args.limit, seed: args.seed };
    let report = measure(&server, &args.adapters, &dataset, &settings).await;
    server.stop().await?;
    let report = report?;
    print!("{report}");
    match &args.json {
        Some(file) => write_json(file, &report),
        None => Ok(()),
    }
}

async fn measure(
    server: &Server,
    adapters: &[PathBuf],
    dataset: &Dataset,
    settings: &Settings,
) -> anyhow::Result<Report> {
    let models = server.models(adapters).await?;
    let style = ProgressStyle::with_template("measured [{bar:30}] {pos}/{len} {eta}");
    let bar = Bar(ProgressBar::no_length().with_style(style.context("the progress bar's template is wrong")?));
    let report = evaluate(&models, dataset, settings, &bar).await;
    bar.0.finish_and_clear();
    report
}

fn options(model: PathBuf, config: &Config) -> RunnerOptions {
    let model_config = &config.model;
    RunnerOptions {
        model,
        threads: model_config.threads,
        context: model_config.context,
        parallel: model_config.parallel,
        rest_after: None,
    }
}

fn write_json(file: &Path, report: &Report) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(report).context("the report is no JSON")?;
    fs::write(file, text + "\n")
        .with_context(|| format!("cannot write {}; give another file with --json", file.display()))
}
