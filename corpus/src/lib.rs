//! What a history is made into: messages from exports, and the Markov voice of each member.
//!
//! It does no database I/O and knows no platform: files come in, messages and lines go out.

pub mod import;
pub mod markov;
