//! What a history is made into: messages from exports, training rows, and the Markov voice of each member.
//!
//! It does no database I/O and knows no platform: files come in, messages, lines and files of rows go out.

pub mod dataset;
pub mod import;
pub mod markov;
