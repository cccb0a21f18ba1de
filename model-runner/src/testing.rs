//! Tiny models and adapters of random weights, made by our own code: nothing is downloaded for a test.
//!
//! They load in llama.cpp like any other and answer nonsense, quickly. And a way for a benchmark to draw tokens without
//! a model. Behind the feature `testing`.

mod adapter;
mod gguf_writer;
mod sampler_bench;
mod shape;
mod tiny;

pub use adapter::TinyAdapter;
pub use gguf_writer::GgufWriter;
pub use sampler_bench::SamplerBench;
pub use shape::Shape;
pub use tiny::TinyModel;
