//! Adapters as files: GGUF, as llama.cpp loads it, and PEFT, as the Python tools read and write it.

mod gguf_file;
mod merge;
mod peft;

pub use self::{
    gguf_file::{Notes, read, write},
    merge::merge,
    peft::{export, import},
};
use crate::shape::{Family, Module};

/// One pair of matrices.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    /// Of which layer.
    pub layer: usize,
    /// Beside which matrix.
    pub module: Module,
    /// `[rank, inputs]`
    pub a: Vec<f32>,
    /// `[outputs, rank]`
    pub b: Vec<f32>,
    /// Rows of `a`.
    pub rank: usize,
}

impl Pair {
    /// Columns of `a`.
    pub fn inputs(&self) -> usize {
        self.a.len() / self.rank
    }

    /// Rows of `b`.
    pub fn outputs(&self) -> usize {
        self.b.len() / self.rank
    }
}

/// An adapter, whatever file it came from.
#[derive(Debug, Clone, PartialEq)]
pub struct Adapter {
    /// The kind of model that it is for.
    pub family: Family,
    /// What the product of each pair is multiplied with, times the pair's rank.
    pub alpha: f32,
    /// Its pairs, by layer and module.
    pub pairs: Vec<Pair>,
}

impl Adapter {
    /// The greatest rank of its pairs.
    pub fn rank(&self) -> usize {
        self.pairs.iter().map(|pair| pair.rank).max().unwrap_or(0)
    }

    /// The pair beside a matrix, where there is one.
    pub fn pair(&self, layer: usize, module: Module) -> Option<&Pair> {
        self.pairs.iter().find(|pair| (pair.layer, pair.module) == (layer, module))
    }
}
