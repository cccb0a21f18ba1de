//! The pocket model: a toy that ships inside the program, so that the demo has a language model with nothing to download.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use anyhow::Context;

/// Made by `make pocket`.
const POCKET: &[u8] = include_bytes!("../../../../sample/pocket.gguf");

/// The pocket model as a file in this folder, written unless it is there already.
///
/// # Errors
/// Where it cannot be written.
pub(super) fn placed(data: &Path) -> anyhow::Result<PathBuf> {
    let path = data.join("pocket.gguf");
    let trouble = || format!("cannot write the pocket model to {}", path.display());
    match fs::read(&path) {
        Ok(content) if content == POCKET => return Ok(path),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error).with_context(trouble),
        _ => {}
    }
    // A model runner that is on its way out may still read the one of an earlier version.
    let mut part = tempfile::NamedTempFile::new_in(data).with_context(trouble)?;
    io::Write::write_all(&mut part, POCKET).with_context(trouble)?;
    part.as_file().set_permissions(fs::Permissions::from_mode(0o644)).with_context(trouble)?;
    part.persist(&path).with_context(trouble)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_anew_where_it_is_not_what_ships() {
        let folder = tempfile::tempdir().unwrap();
        let path = placed(folder.path()).unwrap();
        assert!(fs::read(&path).unwrap() == POCKET);
        fs::write(&path, "of another version").unwrap();
        assert_eq!(placed(folder.path()).unwrap(), path);
        assert!(fs::read(&path).unwrap() == POCKET);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left behind");
    }
}
