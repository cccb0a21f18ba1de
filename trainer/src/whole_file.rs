//! A file that is either there whole or not at all, whenever the process or the machine stops.

use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use crate::error::{Error, Result};

/// A file that is being written beside the place where it is going to be. What is not finished goes when this goes.
pub(crate) struct WholeFile {
    path: PathBuf,
    part: PathBuf,
    finished: bool,
}

impl WholeFile {
    /// Begins a file that only its owner may read: what is trained on a group's history says things about the group.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".part");
        let part = path.with_file_name(name);
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&part)
            .map_err(|error| Error::file("write", &part, error))?;
        Ok(Self { path: path.to_owned(), part, finished: false })
    }

    /// A handle to write through.
    pub(crate) fn handle(&self) -> Result<File> {
        OpenOptions::new().write(true).open(&self.part).map_err(|error| Error::file("write", &self.part, error))
    }

    /// Gives the file its name, once the disk has all of it.
    pub(crate) fn finish(mut self) -> Result<()> {
        let give_name = || {
            self.handle_io()?.sync_all()?;
            fs::rename(&self.part, &self.path)?;
            let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            File::open(folder)?.sync_all()
        };
        give_name().map_err(|error| Error::file("write", &self.path, error))?;
        self.finished = true;
        Ok(())
    }

    fn handle_io(&self) -> std::io::Result<File> {
        OpenOptions::new().write(true).open(&self.part)
    }

    /// Writes all of a file.
    pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
        let file = Self::create(path)?;
        file.handle()?.write_all(bytes).map_err(|error| Error::file("write", path, error))?;
        file.finish()
    }
}

impl Drop for WholeFile {
    fn drop(&mut self) {
        if !self.finished {
            // Nobody can be told, and the next one overwrites it.
            drop(fs::remove_file(&self.part));
        }
    }
}
