//! Puts the parts together: a listener, the queue, the model thread; and takes them apart again.

use std::{future::IntoFuture, io, path::PathBuf, sync::Arc, time::Duration};

use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
};
use tokio_util::sync::CancellationToken;

use crate::{
    counters::Counters,
    http::{self, Runner},
    model_thread::{ModelState, ModelThread},
};

/// What to serve, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// The GGUF file.
    pub model: PathBuf,
    /// The length of the context in tokens; a model that was made for fewer gets fewer.
    pub context: u32,
    /// Threads for llama.cpp.
    pub threads: u32,
    /// How many requests may wait, the one in hand not counted; over 0.
    pub queue: usize,
    /// How long a request may take, waiting included.
    pub time_limit: Duration,
    /// The time in seconds since 1970, for the answers' `created`.
    pub now: fn() -> u64,
}

/// Why serving ended.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The model cannot be used; the sentence names the file and what to do.
    #[error("{0}")]
    Model(String),
    /// The model thread ended on its own.
    #[error("the model thread ended without being asked to")]
    ModelThread,
    /// The system refuses something.
    #[error("cannot serve: {0}")]
    Io(#[from] io::Error),
}

/// Serves until `shutdown` is cancelled: then the request in hand is finished, those that wait are told to go, and it
/// returns. The listener answers from the start; the model is loaded meanwhile.
///
/// # Errors
/// [`ServeError`] where it ends for another reason. A model that cannot be used ends it at once.
pub async fn serve(listener: TcpListener, options: Options, shutdown: CancellationToken) -> Result<(), ServeError> {
    let (jobs, waiting) = mpsc::channel(options.queue);
    let (state, model_state) = watch::channel(ModelState::Loading);
    let counters = Arc::new(Counters::default());
    let runner = Arc::new(Runner {
        model_id: model_id(&options.model),
        started_at: (options.now)(),
        now: options.now,
        jobs,
        state: model_state.clone(),
        counters: Arc::clone(&counters),
        time_limit: options.time_limit,
    });
    let (thread, thread_ended) = ModelThread {
        file: options.model,
        context: options.context,
        threads: options.threads,
        jobs: waiting,
        state,
        counters,
        shutdown: shutdown.clone(),
    }
    .spawn()?;

    let stop = shutdown.child_token();
    let http = axum::serve(listener, http::router(runner)).with_graceful_shutdown(stop.clone().cancelled_owned());
    let thread_watch = async {
        // The sender is dropped at the thread's end, so this is an error by design.
        drop(thread_ended.await);
        stop.cancel();
    };
    let (served, ()) = tokio::join!(http.into_future(), thread_watch);
    served?;
    thread.join().map_err(|_| ServeError::ModelThread)?;
    let failed = model_state.borrow().clone();
    match failed {
        ModelState::Failed(sentence) => Err(ServeError::Model(sentence)),
        _ if !shutdown.is_cancelled() => Err(ServeError::ModelThread),
        _ => Ok(()),
    }
}

/// The file's name without folder and ending.
fn model_id(path: &std::path::Path) -> String {
    path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}
