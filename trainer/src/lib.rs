//! The making of models: what the pocket model reads before it meets a group.

pub mod everyday;
