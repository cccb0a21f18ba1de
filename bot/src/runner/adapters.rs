//! Has our own runner offer adapters as models of their own names, and asks for them.

use std::{path::Path, sync::Arc, time::Duration};

use chat::wire::{LoadAdapterRequest, ModelCard, ModelList, UnloadAdapterRequest};

use super::{RunnerClient, RunnerError, client::transport};

/// How long loading an adapter may take. The first time the runner reads all of the model to compare it, and one that
/// rests loads the model before.
const LOAD_TIME: Duration = Duration::from_secs(60);
/// How long the rest may take.
const CHANGE_TIME: Duration = Duration::from_secs(20);

impl RunnerClient {
    /// Whether both are clients of one life of a server: what one has learned of it the other knows.
    pub fn is_of_the_same_server(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.known, &other.known)
    }

    /// Has the runner offer a file on its machine under a name, in the place of another of that name. What is being
    /// answered goes on with the old one.
    ///
    /// # Errors
    /// [`RunnerError::Rejected`] where the adapter does not fit, with the runner's reason; others as for a reply.
    pub async fn load_adapter(&self, name: &str, file: &Path) -> Result<(), RunnerError> {
        let request = LoadAdapterRequest {
            lora_name: name.to_owned(),
            lora_path: file.to_string_lossy().into_owned(),
            load_inplace: true,
        };
        let request = self.post("/v1/load_lora_adapter").json(&request);
        self.send(request.timeout(LOAD_TIME)).await.map(drop)
    }

    /// Has the runner offer an adapter no longer.
    ///
    /// # Errors
    /// As for a reply; [`RunnerError::Rejected`] where there is none of that name.
    pub async fn unload_adapter(&self, name: &str) -> Result<(), RunnerError> {
        let request = UnloadAdapterRequest { lora_name: name.to_owned() };
        let request = self.post("/v1/unload_lora_adapter").json(&request);
        self.send(request.timeout(CHANGE_TIME)).await.map(drop)
    }

    /// What the server offers: the base, and on our own runner each adapter, with the base as its parent.
    ///
    /// # Errors
    /// As for a reply.
    pub async fn models(&self) -> Result<Vec<ModelCard>, RunnerError> {
        let response = self.send(self.get("/v1/models").timeout(CHANGE_TIME)).await?;
        let list: ModelList = response.json().await.map_err(transport)?;
        Ok(list.data)
    }
}
