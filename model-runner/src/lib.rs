//! The model runner: HTTP in front, a bounded queue behind it, and at its end the one thread that owns llama.cpp.
//!
//! It speaks OpenAI's interface, so that any client can ask it and any such server can take its place. It must not know
//! what a persona, a room or a platform is: what comes in is a conversation, what goes out is text.

mod adapters;
mod args;
mod base;
mod cache;
mod engine;
mod gbnf;
mod gguf;
mod http;
mod job;
mod last_words;
mod llama;
mod masks;
mod metrics;
mod model_thread;
mod sampling;
mod server;
mod stop;
#[cfg(feature = "testing")]
pub mod testing;
mod threads;
mod turns;
mod utf8;
mod waiting;

pub use args::{Args, EXIT_BAD_MODEL, LISTENING_ON, run};
pub use gguf::{AdapterHeader, BadGguf, GgufHeader};
pub use llama::{CacheType, Quantisation, quantise};
pub use server::{Options, ServeError, serve};
