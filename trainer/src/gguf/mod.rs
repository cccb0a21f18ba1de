//! GGUF files: the base that is read, and what is written.

mod base;
mod blocks;
mod writer;

pub(crate) use self::blocks::encode;
pub use self::{
    base::{Base, GgufFile, sha256_of_file},
    blocks::Stored,
    writer::{Entry, MetaValue, TensorPlan, Writer},
};
