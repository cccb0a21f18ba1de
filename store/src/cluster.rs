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
        let _setup = self.lock_setup()?;
        self.server.bound_log()?;
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

#[cfg(test)]
mod tests {
    use std::{fs::Permissions, os::unix::fs::PermissionsExt, time::Duration};

    use secrecy::ExposeSecret;
    use sqlx::{Connection, Executor, PgConnection};
    use tempfile::TempDir;

    use super::*;
    use crate::{
        Store,
        scene::{community, member},
    };

    /// A folder that the server's user can enter even where root runs the tests.
    fn folder() -> TempDir {
        tempfile::Builder::new().permissions(Permissions::from_mode(0o755)).tempdir().unwrap()
    }

    fn options(dir: &Path) -> ClusterOptions {
        ClusterOptions { dir: dir.to_owned(), durable: false }
    }

    async fn session(cluster: &Cluster) -> PgConnection {
        PgConnection::connect(cluster.url("postgres").expose_secret()).await.unwrap()
    }

    /// Returns when the server of this session is told to stop, or dies.
    async fn wait_for_end(mut session: PgConnection) {
        session.execute("select pg_sleep(60)").await.unwrap_err();
    }

    async fn wait_for_stop(dir: &Path, session: PgConnection) {
        wait_for_end(session).await;
        // Who stops the server holds this until that is done.
        lock_file(&dir.join("users.lock")).unwrap().lock().unwrap();
    }

    /// Leaves, and returns when the server has stopped, whether it was our doing or the keeper's.
    async fn leave(cluster: Cluster) {
        let (dir, session) = (cluster.dir.clone(), session(&cluster).await);
        drop(cluster);
        wait_for_stop(&dir, session).await;
        assert!(!dir.join("data/postmaster.pid").exists());
    }

    async fn connect(cluster: &Cluster) -> Store {
        Store::connect(&cluster.url("groupchat"), Duration::from_secs(30)).await.unwrap()
    }

    #[tokio::test]
    async fn a_second_user_adopts_the_server_and_the_last_one_stops_it() {
        let folder = folder();
        fs::create_dir(folder.path().join("data.new")).unwrap();
        fs::write(folder.path().join("data.new/half-made"), "").unwrap();
        let first = Cluster::start(&options(folder.path())).unwrap();
        let pid = first.server.pid();
        let second = Cluster::start(&options(folder.path())).unwrap();
        assert_eq!(second.server.pid(), pid);
        drop(first);
        assert!(second.server.is_ready());
        assert!(!second.ensure_running().unwrap());
        leave(second).await;
    }

    #[tokio::test]
    async fn a_killed_server_comes_back_with_its_data() {
        let folder = folder();
        let cluster = Cluster::start(&options(folder.path())).unwrap();
        let store = connect(&cluster).await;
        let friends = community(&store, "friends").await;
        member(&store, &friends, "ada").await;

        let session = session(&cluster).await;
        rustix::process::kill_process(cluster.server.pid().unwrap(), rustix::process::Signal::KILL).unwrap();
        wait_for_end(session).await;
        assert!(cluster.ensure_running().unwrap());
        assert!(!cluster.ensure_running().unwrap());

        // The pool finds out by itself that its connections are dead.
        let members = store.members(friends.id).await.unwrap();
        assert_eq!(members.len(), 1);
    }

    #[tokio::test]
    async fn a_pid_file_that_names_another_process_of_today_does_not_mislead() {
        let folder = folder();
        let cluster = Cluster::start(&options(folder.path())).unwrap();
        leave(cluster).await;
        // Our own process is alive and is no server.
        let stale = format!("{}\n{}\n0\n5432\n\n\n0 0\nready\n", std::process::id(), folder.path().display());
        fs::write(folder.path().join("data/postmaster.pid"), stale).unwrap();
        assert!(Cluster::start(&options(folder.path())).unwrap().server.is_ready());
    }

    #[tokio::test]
    async fn the_keeper_stops_the_server_of_users_who_were_killed_however_long_the_path() {
        let folder = folder();
        let dir = folder.path().join("a, b".repeat(40));
        let cluster = Cluster::start(&options(&dir)).unwrap();
        assert!(cluster.server.socket().starts_with("/tmp"), "{:?}", cluster.server.socket());
        assert_eq!(fs::metadata(cluster.server.socket()).unwrap().mode() & 0o777, 0o700);
        let session = session(&cluster).await;
        // What the kernel does when a process is killed.
        cluster.users.unlock().unwrap();
        wait_for_stop(&dir, session).await;
        fs::remove_dir(cluster.server.socket()).unwrap();
    }

    #[tokio::test]
    async fn the_keeper_stops_a_server_that_had_just_been_started_when_its_users_were_killed() {
        let folder = folder();
        let cluster = Cluster::start(&options(folder.path())).unwrap();
        cluster.server.stop();
        // As of a server that has not yet written its pid file.
        let young = cluster.server.lock(&cluster.owner).unwrap();
        cluster.users.unlock().unwrap();
        let users = lock_file(&folder.path().join("users.lock")).unwrap();
        until("the keeper takes over", || users.try_lock_shared().map(|()| users.unlock().unwrap()).is_err()).await;
        let binaries = Binaries::find(cluster.server.data()).unwrap();
        // It may be stopped before it is ready, which is an error to whoever waits for it.
        cluster.server.run(&binaries, &cluster.owner).ok();
        drop(young);
        until("the keeper ends", || !cluster.keeper.is_alive().unwrap()).await;
        assert_eq!(cluster.server.pid(), None);
    }

    async fn until(what: &str, mut look: impl FnMut() -> bool) {
        let mut glances = tokio::time::interval(Duration::from_millis(5));
        let seen = async {
            while !look() {
                glances.tick().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), seen).await.unwrap_or_else(|_| panic!("{what}: not in time"));
    }

    #[test]
    fn a_folder_closed_to_the_servers_user_is_named() {
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: only root runs the server as somebody else");
            return;
        }
        let closed = tempfile::Builder::new().permissions(Permissions::from_mode(0o700)).tempdir().unwrap();
        let error = Cluster::start(&options(&closed.path().join("inside"))).unwrap_err();
        let ClusterError::ClosedFolder { folder, .. } = &error else { panic!("{error}") };
        assert_eq!(folder, &closed.path().canonicalize().unwrap());
        assert!(error.to_string().contains("choose a data directory elsewhere"), "{error}");
    }

    #[test]
    fn data_of_a_version_that_is_not_installed_is_left_alone() {
        let folder = folder();
        fs::create_dir(folder.path().join("data")).unwrap();
        fs::write(folder.path().join("data/PG_VERSION"), "9\n").unwrap();
        let error = Cluster::start(&options(folder.path())).unwrap_err().to_string();
        assert!(error.contains("was made by PostgreSQL 9, but installed is"), "{error}");
    }

    #[test]
    fn a_folder_of_somebody_else_is_not_used_for_the_socket() {
        let folder = folder();
        let elsewhere = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), folder.path().join("socket")).unwrap();
        let error = Cluster::start(&options(folder.path())).unwrap_err();
        assert!(matches!(error, ClusterError::ForeignFolder { .. }), "{error}");
    }

    #[test]
    fn signs_of_a_path_that_mean_something_in_a_url_are_encoded() {
        assert_eq!(percent_encoded("/a b/ä".as_bytes()), "%2Fa%20b%2F%C3%A4");
    }
}
