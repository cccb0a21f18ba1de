//! Models that come from a hub: a fake of it that speaks as Hugging Face documents, and everything that can go wrong between
//! it and the models folder.
//!
//! Linux only: the program's processes are found through /proc.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod answers;
mod commands;
mod interrupted;
mod run;
mod tester;
mod the_fake;
