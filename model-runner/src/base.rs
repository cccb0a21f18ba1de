//! The model's file as something that adapters are made for.

use std::{
    fs::File,
    io::{self, Read},
    path::PathBuf,
    sync::OnceLock,
};

use chat::prompt::PROMPT_VERSION;
use sha2::{Digest, Sha256};

use crate::{gguf::AdapterHeader, job::Refusal};

/// The model's file.
#[derive(Debug)]
pub(crate) struct Base {
    file: PathBuf,
    id: String,
    /// Of all its bytes, in hexadecimal digits, once somebody needed it.
    hash: OnceLock<String>,
}

impl Base {
    pub(crate) fn new(file: PathBuf) -> Self {
        let id = file.file_stem().unwrap_or(file.as_os_str()).to_string_lossy().into_owned();
        Self { file, id, hash: OnceLock::new() }
    }

    /// The file's name without folder and ending.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Checks that an adapter was made for this file and for the prompt that is rendered here. What an adapter does not
    /// say, as those of other programs, is taken to fit: llama.cpp compares the shapes. Reads all of the file once.
    pub(crate) fn check(&self, adapter: &AdapterHeader) -> Result<(), Refusal> {
        let refuse = |sentence: String| Err(Refusal::new("lora_path", sentence));
        if let Some(version) = adapter.prompt_version.filter(|&version| version != PROMPT_VERSION) {
            return refuse(format!(
                "the adapter was trained with version {version} of the prompt, and this program renders version \
                 {PROMPT_VERSION}; train it again"
            ));
        }
        let Some(trained_on) = &adapter.base_sha256 else { return Ok(()) };
        match self.hash() {
            Ok(hash) if hash.eq_ignore_ascii_case(trained_on) => Ok(()),
            Ok(hash) => refuse(format!(
                "the adapter was trained on another file than {} (SHA-256 {trained_on}, not {hash}); serve that file, or \
                 train it again on this one",
                self.id
            )),
            Err(error) => refuse(format!("cannot read {} to compare it: {error}", self.file.display())),
        }
    }

    fn hash(&self) -> io::Result<&str> {
        if let Some(hash) = self.hash.get() {
            return Ok(hash);
        }
        let mut file = File::open(&self.file)?;
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; 1 << 20];
        loop {
            match file.read(&mut buffer)? {
                0 => break,
                length => hasher.update(&buffer[..length]),
            }
        }
        let hash = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(self.hash.get_or_init(|| hash))
    }
}
