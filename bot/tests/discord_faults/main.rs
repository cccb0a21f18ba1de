//! The program itself on Discord, while everything around it breaks: the gateway, REST, webhooks, permissions, Postgres,
//! the model runner, and the program.
//!
//! Linux only: its processes are found through /proc.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

#[path = "../discord/fake/mod.rs"]
#[expect(dead_code, reason = "a Discord has more sides than any one of its tests needs")]
mod fake;

#[path = "../faults/home.rs"]
#[expect(dead_code, reason = "the tests of the demo use more of it")]
mod home;

mod audit;
mod runner;
mod scene;
mod troubles;
