//! Trains LoRA adapters against the very weights that are served, and small models from nothing, on the machine that
//! serves them.
//!
//! It reads rows and GGUF files and writes GGUF files; whose rows they are, and who serves what comes of them, is decided
//! elsewhere.

pub mod adapter;
pub mod backend;
mod decoder;
pub mod error;
pub mod everyday;
pub mod gguf;
pub mod judge;
pub mod learner;
pub mod lora;
pub mod optimiser;
pub mod overlap;
pub mod packing;
mod parameters;
pub mod pocket;
pub mod rows;
mod scratch;
pub mod shape;
#[cfg(feature = "testing")]
pub mod testing;
pub mod tokens;
pub mod training;
mod whole_file;

pub use error::{Error, Result};
