//! A folder that a program under test lives in, with all its processes.

use std::{
    ffi::OsStr,
    fs::{self, File, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Stdio,
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use secrecy::SecretString;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::{interval, sleep, timeout},
};

/// More than anything here takes, on a busy machine too.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// How often a condition is looked at for which there is no event.
const GLANCE: Duration = Duration::from_millis(10);
/// How many of the last lines of the log are shown when a test fails.
const LAST_LINES: usize = 80;

/// Waits until `look` finds something.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let mut glances = interval(GLANCE);
    let found = timeout(PATIENCE, async {
        loop {
            glances.tick().await;
            if let Some(found) = look().await {
                return found;
            }
        }
    });
    found.await.unwrap_or_else(|_| panic!("{what}: not within {PATIENCE:?}"))
}

/// A temporary folder that the user whom root starts Postgres as can enter.
pub struct Home {
    folder: TempDir,
}

impl Home {
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().permissions(Permissions::from_mode(0o755)).tempdir().unwrap();
        Self { folder }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file into the folder.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }

    pub fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    /// The private Postgres, as its own processes reach it.
    pub fn database(&self) -> SecretString {
        let socket = self.data().join("postgres/socket");
        format!("postgres://postgres@localhost/groupchat?host={}", socket.display().to_string().replace('/', "%2F"))
            .into()
    }

    /// The program with these arguments, which writes its log into the folder.
    pub fn program<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let log = File::options().create(true).append(true).open(self.log()).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_groupchat"));
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).kill_on_drop(true);
        // The runner's threads share the processors with everything else here: they wait without spinning.
        command.env("OMP_WAIT_POLICY", "passive");
        command
    }

    fn log(&self) -> PathBuf {
        self.path().join("program.log")
    }

    /// All that the program has logged, over all its lives.
    pub fn logged(&self) -> String {
        fs::read_to_string(self.log()).unwrap_or_default()
    }

    /// The server of the private Postgres, if it runs.
    pub fn postmaster(&self) -> Option<Pid> {
        let file = fs::read_to_string(self.data().join("postgres/data/postmaster.pid")).ok()?;
        let pid = Pid::from_raw(file.lines().next()?.parse().ok()?)?;
        test_kill_process(pid).is_ok().then_some(pid)
    }

    /// The bot's child that serves the model, if it runs.
    pub fn runner(&self) -> Option<Pid> {
        let serves = |process: &Process| process.arguments.get(1).is_some_and(|argument| argument == "model-runner");
        self.processes().into_iter().find(serves).map(|process| process.pid)
    }

    /// The processes that were started with something of this folder, or that are in it.
    pub fn processes(&self) -> Vec<Process> {
        let entries = fs::read_dir("/proc").unwrap();
        let all = entries.filter_map(|entry| Process::read(&entry.unwrap().path()));
        all.filter(|process| process.concerns(self.path())).collect()
    }

    /// Returns when no process of this folder is left.
    pub async fn is_left_alone(&self) {
        eventually(&format!("the processes of {} end", self.path().display()), async || {
            self.processes().is_empty().then_some(())
        })
        .await;
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if thread::panicking() {
            let log = self.logged();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!(
                "the last that the program logged:\n{}",
                lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
            );
        }
    }
}

/// A process as /proc shows it.
#[derive(Debug)]
pub struct Process {
    pub pid: Pid,
    arguments: Vec<String>,
    folder: PathBuf,
}

impl Process {
    fn read(entry: &Path) -> Option<Self> {
        let pid = Pid::from_raw(entry.file_name()?.to_str()?.parse().ok()?)?;
        let command = fs::read(entry.join("cmdline")).ok()?;
        let arguments = String::from_utf8_lossy(&command).split('\0').map(str::to_owned).collect();
        // A zombie has no folder, and one that belongs to somebody else does not show it.
        let folder = fs::read_link(entry.join("cwd")).unwrap_or_default();
        Some(Self { pid, arguments, folder })
    }

    fn concerns(&self, folder: &Path) -> bool {
        let name = folder.to_string_lossy();
        self.folder.starts_with(folder) || self.arguments.iter().any(|argument| argument.contains(&*name))
    }
}

/// A running demo.
pub struct Demo {
    /// Where its page is.
    pub url: String,
    child: Child,
    /// Open for as long as the program may print.
    _stdout: Lines<BufReader<ChildStdout>>,
}

impl Demo {
    /// Starts the demo on the folder, and returns once it listens.
    pub async fn start(home: &Home, more: &[&str]) -> Self {
        let mut child = Self::command(home).args(more).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = timeout(PATIENCE, stdout.next_line()).await.expect("the demo listens in time").unwrap();
        let line = line.expect("the demo starts");
        let url = line.strip_prefix("groupchat is listening on ").expect("the demo says where it listens").to_owned();
        Self { url, child, _stdout: stdout }
    }

    /// Starts the demo and kills it after a time, whether or not it listens by then.
    pub async fn kill_start(home: &Home, after: Duration) {
        let mut child = Self::command(home).spawn().unwrap();
        sleep(after).await;
        child.kill().await.unwrap();
    }

    fn command(home: &Home) -> Command {
        let data = home.data();
        home.program(["demo", "--port", "0", "--log", "info,sqlx=warn", "--data", data.to_str().unwrap()])
    }

    pub fn pid(&self) -> Pid {
        let id = self.child.id().expect("it has not been waited for");
        Pid::from_raw(id.try_into().unwrap()).unwrap()
    }

    /// What an impatient operator, or a kernel without memory, does.
    pub async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Asks it to end, and checks that it does so in good order.
    pub async fn stop(mut self) {
        kill_process(self.pid(), Signal::TERM).unwrap();
        let status = timeout(PATIENCE, self.child.wait()).await.expect("the demo ends in time").unwrap();
        assert!(status.success(), "{status}");
    }
}
