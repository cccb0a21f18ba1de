//! GGUF files: the base that is read, and what is written.

mod base;
mod blocks;
mod dequantise;
mod writer;

pub(crate) use self::{base::hex, writer::shape_entries};
pub use self::{
    base::{Base, GgufFile},
    blocks::{Stored, encode},
    writer::{Entry, MetaValue, TensorPlan, Writer},
};
