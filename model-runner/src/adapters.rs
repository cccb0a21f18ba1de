//! The adapters that are offered, as models of their own names.
//!
//! A new version of an adapter takes the place of the old one for the requests that come; those in hand go on with the
//! one they began with, which is dropped with the last of them.

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::sync::watch;

use crate::{
    cache::AdapterVersion,
    gguf::AdapterHeader,
    job::Refusal,
    last_words::while_loading_adapter,
    llama::{Adapter, Model},
};

/// How many adapters may be offered at once.
const MOST: usize = 64;

/// Adapters by name and by version.
pub(crate) struct Adapters {
    offered: BTreeMap<String, Offered>,
    loaded: HashMap<AdapterVersion, Arc<Adapter>>,
    latest: AdapterVersion,
    /// For the other threads, which only want to know what is there.
    names: watch::Sender<Vec<String>>,
}

struct Offered {
    file: PathBuf,
    version: AdapterVersion,
}

impl Adapters {
    pub(crate) fn new(names: watch::Sender<Vec<String>>) -> Self {
        Self { offered: BTreeMap::new(), loaded: HashMap::new(), latest: 0, names }
    }

    /// The version that is offered under a name; 0 where no adapter is asked for, none where there is no such.
    pub(crate) fn version(&self, name: Option<&str>) -> Option<AdapterVersion> {
        match name {
            None => Some(0),
            Some(name) => self.offered.get(name).map(|offered| offered.version),
        }
    }

    /// A version in memory; none for the base alone.
    pub(crate) fn loaded(&self, version: AdapterVersion) -> Option<&Arc<Adapter>> {
        self.loaded.get(&version)
    }

    /// Offers an adapter, in the place of another of the same name.
    pub(crate) fn load(&mut self, model: &Arc<Model>, name: &str, file: &Path) -> Result<(), Refusal> {
        if self.offered.len() >= MOST && !self.offered.contains_key(name) {
            let sentence = format!("{MOST} adapters are loaded already; unload one first");
            return Err(Refusal::new("lora_name", sentence));
        }
        let refuse = |reason: String| {
            Refusal::new("lora_path", format!("cannot use {} as an adapter: {reason}", file.display()))
        };
        // It was checked when it was asked for; a rest later it may be another file.
        AdapterHeader::read(file).map_err(|reason| refuse(reason.to_string()))?;
        let adapter = while_loading_adapter(file, || Adapter::load(model, file));
        let adapter = adapter.map_err(|error| refuse(error.to_string()))?;
        self.latest += 1;
        self.loaded.insert(self.latest, Arc::new(adapter));
        self.offered.insert(name.to_owned(), Offered { file: file.to_owned(), version: self.latest });
        self.tell();
        Ok(())
    }

    /// Offers an adapter no longer.
    pub(crate) fn unload(&mut self, name: &str) -> Result<(), Refusal> {
        match self.offered.remove(name) {
            Some(_) => {
                self.tell();
                Ok(())
            }
            None => Err(Refusal::new("lora_name", format!("there is no adapter {name}"))),
        }
    }

    /// Whether there are versions in memory that are offered no longer.
    pub(crate) fn has_retired(&self) -> bool {
        self.loaded.len() > self.offered.len()
    }

    /// Drops the versions that are neither offered nor in use.
    pub(crate) fn drop_unused(&mut self, in_use: &[AdapterVersion]) {
        let offered: Vec<AdapterVersion> = self.offered.values().map(|offered| offered.version).collect();
        self.loaded.retain(|version, _| offered.contains(version) || in_use.contains(version));
    }

    /// Lets go of what is in memory, but not of what is offered.
    pub(crate) fn rest(&mut self) {
        self.loaded.clear();
    }

    /// Loads again what is offered. What cannot be had any more is offered no longer.
    pub(crate) fn wake(&mut self, model: &Arc<Model>) {
        for (name, offered) in std::mem::take(&mut self.offered) {
            if let Err(refusal) = self.load(model, &name, &offered.file) {
                tracing::error!("the adapter {name} is offered no longer: {}", refusal.sentence);
            }
        }
        self.tell();
    }

    fn tell(&self) {
        self.names.send_replace(self.offered.keys().cloned().collect());
    }
}
