//! The model runner as a program of its own, for where it runs on another machine than the bot.

use std::{io, process::ExitCode};

use clap::Parser;
use tracing_subscriber::EnvFilter;

#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[command(flatten)]
    runner: model_runner::Args,
    /// What to log, as `info` or `debug,llama.cpp=info`
    #[arg(long, env = "GROUPCHAT_LOG", default_value = "info")]
    log: EnvFilter,
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    tracing_subscriber::fmt().with_env_filter(cli.log).with_writer(io::stderr).init();
    model_runner::run(cli.runner).await
}
