//! A training as a page shows it: how far it is, how well it goes, and what personas say before and after.

use serde::Serialize;

/// A training that the page shows.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Lesson {
    /// How far it is.
    pub stage: Stage,
    /// What ended it, as a sentence for people; none while nothing has.
    pub trouble: Option<String>,
    /// Steps that are done.
    pub step: u64,
    /// All steps.
    pub steps: u64,
    /// How long the rest is going to take; none before the first step.
    pub seconds_left: Option<u64>,
    /// The loss on what is learned, after each of some steps.
    pub losses: Vec<Point>,
    /// The loss on what is not learned from.
    pub looks: Vec<Point>,
    /// What personas say in situations that were not learned from.
    pub scenes: Vec<Scene>,
}

/// How far a training is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The history becomes rows.
    #[default]
    Reading,
    /// The personas say something with the base alone.
    Before,
    /// It learns.
    Learning,
    /// The personas speak with what was learned.
    Done,
    /// It ended, and the personas speak as before.
    Failed,
}

/// The loss after a step: minus the mean logarithm of the chance that each token was given.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Point {
    /// Steps that were done.
    pub step: u64,
    /// The loss.
    pub loss: f64,
}

/// What was said before somebody's turn, and what each says in their place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Scene {
    /// The latest messages, oldest first.
    pub window: Vec<Said>,
    /// Whose turn it is.
    pub speaker: String,
    /// What the member really said.
    pub real: String,
    /// What the persona says with the base alone.
    pub before: String,
    /// What it says with what was learned so far; none before anything was.
    pub after: Option<String>,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Said {
    /// By whom.
    pub name: String,
    /// What.
    pub text: String,
}
