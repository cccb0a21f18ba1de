//! Placeholder.

pub mod import;
pub mod markov;
