//! One bot a data folder.

use std::{
    fs::{self, File, TryLockError},
    io::{Read, Seek, Write},
    path::Path,
};

use anyhow::{Context, bail};

/// The right to run on a data folder. The system gives it back when the process ends, however it ends, so there is no
/// stale lock to recover from; the number in the file only says whose it is.
#[derive(Debug)]
pub(super) struct DataLock {
    _file: File,
}

impl DataLock {
    /// Takes the lock.
    ///
    /// # Errors
    /// Where another process has it; the sentence names the process.
    pub(super) fn take(data: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(data)
            .with_context(|| format!("cannot make the folder {}; name another with --data", data.display()))?;
        let path = data.join("groupchat.lock");
        let open = File::options().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file =
            open.with_context(|| format!("cannot open {}; name a folder of your own with --data", path.display()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut owner = String::new();
                file.read_to_string(&mut owner).context("cannot read whose the data folder is")?;
                bail!(
                    "{} is in use by another groupchat (process {}); stop that one, or name another folder with --data",
                    data.display(),
                    owner.trim()
                );
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock {}", path.display()));
            }
        }
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{}", std::process::id())?;
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_user_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let first = DataLock::take(folder.path()).unwrap();
        let refused = DataLock::take(folder.path()).unwrap_err().to_string();
        assert!(refused.contains("in use") && refused.contains(&std::process::id().to_string()), "{refused}");
        drop(first);
        DataLock::take(folder.path()).unwrap();
    }
}
