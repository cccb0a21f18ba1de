//! The processes that are measured: our runner and the peer, a llama-server. Each is killed when its value is dropped,
//! which is also what a panic or ctrl-c comes to.

use std::{
    ffi::OsStr,
    fs::{self, File},
    net::TcpListener,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use chat::wire::ChatRequest;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::sleep,
};

use crate::client::{Client, Reply};

/// How long a server may take to load the model.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it is asked whether it has.
const GLANCE: Duration = Duration::from_millis(5);

/// Who serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Our runner.
    Ours,
    /// llama-server.
    Peer,
}

/// What is served, and by which programs.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The model's file.
    pub model: PathBuf,
    /// The llama-server, if there is one.
    pub peer: Option<PathBuf>,
    /// Threads that compute, the same for both.
    pub threads: usize,
    /// What the peer is given besides in the throughput part, in place of [`BEST_FOR_PEER`].
    pub peer_args: Option<Vec<String>>,
}

/// What llama-server was fastest with on sixteen sliding rooms.
pub const BEST_FOR_PEER: &[&str] = &["-np", "16", "-c", "8192", "--cache-ram", "0"];

/// ChatML as our runner writes it. Without it the peer puts a system turn of its own before ours, and computes more.
const CHATML: &str = "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n\
                      {% endfor %}<|im_start|>assistant\n";

/// A server that runs.
pub struct Server {
    /// Who it is.
    pub kind: Kind,
    /// The way to ask it.
    pub client: Client,
    child: Child,
}

impl Setup {
    /// Starts our runner and waits until it can answer.
    pub async fn ours(&self, more: &[&str]) -> Result<Server> {
        self.start_ours(more).await?.when_ready().await
    }

    /// Starts the peer, if there is one, and waits until it can answer.
    pub async fn peer(&self, more: &[&str]) -> Result<Option<Server>> {
        match &self.peer {
            Some(program) => Ok(Some(self.start_peer(program, more)?.when_ready().await?)),
            None => Ok(None),
        }
    }

    /// Starts our runner.
    pub async fn start_ours(&self, more: &[&str]) -> Result<Server> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_model-runner"));
        command.args(["--listen", "127.0.0.1:0", "--threads", &self.threads.to_string(), "--model"]);
        command.arg(&self.model).args(more).stdout(Stdio::piped());
        let mut child = spawn(&mut command, "model-runner")?;
        let stdout = child.stdout.take().context("the output of the runner is a pipe")?;
        let line = BufReader::new(stdout).lines().next_line().await?.unwrap_or_default();
        let Some(address) = line.strip_prefix(model_runner::LISTENING_ON) else {
            bail!("the runner did not start; {} says why", log("model-runner").display());
        };
        Ok(Server { kind: Kind::Ours, client: Client::new(address)?, child })
    }

    /// Starts the peer on a port that was free a moment ago.
    pub fn start_peer(&self, program: &Path, more: &[&str]) -> Result<Server> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let template = Path::new(env!("CARGO_TARGET_TMPDIR")).join("chatml.jinja");
        fs::write(&template, CHATML)?;
        let mut command = Command::new(program);
        command.args(["--host", "127.0.0.1", "--port", &address.port().to_string()]);
        command.args(["-t", &self.threads.to_string()]).arg("--chat-template-file").arg(template);
        command.arg("-m").arg(&self.model).args(more).stdout(Stdio::null());
        let child = spawn(&mut command, "llama-server")?;
        Ok(Server { kind: Kind::Peer, client: Client::new(&address.to_string())?, child })
    }

    /// What the peer is given for many rooms.
    pub fn peer_args(&self) -> Vec<&str> {
        match &self.peer_args {
            Some(args) => args.iter().map(String::as_str).collect(),
            None => BEST_FOR_PEER.to_vec(),
        }
    }

    /// A program that lies beside the peer.
    pub fn beside_peer(&self, name: impl AsRef<OsStr>) -> Option<PathBuf> {
        let path = self.peer.as_ref()?.with_file_name(name.as_ref());
        path.is_file().then_some(path)
    }
}

impl Server {
    /// Waits until it can answer.
    async fn when_ready(mut self) -> Result<Self> {
        let begun = Instant::now();
        while !self.client.is_ready().await {
            if let Some(status) = self.child.try_wait()? {
                bail!("{:?} ended with {status}; {} say why", self.kind, log("*").display());
            }
            if begun.elapsed() > PATIENCE {
                bail!("{:?} has not loaded the model within {PATIENCE:?}", self.kind);
            }
            sleep(GLANCE).await;
        }
        Ok(self)
    }

    /// Asks for a room's answer. The peer is told a slot: it else looks for one whose prompt begins alike, and as all
    /// prompts have one head it takes those of other rooms away.
    pub async fn chat(&self, room: usize, request: &ChatRequest) -> Result<Reply> {
        let mut body = json!(request);
        match self.kind {
            Kind::Ours => body["prompt_cache_key"] = json!(format!("room-{room}")),
            Kind::Peer => {
                body["id_slot"] = json!(room);
                body["cache_prompt"] = json!(true);
            }
        }
        self.client.chat(&body).await
    }

    /// What the system says about its memory.
    pub fn memory(&self) -> Result<Memory> {
        let id = self.child.id().context("the server has ended")?;
        Memory::of(id)
    }
}

/// What a process holds in memory, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    /// All of it.
    pub resident: u64,
    /// The most it ever was.
    pub highest: u64,
    /// Mapped pages of files: the weights, as far as they are used as they lie.
    pub file: u64,
    /// Its own pages: cache, buffers, and weights that were rearranged.
    pub own: u64,
}

impl Memory {
    fn of(process: u32) -> Result<Self> {
        let status = fs::read_to_string(format!("/proc/{process}/status"))?;
        let field = |name: &str| -> Result<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")).context("the kernel tells")?;
            Ok(kibibytes.parse::<u64>()? * 1024)
        };
        Ok(Self {
            resident: field("VmRSS")?,
            highest: field("VmHWM")?,
            file: field("RssFile")?,
            own: field("RssAnon")?,
        })
    }
}

fn spawn(command: &mut Command, name: &str) -> Result<Child> {
    let log = File::create(log(name))?;
    let child = command.stdin(Stdio::null()).stderr(log).kill_on_drop(true).spawn();
    child.with_context(|| format!("cannot start {name}"))
}

fn log(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("bench-{name}.log"))
}

/// A text as the JSON of a prefill.
pub fn prefill(room: usize, prefix: &str) -> Value {
    json!({"messages": [{"role": "user", "content": prefix}], "prompt_cache_key": format!("room-{room}")})
}
