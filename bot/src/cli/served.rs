//! The file of the model that is served, for commands that measure it or train on it.

use std::path::{Path, PathBuf};

use anyhow::bail;

use crate::{
    config::Config,
    models::{Catalogue, ModelsFolder, chosen},
};

/// The named file, or the one that `groupchat run` serves.
///
/// # Errors
/// A sentence with the remedy, where there is none on this machine.
pub(super) fn model(named: Option<&Path>, config: &Config, data: &Path) -> anyhow::Result<PathBuf> {
    if let Some(path) = named.or(config.model.path.as_deref()) {
        return Ok(path.to_owned());
    }
    if config.model.url.is_some() {
        bail!("model.url is a server, and a file is needed; give a GGUF file with --model");
    }
    let folder = ModelsFolder::below(data);
    let source = chosen(config.model.name.as_deref(), &Catalogue::shipped(), &folder)?;
    let file = folder.file(&source.label);
    if !file.is_file() {
        bail!(
            "the model {} is not here; `groupchat model pull` fetches it, or give a GGUF file with --model",
            source.name
        );
    }
    Ok(file)
}
