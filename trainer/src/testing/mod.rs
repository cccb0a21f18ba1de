//! Bases of random weights, the same bases for transformers, and rows of the sample group: for tests and benchmarks, behind
//! the feature `testing`. Nothing is downloaded for either.

mod export;
mod random_base;
mod sample;

pub use self::{
    export::{export, write_matrices},
    random_base::{RandomBase, Weights},
    sample::windows,
};
