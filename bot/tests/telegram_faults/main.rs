//! The program itself on Telegram, while everything around it breaks: the Bot API, the connections to it, Postgres, the model
//! runner, and the program; and while small groups become supergroups.
//!
//! Linux only: its processes are found through /proc.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

#[path = "../telegram/fake/mod.rs"]
#[expect(dead_code, reason = "a Telegram has more sides than any one of its tests needs")]
mod fake;

#[path = "../faults/home.rs"]
#[expect(dead_code, reason = "the tests of the demo use more of it")]
mod home;

#[path = "../discord_faults/runner.rs"]
mod runner;

mod audit;
mod scene;
mod troubles;
