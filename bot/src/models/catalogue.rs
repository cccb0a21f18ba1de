//! The models that are known by name: config/models.toml, which is part of the program.

use serde::Deserialize;

/// The shipped catalogue.
const SHIPPED: &str = include_str!("../../../config/models.toml");

/// What can be fetched by name.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    /// The name of the model that is taken where none is named.
    pub default: String,
    /// All of them, in the order in which they are shown.
    pub models: Vec<Entry>,
}

/// A model.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// What it is called here, as `qwen3-0.6b`.
    pub name: String,
    /// A sentence on what it is good for.
    pub about: String,
    /// How many parameters it has, in words.
    pub parameters: String,
    /// The longest context that it was trained for, in tokens.
    pub context: u32,
    /// Under which licence its weights are.
    pub licence: String,
    /// The files that there are of it; the first is taken where none is named.
    pub quantisations: Vec<Quantisation>,
}

/// A file of a model.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quantisation {
    /// What it is called, as `q4_k_m`.
    pub name: String,
    /// The repository on the hub, as `OWNER/NAME`.
    pub repository: String,
    /// The file in it.
    pub file: String,
    /// How long it was when this was written, in bytes.
    pub size: u64,
}

impl Catalogue {
    /// The one that is part of the program.
    pub fn shipped() -> Self {
        toml::from_str(SHIPPED).expect("config/models.toml is tested")
    }

    /// The model of this name.
    pub fn entry(&self, name: &str) -> Option<&Entry> {
        self.models.iter().find(|entry| entry.name == name)
    }

    /// All names, for a sentence.
    pub fn names(&self) -> String {
        let names: Vec<&str> = self.models.iter().map(|entry| entry.name.as_str()).collect();
        names.join(", ")
    }
}

impl Entry {
    /// The quantisation of this name.
    pub fn quantisation(&self, name: &str) -> Option<&Quantisation> {
        self.quantisations.iter().find(|quantisation| quantisation.name == name)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::models::Source;

    #[test]
    fn the_shipped_catalogue_is_sound() {
        let catalogue = Catalogue::shipped();
        assert!(catalogue.entry(&catalogue.default).is_some());
        let mut labels = HashSet::new();
        for entry in &catalogue.models {
            assert!(entry.about.ends_with('.') && entry.context >= 2048 && !entry.licence.is_empty());
            assert!(!entry.quantisations.is_empty(), "{}", entry.name);
            for quantisation in &entry.quantisations {
                let source = Source::parse(&format!("{}:{}", entry.name, quantisation.name), &catalogue).unwrap();
                assert!(labels.insert(source.label.clone()), "{} is there twice", source.label);
                let path = format!("{}/{}", quantisation.repository, quantisation.file);
                assert_eq!(Source::parse(&path, &catalogue).unwrap(), source);
            }
        }
    }
}
