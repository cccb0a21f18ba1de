//! Whoever withdraws consent or is forgotten vanishes from training rows too: a dataset that quotes them is deleted whole.
//!
//! Rewriting it would be subtle (windows quote, names are mentioned, splits were cut by its counts) and gains nothing: it
//! is made again within seconds from a history that knows better.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
use corpus::dataset::{self, Report};
use store::{Change, Store};
use tokio_util::sync::CancellationToken;

use super::shelf::Shelf;

/// How long is waited before it is tried again, where the database or a folder was away.
const RETRY: Duration = Duration::from_secs(5);

/// Deletes the datasets of a data folder that quote somebody who may not be learned from (any more), and what a process
/// that was killed left of one. Returns the folders of those datasets.
///
/// Whoever is about to use a dataset calls this first.
///
/// # Errors
/// Where the members cannot be read, or something cannot be deleted.
pub async fn withdraw(store: &Store, data: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let shelf = Shelf::new(data);
    let mut withdrawn = Vec::new();
    let folders = shelf.folders()?;
    for folder in &folders {
        let report = dataset::read_report(folder)
            .with_context(|| format!("cannot read the report of {}; delete that folder", folder.display()))?;
        let Some(report) = report else { continue };
        if quotes_who_withdrew(store, &report).await? {
            dataset::remove(folder).with_context(|| format!("cannot delete {}", folder.display()))?;
            withdrawn.push(folder.clone());
        }
    }
    // Where somebody has the lock, what is unfinished is theirs.
    if !folders.is_empty()
        && let Some(_lock) = shelf.try_lock()?
    {
        for folder in &folders {
            dataset::remove_leftovers(folder).with_context(|| format!("cannot tidy up beside {}", folder.display()))?;
        }
    }
    Ok(withdrawn)
}

async fn quotes_who_withdrew(store: &Store, report: &Report) -> anyhow::Result<bool> {
    let members = store.members(report.community.id).await.context("cannot read who the members are")?;
    let agree: HashSet<_> =
        members.iter().filter(|member| member.may_be_learned_from()).map(|member| member.id).collect();
    Ok(report.members.iter().any(|member| !agree.contains(&member.id)))
}

/// Deletes datasets whenever somebody withdraws, and at the start for what happened before, until the shutdown.
pub async fn keep_watch(store: Store, data: PathBuf, shutdown: CancellationToken) {
    let watching = async {
        loop {
            if let Err(error) = watch(&store, &data).await {
                tracing::warn!("datasets of who withdrew are looked for again soon: {error:#}");
            }
            tokio::time::sleep(RETRY).await;
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = watching => {}
    }
}

/// Ends with an error when the connection cannot be had again.
async fn watch(store: &Store, data: &Path) -> anyhow::Result<()> {
    let mut changes = store.listen().await?;
    loop {
        for folder in withdraw(store, data).await? {
            tracing::warn!(
                folder = %folder.display(),
                "somebody withdrew, so these training rows were deleted; `groupchat dataset` makes them anew"
            );
        }
        while let Change::Room(_) = changes.next().await? {}
    }
}
