//! How an adapter is trained.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Result},
    lora::Layout,
    optimiser::{Pace, Schedule},
    shape::{Module, Shape},
};

/// How an adapter is trained. What of it changes the numbers is part of a training's fingerprint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Options {
    /// What it changes.
    pub layout: Layout,
    /// How fast it learns.
    pub pace: Pace,
    /// The share of its inputs that is dropped.
    pub drop_out: f32,
    /// How much a token of a next speaker's name counts, beside one of a reply; where it is 0, nobody is asked for.
    pub speaker_weight: f32,
    /// How often each row is learned from, at most.
    pub epochs: u32,
    /// Rows a step, at least.
    pub batch_rows: usize,
    /// Tokens that are computed at once, at most.
    pub batch_tokens: usize,
    /// Rows with more tokens are left out.
    pub longest: usize,
    /// What is drawn from.
    pub seed: u64,
    /// How often an epoch the loss on the validation rows is looked at.
    pub looks: u32,
    /// After how many looks without a better loss it ends; 0 for never.
    pub patience: u32,
    /// Whether the layers below the adapter are computed anew in each step, instead of once, with what comes of them kept on
    /// the disk.
    #[serde(skip)]
    pub recompute: bool,
    /// How long a training goes on before it is written down; nothing that was learned before is ever lost.
    #[serde(skip, default = "a_minute")]
    pub checkpoint_every: Duration,
}

fn a_minute() -> Duration {
    Duration::from_secs(60)
}

impl Options {
    /// Good ones for a model of that shape.
    pub fn for_shape(shape: &Shape) -> Self {
        // Small models have less to spoil and more to learn.
        let learning_rate = if shape.width < 512 { 2e-3 } else { 2e-4 };
        Self {
            layout: Layout { rank: 16, alpha: 32.0, modules: Module::ALL.to_vec(), first_layer: 0 },
            pace: Pace { learning_rate, schedule: Schedule::Cosine, warm_up: 0.03, weight_decay: 0.0, clip: 1.0 },
            drop_out: 0.0,
            speaker_weight: 1.0,
            epochs: 3,
            batch_rows: 32,
            batch_tokens: 512,
            longest: 512,
            seed: 1,
            looks: 2,
            patience: 3,
            recompute: false,
            checkpoint_every: a_minute(),
        }
    }

    /// Whether what comes of the layers below the adapter is kept: where there are some, and it is needed again.
    pub(super) fn keeps_states(&self) -> bool {
        self.layout.first_layer > 0 && self.epochs > 1 && !self.recompute
    }

    /// Looks for what cannot be.
    ///
    /// # Errors
    /// A sentence about it.
    pub fn check(&self, shape: &Shape) -> Result<()> {
        self.layout.check(shape)?;
        let refuse = |sentence: String| Err(Error::Request(sentence));
        if !(0.0..1.0).contains(&self.drop_out) {
            return refuse(format!("--dropout is {}, and is a share from 0 to below 1", self.drop_out));
        }
        if !(self.speaker_weight.is_finite() && self.speaker_weight >= 0.0) {
            return refuse(format!("--speaker-weight is {}, and must be 0 at least", self.speaker_weight));
        }
        if !(self.pace.learning_rate.is_finite() && self.pace.learning_rate > 0.0) {
            return refuse(format!("--learning-rate is {}, and must be above 0", self.pace.learning_rate));
        }
        for (name, value) in [("--epochs", self.epochs as usize), ("--batch-rows", self.batch_rows)] {
            if value == 0 {
                return refuse(format!("{name} is 0, and must be 1 at least"));
            }
        }
        if self.batch_tokens < 64 || self.longest < 64 {
            return refuse("--batch-tokens and --longest are 64 at least, about one row".to_owned());
        }
        Ok(())
    }
}
