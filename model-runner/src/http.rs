//! The HTTP interface: what comes in is checked here and put into the queue, what comes back is shaped for OpenAI's
//! clients.

mod adapters;
mod answers;
mod error;
mod forms;
mod lookahead;
mod status;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    http::{Method, header::AUTHORIZATION},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use secrecy::{ExposeSecret, SecretString};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, mpsc::error::TrySendError, watch},
    time::Instant,
};

use self::error::ApiError;
use crate::{
    base::Base,
    job::{Event, Job, Place, Task, Urgency},
    metrics::Metrics,
    model_thread::{Call, ModelState},
};

/// The longest body of a request, in bytes: several times what fits any context that runs on a CPU.
const BODY_LIMIT: usize = 1024 * 1024;

/// What every request handler shares.
pub(crate) struct Runner {
    pub(crate) base: Base,
    /// In seconds since 1970.
    pub(crate) started_at: u64,
    pub(crate) now: fn() -> u64,
    /// The longest prompt with its answer, in tokens, before the model has its say.
    pub(crate) context: u32,
    pub(crate) queue: Queue,
    pub(crate) state: watch::Receiver<ModelState>,
    /// The names of the adapters that are offered.
    pub(crate) adapters: watch::Receiver<Vec<String>>,
    pub(crate) metrics: Arc<Metrics>,
    /// How long a request may take, waiting included.
    pub(crate) time_limit: Duration,
    pub(crate) api_key: Option<SecretString>,
}

/// The way to the model thread.
pub(crate) struct Queue {
    pub(crate) calls: mpsc::Sender<Call>,
    /// How many requests may wait.
    pub(crate) capacity: usize,
    pub(crate) places: Arc<Semaphore>,
    /// Those of the places that what gives way may have.
    pub(crate) lesser_places: Arc<Semaphore>,
}

/// What a request says about itself, beside what is to be done.
struct Asked<'a> {
    model: Option<&'a str>,
    room: Option<&'a str>,
    urgency: Urgency,
    timeout: Option<f32>,
}

/// All paths.
pub(crate) fn router(runner: Arc<Runner>) -> Router {
    Router::new()
        .route("/v1/chat/completions", post(answers::chat))
        .route("/v1/completions", post(answers::completion))
        .route("/v1/prefill", post(lookahead::prefill))
        .route("/v1/score", post(lookahead::score))
        .route("/v1/load_lora_adapter", post(adapters::load))
        .route("/v1/unload_lora_adapter", post(adapters::unload))
        .route("/v1/models", get(status::models))
        .route("/v1/models/{id}", get(status::model))
        .route("/health", get(status::health))
        .route("/metrics", get(status::metrics))
        .fallback(|method: Method, uri: axum::http::Uri| async move { ApiError::no_such_path(&method, uri.path()) })
        .method_not_allowed_fallback(|method: Method, uri: axum::http::Uri| async move {
            ApiError::wrong_method(&method, uri.path())
        })
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(middleware::from_fn_with_state(Arc::clone(&runner), check_key))
        .with_state(runner)
}

/// Asks for the key, where there is one, before anything of the request is read. How the runner is may be asked by anybody.
async fn check_key(State(runner): State<Arc<Runner>>, request: Request, next: Next) -> Response {
    let Some(key) = runner.api_key.as_ref().filter(|_| request.uri().path().starts_with("/v1/")) else {
        return next.run(request).await;
    };
    let shown = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    match shown {
        Some(shown) if is_same(shown.as_bytes(), key.expose_secret().as_bytes()) => next.run(request).await,
        _ => ApiError::wrong_key().into_response(),
    }
}

