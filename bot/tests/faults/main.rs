//! The program itself, as people start it: killed at every turn of a conversation, started wrongly,
//! and asked for training rows.
//!
//! Linux only: its processes are found through /proc.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod audit;
mod command_line;
mod conversation;
mod dataset;
mod home;
mod killed;
mod page;
