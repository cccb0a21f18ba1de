//! `groupchat model verify`: is every byte what it was?

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use model_runner::GgufHeader;

use super::{Place, PlaceArgs};
use crate::models::{Record, Source, hash};

/// What is to be checked.
#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// Models by name, or files; all that are here where none is named
    #[arg(value_name = "MODEL|FILE")]
    models: Vec<String>,
    #[command(flatten)]
    place: PlaceArgs,
}

pub(super) fn run(args: &VerifyArgs) -> anyhow::Result<()> {
    let place = args.place.load()?;
    let files = match args.models.as_slice() {
        [] => {
            let all = place.folder.all().with_context(|| format!("cannot read {}", place.folder.path().display()))?;
            all.into_iter().map(|held| held.path).collect()
        }
        named => named.iter().map(|name| file(&place, name)).collect::<anyhow::Result<Vec<_>>>()?,
    };
    ensure!(!files.is_empty(), "no model is here; `groupchat model pull` fetches one");
    let mut wrong = 0;
    for file in &files {
        match check(file) {
            Ok(what) => println!("ok     {}: {what}", file.display()),
            Err(error) => {
                println!("WRONG  {}: {error:#}", file.display());
                wrong += 1;
            }
        }
    }
    ensure!(wrong == 0, "{wrong} of {} are damaged; `groupchat model rm` and `pull` bring a model anew", files.len());
    Ok(())
}

fn file(place: &Place, name: &str) -> anyhow::Result<PathBuf> {
    let path = Path::new(name);
    if path.is_file() {
        return Ok(path.to_owned());
    }
    let source = Source::parse(name, &place.catalogue).with_context(|| format!("there is no file {name}"))?;
    let held = place.folder.held(&source.label)?;
    let held = held.with_context(|| format!("{0} is not here; `groupchat model pull {0}` fetches it", source.name))?;
    Ok(held.path)
}

/// Says what a file is.
fn check(file: &Path) -> anyhow::Result<String> {
    let record = Record::beside(file)?;
    let sha256 = hash_with_progress(file)?;
    if let Some(record) = &record {
        let Record { sha256: recorded, .. } = record;
        ensure!(sha256 == *recorded, "its SHA-256 is {sha256}, and was {recorded} when it came");
    }
    let header = GgufHeader::read(file)?;
    let whole = match record {
        Some(_) => "every byte is as it came".to_owned(),
        None => format!("no checksum was written down for it; its SHA-256 is {sha256}"),
    };
    Ok(format!("{whole} (GGUF {}, {}, {} tensors)", header.version, header.architecture, header.tensors))
}

fn hash_with_progress(file: &Path) -> anyhow::Result<String> {
    let size = file.metadata().with_context(|| "cannot be read")?.len();
    let style = ProgressStyle::with_template("{msg} [{bar:30}] {decimal_bytes}/{decimal_total_bytes} {eta}")
        .context("the progress bar's template is wrong")?;
    let bar = ProgressBar::new(size).with_style(style.progress_chars("=> "));
    bar.set_message(file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned());
    let sha256 = hash(file, |bytes| bar.set_position(bytes));
    bar.finish_and_clear();
    sha256.context("cannot be read")
}
