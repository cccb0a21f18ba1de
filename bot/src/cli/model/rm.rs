//! `groupchat model rm`: room on the disk.

use anyhow::{Context, bail};
use clap::Args;
use indicatif::DecimalBytes;

use super::{Place, PlaceArgs};
use crate::models::{Entry, Source};

/// What is to go.
#[derive(Debug, Args)]
pub(super) struct RmArgs {
    /// NAME, NAME:QUANTISATION or OWNER/REPOSITORY/FILE.gguf, as it was fetched
    #[arg(value_name = "MODEL")]
    model: String,
    #[command(flatten)]
    place: PlaceArgs,
}

pub(super) fn run(args: &RmArgs) -> anyhow::Result<()> {
    let place = args.place.load()?;
    let source = match place.catalogue.entry(&args.model.to_lowercase()) {
        Some(entry) => only_one(&place, entry)?,
        None => Source::parse(&args.model, &place.catalogue)?,
    };
    let freed = place.folder.remove(&source.label).with_context(|| format!("cannot remove {}", source.name))?;
    let Some(freed) = freed else { bail!("{} is not here; `groupchat model list` shows what is", source.name) };
    println!("{} is removed, {} are free again", source.name, DecimalBytes(freed));
    Ok(())
}

/// The quantisation that is here, where a name is all that was given.
fn only_one(place: &Place, entry: &Entry) -> anyhow::Result<Source> {
    let mut here = Vec::new();
    for source in entry.quantisations.iter().map(|quantisation| Source::of(entry, quantisation)) {
        if place.folder.held(&source.label)?.is_some() || place.folder.begun(&source.label).is_some() {
            here.push(source);
        }
    }
    match here.len() {
        0 => bail!("{} is not here; `groupchat model list` shows what is", entry.name),
        1 => Ok(here.remove(0)),
        _ => {
            let names: Vec<&str> = here.iter().map(|source| source.name.as_str()).collect();
            bail!("several of {} are here; say which: {}", entry.name, names.join(", "))
        }
    }
}
