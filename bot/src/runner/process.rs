//! Keeps a model runner alive as a child process.
//!
//! The child is this same program with the subcommand `model-runner`. It ends by itself when its standard input does, so
//! it never outlives a bot that was killed.

use std::{
    collections::VecDeque,
    env,
    ffi::OsString,
    io,
    os::unix::process::ExitStatusExt,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use model_runner::{EXIT_BAD_MODEL, LISTENING_ON};
use rand::Rng;
use rustix::process::Signal;
use secrecy::{ExposeSecret, SecretString};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{Child, ChildStdout, Command},
    sync::watch,
    task::JoinHandle,
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{RunnerClient, RunnerError};

/// How often a child that loads its model is asked whether it has.
const HEALTH_INTERVAL: Duration = Duration::from_millis(100);
/// How long a child that was asked to stop may take for the reply in hand: a little more than it takes for itself.
const STOP_TIME: Duration = Duration::from_secs(35);
/// How many of the last lines of a dead child are logged.
const LAST_LINES: usize = 5;
/// How many children may crash before one has ever been ready. llama.cpp ends itself where a file is not as it expects,
/// and does so each time.
const CRASHES: u32 = 2;
/// Where the child finds the key that its requests must carry. On the command line every user of the machine could read
/// it.
const API_KEY: &str = "MODEL_RUNNER_API_KEY";

/// What the child is to serve.
#[derive(Debug, Clone)]
pub struct RunnerOptions {
    /// The model, in GGUF format.
    pub model: PathBuf,
    /// Threads that compute; none for the number of physical cores.
    pub threads: Option<u32>,
    /// The length of the context in tokens; none for the runner's own default.
    pub context: Option<u32>,
    /// How many requests are worked on at once; none for the runner's own default.
    pub parallel: Option<u32>,
    /// After how long without a request it lets go of the model; none for never.
    pub rest_after: Option<Duration>,
}

/// The child process and what is known of it.
#[derive(Debug)]
pub struct RunnerProcess {
    options: RunnerOptions,
    program: Program,
    api_key: SecretString,
    client: watch::Sender<Option<RunnerClient>>,
}

#[derive(Debug)]
enum Program {
    /// This very program, with the subcommand.
    Own,
    Other(PathBuf, Vec<OsString>),
}

/// How the life of a child ended.
#[derive(Debug)]
enum End {
    /// As we wished.
    Stopped,
    /// It cannot be helped by starting it again.
    BadModel(String),
    /// Of itself.
    Died(String),
    /// By a fault of its own code, or because that code gave up.
    Crashed(String),
}

impl RunnerProcess {
    /// A runner that has not been started yet; [`RunnerProcess::run`] does.
    pub fn new(options: RunnerOptions) -> Self {
        Self { options, program: Program::Own, api_key: random_key(), client: watch::Sender::new(None) }
    }

    /// The same with another program, which gets `arguments` before its own.
    pub fn with_program(options: RunnerOptions, program: PathBuf, arguments: Vec<OsString>) -> Self {
        Self { program: Program::Other(program, arguments), ..Self::new(options) }
    }

    /// The client for the child that runs now; none while there is none that can answer.
    pub fn client(&self) -> watch::Receiver<Option<RunnerClient>> {
        self.client.subscribe()
    }

    /// Starts the child and, with growing pauses, starts it again whenever it dies. Returns after the shutdown, or once
    /// the model turned out to be unusable: that is logged once, and there is no client from then on.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut pause = Pause::default();
        let (mut was_ever_ready, mut crashes) = (false, 0);
        loop {
            let started = Instant::now();
            let end = self.live(&shutdown).await;
            was_ever_ready |= self.client.send_replace(None).is_some();
            crashes += u32::from(matches!(end, End::Crashed(_)));
            let end = match end {
                End::Crashed(reason) if !was_ever_ready && crashes >= CRASHES => self.unusable(&reason),
                end => end,
            };
            match end {
                End::Stopped => return,
                End::BadModel(sentence) => {
                    return tracing::error!("the model runner gives up, replies are drawn without it: {sentence}");
                }
                End::Died(reason) | End::Crashed(reason) => {
                    let pause = pause.after_a_life_of(started.elapsed());
                    tracing::warn!("the model runner {reason}; it is started again in {pause:?}");
                    tokio::select! {
                        () = tokio::time::sleep(pause) => {}
                        () = shutdown.cancelled() => return,
                    }
                }
            }
        }
    }

    fn unusable(&self, reason: &str) -> End {
        let file = self.options.model.display();
        End::BadModel(format!(
            "llama.cpp cannot use {file}: each time the runner {reason}; set model.path to another file, or model.context \
             to less where memory is short"
        ))
    }

    /// One life of a child.
    async fn live(&self, shutdown: &CancellationToken) -> End {
        let mut child = match self.spawn() {
            Ok(child) => child,
            Err(error) => return End::Died(format!("cannot be started: {error}")),
        };
        // Waiting for a child closes its standard input, unless it was taken away before.
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().expect("it is piped");
        let last_lines = tokio::spawn(last_lines(child.stderr.take().expect("it is piped")));
        tokio::select! {
            status = child.wait() => {
                drop(stdin);
                how_it_ended(status, last_lines).await
            }
            reason = self.attend(stdout) => {
                drop(child.kill().await);
                End::Died(reason)
            }
            () = shutdown.cancelled() => {
                drop(stdin);
                if tokio::time::timeout(STOP_TIME, child.wait()).await.is_err() {
                    tracing::warn!("the model runner did not stop within {STOP_TIME:?} and is killed");
                    drop(child.kill().await);
                }
                End::Stopped
            }
        }
    }

    fn spawn(&self) -> io::Result<Child> {
        let mut command = match &self.program {
            Program::Own => {
                let mut command = Command::new(env::current_exe()?);
                command.arg("model-runner");
                command
            }
            Program::Other(program, arguments) => {
                let mut command = Command::new(program);
                command.args(arguments);
                command
            }
        };
        command.args(["--parent-watch", "--listen", "127.0.0.1:0", "--model"]).arg(&self.options.model);
        if let Some(threads) = self.options.threads {
            command.args(["--threads", &threads.to_string()]);
        }
        if let Some(context) = self.options.context {
            command.args(["--context", &context.to_string()]);
        }
        if let Some(parallel) = self.options.parallel {
            command.args(["--parallel", &parallel.to_string()]);
        }
        if let Some(rest_after) = self.options.rest_after {
            command.args(["--rest-after", &rest_after.as_secs().to_string()]);
        }
        command.env(API_KEY, self.api_key.expose_secret());
        // Where llama.cpp gives up it would fill the last lines with a stack of its own functions.
        command.env("GGML_NO_BACKTRACE", "1");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).spawn()
    }

    /// Waits until the child answers and tells everyone; then reads on for as long as it lives, so that it can never
    /// block on what it prints. Returns, with what is wrong, only where the child does not do its part.
    async fn attend(&self, stdout: ChildStdout) -> String {
        let mut lines = BufReader::new(stdout).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let Some(address) = line.strip_prefix(LISTENING_ON) else { continue };
            let name = self.options.model.file_stem().map(|stem| stem.to_string_lossy().into_owned());
            let client = match RunnerClient::new(&format!("http://{address}"), Some(self.api_key.clone()), name) {
                Ok(client) => client.ours(),
                Err(error) => return format!("printed an address that is none: {error}"),
            };
            if let Err(error) = ready(&client).await {
                return format!("does not answer: {error}");
            }
            tracing::info!("the model runner answers with {}", client.model_name());
            self.client.send_replace(Some(client));
        }
        // Its output has ended, and soon it will have too.
        std::future::pending().await
    }
}

