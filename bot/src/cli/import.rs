//! `groupchat import`: chat exports into the history.

use std::path::{Path, PathBuf};

use anyhow::Context;
use chrono::{FixedOffset, NaiveDate};
use clap::{Args, ValueEnum};
use corpus::import::{DateOrder, Options};
use indicatif::{ProgressBar, ProgressStyle};
use store::Store;

use super::{ConfigArgs, database::Database, run::WEB_COMMUNITY, start_logging};
use crate::{
    Clock,
    config::{self, Config},
    import::{self, Report, Target},
};

/// The import's options.
#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    /// Exports, or folders of them: Discord (DiscordChatExporter JSON), Telegram Desktop, WhatsApp, IRC, CSV or JSON Lines
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Declare that the members of this history agreed to be imitated. Whoever says /consent no is left out all the same
    #[arg(long)]
    members_agreed: bool,
    /// The zone of times that are written without one, such as +02:00
    #[arg(long, value_name = "OFFSET", default_value = "+00:00", allow_hyphen_values = true)]
    utc_offset: FixedOffset,
    /// How WhatsApp dates are to be read where the file leaves it open
    #[arg(long, value_name = "ORDER")]
    date_order: Option<Order>,
    /// The day on which an IRC log begins, where neither its name nor the log says it
    #[arg(long, value_name = "YYYY-MM-DD")]
    date: Option<NaiveDate>,
    /// Import into the group of the web page, whatever the file calls its own
    #[arg(long)]
    web: bool,
    #[command(flatten)]
    config: ConfigArgs,
    /// The folder for everything that is kept
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Order {
    DayFirst,
    MonthFirst,
}

/// Imports the files one after the other.
pub(super) async fn run(args: ImportArgs) -> anyhow::Result<()> {
    let config = args.config.load()?;
    start_logging(&config.log.filter)?;
    let data = data_folder(args.data.as_deref(), &config)?;
    let database = Database::open(config.database.url.as_ref(), &data).await?;
    let options = Options {
        utc_offset: args.utc_offset,
        date_order: args.date_order.map(|order| match order {
            Order::DayFirst => DateOrder::DayFirst,
            Order::MonthFirst => DateOrder::MonthFirst,
        }),
        date: args.date,
    };
    let target = match args.web {
        true => Target::Web { community: WEB_COMMUNITY.to_owned(), title: None },
        false => Target::AsNamed,
    };
    let mut faulty = 0;
    for source in import::expand(&args.files)? {
        match with_progress(&database.store, &source.path, &options, &target).await {
            Ok(report) => {
                println!("{}\n{report}", source.path.display());
                faulty += usize::from(report.fault.is_some());
                if args.members_agreed {
                    declare(&database.store, &report).await?;
                }
            }
            Err(error) if source.may_be_skipped(&error) => println!("skipped: {error:#}\n"),
            Err(error) => {
                faulty += 1;
                println!("nothing was stored: {error:#}\n");
            }
        }
    }
    database.store.close().await;
    anyhow::ensure!(faulty == 0, "{faulty} of the files could not be read to the end; see above");
    Ok(())
}

/// The data folder that the command line or the configuration names, or the default.
pub(super) fn data_folder(given: Option<&Path>, config: &Config) -> anyhow::Result<PathBuf> {
    match given.or(config.database.data.as_deref()) {
        Some(folder) => Ok(folder.to_owned()),
        None => config::default_data_folder(),
    }
}

async fn declare(store: &Store, report: &Report) -> anyhow::Result<()> {
    let now = Clock::system().now();
    for community in &report.communities {
        let members = store.declare_consent(*community, now).await?;
        println!("declared: {members} more members agreed to be imitated\n");
    }
    Ok(())
}

/// Imports a file with a progress bar on standard error.
pub(super) async fn with_progress(
    store: &Store,
    file: &Path,
    options: &Options,
    target: &Target,
) -> anyhow::Result<Report> {
    let bar = ProgressBar::no_length();
    let style = ProgressStyle::with_template("{msg} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec} {eta}")
        .context("the progress bar's template is wrong")?;
    bar.set_style(style.progress_chars("=> "));
    bar.set_message(file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned());
    let report = import::file(store, file, options, target, |progress| {
        bar.set_length(progress.total);
        bar.set_position(progress.bytes);
    })
    .await;
    bar.finish_and_clear();
    report
}
