//! One pull of a file at a time, over all processes.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Read, Seek, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// The right to write a model's file. The system gives it back when the process ends, however it ends.
#[derive(Debug)]
pub(super) struct FileLock {
    _file: File,
    path: PathBuf,
}

/// Why the lock cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum InUse {
    /// Another process, or another pull of this one, has it.
    #[error("another groupchat (process {0}) is fetching it")]
    By(String),
    /// The system does not let us.
    #[error("the lock {0} cannot be taken")]
    Io(PathBuf, #[source] io::Error),
}

impl FileLock {
    pub(super) fn take(path: &Path) -> Result<Self, InUse> {
        let failed = |error| InUse::Io(path.to_owned(), error);
        loop {
            let mut file =
                File::options().read(true).write(true).create(true).truncate(false).open(path).map_err(failed)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    let mut owner = String::new();
                    (&file).take(20).read_to_string(&mut owner).map_err(failed)?;
                    return Err(InUse::By(owner.trim().to_owned()));
                }
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
            // Whoever had it removes the file, perhaps between our opening and our locking it: a lock on a file that is
            // not there any more keeps nobody out.
            if !is_still_at(&file, path).map_err(failed)? {
                continue;
            }
            file.set_len(0).and_then(|()| file.rewind()).map_err(failed)?;
            writeln!(file, "{}", std::process::id()).map_err(failed)?;
            return Ok(Self { _file: file, path: path.to_owned() });
        }
    }
}

fn is_still_at(file: &File, path: &Path) -> io::Result<bool> {
    let ours = file.metadata()?;
    match fs::metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino()) == (ours.dev(), ours.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        // While it is still locked, so that nobody can take it in between. One that stays does no harm.
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!(%error, "the lock {} stays", self.path.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_one_writer_at_a_time_and_no_lock_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.lock");
        let first = FileLock::take(&path).unwrap();
        let refused = FileLock::take(&path).unwrap_err();
        assert!(matches!(&refused, InUse::By(owner) if *owner == std::process::id().to_string()), "{refused}");
        drop(first);
        assert!(!path.exists());
        FileLock::take(&path).unwrap();
    }
}
