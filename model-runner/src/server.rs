//! Puts the parts together: a listener, the queue, the model thread; and takes them apart again.

use std::{future::IntoFuture, io, path::PathBuf, sync::Arc, time::Duration};

use secrecy::SecretString;
use tokio::{
    net::TcpListener,
    sync::{Semaphore, mpsc, watch},
};
use tokio_util::sync::CancellationToken;

use crate::{
    base::Base,
    engine::EngineOptions,
    http::{self, Queue, Runner},
    llama::CacheType,
    metrics::Metrics,
    model_thread::{ModelState, ModelThread},
};

/// Calls that may be on their way to the model thread beside the requests that wait: adapters to be loaded.
const ORDERS: usize = 8;

/// What to serve, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// The model, in GGUF format.
    pub model: PathBuf,
    /// Length of the context in tokens, of all requests in hand and all that is kept together; a model that was made for
    /// fewer gets fewer.
    pub context: u32,
    /// How many requests are worked on at once; over 0.
    pub parallel: usize,
    /// Threads for llama.cpp.
    pub threads: u32,
    /// How exactly the cache of keys and values is kept.
    pub cache: CacheType,
    /// Whether weights are copied into the order that a CPU kernel wants: faster for single tokens, slower for prompts
    /// where the processor has AVX-512, and as much memory again as those weights take.
    pub repack: bool,
    /// How many requests may wait, those in hand not counted; over 0.
    pub queue: usize,
    /// How long a request may take, waiting included.
    pub time_limit: Duration,
    /// After so long without a request the model is let go; none for never.
    pub rest_after: Option<Duration>,
    /// What clients must show as a bearer token; none for anybody may ask, and nobody may change the adapters.
    pub api_key: Option<SecretString>,
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

/// Serves until `shutdown` is cancelled: then the requests in hand are finished, those that wait are told to go, and it
/// returns. The listener answers from the start; requests wait while the model is loaded.
///
/// # Errors
/// [`ServeError`] where it ends for another reason. A model that cannot be used ends it at once.
pub async fn serve(listener: TcpListener, options: Options, shutdown: CancellationToken) -> Result<(), ServeError> {
    let (calls, received) = mpsc::channel(options.queue + ORDERS);
    let (state, model_state) = watch::channel(ModelState::Loading);
    let (adapter_names, adapters) = watch::channel(Vec::new());
    let metrics = Arc::new(Metrics::default());
    let runner = Arc::new(Runner {
        base: Base::new(options.model.clone()),
        started_at: (options.now)(),
        now: options.now,
        context: options.context,
        queue: Queue {
            calls,
            capacity: options.queue,
            places: Arc::new(Semaphore::new(options.queue)),
            lesser_places: Arc::new(Semaphore::new(options.queue.div_ceil(2))),
        },
        state: model_state.clone(),
        adapters,
        metrics: Arc::clone(&metrics),
        time_limit: options.time_limit,
        api_key: options.api_key,
    });
    let (thread, thread_ended) = ModelThread {
        file: options.model,
        engine: EngineOptions {
            context: options.context,
            parallel: options.parallel,
            threads: options.threads,
            cache: options.cache,
        },
        repack: options.repack,
        rest_after: options.rest_after,
        calls: received,
        adapter_names,
        state,
        metrics,
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