/// Asks until the child can answer. Loading takes as long as it takes; a child that dies over it ends this from outside.
async fn ready(client: &RunnerClient) -> Result<(), RunnerError> {
    loop {
        match client.health().await {
            Err(RunnerError::Unavailable(_)) => tokio::time::sleep(HEALTH_INTERVAL).await,
            answered => return answered,
        }
    }
}

/// Hands on what a child writes to the log, and gives its last lines when it ends.
async fn last_lines(stderr: impl AsyncRead + Unpin) -> VecDeque<String> {
    let mut lines = BufReader::new(stderr).lines();
    let mut last = VecDeque::with_capacity(LAST_LINES);
    while let Ok(Some(line)) = lines.next_line().await {
        tracing::debug!(target: "model_runner", "{line}");
        if last.len() == LAST_LINES {
            last.pop_front();
        }
        last.push_back(line);
    }
    last
}

async fn how_it_ended(status: io::Result<ExitStatus>, last_lines: JoinHandle<VecDeque<String>>) -> End {
    let last_lines = last_lines.await.unwrap_or_default();
    match status {
        Ok(status) if status.code() == Some(i32::from(EXIT_BAD_MODEL)) => {
            End::BadModel(last_lines.into_iter().next_back().unwrap_or_else(|| "it does not say why".to_owned()))
        }
        Ok(status) => {
            let wrote = Vec::from(last_lines).join(" | ");
            let reason = match wrote.as_str() {
                "" => format!("ended ({status})"),
                wrote => format!("ended ({status}) after it wrote: {wrote}"),
            };
            if is_crash(status) { End::Crashed(reason) } else { End::Died(reason) }
        }
        Err(error) => End::Died(format!("was lost: {error}")),
    }
}

fn is_crash(status: ExitStatus) -> bool {
    let signals = [Signal::ABORT, Signal::SEGV, Signal::BUS].map(Signal::as_raw);
    status.signal().is_some_and(|signal| signals.contains(&signal))
}

/// 128 bits that nobody can guess, in hexadecimal.
#[expect(clippy::disallowed_methods, reason = "a key must not follow from a seed")]
fn random_key() -> SecretString {
    SecretString::from(format!("{:032x}", rand::rng().random::<u128>()))
}

/// How long to wait before a child is started again: twice as long each time, until one has lived for a while.
#[derive(Debug)]
struct Pause(Duration);

impl Pause {
    const FIRST: Duration = Duration::from_millis(500);
    const LONGEST: Duration = Duration::from_secs(30);
    const GOOD_LIFE: Duration = Duration::from_secs(60);

    fn after_a_life_of(&mut self, life: Duration) -> Duration {
        let pause = if life >= Self::GOOD_LIFE { Self::FIRST } else { self.0 };
        self.0 = (pause * 2).min(Self::LONGEST);
        pause
    }
}

impl Default for Pause {
    fn default() -> Self {
        Self(Self::FIRST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_half_a_minute_and_start_over_after_a_good_life() {
        let mut pause = Pause::default();
        let pauses = [0, 0, 0, 1, 2, 0, 0, 59, 60, 3].map(|life| pause.after_a_life_of(Duration::from_secs(life)));
        assert_eq!(
            pauses.map(|pause| pause.as_millis()),
            [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 500, 1000]
        );
    }
}
