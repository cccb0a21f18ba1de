//! One PostgreSQL server: making its data, starting it, telling whether it runs, stopping it.

use std::{
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    os::unix::{fs::OpenOptionsExt, net::UnixStream, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command},
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal};

use super::{binaries::Binaries, error::ClusterError, lock_file, owner::Owner};

const POLL: Duration = Duration::from_millis(20);
/// Recovery after a crash replays at most a gigabyte of log, which a slow disk does in about a minute.
const START_TIMEOUT: Duration = Duration::from_secs(180);
/// Backends whose postmaster was killed leave within milliseconds, unless they are writing.
const ORPHAN_TIMEOUT: Duration = Duration::from_secs(15);
const STOP_TIMEOUT: Duration = Duration::from_secs(30);
const MAX_LOG_BYTES: u64 = 4 << 20;

/// For a small machine that the model needs more than the database does. A message's text must not reach the log, so
/// neither statements nor details of errors do.
const SETTINGS: [&str; 17] = [
    "listen_addresses=",
    "unix_socket_permissions=0700",
    "max_connections=100",
    "shared_buffers=64MB",
    "max_wal_size=1GB",
    "min_wal_size=80MB",
    "wal_level=minimal",
    "max_wal_senders=0",
    "checkpoint_timeout=15min",
    "jit=off",
    "timezone=UTC",
    "lc_messages=C",
    "logging_collector=off",
    "log_checkpoints=off",
    "log_min_error_statement=panic",
    "log_error_verbosity=terse",
    "cluster_name=groupchat",
];
/// For tests, many of which run at once. A commit still survives the death of the server, though not of the machine.
const NOT_DURABLE: [&str; 3] = ["fsync=off", "full_page_writes=off", "max_connections=300"];

/// The server of a cluster, running or not.
#[derive(Debug)]
pub(super) struct Server {
    data: PathBuf,
    socket: PathBuf,
    log: PathBuf,
    lock: PathBuf,
    durable: bool,
}

/// What `postmaster.pid` says, as far as it is true.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Down,
    /// Starting, recovering or stopping.
    Busy,
    Ready,
}

impl Server {
    pub(super) fn new(dir: &Path, socket: PathBuf, durable: bool) -> Server {
        Server { data: dir.join("data"), socket, log: dir.join("server.log"), lock: dir.join("server.lock"), durable }
    }

