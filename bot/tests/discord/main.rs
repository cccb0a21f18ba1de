//! The whole bot on Discord: a stateful fake of it over real HTTPS and WebSocket, a real Postgres, a fake runner.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there")]

#[path = "../whole_bot/fake_runner.rs"]
#[expect(dead_code, reason = "the other tests of the whole bot use more of it")]
mod fake_runner;

#[expect(dead_code, reason = "a Discord has more sides than any one of its tests needs")]
mod fake;

mod commands;
mod connection;
mod history;
mod people;
mod personas;
mod processes;
mod reactions;
mod tester;
mod the_fake;
