//! `groupchat dataset`: the history as training rows, curated, with a report.

use std::path::PathBuf;

use anyhow::Context;
use chrono::TimeDelta;
use clap::Args;
use corpus::dataset::{Options, Replace, Report, Rule, Shares};
use indicatif::{ProgressBar, ProgressStyle};
use store::Store;

use super::{ConfigArgs, communities::chosen, database::Database, import::data_folder, start_logging};
use crate::{
    Clock,
    community::Learning,
    dataset::{self, Order},
};

/// The options of a dataset.
#[derive(Debug, Args)]
pub(super) struct DatasetArgs {
    /// The folder to write; without it `dataset` in the data folder
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Whose history: a community's number, title or id on its platform. Needed where there are several
    #[arg(long, value_name = "COMMUNITY")]
    community: Option<String>,
    /// Switch a rule off: links, commands, mentions-only, duplicates, near-duplicates, thinning, balance, personal-data
    #[arg(long, value_name = "RULE")]
    keep: Vec<Rule>,
    /// Make one message of those that somebody posts in a row within so many seconds of the first
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    merge: Option<u32>,
    /// After so many hours of silence a window begins anew
    #[arg(long, value_name = "HOURS", default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..))]
    silence: u32,
    /// Percentages for train, validation, test and judge
    #[arg(long, value_name = "PERCENT", default_value = "80,8,8,4")]
    shares: Shares,
    /// Learn and test all regulars, where a split by time would leave somebody out
    #[arg(long)]
    cover_regulars: bool,
    /// Learn only so many members, those who answer most; what the others say stays in the windows
    #[arg(long, value_name = "MEMBERS", value_parser = clap::value_parser!(u32).range(1..))]
    busiest: Option<u32>,
    /// Nobody has more answers than so many times the median of the regulars
    #[arg(long, value_name = "TIMES", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..))]
    balance: u32,
    /// Replace the dataset of another community
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    config: ConfigArgs,
    /// The folder for everything that is kept
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
}

/// Makes the dataset and prints its report.
pub(super) async fn run(args: DatasetArgs) -> anyhow::Result<()> {
    let config = args.config.load()?;
    start_logging(&config.log.filter)?;
    let data = data_folder(args.data.as_deref(), &config)?;
    let out = args.out.clone().unwrap_or_else(|| data.join("dataset"));
    let database = Database::open(config.database.url.as_ref(), &data).await?;
    let all = database.store.communities_with_history().await.context("cannot read which communities there are")?;
    let community = chosen(all, args.community.as_deref())?;
    let order = Order {
        community: &community,
        learning: Learning::permitted_by(&config.training),
        replace: if args.force { Replace::AnyDataset } else { Replace::Same },
        options: args.options(),
        data: &data,
        out: &out,
    };
    let report = with_progress(&database.store, order).await?;
    database.store.close().await;
    println!("{report}\nwritten to {}", out.display());
    Ok(())
}

impl DatasetArgs {
    fn options(self) -> Options {
        Options {
            silence: TimeDelta::hours(self.silence.into()),
            merge: self.merge.map(|seconds| TimeDelta::seconds(seconds.into())),
            keep: self.keep.into_iter().collect(),
            shares: self.shares,
            cover_regulars: self.cover_regulars,
            busiest: self.busiest.map(|members| members as usize),
            balance: self.balance,
        }
    }
}

/// Makes the dataset with a counter on standard error.
pub(super) async fn with_progress(store: &Store, order: Order<'_>) -> anyhow::Result<Report> {
    let bar = ProgressBar::no_length();
    let style = ProgressStyle::with_template("reading the history: {human_pos} messages {per_sec}")
        .context("the progress bar's template is wrong")?;
    bar.set_style(style);
    let report = dataset::make(store, order, Clock::system().now(), |messages| bar.set_position(messages)).await;
    bar.finish_and_clear();
    report
}
