//! Finding the programs of an installed PostgreSQL.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::error::ClusterError;

/// One installed PostgreSQL server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Binaries {
    /// Where its programs are; none means that the search path finds them.
    folder: Option<PathBuf>,
    major: u32,
}

/// Folders of installations; `*` is one for each version. The search path is asked before them.
const PLACES: [(&str, &str); 4] = [
    ("/usr/lib/postgresql", "bin"),
    ("/usr/pgsql-", "bin"),
    ("/opt/homebrew/opt/postgresql", "bin"),
    ("/usr/local/opt/postgresql", "bin"),
];

impl Binaries {
    /// The installation for a data directory: the one of the major version that made it, or for a new directory the one on
    /// the search path, else the newest.
    pub(super) fn find(data: &Path) -> Result<Binaries, ClusterError> {
        let installed = Binaries::installed();
        let made_by = fs::read_to_string(data.join("PG_VERSION")).ok().and_then(|text| text.trim().parse().ok());
        choose(installed, made_by).map_err(|installed| match made_by {
            Some(made_by) if !installed.is_empty() => ClusterError::OtherVersion {
                dir: data.to_owned(),
                made_by,
                installed: installed.iter().map(|found| found.major.to_string()).collect::<Vec<_>>().join(", "),
            },
            _ => ClusterError::NotInstalled,
        })
    }

    /// What is installed, in order of preference.
    fn installed() -> Vec<Binaries> {
        let mut placed: Vec<_> = PLACES
            .iter()
            .flat_map(|(stem, end)| versions_under(stem, end))
            .filter_map(|dir| probe(Some(dir)))
            .collect();
        placed.sort_by_key(|found| std::cmp::Reverse(found.major));
        probe(None).into_iter().chain(placed).collect()
    }

    /// A command that runs one of the programs.
    pub(super) fn program(&self, name: &str) -> PathBuf {
        match &self.folder {
            Some(folder) => folder.join(name),
            None => PathBuf::from(name),
        }
    }
}

fn choose(installed: Vec<Binaries>, made_by: Option<u32>) -> Result<Binaries, Vec<Binaries>> {
    match installed.iter().find(|found| made_by.is_none_or(|major| found.major == major)) {
        Some(found) => Ok(found.clone()),
        None => Err(installed),
    }
}

/// `/usr/pgsql-` finds /usr/pgsql-16/bin, and `/usr/lib/postgresql` finds /usr/lib/postgresql/16/bin.
fn versions_under(stem: &str, end: &str) -> Vec<PathBuf> {
    let stem = Path::new(stem);
    let inside = fs::read_dir(stem).into_iter().flatten().flatten().map(|entry| entry.path());
    let name = stem.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let beside = stem
        .parent()
        .and_then(|parent| fs::read_dir(parent).ok())
        .into_iter()
        .flatten()
        .flatten()
        .filter(move |entry| entry.file_name().to_string_lossy().starts_with(&name))
        .map(|entry| entry.path());
    let mut folders: Vec<_> =
        inside.chain(beside).map(|folder| folder.join(end)).filter(|folder| folder.join("initdb").exists()).collect();
    folders.sort();
    folders.dedup();
    folders
}

fn probe(folder: Option<PathBuf>) -> Option<Binaries> {
    let found = Binaries { folder, major: 0 };
    let major = major_version(&version_line(&found.program("postgres"))?)?;
    version_line(&found.program("initdb"))?;
    Some(Binaries { major, ..found })
}

fn version_line(program: &Path) -> Option<String> {
    let output = Command::new(program).arg("--version").stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Reads `postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)`; a beta says `18beta1`.
fn major_version(line: &str) -> Option<u32> {
    let version = line.split_once("(PostgreSQL)")?.1.trim_start();
    let digits = version.find(|c: char| !c.is_ascii_digit()).unwrap_or(version.len());
    version[..digits].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read_from_what_distributions_print() {
        for (line, major) in [
            ("postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)\n", Some(15)),
            ("postgres (PostgreSQL) 18beta1\n", Some(18)),
            ("postgres (PostgreSQL) 17", Some(17)),
            ("sh: not found", None),
        ] {
            assert_eq!(major_version(line), major, "{line}");
        }
    }

    #[test]
    fn data_goes_to_the_version_that_made_it_and_new_data_to_the_preferred_one() {
        let found = |folder: &str, major| Binaries { folder: Some(folder.into()), major };
        let installed = vec![found("/new/bin", 17), found("/old/bin", 15)];
        assert_eq!(choose(installed.clone(), None), Ok(found("/new/bin", 17)));
        assert_eq!(choose(installed.clone(), Some(15)), Ok(found("/old/bin", 15)));
        assert_eq!(choose(installed.clone(), Some(16)), Err(installed));
    }
}
