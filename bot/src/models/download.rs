//! Brings a file from the hub into the models folder: whole, checked, or not at all.
//!
//! Bytes go into a part that a later pull goes on with. It gets the model's name only when its length and SHA-256 are what
//! the hub promised and it can be read as a model.

use std::{fs, io, path::PathBuf, sync::Arc, time::Duration};

use indicatif::DecimalBytes;
use model_runner::GgufHeader;
use tokio::{task::spawn_blocking, time::sleep};

use super::{
    Held, Hub, HubError, InUse, ModelsFolder, Record, Source,
    hub::{Found, Retry},
    lock::FileLock,
    part::Part,
};
use crate::Clock;

/// How much is gathered before it is written.
const WRITE_AT_ONCE: usize = 1 << 20;
/// How often a pull that waits for another one looks whether that is done.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// How much room is left to the system, in bytes.
const ROOM_TO_SPARE: u64 = 64 << 20;

/// How a pull goes, for whoever watches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Somebody else is fetching the file; that is waited for.
    Waits(String),
    /// Bytes come, after those that are there already.
    Begins {
        /// How many are there already.
        from: u64,
        /// How many there will be.
        size: u64,
    },
    /// So many bytes are there.
    At(u64),
    /// Something went wrong and is tried again.
    Again {
        /// What.
        why: String,
        /// When.
        after: Duration,
    },
}

/// How a pull ended well.
#[derive(Debug, Clone)]
pub enum Pulled {
    /// The model came.
    Fetched(Held),
    /// It was here already.
    WasHere(Held),
}

/// Why a model did not come, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// The hub did not give it.
    #[error(transparent)]
    Hub(#[from] HubError),
    /// It would not fit.
    #[error("{folder} has room for {free}, and {name} needs {needed} more; make room, or set database.data to another disk",
        folder = .folder.display(), free = DecimalBytes(*.free), needed = DecimalBytes(*.needed))]
    NoRoom {
        /// The models folder.
        folder: PathBuf,
        /// What was to come.
        name: String,
        /// How many bytes are free.
        free: u64,
        /// How many are missing of the file.
        needed: u64,
    },
    /// The bytes are others than those that the hub promised.
    #[error(
        "what came of {name} is not what the hub promised ({what}); it was thrown away. Pull it again; if it stays so, the \
        mirror or something on the way changes it"
    )]
    Wrong {
        /// What came.
        name: String,
        /// What is wrong with it.
        what: String,
    },
    /// It is what the hub has, but no model.
    #[error("{name} came as the hub has it, but {why}; it was thrown away: pull another file")]
    NoModel {
        /// What came.
        name: String,
        /// Why it is none.
        why: String,
    },
    /// The system refuses.
    #[error("cannot write into {}; see that this user may, or name another folder with --data", .0.display())]
    Disk(PathBuf, #[source] io::Error),
    /// The lock cannot be taken.
    #[error(transparent)]
    InUse(#[from] InUse),
}

/// Brings a file from the hub into the folder, unless it is there. Goes on with what an earlier pull left, tries again
/// where that makes sense, and may be dropped at any time.
///
/// # Errors
/// [`PullError`] is a sentence.
pub async fn pull(
    hub: &Hub,
    folder: &ModelsFolder,
    source: &Source,
    clock: &Clock,
    mut report: impl FnMut(Event) + Send,
) -> Result<Pulled, PullError> {
    let disk = |error| PullError::Disk(folder.path().to_owned(), error);
    fs::create_dir_all(folder.path()).map_err(disk)?;
    let lock = Arc::new(lock(folder, source, &mut report).await?);
    if let Some(held) = folder.held(&source.label).map_err(disk)?.filter(Held::is_whole) {
        return Ok(Pulled::WasHere(held));
    }
    let mut pull = Pull { hub, folder, source, lock, part: None, report: &mut report };
    let part = pull.bytes().await?;
    place(folder, source, part, clock).await.map(Pulled::Fetched)
}

async fn lock(
    folder: &ModelsFolder,
    source: &Source,
    report: &mut (impl FnMut(Event) + Send),
) -> Result<FileLock, InUse> {
    let mut told = false;
    loop {
        match folder.lock(&source.label) {
            Err(error @ InUse::By(_)) if !told => report(Event::Waits(error.to_string())),
            Err(InUse::By(_)) => {}
            other => return other,
        }
        told = true;
        sleep(LOOK_AGAIN).await;
    }
}

/// A pull that has the lock.
struct Pull<'a, R> {
    hub: &'a Hub,
    folder: &'a ModelsFolder,
    source: &'a Source,
    lock: Arc<FileLock>,
    /// What there is; none until the hub said what the file is, and while it is written.
    part: Option<Part>,
    report: &'a mut R,
}

