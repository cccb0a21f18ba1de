//! The command line, shared by the binary `model-runner` and by `groupchat model-runner`.

use std::{
    io::{self, Read, Write},
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use secrecy::{ExposeSecret, SecretString};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;

use crate::{
    llama::{CacheType, has_own_kernels},
    server::{Options, ServeError, serve},
    threads::physical_cores,
};

/// The exit code that says: this model file cannot be used, starting again does not help.
pub const EXIT_BAD_MODEL: u8 = 3;

/// What stands before the address in the one line that is printed on stdout.
pub const LISTENING_ON: &str = "listening on ";

/// How long a request in hand may still take after the signal to stop.
const GRACE: Duration = Duration::from_secs(30);

/// Answers OpenAI-compatible requests with a GGUF model
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The model, in GGUF format
    #[arg(long, value_name = "FILE")]
    pub model: PathBuf,
    /// Where to listen; port 0 takes a free one, and the address is printed on stdout
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Length of the context in tokens: of all requests in hand and of what is kept for rooms, together
    #[arg(long, value_name = "N", default_value_t = 4096, value_parser = clap::value_parser!(u32).range(16..))]
    pub context: u32,
    /// How many requests are worked on at once
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub parallel: u16,
    /// Threads that compute [default: the number of physical cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=512))]
    pub threads: Option<u32>,
    /// How many requests may wait before others are turned away
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..))]
    pub queue: u16,
    /// How many seconds a request may take, waiting included
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u32).range(1..))]
    pub time_limit: u32,
    /// Let the model go after so many seconds without a request, and load it again for the next one; 0 for never
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub rest_after: u32,
    /// Whether weights are copied into the order that llama.cpp's kernels are fastest with, at the cost of memory; ours
    /// leave such ones alone
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub repack: Repack,
    /// How exactly the cache of keys and values is kept
    #[arg(long, value_name = "TYPE", default_value = "f16")]
    pub cache_type: CacheType,
    /// The key that clients must show; loading adapters takes one. Better in the variable than on the command line
    #[arg(long, env = "MODEL_RUNNER_API_KEY", value_name = "KEY", hide_env_values = true)]
    pub api_key: Option<SecretString>,
    /// Stop when stdin ends, that is when the parent process is gone
    #[arg(long)]
    pub parent_watch: bool,
}

/// When weights are copied into another order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Repack {
    /// Where there are no kernels of our own, which read weights as they stand in the file and are faster.
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

impl Repack {
    fn is_wanted(self) -> bool {
        match self {
            Self::Auto => !has_own_kernels(),
            Self::On => true,
            Self::Off => false,
        }
    }
}

/// Runs until a signal, or with `--parent-watch` the end of stdin, stops it. What is wrong is said in the last line on
/// stderr, and [`EXIT_BAD_MODEL`] tells a parent that another try is in vain.
pub async fn run(args: Args) -> ExitCode {
    let Err(error) = try_run(args).await else { return ExitCode::SUCCESS };
    eprintln!("{error}");
    match error {
        ServeError::Model(_) => ExitCode::from(EXIT_BAD_MODEL),
        ServeError::ModelThread | ServeError::Io(_) => ExitCode::FAILURE,
    }
}

async fn try_run(args: Args) -> Result<(), ServeError> {
    let shutdown = CancellationToken::new();
    stop_on_signals(&shutdown)?;
    if args.parent_watch {
        stop_on_end_of_stdin(shutdown.clone())?;
    }
    let listener = TcpListener::bind(args.listen).await?;
    writeln!(io::stdout(), "{LISTENING_ON}{}", listener.local_addr()?)?;
    let options = Options {
        model: args.model,
        context: args.context,
        parallel: usize::from(args.parallel),
        threads: args.threads.unwrap_or_else(physical_cores),
        repack: args.repack.is_wanted(),
        cache: args.cache_type,
        queue: usize::from(args.queue),
        time_limit: Duration::from_secs(u64::from(args.time_limit)),
        rest_after: (args.rest_after > 0).then(|| Duration::from_secs(u64::from(args.rest_after))),
        api_key: args.api_key.filter(|key| !key.expose_secret().is_empty()),
        now: seconds_since_1970,
    };
    let out_of_grace = async {
        shutdown.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        ended = serve(listener, options, shutdown.clone()) => ended,
        () = out_of_grace => {
            tracing::warn!("a request was not finished within {GRACE:?} and is abandoned");
            Ok(())
        }
    }
}

fn stop_on_signals(shutdown: &CancellationToken) -> io::Result<()> {
    for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
        let mut signals = signal(kind)?;
        let shutdown = shutdown.clone();
        tokio::spawn(async move {
            signals.recv().await;
            shutdown.cancel();
        });
    }
    Ok(())
}

/// The parent holds the other end of stdin and never writes: when it is gone, however it went, the pipe ends.
fn stop_on_end_of_stdin(shutdown: CancellationToken) -> io::Result<()> {
    thread::Builder::new().name("parent-watch".to_owned()).spawn(move || {
        let mut ignored = [0; 64];
        while io::stdin().read(&mut ignored).is_ok_and(|length| length > 0) {}
        shutdown.cancel();
    })?;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "the clock of the program is read here, at its root")]
fn seconds_since_1970() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
