//! The model runner as the bot sees it: a client for its HTTP interface, and a supervisor for the child process.
//!
//! The client speaks to any server with OpenAI's interface. Neither knows what the words are for.

mod adapters;
mod client;
mod judging;
mod prefill;
mod process;

pub use client::{BadAddress, Draw, Extras, Priority, RunnerClient, RunnerError};
pub use process::{RunnerOptions, RunnerProcess};
