//! Training an adapter on a community's history, and handing it to whoever serves that community.

use std::path::PathBuf;

use anyhow::{Context, bail};
use chat::MemberId;
use chrono::{DateTime, Utc};
use corpus::dataset::Report;
use store::{Community, Store};
use tokio::task::spawn_blocking;
use trainer::{
    shape::Shape,
    training::{Event, Job, Options, Outcome, Training, Verdict},
};

use crate::{adapters, dataset::report_of};

/// What is to be trained.
#[derive(Debug, Clone)]
pub struct Order {
    /// The GGUF file that is served.
    pub base: PathBuf,
    /// The folder of the rows.
    pub dataset: PathBuf,
    /// The folder for checkpoint, metrics, plot and adapter.
    pub out: PathBuf,
    /// What the adapter is called.
    pub name: String,
    /// What computes.
    pub device: trainer::training::Device,
    /// Whether an earlier training in the same folder is forgotten.
    pub restart: bool,
}

impl Order {
    /// Reads base and rows.
    ///
    /// # Errors
    /// A sentence, where they or the options will not do.
    pub fn prepare(self, change: impl FnOnce(&Shape, &mut Options)) -> anyhow::Result<(Training, Report)> {
        let report = report_of(&self.dataset)?;
        if report.prompt_version != chat::PROMPT_VERSION {
            bail!(
                "the rows in {} are of version {} of the prompt, and this program renders version {}; make them again with \
                 `groupchat dataset`",
                self.dataset.display(),
                report.prompt_version,
                chat::PROMPT_VERSION
            );
        }
        let job = Job {
            base: self.base,
            dataset: self.dataset,
            out: self.out,
            name: self.name,
            members: Some(members_as_json(&report)),
            device: self.device,
            restart: self.restart,
        };
        Ok((Training::new(job, change)?, report))
    }
}

fn members_as_json(report: &Report) -> String {
    let members = report.members.iter().map(|member| serde_json::json!({"id": member.id, "name": member.name}));
    serde_json::Value::Array(members.collect()).to_string()
}

/// Trains on a thread of its own; `on_event` is called there.
///
/// # Errors
/// What the training says.
pub async fn run(
    training: Training,
    mut on_event: impl FnMut(&Event) -> Verdict + Send + 'static,
) -> anyhow::Result<Outcome> {
    let outcome = spawn_blocking(move || training.run(&mut on_event)).await.context("the training was interrupted")?;
    Ok(outcome?)
}

/// Makes what was trained known, so that the personas of the community speak with it from their next reply on.
///
/// # Errors
/// Where the store does not take it, as when it was trained on people of another community.
pub async fn hand_over(
    store: &Store,
    community: &Community,
    name: &str,
    outcome: &Outcome,
    report: &Report,
    now: DateTime<Utc>,
) -> anyhow::Result<()> {
    let members: Vec<MemberId> = report.members.iter().map(|member| member.id).collect();
    adapters::register(store, community.id, name, &outcome.adapter, &members, now).await?;
    Ok(())
}
