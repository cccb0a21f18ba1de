//! Adapters come and go while the runner runs. As in vLLM, but only for who shows the key: a path on this machine is read.

use std::{path::PathBuf, sync::Arc};

use axum::{Json, extract::State, http::HeaderMap};
use chat::wire::{LoadAdapterRequest, ModelCard, UnloadAdapterRequest};
use tokio::sync::oneshot;

use super::{
    Runner,
    answers::{Body, parse},
    error::ApiError,
};
use crate::{
    gguf::AdapterHeader,
    job::{AdapterOrder, Refusal},
    model_thread::Call,
};

/// The longest name of an adapter, in bytes.
const MAX_NAME: usize = 128;

/// `POST /v1/load_lora_adapter`
pub(super) async fn load(
    State(runner): State<Arc<Runner>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<ModelCard>, ApiError> {
    runner.may_change_adapters()?;
    let request: LoadAdapterRequest = parse(&headers, body)?;
    runner.check_name(&request)?;
    let path = PathBuf::from(request.lora_path);
    let (checker, file) = (Arc::clone(&runner), path.clone());
    // Reading the base once to compare it may take a while.
    let checked = tokio::task::spawn_blocking(move || check(&checker, &file)).await;
    checked
        .map_err(|_| ApiError::failed("the check of the adapter ended early"))?
        .map_err(|r| ApiError::refused(&r))?;
    let name = request.lora_name;
    runner.order(|done| AdapterOrder::Load { name: name.clone(), path, done }).await?;
    tracing::info!("the adapter {name} is offered");
    Ok(Json(runner.card(Some(&name))))
}

/// `POST /v1/unload_lora_adapter`
pub(super) async fn unload(
    State(runner): State<Arc<Runner>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<ModelCard>, ApiError> {
    runner.may_change_adapters()?;
    let request: UnloadAdapterRequest = parse(&headers, body)?;
    let name = request.lora_name;
    runner.order(|done| AdapterOrder::Unload { name: name.clone(), done }).await?;
    tracing::info!("the adapter {name} is offered no longer");
    Ok(Json(runner.card(Some(&name))))
}

fn check(runner: &Runner, file: &std::path::Path) -> Result<(), Refusal> {
    let header = AdapterHeader::read(file).map_err(|reason| {
        Refusal::new("lora_path", format!("cannot use {} as an adapter: {reason}", file.display()))
    })?;
    runner.base.check(&header)
}

impl Runner {
    fn may_change_adapters(&self) -> Result<(), ApiError> {
        if self.api_key.is_some() { Ok(()) } else { Err(ApiError::needs_a_key()) }
    }

    fn check_name(&self, request: &LoadAdapterRequest) -> Result<(), ApiError> {
        let name = request.lora_name.as_str();
        let wrong = |sentence: String| Err(ApiError::wrong_field("lora_name", sentence));
        if name.is_empty() || name.len() > MAX_NAME || name.chars().any(|c| c.is_control() || c == '/') {
            return wrong(format!("a name has 1 to {MAX_NAME} bytes, and no slash or control character"));
        }
        if name == self.base.id() {
            return wrong(format!("{name} is the base; give the adapter another name"));
        }
        if !request.load_inplace && self.adapters.borrow().iter().any(|here| here == name) {
            return wrong(format!("there is an adapter {name}; set load_inplace to put this one in its place"));
        }
        Ok(())
    }

    async fn order(
        &self,
        order: impl FnOnce(oneshot::Sender<Result<(), Refusal>>) -> AdapterOrder,
    ) -> Result<(), ApiError> {
        let (done, answer) = oneshot::channel();
        let order = Call::Adapter(order(done));
        self.queue.calls.send_timeout(order, self.time_limit).await.map_err(|_| ApiError::stopping())?;
        match tokio::time::timeout(self.time_limit, answer).await {
            Ok(Ok(result)) => result.map_err(|refusal| ApiError::refused(&refusal)),
            Ok(Err(_)) => Err(ApiError::stopping()),
            Err(_) => Err(ApiError::out_of_time()),
        }
    }
}
