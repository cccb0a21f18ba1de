//! `groupchat model`: models on this machine.

mod list;
mod progress;
mod pull;
mod rm;
mod verify;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{ConfigArgs, import::data_folder};
use crate::{
    config::Config,
    models::{Catalogue, ModelsFolder},
};

/// What is to be done with models.
#[derive(Debug, Args)]
pub(super) struct ModelArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the models that are known by name or are here
    List(PlaceArgs),
    /// Fetch a model from the hub; what an earlier pull left is gone on with
    #[command(
        after_help = "HF_ENDPOINT names a mirror instead of https://huggingface.co, HF_TOKEN holds the token for what \
        is not given to everybody."
    )]
    Pull(pull::PullArgs),
    /// Read every byte of models again and compare it with the checksum that was written down when they came
    Verify(verify::VerifyArgs),
    /// Remove a model, and what there is of an unfinished pull
    Rm(rm::RmArgs),
}

/// Where models are.
#[derive(Debug, Args)]
struct PlaceArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// The folder for everything that is kept; models lie in `models` below it
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
}

/// What each of the commands needs.
struct Place {
    config: Config,
    catalogue: Catalogue,
    folder: ModelsFolder,
}

impl PlaceArgs {
    fn load(&self) -> anyhow::Result<Place> {
        let config = self.config.load()?;
        let folder = ModelsFolder::below(&data_folder(self.data.as_deref(), &config)?);
        Ok(Place { config, catalogue: Catalogue::shipped(), folder })
    }
}

/// Does it.
pub(super) async fn run(args: ModelArgs) -> anyhow::Result<()> {
    match args.command {
        Command::List(place) => list::run(&place.load()?),
        Command::Pull(args) => pull::run(args).await,
        Command::Verify(args) => verify::run(&args),
        Command::Rm(args) => rm::run(&args),
    }
}
