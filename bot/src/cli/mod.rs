//! The command line: results on standard output, everything else on standard error, and for each failure a sentence.

mod adapter;
mod communities;
mod database;
mod dataset;
mod demo;
mod doctor;
mod eval;
mod import;
mod lock;
mod model;
mod offer;
mod run;
mod serve;
mod served;
mod train;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::config::Config;

/// A bot that learns how a group of friends talks and then talks like them.
#[derive(Debug, Parser)]
#[command(name = "groupchat", version, about, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Try it: a sample group talks on a local web page, without account, download or configuration.
    Demo(demo::DemoArgs),
    /// Run the bot as configured.
    Run(ConfigArgs),
    /// Read chat exports into the history.
    Import(import::ImportArgs),
    /// Make training rows of the history.
    Dataset(dataset::DatasetArgs),
    /// Train an adapter that sounds like a group, on this machine.
    Train(Box<train::TrainArgs>),
    /// Fetch, check and list models.
    Model(model::ModelArgs),
    /// Measure how well a model, and adapters over it, know a group
    Eval(eval::EvalArgs),
    /// Show, take and forget adapters
    Adapter(adapter::AdapterArgs),
    /// Say what is wrong with a set-up, and how to mend it.
    Doctor(ConfigArgs),
    /// Serve a model on this machine; `run` and `demo` start this by themselves.
    ModelRunner(model_runner::Args),
}

/// Which configuration to read.
#[derive(Debug, Clone, Args)]
struct ConfigArgs {
    /// The configuration; without it the defaults and GROUPCHAT__SECTION__KEY variables count
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl ConfigArgs {
    fn load(&self) -> anyhow::Result<Config> {
        Config::load(self.config.as_deref())
    }
}

/// Runs the program and says how it went.
pub fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::ModelRunner(args) => with_runtime(serve_model(args)),
        Command::Demo(args) => with_runtime(done(demo::run(args))),
        Command::Run(args) => with_runtime(done(run::run(args))),
        Command::Doctor(args) => with_runtime(done(doctor::run(args))),
        Command::Model(args) => with_runtime(done(model::run(args))),
        Command::Dataset(args) => with_runtime(done(dataset::run(args))),
        Command::Train(args) => with_runtime(done(train::run(*args))),
        Command::Eval(args) => with_runtime(done(eval::run(args))),
        Command::Adapter(args) => with_runtime(done(adapter::run(args))),
        Command::Import(args) => with_runtime(done(import::run(args))),
    };
    result.unwrap_or_else(|error| {
        eprintln!("groupchat: {error:#}");
        ExitCode::FAILURE
    })
}

fn with_runtime(work: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(work);
    // A reader of a file that was given up may still be at it; nobody waits for it.
    runtime.shutdown_background();
    result
}

async fn done(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<ExitCode> {
    work.await.map(|()| ExitCode::SUCCESS)
}

async fn serve_model(args: model_runner::Args) -> anyhow::Result<ExitCode> {
    start_logging("info")?;
    Ok(model_runner::run(args).await)
}

/// Logs go to standard error.
///
/// # Errors
/// Where the filter is no filter.
fn start_logging(filter: &str) -> anyhow::Result<()> {
    // These libraries write addresses that hold tokens into their logs below `warn`, whatever else is asked for.
    let filter = EnvFilter::try_new(format!("{filter},serenity=warn,teloxide=warn,teloxide_core=warn"))
        .map_err(|error| anyhow::anyhow!("log.filter is \"{filter}\", which is no filter: {error}; \"info\" is one"))?;
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false).init();
    Ok(())
}

/// A token that is cancelled by Ctrl-C or a polite request to end. A second one ends the program at once.
///
/// # Errors
/// Where the system does not let us listen.
fn shutdown_on_signal() -> anyhow::Result<CancellationToken> {
    use tokio::signal::unix::{SignalKind, signal};
    let shutdown = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let token = shutdown.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("finishing what is in hand; once more ends at once");
        token.cancel();
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        std::process::exit(130);
    });
    Ok(shutdown)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
