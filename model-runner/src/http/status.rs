//! What is here and how it does.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use chat::wire::{Health, ModelCard, ModelList, RunnerStatus};

use super::{Runner, error::ApiError};
use crate::model_thread::ModelState;

/// `GET /v1/models`
pub(super) async fn models(State(runner): State<Arc<Runner>>) -> Json<ModelList> {
    Json(ModelList { object: "list".to_owned(), data: vec![card(&runner)] })
}

/// `GET /v1/models/{id}`
pub(super) async fn model(
    State(runner): State<Arc<Runner>>,
    Path(id): Path<String>,
) -> Result<Json<ModelCard>, ApiError> {
    runner.check_model(Some(&id))?;
    Ok(Json(card(&runner)))
}

fn card(runner: &Runner) -> ModelCard {
    ModelCard {
        id: runner.model_id.clone(),
        object: "model".to_owned(),
        created: runner.started_at,
        owned_by: "groupchat".to_owned(),
    }
}

/// `GET /health`: 200 once it can answer, 503 before and after a failure.
pub(super) async fn health(State(runner): State<Arc<Runner>>) -> (StatusCode, Json<Health>) {
    let (code, status, error, context) = match runner.state.borrow().clone() {
        ModelState::Loading => (StatusCode::SERVICE_UNAVAILABLE, RunnerStatus::Loading, None, None),
        ModelState::Ready { context } => (StatusCode::OK, RunnerStatus::Ready, None, Some(context)),
        ModelState::Failed(why) => (StatusCode::SERVICE_UNAVAILABLE, RunnerStatus::Failed, Some(why), None),
    };
    let health = Health {
        status,
        error,
        model: runner.model_id.clone(),
        context,
        queue_length: runner.jobs.max_capacity() - runner.jobs.capacity(),
        queue_capacity: runner.jobs.max_capacity(),
        counters: runner.counters.read(),
    };
    (code, Json(health))
}
