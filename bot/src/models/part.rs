//! What has come of a file so far, on disk, with the hash of it.
//!
//! Everything here blocks and is called on threads that may. A part owns the lock on its file, so that a pull that is
//! given up while it writes keeps the next one out until that write is done.

use std::{
    fs::File,
    io::{self, Seek, Write},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    ModelsFolder, Source,
    folder::{feed, hexadecimal, read_short, write_whole},
    hub::Found,
    lock::FileLock,
};

/// An unfinished file.
#[derive(Debug)]
pub(super) struct Part {
    file: File,
    hasher: Sha256,
    length: u64,
    /// What it is a part of.
    pub found: Found,
    _lock: Arc<FileLock>,
}

/// What a part is of, so that it is gone on with only while the hub has the same file. It lies beside the part.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Origin {
    repository: String,
    file: String,
    etag: String,
    commit: Option<String>,
    size: u64,
}

impl Origin {
    fn new(source: &Source, found: &Found) -> Self {
        let Found { size, etag, commit } = found.clone();
        Self { repository: source.repository.clone(), file: source.file.clone(), etag, commit, size }
    }

    /// Whether the bytes are the same. A new commit that leaves the file alone does not change them.
    fn is_of_the_same_file(&self, other: &Self) -> bool {
        (&self.repository, &self.file, &self.etag, self.size)
            == (&other.repository, &other.file, &other.etag, other.size)
    }
}

impl Part {
    /// Goes on with what is there of the file, or begins it.
    pub(super) fn open(folder: &ModelsFolder, source: &Source, found: &Found, lock: Arc<FileLock>) -> io::Result<Self> {
        let record = folder.part_record(&source.label);
        let origin = Origin::new(source, found);
        let known: Option<Origin> = read_short(&record)?.and_then(|content| serde_json::from_slice(&content).ok());
        let path = folder.part(&source.label);
        let mut file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        let is_ours = known.is_some_and(|known| known.is_of_the_same_file(&origin));
        if !is_ours || file.metadata()?.len() > found.size {
            file.set_len(0)?;
            write_whole(&record, &serde_json::to_vec(&origin)?)?;
        }
        let mut hasher = Sha256::new();
        let length = feed(&mut file, &mut hasher, &mut |_| {})?;
        Ok(Self { file, hasher, length, found: found.clone(), _lock: lock })
    }

    /// How many bytes are there.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Appends bytes.
    pub(super) fn write(mut self, bytes: &[u8]) -> io::Result<Self> {
        self.file.write_all(bytes)?;
        self.hasher.update(bytes);
        self.length += bytes.len() as u64;
        Ok(self)
    }

    /// Throws away what is there.
    pub(super) fn begin_again(mut self) -> io::Result<Self> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.hasher = Sha256::new();
        self.length = 0;
        Ok(self)
    }

    /// The SHA-256 of all that is there, which is on the disk from then on.
    pub(super) fn seal(self) -> io::Result<(Sealed, String)> {
        self.file.sync_all()?;
        Ok((Sealed { _lock: self._lock }, hexadecimal(self.hasher)))
    }
}

/// The lock on a part that is not written any more.
#[derive(Debug)]
pub(super) struct Sealed {
    _lock: Arc<FileLock>,
}
