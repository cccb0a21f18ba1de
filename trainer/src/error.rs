//! What can go wrong, in words for the person who trains.

use std::{io, path::PathBuf};

/// Why something could not be done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read or written.
    #[error("cannot {attempt} {}: {error}", path.display())]
    File {
        /// What was tried, as `read`.
        attempt: &'static str,
        /// With which file.
        path: PathBuf,
        /// What came of it.
        error: io::Error,
    },
    /// The disk is full.
    #[error("the disk is full: cannot write {}; what was written before is whole, so make room and start again", path.display())]
    DiskFull {
        /// What was being written.
        path: PathBuf,
    },
    /// The base cannot be trained on.
    #[error("{} is no base to train on: {reason}", path.display())]
    Base {
        /// Its file.
        path: PathBuf,
        /// Why not, and what would be.
        reason: String,
    },
    /// A file is not what it should be.
    #[error("{}: {reason}", path.display())]
    Content {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Something that was asked for contradicts itself or the machine.
    #[error("{0}")]
    Request(String),
    /// The loss is no number any more.
    #[error(
        "the loss became {loss} in step {step}; the last checkpoint is whole. Start again with a lower --learning-rate \
         (now {learning_rate:e})"
    )]
    NotFinite {
        /// In which step.
        step: u64,
        /// What it became.
        loss: f64,
        /// With which learning rate.
        learning_rate: f64,
    },
    /// The device failed, mostly for want of memory.
    #[error("the device failed: {0}. With fewer --batch-tokens it needs less memory")]
    Device(#[from] candle_core::Error),
    /// It was told to stop.
    #[error("stopped; the same command goes on from the last checkpoint")]
    Stopped,
}

/// What comes of something that can go wrong.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error of the file system.
    pub(crate) fn file(attempt: &'static str, path: impl Into<PathBuf>, error: io::Error) -> Self {
        let path = path.into();
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull { path },
            _ => Self::File { attempt, path, error },
        }
    }
}
