//! The HTTP interface: what comes in is checked here and put into the queue, what comes back is shaped for OpenAI's
//! clients.

mod answers;
mod error;
mod forms;
mod status;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::Method,
    routing::{get, post},
};
use tokio::{
    sync::{mpsc, mpsc::error::TrySendError, watch},
    time::Instant,
};

use self::error::ApiError;
use crate::{
    counters::Counters,
    job::{Draw, Event, Job, Prompt},
    model_thread::ModelState,
};

/// The longest body of a request, in bytes: several times what fits any context that runs on a CPU.
const BODY_LIMIT: usize = 1024 * 1024;

/// What every request handler shares.
pub(crate) struct Runner {
    pub(crate) model_id: String,
    /// In seconds since 1970.
    pub(crate) started_at: u64,
    pub(crate) now: fn() -> u64,
    pub(crate) jobs: mpsc::Sender<Job>,
    pub(crate) state: watch::Receiver<ModelState>,
    pub(crate) counters: Arc<Counters>,
    /// How long a request may take, waiting included.
    pub(crate) time_limit: Duration,
}

/// All paths.
pub(crate) fn router(runner: Arc<Runner>) -> Router {
    Router::new()
        .route("/v1/chat/completions", post(answers::chat))
        .route("/v1/completions", post(answers::completion))
        .route("/v1/models", get(status::models))
        .route("/v1/models/{id}", get(status::model))
        .route("/health", get(status::health))
        .fallback(|method: Method, uri: axum::http::Uri| async move { ApiError::no_such_path(&method, uri.path()) })
        .method_not_allowed_fallback(|method: Method, uri: axum::http::Uri| async move {
            ApiError::wrong_method(&method, uri.path())
        })
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(runner)
}

impl Runner {
    /// Checks that a request's model is the one that is here.
    fn check_model(&self, asked: Option<&str>) -> Result<(), ApiError> {
        match asked {
            Some(asked) if asked != self.model_id => Err(ApiError::no_such_model(asked, &self.model_id)),
            _ => Ok(()),
        }
    }

    /// Puts a request into the queue and waits until the model has begun with it.
    async fn submit(&self, prompt: Prompt, draw: Draw) -> Result<Answering, ApiError> {
        let context = match &*self.state.borrow() {
            ModelState::Loading => return Err(ApiError::loading()),
            ModelState::Failed(sentence) => return Err(ApiError::failed(sentence)),
            ModelState::Ready { context } => *context as usize,
        };
        // One event a token and three that frame them.
        let (events, receiver) = mpsc::channel(context + 3);
        match self.jobs.try_send(Job { prompt, draw, events }) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                self.counters.turned_away.add(1);
                return Err(ApiError::queue_full(self.jobs.max_capacity()));
            }
            Err(TrySendError::Closed(_)) => return Err(ApiError::stopping()),
        }
        let mut answering = Answering { events: receiver, deadline: Instant::now() + self.time_limit };
        match answering.next().await? {
            Event::Started => Ok(answering),
            event => unreachable!("the first event that is not an error is the start, not {event:?}"),
        }
    }
}

/// An answer that is being drawn. The model thread gives it up when this is dropped.
struct Answering {
    events: mpsc::Receiver<Event>,
    deadline: Instant,
}

impl Answering {
    /// What happens next. Events that say that nothing will come are errors here.
    async fn next(&mut self) -> Result<Event, ApiError> {
        match tokio::time::timeout_at(self.deadline, self.events.recv()).await {
            Err(_) => Err(ApiError::out_of_time()),
            Ok(Some(Event::Refused(refusal))) => Err(ApiError::refused(&refusal)),
            Ok(Some(Event::Failed(sentence))) => Err(ApiError::failed(&sentence)),
            Ok(Some(Event::Stopping)) => Err(ApiError::stopping()),
            Ok(Some(event)) => Ok(event),
            Ok(None) => Err(ApiError::failed("the model thread has ended")),
        }
    }
}
