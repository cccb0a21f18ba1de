//! What is here and how it does.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::{StatusCode, header::CONTENT_TYPE},
    response::IntoResponse,
};
use chat::wire::{Health, ModelCard, ModelList, RunnerStatus};

use super::{Runner, error::ApiError};
use crate::model_thread::ModelState;

/// `GET /v1/models`
pub(super) async fn models(State(runner): State<Arc<Runner>>) -> Json<ModelList> {
    let adapters = runner.adapters.borrow().clone();
    let cards = [runner.card(None)].into_iter().chain(adapters.iter().map(|name| runner.card(Some(name))));
    Json(ModelList { object: "list".to_owned(), data: cards.collect() })
}

/// `GET /v1/models/{id}`
pub(super) async fn model(
    State(runner): State<Arc<Runner>>,
    Path(id): Path<String>,
) -> Result<Json<ModelCard>, ApiError> {
    let adapter = runner.adapter(Some(&id))?;
    Ok(Json(runner.card(adapter.as_deref())))
}

/// `GET /health`: 200 once it can answer, 503 before and after a failure.
pub(super) async fn health(State(runner): State<Arc<Runner>>) -> (StatusCode, Json<Health>) {
    let (code, status, error, context) = match runner.state.borrow().clone() {
        ModelState::Loading => (StatusCode::SERVICE_UNAVAILABLE, RunnerStatus::Loading, None, None),
        ModelState::Ready { context } => (StatusCode::OK, RunnerStatus::Ready, None, Some(context)),
        ModelState::Resting { context } => (StatusCode::OK, RunnerStatus::Resting, None, Some(context)),
        ModelState::Failed(why) => (StatusCode::SERVICE_UNAVAILABLE, RunnerStatus::Failed, Some(why), None),
    };
    let health = Health {
        status,
        error,
        model: runner.base.id().to_owned(),
        context,
        queue_length: runner.queue_length(),
        queue_capacity: runner.queue.capacity,
        memory: runner.metrics.memory(),
        counters: runner.metrics.counters(),
    };
    (code, Json(health))
}

/// `GET /metrics`
pub(super) async fn metrics(State(runner): State<Arc<Runner>>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], runner.metrics.render(runner.queue_length()))
}

impl Runner {
    /// The base, or an adapter over it.
    pub(super) fn card(&self, adapter: Option<&str>) -> ModelCard {
        ModelCard {
            id: self.named(adapter),
            object: "model".to_owned(),
            created: self.started_at,
            owned_by: "groupchat".to_owned(),
            parent: adapter.map(|_| self.base.id().to_owned()),
        }
    }

    /// What answers, where this was asked for.
    pub(super) fn named(&self, asked: Option<&str>) -> String {
        asked.unwrap_or(self.base.id()).to_owned()
    }
}
