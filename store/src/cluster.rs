//! A private PostgreSQL from the system's binaries: a data directory, a Unix socket, no TCP port, no password.
//!
//! Each process that uses the cluster holds a shared lock on `users.lock`. The last one to leave stops the server; where it
//! had no chance to (`kill -9`), a keeper does: a small process that waits for the exclusive lock. Whoever starts next
//! adopts a server that is still there and recovers one that was killed. Only the user that the server runs as, and root,
//! can enter the socket's folder, so the server trusts whoever connects.

mod binaries;
mod error;
mod keeper;
mod owner;
mod server;

use std::{
    fs::{self, File},
    os::unix::{ffi::OsStrExt, fs::MetadataExt, fs::OpenOptionsExt},
    path::{Path, PathBuf},
};

use secrecy::SecretString;

use self::{binaries::Binaries, keeper::Keeper, owner::Owner, server::Server};
pub use error::ClusterError;

/// Where the cluster is and how much it cares.
#[derive(Debug, Clone)]
pub struct ClusterOptions {
    /// Its folder, made if it is missing.
    pub dir: PathBuf,
    /// Whether a commit must survive a power failure. Off only for tests.
    pub durable: bool,
}

/// A running private PostgreSQL, for as long as this value lives.
#[derive(Debug)]
pub struct Cluster {
    dir: PathBuf,
    owner: Owner,
    server: Server,
    keeper: Keeper,
    /// Locked in shared mode while we use the server.
    users: File,
}

impl Cluster {
    /// Starts the server of a directory, or adopts it where it runs already. It blocks, for a first start about a second.
    ///
    /// # Errors
    /// [`ClusterError`] says what to do.
    pub fn start(options: &ClusterOptions) -> Result<Cluster, ClusterError> {
        Self::start_lingering(options, 0)
    }

    /// As [`Cluster::start`], but the keeper lets the server live for some seconds after its last user, for the next one.
    pub(crate) fn start_lingering(options: &ClusterOptions, seconds: u32) -> Result<Cluster, ClusterError> {
        let dir = &options.dir;
        fs::create_dir_all(dir).map_err(ClusterError::io(format!("make the data directory {}", dir.display())))?;
        let dir = dir.canonicalize().map_err(ClusterError::io(format!("find {}", dir.display())))?;
        let owner = Owner::of(&dir.join("data"))?;
        owner.check_can_enter(&dir)?;
        let socket = socket_folder(&dir)?;
        owner.private_folder(&socket)?;
        let users = lock_file(&dir.join("users.lock"))?;
        // The keeper runs as that user and opens the file by its name.
        owner.adopt(&dir.join("users.lock"))?;
        let cluster = Cluster {
            server: Server::new(&dir, socket, options.durable),
            keeper: Keeper::new(&dir, seconds),
            dir,
            owner,
            users,
        };
        let setup = cluster.lock_setup()?;
        // A keeper that is stopping the server holds the exclusive lock until that is done.
        cluster.users.lock_shared().map_err(ClusterError::io("wait for users.lock"))?;
        cluster.bring_up()?;
        drop(setup);
        Ok(cluster)
    }

    /// The URL of one of its databases. `Store::connect` makes a database that is missing.
    pub fn url(&self, database: &str) -> SecretString {
        let socket = percent_encoded(self.server.socket().as_os_str().as_bytes());
        format!("postgres://postgres@localhost/{database}?host={socket}").into()
    }

    /// For a supervisor: starts the server again where it was killed, and says whether it had to. It blocks.
    ///
    /// # Errors
    /// As [`Cluster::start`].
    pub fn ensure_running(&self) -> Result<bool, ClusterError> {
        self.server.bound_log()?;
        if self.server.is_ready() && self.keeper.is_alive()? {
            return Ok(false);
        }
        let _setup = self.lock_setup()?;
        self.bring_up()
    }

    /// Makes data, keeper and server as far as they are missing. The caller holds the set-up lock.
    fn bring_up(&self) -> Result<bool, ClusterError> {
        if self.server.is_ready() && self.keeper.is_alive()? {
            return Ok(false);
        }
        let binaries = Binaries::find(self.server.data())?;
        self.server.make_data(&binaries, &self.owner)?;
        // Before the server, or one that is killed with us while it starts would have nobody to stop it.
        self.keeper.ensure(&binaries, &self.owner)?;
        self.server.run(&binaries, &self.owner)
    }

    /// One process at a time makes, starts or recovers.
    fn lock_setup(&self) -> Result<File, ClusterError> {
        let setup = lock_file(&self.dir.join("setup.lock"))?;
        setup.lock().map_err(ClusterError::io("wait for setup.lock"))?;
        Ok(setup)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Another user, or a keeper that was faster: then the server is theirs to stop.
        if self.users.try_lock().is_ok() {
            self.server.stop();
        }
    }
}

fn lock_file(path: &Path) -> Result<File, ClusterError> {
    File::options()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .mode(0o600)
        .open(path)
        .map_err(ClusterError::io(format!("open {}", path.display())))
}

/// The longest folder of a socket: 104 bytes on macOS, with the name `/.s.PGSQL.5432` and a final zero.
const MAX_SOCKET_FOLDER: usize = 104 - 15;

/// The socket's folder is beside the data, unless the path is too long for a socket or has signs that a list of folders
/// would be split at; then it is in /tmp, under a name that every process finds again.
fn socket_folder(dir: &Path) -> Result<PathBuf, ClusterError> {
    let beside = dir.join("socket");
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-".contains(byte);
    let bytes = beside.as_os_str().as_bytes();
    if bytes.len() <= MAX_SOCKET_FOLDER && bytes.iter().all(plain) {
        return Ok(beside);
    }
    let identity = fs::metadata(dir).map_err(ClusterError::io(format!("look at {}", dir.display())))?;
    Ok(PathBuf::from(format!("/tmp/groupchat-{:x}-{:x}", identity.dev(), identity.ino())))
}

fn percent_encoded(bytes: &[u8]) -> String {
    bytes
        .iter()
        .map(|&byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'-' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