/// Compares without telling by its time where the first difference is.
fn is_same(shown: &[u8], key: &[u8]) -> bool {
    shown.len() == key.len() && shown.iter().zip(key).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

impl Runner {
    /// The adapter that a request's model names; none for the base.
    fn adapter(&self, asked: Option<&str>) -> Result<Option<String>, ApiError> {
        match asked {
            None => Ok(None),
            Some(asked) if asked == self.base.id() => Ok(None),
            Some(asked) if self.adapters.borrow().iter().any(|name| name == asked) => Ok(Some(asked.to_owned())),
            Some(asked) => Err(self.no_such_model(asked)),
        }
    }

    fn no_such_model(&self, asked: &str) -> ApiError {
        let mut here = vec![self.base.id().to_owned()];
        here.extend(self.adapters.borrow().iter().cloned());
        ApiError::no_such_model(asked, &here.join(", "))
    }

    /// Puts a request into the queue and waits until the model has begun with it.
    async fn submit(&self, asked: &Asked<'_>, task: Task) -> Result<Answering, ApiError> {
        let adapter = self.adapter(asked.model)?;
        if let ModelState::Failed(sentence) = &*self.state.borrow() {
            return Err(ApiError::failed(sentence));
        }
        let deadline = Instant::now() + self.patience(asked.timeout)?;
        let place = self.place(asked.urgency)?;
        // One event a token and some that frame them.
        let (events, receiver) = mpsc::channel(self.context as usize + 4);
        let span = tracing::info_span!("request", room = asked.room, adapter, urgency = ?asked.urgency);
        let job = Job {
            task,
            urgency: asked.urgency,
            room: asked.room.map(Arc::from),
            adapter,
            events,
            place: Some(place),
            arrived: Instant::now(),
            span,
        };
        self.queue.calls.try_send(Call::Job(Box::new(job))).map_err(|error| match error {
            TrySendError::Full(_) => self.full(),
            TrySendError::Closed(_) => ApiError::stopping(),
        })?;
        let mut answering = Answering { events: receiver, deadline };
        match answering.next(self).await? {
            Event::Started => Ok(answering),
            event => unreachable!("the first event that is not an error is the start, not {event:?}"),
        }
    }

    /// How long a request may take.
    fn patience(&self, timeout: Option<f32>) -> Result<Duration, ApiError> {
        match timeout {
            None => Ok(self.time_limit),
            Some(seconds) => match Duration::try_from_secs_f32(seconds) {
                Ok(timeout) if !timeout.is_zero() => Ok(timeout.min(self.time_limit)),
                _ => Err(ApiError::wrong_field("timeout", format!("timeout is seconds above 0, not {seconds}"))),
            },
        }
    }

    fn place(&self, urgency: Urgency) -> Result<Place, ApiError> {
        let take = |places: &Arc<Semaphore>| -> Result<OwnedSemaphorePermit, ApiError> {
            Arc::clone(places).try_acquire_owned().map_err(|_| self.full())
        };
        let lesser = (urgency > Urgency::Live).then(|| take(&self.queue.lesser_places)).transpose()?;
        Ok(Place { _any: take(&self.queue.places)?, _lesser: lesser })
    }

    fn full(&self) -> ApiError {
        self.metrics.turned_away.add(1);
        ApiError::queue_full(self.queue.capacity)
    }

    fn queue_length(&self) -> usize {
        self.queue.capacity - self.queue.places.available_permits()
    }
}

/// An answer that is being drawn. The model thread gives it up when this is dropped.
struct Answering {
    events: mpsc::Receiver<Event>,
    deadline: Instant,
}

impl Answering {
    /// What happens next. Events that say that nothing will come are errors here.
    async fn next(&mut self, runner: &Runner) -> Result<Event, ApiError> {
        match tokio::time::timeout_at(self.deadline, self.events.recv()).await {
            Err(_) => Err(ApiError::out_of_time()),
            Ok(Some(Event::Refused(refusal))) => Err(ApiError::refused(&refusal)),
            Ok(Some(Event::NoSuchModel)) => Err(runner.no_such_model("that was asked for")),
            Ok(Some(Event::Failed(sentence))) => Err(ApiError::failed(&sentence)),
            Ok(Some(Event::Stopping)) => Err(ApiError::stopping()),
            Ok(Some(event)) => Ok(event),
            Ok(None) => match &*runner.state.borrow() {
                ModelState::Failed(sentence) => Err(ApiError::failed(sentence)),
                _ => Err(ApiError::failed("the model thread has ended")),
            },
        }
    }
}
