//! `groupchat model pull`: a model from the hub.

use anyhow::bail;
use clap::Args;
use indicatif::DecimalBytes;

use super::{super::shutdown_on_signal, PlaceArgs, progress::Progress};
use crate::{
    Clock,
    config::HubSettings,
    models::{Hub, Patience, Pulled, Source, pull},
};

/// What is to be fetched.
#[derive(Debug, Args)]
pub(super) struct PullArgs {
    /// NAME or NAME:QUANTISATION as `groupchat model list` shows them, or OWNER/REPOSITORY/FILE.gguf of the hub; the
    /// default model where none is named
    #[arg(value_name = "MODEL")]
    model: Option<String>,
    #[command(flatten)]
    place: PlaceArgs,
}

pub(super) async fn run(args: PullArgs) -> anyhow::Result<()> {
    let place = args.place.load()?;
    let source = match &args.model {
        Some(text) => Source::parse(text, &place.catalogue)?,
        None => Source::default_of(&place.catalogue),
    };
    let HubSettings { endpoint, token } = HubSettings::from_environment();
    let hub = Hub::new(&endpoint, token, Patience::default())?;
    let shutdown = shutdown_on_signal()?;
    eprintln!("{} from {}: {}", source.name, hub.host(), source.repository);
    let mut progress = Progress::new(&source.name);
    let clock = Clock::system();
    let pulling = pull(&hub, &place.folder, &source, &clock, |event| progress.show(event));
    let pulled = shutdown.run_until_cancelled(pulling).await;
    progress.end();
    match pulled {
        None => bail!("stopped; `groupchat model pull` goes on where it was"),
        Some(Err(error)) => Err(error.into()),
        Some(Ok(Pulled::WasHere(held))) => {
            println!("{} is here: {}", source.name, held.path.display());
            eprintln!("To fetch it anew, `groupchat model rm {}` first.", source.name);
            Ok(())
        }
        Some(Ok(Pulled::Fetched(held))) => {
            println!("{} is here: {}", source.name, held.path.display());
            if let Some(record) = held.record {
                println!("{}, SHA-256 {}", DecimalBytes(record.size), record.sha256);
            }
            Ok(())
        }
    }
}
