//! Placeholder.

pub mod markov;
