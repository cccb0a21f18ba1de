//! The whole bot against a real Postgres, a platform that exists only in memory and a model runner that says what it is
//! told: post a message, expect the reply. The platform is a second implementation beside the web page, and nothing in
//! rooms, director or commands knows of it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]
#![allow(clippy::disallowed_methods, reason = "what is posted here carries the time of the test")]

mod adapters;
mod comings_and_goings;
mod commands;
mod conversation;
mod fake_runner;
mod learning;
mod memory_platform;
mod people;
mod permission;
mod prefill;
mod processes;
mod reactions;
mod recovery;
mod tester;
