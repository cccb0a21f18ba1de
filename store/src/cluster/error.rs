//! Why the private PostgreSQL cannot run, in sentences that name the remedy.

use std::{io, path::PathBuf};

/// Why the private PostgreSQL cannot run.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// No server is installed.
    #[error(
        "no PostgreSQL server was found: install one (`apt-get install postgresql`, `dnf install postgresql-server`, \
         `pacman -S postgresql` or `brew install postgresql`), or give the URL of a running one as database.url"
    )]
    NotInstalled,
    /// Another major version made the data.
    #[error(
        "the data in {dir} was made by PostgreSQL {made_by}, but installed is {installed}: install PostgreSQL {made_by} \
         beside it (on Debian and Ubuntu `apt-get install postgresql-{made_by}`), or move the data away with \
         `pg_dumpall` of that version, or start with a new data directory",
        dir = dir.display()
    )]
    OtherVersion {
        /// The data directory.
        dir: PathBuf,
        /// The major version that made it.
        made_by: u32,
        /// The major versions at hand.
        installed: String,
    },
    /// A folder on the way to the data is closed to the user that the server runs as.
    #[error(
        "PostgreSQL does not run as root, and the user {user} that it runs as instead cannot enter {folder}: choose a data \
         directory elsewhere (for instance under /var/lib), or open that folder with `chmod o+x {folder}`",
        folder = folder.display()
    )]
    ClosedFolder {
        /// The folder.
        folder: PathBuf,
        /// The user that the server would run as.
        user: String,
    },
    /// We are root and there is nobody else to run the server as.
    #[error(
        "PostgreSQL does not run as root, and there is no user `postgres` or `nobody` to run it as: start groupchat as \
         another user"
    )]
    NobodyToRunAs,
    /// A folder of ours belongs to somebody else.
    #[error(
        "{folder} belongs to another user (uid {owner}): run groupchat as that user, or choose another data directory",
        folder = folder.display()
    )]
    ForeignFolder {
        /// The folder.
        folder: PathBuf,
        /// Whose it is.
        owner: u32,
    },
    /// The data directory could not be made.
    #[error("PostgreSQL could not make its data directory: {reason}")]
    Initdb {
        /// What `initdb` said.
        reason: String,
    },
    /// The server ended while it was starting.
    #[error("PostgreSQL does not start: {reason} (more in {log})", log = log.display())]
    Start {
        /// What it said last.
        reason: String,
        /// Its log.
        log: PathBuf,
    },
    /// The server takes longer than anybody would wait for.
    #[error("PostgreSQL is not ready after {seconds} seconds (see {log})", log = log.display())]
    NotReady {
        /// How long we waited.
        seconds: u64,
        /// Its log.
        log: PathBuf,
    },
    /// A file or a program could not be used.
    #[error("cannot {attempt}: {reason}")]
    Io {
        /// What was tried.
        attempt: String,
        /// Why it failed.
        reason: io::Error,
    },
}

impl ClusterError {
    /// For `map_err`, naming what was tried.
    pub(super) fn io(attempt: impl Into<String>) -> impl FnOnce(io::Error) -> ClusterError {
        let attempt = attempt.into();
        move |reason| ClusterError::Io { attempt, reason }
    }
}
