//! The database: one that was given by URL, or a private one that is started and kept alive here.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::Context;
use secrecy::SecretString;
use store::{Cluster, ClusterOptions, Store};
use tokio_util::sync::CancellationToken;

/// How long a server may take to answer at the start.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often a private server is looked after.
const LOOK_AFTER: Duration = Duration::from_secs(1);
/// The name of our database in a private server.
const DATABASE: &str = "groupchat";

/// A database that is there.
pub(super) struct Database {
    /// The history in it.
    pub store: Store,
    cluster: Option<Arc<Cluster>>,
}

impl Database {
    /// Connects to the server that `url` names, or else starts the private one in `data`.
    ///
    /// # Errors
    /// A sentence with the remedy, where there is no server to be had.
    pub(super) async fn open(url: Option<&SecretString>, data: &Path) -> anyhow::Result<Self> {
        if let Some(url) = url {
            let store = Store::connect(url, PATIENCE).await.context("cannot use the database of database.url")?;
            return Ok(Self { store, cluster: None });
        }
        let options = ClusterOptions { dir: data.join("postgres"), durable: true };
        let cluster = tokio::task::spawn_blocking(move || Cluster::start(&options))
            .await
            .context("starting the private Postgres was interrupted")?
            .context("cannot start the private Postgres")?;
        let store =
            Store::connect(&cluster.url(DATABASE), PATIENCE).await.context("cannot use the private Postgres")?;
        Ok(Self { store, cluster: Some(Arc::new(cluster)) })
    }

    /// Whether no other process of ours can be using it: whoever runs on a private server holds the lock on its folder.
    pub(super) fn is_ours_alone(&self) -> bool {
        self.cluster.is_some()
    }

    /// Starts a private server again whenever it is gone, until the shutdown.
    pub(super) async fn look_after(&self, shutdown: CancellationToken) {
        let Some(cluster) = self.cluster.clone() else { return shutdown.cancelled().await };
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(LOOK_AFTER) => {}
            }
            let cluster = cluster.clone();
            match tokio::task::spawn_blocking(move || cluster.ensure_running()).await {
                Ok(Ok(false)) => {}
                Ok(Ok(true)) => tracing::warn!("the private Postgres was gone and has been started again"),
                Ok(Err(error)) => {
                    tracing::error!(%error, "the private Postgres cannot be started again; it will be tried")
                }
                Err(error) => tracing::error!(%error, "looking after the private Postgres was interrupted"),
            }
        }
    }
}
