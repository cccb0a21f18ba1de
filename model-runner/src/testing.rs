//! Tiny models of random weights, made by our own code: nothing is downloaded for a test.
//!
//! They load in llama.cpp like any other and answer nonsense, quickly. Behind the feature `testing`.

mod gguf_writer;
mod tiny;

pub use gguf_writer::GgufWriter;
pub use tiny::TinyModel;
