//! From the stored history to a folder of training rows: pages through a bounded channel to a thread that curates them.
//!
//! What is curated how is in `corpus::dataset`; this is what stands between it and the database. A dataset quotes people,
//! so it is known where each is (`shelf`), and one that quotes somebody who withdrew is taken away (`withdrawal`).

mod shelf;
#[cfg(test)]
mod tests;
mod withdrawal;

use std::path::Path;

use anyhow::{Context, bail};
use chat::{ConsentPolicy, Message};
use chrono::{DateTime, Utc};
use corpus::dataset::{Collector, CommunityFacts, Dataset, FromApi, Options, Replace, Report, Rule, read_report};
use store::{Community, Sources, Store};
use tokio::{sync::mpsc, task::spawn_blocking};

use self::shelf::Shelf;
pub use self::withdrawal::{keep_watch, withdraw};
use crate::community::Learning;

/// How many messages are read at once.
const PAGE: u32 = 5_000;
/// How many pages may wait to be curated while the next is read.
const PAGES_AHEAD: usize = 4;

/// What is to be made.
#[derive(Debug, Clone)]
pub struct Order<'a> {
    /// Of whose history.
    pub community: &'a Community,
    /// What may be learned from.
    pub learning: Learning,
    /// How.
    pub options: Options,
    /// The folder for everything that is kept, where it is noted which datasets there are.
    pub data: &'a Path,
    /// The folder of the dataset.
    pub out: &'a Path,
    /// What that folder may hold already.
    pub replace: Replace,
}

/// Makes the dataset of a community and writes it. `progress` is told how many messages were read so far.
///
/// # Errors
/// A sentence with the remedy, where another process makes one in the same data folder, where the folder may not be
/// written, where there would be no rows, or where somebody withdrew meanwhile. There is no new dataset then.
pub async fn make(
    store: &Store,
    order: Order<'_>,
    now: DateTime<Utc>,
    mut progress: impl FnMut(u64),
) -> anyhow::Result<Report> {
    let Order { community, learning, options, data, out, replace } = order;
    let out = std::path::absolute(out).with_context(|| format!("{} is no folder", out.display()))?;
    let shelf = Shelf::new(data);
    let _lock = shelf.lock()?;
    withdrawal::withdraw(store, data).await?;
    Dataset::may_replace(&out, community.id, replace)?;
    // Before there is anything, so that whatever comes of it is found.
    shelf.note(&out)?;
    let collector = collect(store, community, learning, options, &mut progress).await?;
    let report = spawn_blocking({
        let out = out.clone();
        move || -> anyhow::Result<Report> {
            let dataset = collector.finish(now);
            ensure_rows(dataset.report())?;
            dataset.write(&out, replace)?;
            Ok(dataset.report().clone())
        }
    })
    .await
    .context("making the dataset was interrupted")??;
    // Whoever withdrew since the members were read was not seen by anybody who looked for datasets.
    if withdrawal::withdraw(store, data).await?.contains(&out) {
        bail!("a member withdrew while the rows were made, so they were deleted; run it again");
    }
    Ok(report)
}

/// The report of a dataset.
///
/// # Errors
/// A sentence with the remedy, where there is no dataset, or one that cannot be read.
pub fn report_of(folder: &Path) -> anyhow::Result<Report> {
    let report = read_report(folder).with_context(|| format!("cannot read the dataset in {}", folder.display()))?;
    report.with_context(|| format!("there is no dataset in {}; `groupchat dataset` makes one", folder.display()))
}

/// Reads the whole history of a community.
async fn collect(
    store: &Store,
    community: &Community,
    learning: Learning,
    options: Options,
    progress: &mut impl FnMut(u64),
) -> anyhow::Result<Collector> {
    let from_api = match learning.sources(community.platform) {
        Sources::All => FromApi::Everything,
        Sources::ExportsOnly => FromApi::Nothing,
    };
    let mut members = store.members(community.id).await.context("cannot read who the members are")?;
    if learning.needs_consent(community.platform) {
        // As if the group had decided so: then who says nothing is left out.
        members.iter_mut().for_each(|member| member.policy = ConsentPolicy::OptIn);
    }
    let facts = CommunityFacts { id: community.id, title: community.title.clone() };
    let mut collector = Collector::new(facts, &members, from_api, options);
    let (pages, mut received) = mpsc::channel::<Vec<Message>>(PAGES_AHEAD);
    let curating = spawn_blocking(move || {
        while let Some(page) = received.blocking_recv() {
            page.iter().for_each(|message| collector.add(message));
        }
        collector
    });
    // Where this fails, nobody asks for what was curated until then.
    read(store, community, pages, progress).await.context("cannot read the history")?;
    curating.await.context("curating the history was interrupted")
}

async fn read(
    store: &Store,
    community: &Community,
    pages: mpsc::Sender<Vec<Message>>,
    progress: &mut impl FnMut(u64),
) -> anyhow::Result<()> {
    let mut count = 0;
    for room in store.rooms_in(community.id).await? {
        let mut after = None;
        loop {
            let page = store.page_after(room.id, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.key);
            count += page.len() as u64;
            pages.send(page).await.context("curating the history was interrupted")?;
            progress(count);
        }
    }
    Ok(())
}

/// A dataset without rows is a mistake that would show only much later.
fn ensure_rows(report: &Report) -> anyhow::Result<()> {
    if report.windows > 0 {
        return Ok(());
    }
    let messages = &report.messages;
    let left_out = |rule| messages.left_out.get(&rule).copied().unwrap_or(0);
    let counts = messages.left_out.iter().chain(&messages.window_only).map(|(rule, count)| format!("{count} {rule}"));
    let counts = counts.collect::<Vec<_>>().join(", ");
    let remedy = match (left_out(Rule::NoConsent), left_out(Rule::Provenance)) {
        (0, 0) => "import more of the history with `groupchat import`",
        (0, _) => {
            "what came through Discord's API may not be learned: import an export, or see training.discord_api_messages"
        }
        _ => "members agree with /consent yes, or you declare it with `groupchat import --members-agreed`",
    };
    bail!("there would be no rows: {} messages were read ({counts}); {remedy}", messages.read)
}
