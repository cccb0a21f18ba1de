//! The model runner: HTTP in front, a bounded queue behind it, and at its end the one thread that owns llama.cpp.
//!
//! It speaks OpenAI's interface, so that any client can ask it and any such server can take its place. It must not know
//! what a persona, a room or a platform is: what comes in is a conversation, what goes out is text.

mod args;
mod counters;
mod gguf;
mod http;
mod job;
mod llama;
mod markup;
mod model_thread;
mod server;
mod stop;
#[cfg(feature = "testing")]
pub mod testing;
mod threads;
mod turns;
mod utf8;

pub use args::{Args, EXIT_BAD_MODEL, LISTENING_ON, run};
pub use gguf::{BadGguf, GgufHeader};
pub use server::{Options, ServeError, serve};