impl<R: FnMut(Event) + Send> Pull<'_, R> {
    /// Gets all bytes, in as many tries as it takes while each brings some.
    async fn bytes(&mut self) -> Result<Part, PullError> {
        let patience = self.hub.patience;
        let (mut tries, mut reached) = (0, 0);
        loop {
            let error = match self.attempt().await {
                Ok(part) => return Ok(part),
                Err(PullError::Hub(error)) => error,
                Err(error) => return Err(error),
            };
            let now = self.part.as_ref().map_or(0, Part::length);
            // Counted from the furthest point, so that a file that always starts over comes to an end too.
            if now > reached {
                (tries, reached) = (0, now);
            }
            tries += 1;
            let usual = patience.pause * 2_u32.saturating_pow(tries - 1);
            let after = match error.retry() {
                Retry::Soon => usual,
                Retry::After(wait) => wait.max(usual),
                Retry::Never => return Err(error.into()),
            };
            if tries >= patience.tries || after > patience.longest {
                return Err(error.into());
            }
            (self.report)(Event::Again { why: with_cause(&error), after });
            sleep(after).await;
        }
    }

    /// One try: asks what the file is now, and for what is missing of it.
    async fn attempt(&mut self) -> Result<Part, PullError> {
        let found = self.hub.look(self.source).await?;
        let mut part = match self.part.take() {
            Some(part) if part.found == found => part,
            _ => self.open(&found).await?,
        };
        self.check_room(&found, part.length())?;
        (self.report)(Event::Begins { from: part.length(), size: found.size });
        if part.length() == found.size {
            return Ok(part);
        }
        let body = match self.hub.open(self.source, &found, part.length()).await {
            Ok(body) => body,
            Err(error) => {
                if matches!(error, HubError::NoRest(_)) {
                    part = self.on_disk(move || part.begin_again()).await?;
                }
                self.part = Some(part);
                return Err(error.into());
            }
        };
        if body.starts_at != part.length() {
            part = self.on_disk(move || part.begin_again()).await?;
            (self.report)(Event::Begins { from: 0, size: found.size });
        }
        self.stream(body, part).await
    }

    async fn open(&self, found: &Found) -> Result<Part, PullError> {
        let (folder, source, lock) = (self.folder.clone(), self.source.clone(), self.lock.clone());
        let found = found.clone();
        self.on_disk(move || Part::open(&folder, &source, &found, lock)).await
    }

    fn check_room(&self, found: &Found, there: u64) -> Result<(), PullError> {
        let folder = self.folder.path();
        let room = rustix::fs::statvfs(folder).map_err(|error| PullError::Disk(folder.to_owned(), error.into()))?;
        let (free, needed) = (room.f_bavail.saturating_mul(room.f_frsize), found.size.saturating_sub(there));
        if free >= needed.saturating_add(ROOM_TO_SPARE) || needed == 0 {
            return Ok(());
        }
        Err(PullError::NoRoom { folder: folder.to_owned(), name: self.source.name.clone(), free, needed })
    }

    /// Writes what comes. What has come stays, whatever happens.
    async fn stream(&mut self, mut body: super::hub::Body, mut part: Part) -> Result<Part, PullError> {
        let size = part.found.size;
        let mut buffer = Vec::with_capacity(2 * WRITE_AT_ONCE);
        loop {
            let more = body.read(&mut buffer).await;
            let there = part.length() + buffer.len() as u64;
            if there > size {
                let name = self.source.name.clone();
                self.throw_away()?;
                return Err(PullError::Wrong { name, what: format!("it is longer than {size} bytes") });
            }
            (self.report)(Event::At(there));
            let is_last = !matches!(more, Ok(true)) || there == size;
            if buffer.len() >= WRITE_AT_ONCE || is_last {
                let full = std::mem::replace(&mut buffer, Vec::with_capacity(2 * WRITE_AT_ONCE));
                part = self.on_disk(move || part.write(&full)).await?;
            }
            if part.length() == size {
                return Ok(part);
            }
            if is_last {
                self.part = Some(part);
                return Err(more.err().unwrap_or_else(|| body.ended_early()).into());
            }
        }
    }

    fn throw_away(&self) -> Result<(), PullError> {
        throw_away(self.folder, self.source)
    }

    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> Result<T, PullError> {
        on_disk(work).await.map_err(|error| PullError::Disk(self.folder.path().to_owned(), error))
    }
}

async fn on_disk<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

fn throw_away(folder: &ModelsFolder, source: &Source) -> Result<(), PullError> {
    match fs::remove_file(folder.part(&source.label)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(PullError::Disk(folder.path().to_owned(), error)),
        _ => Ok(()),
    }
}

/// Checks a part of full length and gives it the model's name.
async fn place(folder: &ModelsFolder, source: &Source, part: Part, clock: &Clock) -> Result<Held, PullError> {
    let disk = |error| PullError::Disk(folder.path().to_owned(), error);
    let found = part.found.clone();
    let (_sealed, sha256) = on_disk(move || part.seal()).await.map_err(disk)?;
    let name = || source.name.clone();
    if let Some(promised) = found.sha256().filter(|promised| !promised.eq_ignore_ascii_case(&sha256)) {
        throw_away(folder, source)?;
        return Err(PullError::Wrong { name: name(), what: format!("its SHA-256 is {sha256}, not {promised}") });
    }
    let path = folder.part(&source.label);
    let header = on_disk(move || Ok(GgufHeader::read(&path))).await.map_err(disk)?;
    if let Err(error) = header {
        throw_away(folder, source)?;
        return Err(PullError::NoModel { name: name(), why: error.to_string() });
    }
    let record = Record {
        repository: source.repository.clone(),
        file: source.file.clone(),
        commit: found.commit,
        sha256,
        size: found.size,
        fetched_at: clock.now(),
    };
    folder.place(source, &record).map_err(disk)?;
    let held = folder.held(&source.label).map_err(disk)?;
    held.ok_or_else(|| disk(io::Error::from(io::ErrorKind::NotFound)))
}

/// An error and what it goes back to, in one line; what lies between are the layers of a library.
fn with_cause(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.last().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}