    pub(super) fn data(&self) -> &Path {
        &self.data
    }

    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }

    #[cfg(test)]
    pub(super) fn pid(&self) -> Option<Pid> {
        self.pid_file().map(|(pid, _)| pid)
    }

    pub(super) fn is_ready(&self) -> bool {
        self.state() == State::Ready
    }

    /// Makes the data directory where it is missing: elsewhere first, so that a half-made one is never taken for whole.
    pub(super) fn make_data(&self, binaries: &Binaries, owner: &Owner) -> Result<(), ClusterError> {
        if self.data.join("PG_VERSION").exists() {
            return Ok(());
        }
        let unfinished = self.data.with_extension("new");
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished)
                .map_err(ClusterError::io(format!("remove the unfinished {}", unfinished.display())))?;
        }
        owner.private_folder(&unfinished)?;
        self.initdb(binaries, owner, &unfinished)?;
        fs::rename(&unfinished, &self.data)
            .map_err(ClusterError::io(format!("move the new data to {}", self.data.display())))?;
        let parent = self.data.parent().expect("the data is in the cluster's folder");
        File::open(parent)
            .and_then(|folder| folder.sync_all())
            .map_err(ClusterError::io(format!("write {} to disk", parent.display())))
    }

    fn initdb(&self, binaries: &Binaries, owner: &Owner, target: &Path) -> Result<(), ClusterError> {
        let mut initdb = owner.command(&binaries.program("initdb"), target);
        initdb.arg("-D").arg(target).args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C"]);
        if !self.durable {
            initdb.arg("--no-sync");
        }
        let output = initdb.output().map_err(ClusterError::io("run `initdb`"))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        Err(ClusterError::Initdb { reason: complaint(&said) })
    }

    /// Starts the server unless it runs, and waits until it is ready. True if it was started.
    pub(super) fn run(&self, binaries: &Binaries, owner: &Owner) -> Result<bool, ClusterError> {
        for _ in attempts(START_TIMEOUT) {
            match self.state() {
                State::Ready => return Ok(false),
                State::Busy => {}
                State::Down => return self.launch(binaries, owner).map(|()| true),
            }
        }
        Err(self.not_ready())
    }

    fn launch(&self, binaries: &Binaries, owner: &Owner) -> Result<(), ClusterError> {
        self.bound_log()?;
        let mut complaint = String::new();
        for _ in attempts(ORPHAN_TIMEOUT) {
            self.remove_misleading_pid_file()?;
            match self.launch_once(binaries, owner)? {
                Ok(()) => return Ok(()),
                Err(said) if said.contains("is still in use") || said.contains("lock file") => complaint = said,
                Err(said) => return Err(ClusterError::Start { reason: said, log: self.log.clone() }),
            }
        }
        Err(ClusterError::Start { reason: complaint, log: self.log.clone() })
    }

    /// The inner error is what a server said that ended at once.
    fn launch_once(&self, binaries: &Binaries, owner: &Owner) -> Result<Result<(), String>, ClusterError> {
        let log = self.open_log()?;
        let before = log.metadata().map_err(ClusterError::io("look at the server's log"))?.len();
        let mut child = self
            .command(binaries, owner, log)?
            .spawn()
            .map_err(ClusterError::io(format!("run {}", binaries.program("postgres").display())))?;
        for _ in attempts(START_TIMEOUT) {
            let ended = child.try_wait().map_err(ClusterError::io("wait for PostgreSQL"))?;
            if ended.is_some() {
                return Ok(Err(complaint(&self.log_since(before)?)));
            }
            if self.is_ready() {
                reap(child);
                return Ok(Ok(()));
            }
        }
        reap(child);
        Err(self.not_ready())
    }

    fn command(&self, binaries: &Binaries, owner: &Owner, log: File) -> Result<Command, ClusterError> {
        let second = log.try_clone().map_err(ClusterError::io("open the server's log"))?;
        let mut command = owner.command(&binaries.program("postgres"), &self.data);
        command.arg("-D").arg(&self.data).stdin(self.lock(owner)?).stdout(log).stderr(second);
        let socket = format!("unix_socket_directories={}", self.socket.display());
        let settings = SETTINGS.iter().chain(if self.durable { &[][..] } else { &NOT_DURABLE[..] });
        for setting in settings.copied().chain([socket.as_str()]) {
            command.args(["-c", setting]);
        }
        // Ctrl-C in the terminal is for us; the server is told when nobody uses it any more.
        command.process_group(0);
        Ok(command)
    }

    /// What a server holds from its first moment to its last, for the keeper to see: handed on as standard input, the lock
    /// is the server's. It is shared, since the last processes of one that was killed may still hold it.
    pub(super) fn lock(&self, owner: &Owner) -> Result<File, ClusterError> {
        let lock = lock_file(&self.lock)?;
        // The keeper runs as that user and opens the file by its name.
        owner.adopt(&self.lock)?;
        lock.lock_shared().map_err(ClusterError::io(format!("lock {}", self.lock.display())))?;
        Ok(lock)
    }

    /// Asks the server to stop, without waiting for its clients, and waits until it has.
    pub(super) fn stop(&self) {
        let Some((pid, _)) = self.pid_file() else { return };
        if self.state() == State::Down || rustix::process::kill_process(pid, Signal::INT).is_err() {
            return;
        }
        for _ in attempts(STOP_TIMEOUT) {
            if self.state() == State::Down {
                return;
            }
        }
        tracing::warn!(data = %self.data.display(), "the private PostgreSQL is still stopping");
    }

    fn state(&self) -> State {
        let Some((pid, ready)) = self.pid_file() else { return State::Down };
        // The socket answers even where the process cannot be seen, as from another container.
        let answers = UnixStream::connect(self.socket.join(".s.PGSQL.5432")).is_ok();
        match (answers, ready) {
            (true, true) => State::Ready,
            (true, false) => State::Busy,
            (false, _) if self.is_ours(pid) => State::Busy,
            (false, _) => State::Down,
        }
    }

    /// The postmaster's process id, and whether it says that it is ready.
    fn pid_file(&self) -> Option<(Pid, bool)> {
        let text = fs::read_to_string(self.data.join("postmaster.pid")).ok()?;
        let mut lines = text.lines();
        let pid = Pid::from_raw(lines.next()?.trim().parse().ok()?)?;
        Some((pid, lines.nth(6).is_some_and(|status| status.trim() == "ready")))
    }

    /// Whether a process is a postmaster of this data, and not another one that got its number after a reboot.
    fn is_ours(&self, pid: Pid) -> bool {
        let number = pid.as_raw_nonzero();
        if Path::new("/proc/self/cwd").exists() {
            return fs::read_link(format!("/proc/{number}/cwd")).is_ok_and(|folder| folder == self.data);
        }
        Command::new("ps")
            .args(["-o", "command=", "-p", &number.to_string()])
            .output()
            .is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains(&*self.data.to_string_lossy()))
    }

    /// PostgreSQL itself sees through a stale pid file, except where the number is now some other process of its user.
    fn remove_misleading_pid_file(&self) -> Result<(), ClusterError> {
        let Some((pid, _)) = self.pid_file() else { return Ok(()) };
        if rustix::process::test_kill_process(pid).is_err() || self.is_ours(pid) {
            return Ok(());
        }
        let path = self.data.join("postmaster.pid");
        fs::remove_file(&path).map_err(ClusterError::io(format!("remove the stale {}", path.display())))
    }

    fn not_ready(&self) -> ClusterError {
        ClusterError::NotReady { seconds: START_TIMEOUT.as_secs(), log: self.log.clone() }
    }

    fn open_log(&self) -> Result<File, ClusterError> {
        File::options()
            .create(true)
            .append(true)
            .read(true)
            .mode(0o600)
            .open(&self.log)
            .map_err(ClusterError::io(format!("open {}", self.log.display())))
    }

    fn log_since(&self, start: u64) -> Result<String, ClusterError> {
        let mut said = Vec::new();
        let mut log = self.open_log()?;
        log.seek(SeekFrom::Start(start))
            .and_then(|_| log.read_to_end(&mut said))
            .map_err(ClusterError::io(format!("read {}", self.log.display())))?;
        Ok(String::from_utf8_lossy(&said).into_owned())
    }

    /// Moves a log that has grown too long aside, over the one before. The server appends, so it may go on writing.
    pub(super) fn bound_log(&self) -> Result<(), ClusterError> {
        let log = self.open_log()?;
        let attempt = || ClusterError::io(format!("shorten {}", self.log.display()));
        if log.metadata().map_err(attempt())?.len() > MAX_LOG_BYTES {
            fs::copy(&self.log, self.log.with_extension("log.old")).map_err(attempt())?;
            log.set_len(0).map_err(attempt())?;
        }
        Ok(())
    }
}

