//! GGUF files: the base that is read, and what is written.

mod base;
mod blocks;
mod writer;

pub(crate) use self::{base::hex, blocks::encode};
pub use self::{
    base::{Base, GgufFile},
    blocks::Stored,
    writer::{Entry, MetaValue, TensorPlan, Writer},
};
