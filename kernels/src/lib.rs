//! What a step of a model spends its time on, for x86-64 with AVX2: products of quantised weights with several rows of
//! numbers at once, and attention.
//!
//! **Products.** A step that computes a prompt, or a token for each of several rooms, multiplies the same weights with
//! many rows. Here eight rows of weights are unpacked once, into an order in which a vector holds four consecutive
//! weights of each of the eight, and then meet all rows of numbers. What is computed is what llama.cpp computes from
//! the same weights: numbers are rounded to eight bits by 256 (its `Q8_K`), sums are whole numbers within a block, and
//! only the order in which blocks are added up differs.
//!
//! **Attention.** In a cache that rooms share, a row sees few of the cells. Each row goes through its own, one head of
//! keys at a time, in 32 bits.
//!
//! What comes of a row does not depend on which other rows are computed with it.
//!
//! Nothing here knows of threads or of llama.cpp.

mod attention;
mod numbers;
#[cfg(target_arch = "x86_64")]
mod products;

use std::ops::Range;

pub use self::{
    attention::{Attention, Cells},
    numbers::{BLOCK, Numbers},
};

/// Rows of weights that are multiplied at once.
pub const TILE: usize = 8;

/// How weights are stored: the K-quants of ggml, by blocks of 256 weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// 4 bits a weight, with a scale and a minimum of 6 bits for each 32: 144 bytes a block.
    Q4K,
    /// 6 bits a weight, with a scale of 8 bits for each 16: 210 bytes a block.
    Q6K,
}

impl Format {
    /// Bytes of 256 weights.
    pub const fn block_bytes(self) -> usize {
        match self {
            Self::Q4K => 144,
            Self::Q6K => 210,
        }
    }
}

/// Eight rows of weights, stored one after another.
#[derive(Debug, Clone, Copy)]
pub struct Tile<'a> {
    /// How they are stored.
    pub format: Format,
    /// The weights.
    pub weights: &'a [u8],
    /// The weights that are wanted next, if any: they are fetched from memory meanwhile.
    pub next: &'a [u8],
}

/// Some of a matrix's rows of numbers.
#[derive(Debug, Clone)]
pub struct Rows<'a> {
    /// The matrix: first the first blocks of all its rows, then the second ones, and so on.
    pub numbers: &'a [Numbers],
    /// How many rows it has.
    pub all: usize,
    /// Which of them are meant.
    pub range: Range<usize>,
}

impl<'a> Rows<'a> {
    /// Blocks of a row.
    fn blocks(&self) -> usize {
        assert!(self.all > 0 && self.numbers.len().is_multiple_of(self.all), "all rows of numbers are equally long");
        self.numbers.len() / self.all
    }

    /// A block of each of the rows.
    #[cfg(target_arch = "x86_64")]
    fn block(&self, block: usize) -> &'a [Numbers] {
        &self.numbers[block * self.all..][self.range.clone()]
    }
}

/// Where a thread unpacks weights to.
pub struct Unpacked(#[cfg(target_arch = "x86_64")] products::Unpacked);

impl Unpacked {
    /// A place for a block of eight rows of weights, in any format.
    #[expect(clippy::new_without_default, reason = "it is a place, and has no value")]
    pub const fn new() -> Self {
        Self(
            #[cfg(target_arch = "x86_64")]
            products::Unpacked::ZERO,
        )
    }
}

/// That this processor can do it.
#[derive(Debug, Clone, Copy)]
pub struct Kernel(());

impl Kernel {
    /// The kernel, where the processor has AVX2, FMA and F16C.
    pub fn detect() -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::is_x86_feature_detected as has;
            (has!("avx2") && has!("fma") && has!("f16c")).then_some(Self(()))
        }
        #[cfg(not(target_arch = "x86_64"))]
        None
    }

    /// Rounds 256 numbers to the nearest of 255 that lie evenly around zero.
    pub fn round(self, numbers: &[f32; BLOCK], into: &mut Numbers) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: there is a kernel only where the processor has what it is compiled for.
        unsafe {
            products::round(numbers, into);
        }
        #[cfg(not(target_arch = "x86_64"))]
        into.round(numbers);
    }

    /// Multiplies a tile with rows of numbers. The products of a row of numbers with the eight rows of the tile stand
    /// together.
    ///
    /// # Panics
    /// Where the lengths do not fit each other.
    #[cfg_attr(not(target_arch = "x86_64"), expect(unused_variables, reason = "no kernel is made here"))]
    pub fn multiply(self, unpacked: &mut Unpacked, tile: &Tile<'_>, rows: &Rows<'_>, products: &mut [[f32; TILE]]) {
        let blocks = rows.blocks();
        assert_eq!(rows.range.len(), products.len(), "there is a place for the products of each row");
        assert_eq!(tile.weights.len(), TILE * blocks * tile.format.block_bytes(), "all rows are equally long");
        #[cfg(target_arch = "x86_64")]
        // SAFETY: there is a kernel only where the processor has what it is compiled for.
        unsafe {
            products::multiply(&mut unpacked.0, tile, rows, products);
        }
        #[cfg(not(target_arch = "x86_64"))]
        unreachable!("no kernel is made here");
    }
}
