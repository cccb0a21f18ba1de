//! A model runner of one's own, for as long as something is measured.

use std::{path::Path, time::Duration};

use anyhow::{Context, bail};
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::measure::{Model, Models};
use crate::runner::{RunnerClient, RunnerError, RunnerOptions, RunnerProcess};

/// How long a runner may take to load its model.
const START_TIME: Duration = Duration::from_secs(600);

/// A model runner that nobody else knows of.
#[derive(Debug)]
pub struct Server {
    client: RunnerClient,
    shutdown: CancellationToken,
    ended: JoinHandle<()>,
}

impl Server {
    /// Starts a runner and waits until it can answer.
    ///
    /// # Errors
    /// Where it cannot serve the model; what the runner says about it stands in the log.
    pub async fn start(options: RunnerOptions) -> anyhow::Result<Self> {
        let model = options.model.display().to_string();
        let process = RunnerProcess::new(options);
        let (mut clients, shutdown) = (process.client(), CancellationToken::new());
        let ended = tokio::spawn(process.run(shutdown.clone()));
        match tokio::time::timeout(START_TIME, first(&mut clients)).await {
            Ok(Some(client)) => Ok(Self { client, shutdown, ended }),
            Ok(None) => bail!("{model} cannot be served, for the reason above; give another file with --model"),
            Err(_) => {
                shutdown.cancel();
                bail!("{model} was not loaded within {} minutes; give a smaller model", START_TIME.as_secs() / 60)
            }
        }
    }

    /// The base that it serves, with these adapters, which are called after their files.
    ///
    /// # Errors
    /// Where an adapter does not fit, with the runner's reason.
    pub async fn models(&self, adapters: &[impl AsRef<Path>]) -> anyhow::Result<Models> {
        let base = Model { name: self.client.model_name(), client: self.client.clone() };
        let mut models = Models { base, adapters: Vec::new() };
        for (number, file) in (1..).zip(adapters.iter().map(AsRef::as_ref)) {
            // The runner has a working directory of its own.
            let whole = file.canonicalize();
            let whole = whole.with_context(|| format!("there is no {}; give --adapter a GGUF file", file.display()))?;
            let name = format!("{number}@evaluation");
            match self.client.load_adapter(&name, &whole).await {
                Ok(()) => {}
                Err(RunnerError::Rejected { sentence }) => bail!("the adapter {}: {sentence}", file.display()),
                Err(error) => return Err(error).with_context(|| format!("cannot load {}", file.display())),
            }
            models.adapters.push(Model { name: file.display().to_string(), client: self.client.with_model(&name) });
        }
        Ok(models)
    }

    /// Ends it.
    ///
    /// # Errors
    /// Where it ended badly.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.shutdown.cancel();
        self.ended.await.context("the model runner's task ended badly")
    }
}

/// The first client that there is; none where there will be none.
async fn first(clients: &mut watch::Receiver<Option<RunnerClient>>) -> Option<RunnerClient> {
    clients.wait_for(Option::is_some).await.ok()?.clone()
}
