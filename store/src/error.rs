//! What can go wrong with the database, sorted by what a caller does next.

use chat::MemberId;

/// A failure of the database. No variant holds a database URL, since that may carry a password. What is displayed is the
/// whole sentence: there is no source that a chain of errors would repeat.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The server cannot be reached or is starting, or a statement lost a race: try again later.
    #[error("the database is not available: {0}")]
    Unavailable(sqlx::Error),
    /// The URL cannot be read as one of PostgreSQL.
    #[error(
        "the database URL cannot be read: it has the form postgres://USER:PASSWORD@HOST/DATABASE, with special \
         characters of the password written as %XX"
    )]
    BadUrl,
    /// The schema could not be brought up to date.
    #[error("the database cannot be migrated: {reason}")]
    Migration {
        /// What went wrong and what to do about it.
        reason: String,
    },
    /// A row holds something that this program never writes.
    #[error("the database holds {what}, which this version of groupchat cannot read")]
    Corrupt {
        /// What was found.
        what: String,
    },
    /// What was referred to is not there, or belongs to another community.
    #[error("there is no such {what} in this community")]
    Unknown {
        /// What was referred to.
        what: &'static str,
    },
    /// The member took back the consent that the caller still held as proof.
    #[error("member {0} does not agree to be imitated any more")]
    ConsentWithdrawn(MemberId),
    /// Anything else: a mistake in this program, or a server that refuses us.
    #[error("the database refused: {0}")]
    Other(sqlx::Error),
}

/// The result of a query.
pub type Result<T> = std::result::Result<T, StoreError>;

impl StoreError {
    /// Whether the same call may succeed a little later.
    pub fn is_transient(&self) -> bool {
        matches!(self, StoreError::Unavailable(_))
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        if is_transient(&error) { StoreError::Unavailable(error) } else { StoreError::Other(error) }
    }
}

impl From<chat::message::UnknownName> for StoreError {
    fn from(unknown: chat::message::UnknownName) -> Self {
        StoreError::Corrupt { what: unknown.to_string() }
    }
}

impl From<sqlx::migrate::MigrateError> for StoreError {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        use sqlx::migrate::MigrateError;
        match error {
            MigrateError::Execute(cause) if is_transient(&cause) => StoreError::Unavailable(cause),
            MigrateError::VersionMissing(version) => StoreError::Migration {
                reason: format!(
                    "it was last used by a newer groupchat (its migration {version} is unknown here); install that version"
                ),
            },
            other => StoreError::Migration { reason: other.to_string() },
        }
    }
}

fn is_transient(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(refusal) => refusal.code().is_some_and(|code| is_transient_state(&code)),
        _ => false,
    }
}

/// Connection lost (08), too many connections (53300), shutting down or starting (57P0x), lost a race (40).
fn is_transient_state(code: &str) -> bool {
    code.starts_with("08") || code.starts_with("40") || matches!(code, "53300" | "57P01" | "57P02" | "57P03")
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;
    use crate::ClusterError;

    #[test]
    fn what_failed_underneath_is_said_once() {
        let failed = || std::io::Error::other("the disk is full");
        let errors: [Box<dyn Error>; 2] = [
            Box::new(StoreError::from(sqlx::Error::Io(failed()))),
            Box::new(ClusterError::Io { attempt: "make a folder".to_owned(), reason: failed() }),
        ];
        for error in errors {
            assert_eq!(error.to_string().matches("the disk is full").count(), 1, "{error}");
            assert!(error.source().is_none(), "{error}");
        }
    }
}
