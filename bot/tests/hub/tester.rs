//! What the tests share: a hub with a model, a data folder, and the program.

use std::{
    ffi::OsStr,
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use bot::{
    Clock,
    models::{Catalogue, Event, Hub, Label, ModelsFolder, Patience, PullError, Pulled, Source, pull},
};
use model_runner::testing::TinyModel;
use tempfile::TempDir;
use tokio::{
    process::Command,
    time::{interval, timeout},
};

use super::the_fake::FakeHub;

/// More than anything here takes, on a busy machine too.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The file that most tests fetch.
pub const TINY: &str = "crew/tiny-GGUF/tiny.gguf";
/// The file that the catalogue's default is.
pub const DEFAULT: &str = "unsloth/Qwen3-0.6B-GGUF/Qwen3-0.6B-Q4_K_M.gguf";

/// A model of some megabytes: a tiny one with bytes behind it that nobody looks at.
pub fn model() -> Vec<u8> {
    let mut bytes = TinyModel::default().to_bytes();
    let mut state = 1_u32;
    bytes.extend(
        std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .take(3 << 20),
    );
    bytes
}

pub struct Tester {
    pub hub: FakeHub,
    pub bytes: Vec<u8>,
    home: TempDir,
}

impl Tester {
    pub async fn new() -> Self {
        let (hub, bytes) = (FakeHub::start().await, model());
        hub.put(TINY, bytes.clone());
        // The user whom root starts Postgres as must be able to enter it.
        let home = tempfile::Builder::new().permissions(Permissions::from_mode(0o755)).tempdir().unwrap();
        Self { hub, bytes, home }
    }

    pub fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    pub fn folder(&self) -> ModelsFolder {
        ModelsFolder::below(&self.data())
    }

    pub fn client(&self, token: Option<&str>) -> Hub {
        let patience = Patience {
            pause: Duration::from_millis(1),
            tries: 3,
            longest: Duration::from_secs(2),
            ..Patience::default()
        };
        self.client_with(token, patience)
    }

    pub fn client_with(&self, token: Option<&str>, patience: Patience) -> Hub {
        Hub::new(&self.hub.url, token.map(|token| token.to_owned().into()), patience).unwrap()
    }

    pub async fn pull(&self) -> Result<Pulled, PullError> {
        self.pull_with(&self.client(None), |_| {}).await
    }

    pub async fn pull_with(&self, hub: &Hub, report: impl FnMut(Event) + Send) -> Result<Pulled, PullError> {
        let pulling = async { pull(hub, &self.folder(), &tiny(), &Clock::system(), report).await };
        timeout(PATIENCE, pulling).await.expect("a pull ends")
    }

    /// Why a pull fails, in a sentence.
    pub async fn refusal(&self) -> String {
        let error = self.pull().await.unwrap_err();
        format!("{:#}", anyhow::Error::from(error)).replace(self.hub.url.trim_start_matches("http://"), "HUB")
    }

    /// The file in the models folder, if there is one.
    pub fn file(&self) -> Option<Vec<u8>> {
        fs::read(self.folder().file(&tiny().label)).ok()
    }

    pub fn is_whole(&self) -> bool {
        self.file().is_some_and(|file| file == self.bytes)
    }

    /// How much of it is there of an unfinished pull.
    pub fn part(&self) -> Option<u64> {
        self.folder().begun(&tiny().label)
    }

    /// All that is in the models folder, by name.
    pub fn listing(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder().path()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The program, whose hub is the fake.
    pub fn program<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_groupchat"));
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command.env("HF_ENDPOINT", &self.hub.url).env_remove("HF_TOKEN");
        command.env("GROUPCHAT__DATABASE__DATA", self.data()).env("OMP_WAIT_POLICY", "passive");
        command
    }

    /// Runs the program to its end: whether it succeeded, its output and its diagnostics.
    pub async fn run(&self, arguments: &[&str]) -> (bool, String, String) {
        let output = timeout(PATIENCE, self.program(arguments).output()).await.expect("it ends in time").unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.success(), text(output.stdout), text(output.stderr))
    }
}

pub fn tiny() -> Source {
    Source::parse(TINY, &Catalogue::shipped()).unwrap()
}

pub fn label(name: &str) -> Label {
    Source::parse(name, &Catalogue::shipped()).unwrap().label
}

pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Waits until `look` finds something.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let mut glances = interval(Duration::from_millis(10));
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
