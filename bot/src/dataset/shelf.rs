//! Which datasets were made from the history of a data folder, wherever they were put.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};

/// The list of datasets of a data folder.
pub(super) struct Shelf {
    data: PathBuf,
}

/// The right to make a dataset. The system gives it back when the process ends, however it ends.
pub(super) struct ShelfLock {
    _file: File,
}

impl Shelf {
    pub(super) fn new(data: &Path) -> Self {
        Self { data: data.to_owned() }
    }

    /// Takes the right to make datasets.
    ///
    /// # Errors
    /// Where another process has it, or the folder cannot be written.
    pub(super) fn lock(&self) -> anyhow::Result<ShelfLock> {
        match self.try_lock()? {
            Some(lock) => Ok(lock),
            None => bail!("another groupchat makes a dataset in {}; wait until it is done", self.data.display()),
        }
    }

    /// The same, with none where another process has it.
    pub(super) fn try_lock(&self) -> anyhow::Result<Option<ShelfLock>> {
        fs::create_dir_all(&self.data)
            .with_context(|| format!("cannot make the folder {}; name another with --data", self.data.display()))?;
        let path = self.data.join("datasets.lock");
        let file = File::options().read(true).write(true).create(true).truncate(false).open(&path);
        let file = file.with_context(|| format!("cannot open {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(ShelfLock { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("cannot lock {}", path.display())),
        }
    }

    /// The folders in which datasets are or were.
    ///
    /// # Errors
    /// Where the list cannot be read.
    pub(super) fn folders(&self) -> anyhow::Result<Vec<PathBuf>> {
        let path = self.list();
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .with_context(|| format!("{} is damaged; delete it, and the datasets that it named", path.display())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Adds a folder to the list. Whoever calls it holds the lock.
    ///
    /// # Errors
    /// Where the list cannot be written.
    pub(super) fn note(&self, folder: &Path) -> anyhow::Result<()> {
        let mut folders = self.folders()?;
        if folders.iter().any(|known| known == folder) {
            return Ok(());
        }
        folders.push(folder.to_owned());
        let text = serde_json::to_string_pretty(&folders)
            .with_context(|| format!("{} is no Unicode text; name another folder with --out", folder.display()))?;
        let (path, new) = (self.list(), self.data.join("datasets.json.new"));
        fs::write(&new, text)
            .and_then(|()| fs::rename(&new, &path))
            .with_context(|| format!("cannot write {}", path.display()))
    }

    fn list(&self) -> PathBuf {
        self.data.join("datasets.json")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_noted_once_and_for_good() {
        let data = tempfile::tempdir().unwrap();
        let shelf = Shelf::new(&data.path().join("new"));
        assert_eq!(shelf.folders().unwrap(), Vec::<PathBuf>::new());
        let _lock = shelf.lock().unwrap();
        for folder in ["/a", "/b", "/a"] {
            shelf.note(Path::new(folder)).unwrap();
        }
        assert_eq!(shelf.folders().unwrap(), [PathBuf::from("/a"), PathBuf::from("/b")]);
    }

    #[test]
    fn one_makes_a_dataset_at_a_time() {
        let data = tempfile::tempdir().unwrap();
        let shelf = Shelf::new(data.path());
        let lock = shelf.lock().unwrap();
        assert!(shelf.try_lock().unwrap().is_none());
        assert!(shelf.lock().err().unwrap().to_string().contains("wait until it is done"));
        drop(lock);
        assert!(shelf.try_lock().unwrap().is_some());
    }
}
