//! The models folder: whole files, and beside each what is known of it.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    Label, Source,
    lock::{FileLock, InUse},
};

/// How much is read at once.
const BLOCK: usize = 1 << 20;
/// A record is a few hundred bytes; whatever is longer is none.
const LONGEST_RECORD: u64 = 64 * 1024;
/// What keeps the answer "no" to the offer of a model.
const DECLINED: &str = "declined";

/// Where models lie, below the data folder.
#[derive(Debug, Clone)]
pub struct ModelsFolder {
    path: PathBuf,
}

/// What is known of a fetched model. It lies as `NAME.gguf.json` beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The repository that it came from.
    pub repository: String,
    /// Its path there.
    pub file: String,
    /// The commit of the repository, where the hub told it.
    pub commit: Option<String>,
    /// The SHA-256 of all its bytes, in hexadecimal.
    pub sha256: String,
    /// Its length in bytes.
    pub size: u64,
    /// When it was whole.
    pub fetched_at: DateTime<Utc>,
}

/// A model that lies here.
#[derive(Debug, Clone)]
pub struct Held {
    /// What it is called.
    pub label: Label,
    /// The file.
    pub path: PathBuf,
    /// Its length in bytes, now.
    pub size: u64,
    /// What was written down when it came; none for a file that somebody put there.
    pub record: Option<Record>,
}

impl ModelsFolder {
    /// The one below a data folder.
    pub fn below(data: &Path) -> Self {
        Self { path: data.join("models") }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the file of a model is once it is whole.
    pub fn file(&self, label: &Label) -> PathBuf {
        self.path.join(format!("{label}.gguf"))
    }

    /// The model, if it is here.
    ///
    /// # Errors
    /// Where the folder cannot be read.
    pub fn held(&self, label: &Label) -> io::Result<Option<Held>> {
        let path = self.file(label);
        let metadata = match fs::metadata(&path) {
            Ok(metadata) if metadata.is_file() => metadata,
            Ok(_) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let record = Record::beside(&path)?;
        Ok(Some(Held { label: label.clone(), path, size: metadata.len(), record }))
    }

    /// How many bytes of a model a pull that did not end has left; none where there is no such pull.
    pub fn begun(&self, label: &Label) -> Option<u64> {
        fs::metadata(self.part(label)).ok().map(|metadata| metadata.len())
    }

    /// All models that are here, by name.
    ///
    /// # Errors
    /// Where the folder cannot be read; that it does not exist is no error.
    pub fn all(&self) -> io::Result<Vec<Held>> {
        let entries = match fs::read_dir(&self.path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut all = Vec::new();
        for entry in entries {
            let name = entry?.file_name();
            let label = name.to_str().and_then(|name| name.strip_suffix(".gguf")).and_then(Label::new);
            if let Some(label) = label {
                all.extend(self.held(&label)?);
            }
        }
        all.sort_by(|a, b| a.label.cmp(&b.label));
        Ok(all)
    }

    /// Removes a model and what there is of a pull that did not end. Says how many bytes that were, none where there was
    /// nothing.
    ///
    /// # Errors
    /// Where it is being fetched, or the system refuses.
    pub fn remove(&self, label: &Label) -> Result<Option<u64>, InUse> {
        if !self.path.exists() {
            return Ok(None);
        }
        let _lock = self.lock(label)?;
        let file = self.file(label);
        let mut freed = None;
        for path in [file.clone(), self.part(label), beside(&file, "json"), self.part_record(label)] {
            match fs::metadata(&path).and_then(|metadata| fs::remove_file(&path).map(|()| metadata.len())) {
                Ok(size) => freed = Some(freed.unwrap_or(0) + size),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(InUse::Io(path, error)),
            }
        }
        Ok(freed)
    }

    /// Writes down that nobody wants to be asked again whether to fetch a model.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn decline(&self) -> io::Result<()> {
        fs::create_dir_all(&self.path)?;
        fs::write(
            self.path.join(DECLINED),
            "`groupchat run` does not offer to fetch a model while this file is here.\n",
        )
    }

    /// Whether that was written down.
    pub fn is_declined(&self) -> bool {
        self.path.join(DECLINED).exists()
    }

    pub(super) fn lock(&self, label: &Label) -> Result<FileLock, InUse> {
        FileLock::take(&beside(&self.file(label), "lock"))
    }

    pub(super) fn part(&self, label: &Label) -> PathBuf {
        beside(&self.file(label), "part")
    }

    pub(super) fn part_record(&self, label: &Label) -> PathBuf {
        beside(&self.part(label), "json")
    }

    /// Gives a whole part its name, with its record. What a crash leaves in between is a record without a file, which
    /// nobody looks at.
    pub(super) fn place(&self, source: &Source, record: &Record) -> io::Result<()> {
        let file = self.file(&source.label);
        write_whole(&beside(&file, "json"), &serde_json::to_vec_pretty(record)?)?;
        fs::rename(self.part(&source.label), file)?;
        File::open(&self.path)?.sync_all()?;
        match fs::remove_file(self.part_record(&source.label)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

impl Held {
    /// Whether it is as long as it was when it came; a cheap look, [`hash`] is the thorough one.
    pub fn is_whole(&self) -> bool {
        self.record.as_ref().is_none_or(|record| record.size == self.size)
    }
}

impl Record {
    /// The record that lies beside a file, wherever that is.
    ///
    /// # Errors
    /// Where it is there and cannot be read.
    pub fn beside(file: &Path) -> io::Result<Option<Self>> {
        read_record(&beside(file, "json"))
    }
}

/// The SHA-256 of a whole file in hexadecimal. `seen` is told how many bytes were read so far.
///
/// # Errors
/// Where it cannot be read.
pub fn hash(path: &Path, mut seen: impl FnMut(u64)) -> io::Result<String> {
    let mut hasher = Sha256::new();
    feed(&mut File::open(path)?, &mut hasher, &mut seen)?;
    Ok(hexadecimal(hasher))
}

pub(super) fn feed(file: &mut File, hasher: &mut Sha256, seen: &mut impl FnMut(u64)) -> io::Result<u64> {
    let mut block = vec![0; BLOCK];
    let mut total = 0;
    loop {
        let read = file.read(&mut block)?;
        if read == 0 {
            return Ok(total);
        }
        hasher.update(&block[..read]);
        total += read as u64;
        seen(total);
    }
}

pub(super) fn hexadecimal(hasher: Sha256) -> String {
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn beside(path: &Path, extension: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    PathBuf::from(name)
}

/// Writes a file so that it is there as a whole or not at all.
pub(super) fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let new = beside(path, "new");
    let mut file = File::create(&new)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(new, path)
}

pub(super) fn read_short(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut content = Vec::new();
    file.take(LONGEST_RECORD).read_to_end(&mut content)?;
    Ok(Some(content))
}

/// A record that cannot be understood counts as none: then nothing is claimed about the file.
fn read_record(path: &Path) -> io::Result<Option<Record>> {
    Ok(read_short(path)?.and_then(|content| serde_json::from_slice(&content).ok()))
}
