//! The whole bot on Telegram: a stateful fake of its Bot API over real HTTP, a real Postgres, a fake runner.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there")]

#[path = "../whole_bot/fake_runner.rs"]
#[expect(dead_code, reason = "the other tests of the whole bot use more of it")]
mod fake_runner;

mod fake;

mod commands;
mod connection;
mod groups;
mod history;
mod persona_bots;
mod personas;
mod test_api;
mod tester;
mod the_fake;
