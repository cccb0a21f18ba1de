//! Which model is served where the configuration names neither a file nor a server.

use anyhow::Context;

use super::{Catalogue, ModelsFolder, Source};

/// The file that `model.name` means, or the catalogue's default where it is not set. A name without quantisation means
/// the first one, or else whichever of that model is here.
///
/// # Errors
/// Where the name means nothing, or the folder cannot be read.
pub fn chosen(name: Option<&str>, catalogue: &Catalogue, folder: &ModelsFolder) -> anyhow::Result<Source> {
    let name = name.unwrap_or(&catalogue.default);
    let first = Source::parse(name, catalogue).context("in the configuration: model.name")?;
    let is_here = |source: &Source| {
        let held = folder.held(&source.label);
        held.map(|held| held.is_some()).with_context(|| format!("cannot read {}", folder.path().display()))
    };
    let Some(entry) = catalogue.entry(&name.to_lowercase()) else { return Ok(first) };
    for source in entry.quantisations.iter().map(|quantisation| Source::of(entry, quantisation)) {
        if is_here(&source)? {
            return Ok(source);
        }
    }
    Ok(first)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_name_means_its_first_quantisation_unless_another_is_here() {
        let (catalogue, data) = (Catalogue::shipped(), tempfile::tempdir().unwrap());
        let folder = ModelsFolder::below(data.path());
        let chosen = |name| chosen(name, &catalogue, &folder).map(|source| source.name).unwrap();
        assert_eq!(chosen(None), "qwen3-0.6b:q4_k_m");
        fs::create_dir(folder.path()).unwrap();
        fs::write(folder.path().join("qwen3-0.6b-q8_0.gguf"), "a model").unwrap();
        assert_eq!(chosen(None), "qwen3-0.6b:q8_0");
        assert_eq!(chosen(Some("qwen3-0.6b:q4_k_m")), "qwen3-0.6b:q4_k_m");
        assert_eq!(chosen(Some("Qwen3-1.7B")), "qwen3-1.7b:q4_k_m");
        let error = super::chosen(Some("gpt-6"), &catalogue, &folder).unwrap_err();
        assert_eq!(error.to_string(), "in the configuration: model.name");
    }
}
