//! groupchat: a bot that learns how a group of friends talks and then talks like them.
//!
//! [`App`] is the whole of it without a command line: platforms hand it events and commands, it keeps the history, lets
//! each room decide who speaks, and posts through the platforms. See ARCHITECTURE.md for the path of a message.

pub mod adapters;
pub mod app;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod community;
pub mod config;
pub mod dataset;
pub mod director;
pub mod doctor;
pub mod eval;
pub mod event;
pub mod import;
pub mod models;
pub mod platform;
pub mod quotas;
pub mod reactions;
mod room;
pub mod runner;
pub mod training;
pub mod voice;

pub use app::{App, AppOptions, Outcome, RoomView};
pub use clock::Clock;