/// The steps of a wait that polls, with a pause before each but the first.
#[expect(
    clippy::disallowed_methods,
    reason = "starting a server blocks, as its documentation says, and sends no event"
)]
fn attempts(timeout: Duration) -> impl Iterator<Item = u128> {
    (0..timeout.as_millis() / POLL.as_millis()).inspect(|&step| {
        if step > 0 {
            thread::sleep(POLL);
        }
    })
}

/// A killed postmaster that stays a zombie would keep its successor from starting.
fn reap(mut child: Child) {
    thread::spawn(move || child.wait());
}

/// The line that says why, of all that a program says before it gives up.
fn complaint(said: &str) -> String {
    let reason = |line: &&str| ["FATAL:", "PANIC:", "error:"].iter().any(|mark| line.contains(mark));
    let line = said.lines().find(reason).or_else(|| said.lines().rev().find(|line| !line.trim().is_empty()));
    line.unwrap_or("it ended without a word").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_that_says_why_is_found() {
        let said =
            "LOG: starting\nFATAL:  could not create shared memory segment\nLOG:  database system is shut down\n";
        assert_eq!(complaint(said), "FATAL:  could not create shared memory segment");
        assert_eq!(complaint("initdb: error: no space left on device\n"), "initdb: error: no space left on device");
        assert_eq!(complaint("something odd\n\n"), "something odd");
        assert_eq!(complaint(""), "it ended without a word");
    }

    #[test]
    fn a_long_log_is_moved_aside() {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::new(folder.path(), folder.path().to_owned(), false);
        fs::write(&server.log, vec![b'x'; MAX_LOG_BYTES as usize + 1]).unwrap();
        server.bound_log().unwrap();
        assert_eq!(fs::metadata(&server.log).unwrap().len(), 0);
        assert!(fs::metadata(folder.path().join("server.log.old")).unwrap().len() > MAX_LOG_BYTES);
    }
}
