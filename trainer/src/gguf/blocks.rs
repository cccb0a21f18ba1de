//! A matrix as it lies in a GGUF file, and its rows as numbers.

use candle_core::quantized::{
    GgmlDType,
    k_quants::{
        BlockQ2K, BlockQ3K, BlockQ4_0, BlockQ4_1, BlockQ4K, BlockQ5_0, BlockQ5_1, BlockQ5K, BlockQ6K, BlockQ8_0,
        BlockQ8K, GgmlType,
    },
};
use half::{bf16, f16};

use super::dequantise;

/// A matrix in the form it is served in.
pub struct Stored {
    /// Outputs.
    pub rows: usize,
    /// Inputs.
    pub columns: usize,
    kind: GgmlDType,
    blocks: Box<dyn Blocks>,
}

impl std::fmt::Debug for Stored {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Stored({} x {}, {:?})", self.rows, self.columns, self.kind)
    }
}

impl Stored {
    /// Takes the bytes of a matrix; none where their number is not that of a matrix of that kind and shape, or the kind is
    /// one that holds no weights.
    pub fn new(kind: GgmlDType, rows: usize, columns: usize, bytes: &[u8]) -> Option<Self> {
        let whole = columns.is_multiple_of(kind.block_size());
        if !whole || bytes.len() != rows * (columns / kind.block_size()) * kind.type_size() {
            return None;
        }
        let blocks: Box<dyn Blocks> = match kind {
            GgmlDType::F32 => Box::new(blocks::<f32>(bytes)),
            GgmlDType::F16 => Box::new(blocks::<f16>(bytes)),
            GgmlDType::BF16 => Box::new(blocks::<bf16>(bytes)),
            GgmlDType::Q4_0 => Box::new(blocks::<BlockQ4_0>(bytes)),
            GgmlDType::Q4_1 => Box::new(blocks::<BlockQ4_1>(bytes)),
            GgmlDType::Q5_0 => Box::new(blocks::<BlockQ5_0>(bytes)),
            GgmlDType::Q5_1 => Box::new(blocks::<BlockQ5_1>(bytes)),
            GgmlDType::Q8_0 => Box::new(blocks::<BlockQ8_0>(bytes)),
            GgmlDType::Q2K => Box::new(blocks::<BlockQ2K>(bytes)),
            GgmlDType::Q3K => Box::new(blocks::<BlockQ3K>(bytes)),
            GgmlDType::Q4K => Box::new(blocks::<BlockQ4K>(bytes)),
            GgmlDType::Q5K => Box::new(blocks::<BlockQ5K>(bytes)),
            GgmlDType::Q6K => Box::new(blocks::<BlockQ6K>(bytes)),
            GgmlDType::Q8K => Box::new(blocks::<BlockQ8K>(bytes)),
            GgmlDType::Q8_1 => return None,
        };
        Some(Self { rows, columns, kind, blocks })
    }

    /// A matrix of numbers.
    pub fn dense(rows: usize, columns: usize, values: Vec<f32>) -> Self {
        assert_eq!(values.len(), rows * columns, "a matrix has rows times columns elements");
        Self { rows, columns, kind: GgmlDType::F32, blocks: Box::new(values) }
    }

    /// How it is stored.
    pub fn kind(&self) -> GgmlDType {
        self.kind
    }

    /// How many bytes it takes.
    pub fn bytes(&self) -> usize {
        self.rows * self.columns / self.kind.block_size() * self.kind.type_size()
    }

    /// How many columns belong together.
    pub(crate) fn block(&self) -> usize {
        self.kind.block_size()
    }

    /// Reads `into.len()` elements of a row from `column` on; both are multiples of [`Stored::block`].
    pub(crate) fn read(&self, row: usize, column: usize, into: &mut [f32]) {
        let first = (row * self.columns + column) / self.block();
        self.blocks.read(first, into.len() / self.block(), into);
    }

    /// Its bytes, as they lie in a file.
    pub(crate) fn encoded(&self) -> Vec<u8> {
        self.blocks.encoded()
    }

    /// All of it as numbers, row by row.
    pub fn values(&self) -> Vec<f32> {
        let mut values = vec![0.0; self.rows * self.columns];
        self.blocks.read(0, values.len() / self.block(), &mut values);
        values
    }
}

/// Numbers `values` in a form, as the bytes of a GGUF file; the row length must be a multiple of the form's block. None
/// for a form that is only read here.
pub fn encode(values: &[f32], kind: GgmlDType) -> Option<Vec<u8>> {
    match kind {
        GgmlDType::F32 => Some(bytes_of(values)),
        GgmlDType::F16 => Some(bytes_of(&values.iter().map(|&x| f16::from_f32(x)).collect::<Vec<_>>())),
        GgmlDType::Q8_0 => Some(bytes_of(&quantised::<BlockQ8_0>(values))),
        GgmlDType::Q4K => Some(bytes_of(&quantised::<BlockQ4K>(values))),
        GgmlDType::Q6K => Some(bytes_of(&quantised::<BlockQ6K>(values))),
        _ => None,
    }
}

fn quantised<T: GgmlType>(values: &[f32]) -> Vec<T> {
    let mut blocks = vec![T::zeros(); values.len() / T::BLCK_SIZE];
    T::from_float(values, &mut blocks);
    blocks
}

trait Blocks: Send + Sync {
    fn read(&self, first: usize, count: usize, into: &mut [f32]);
    fn encoded(&self) -> Vec<u8>;
}

impl<T: Plain> Blocks for Vec<T> {
    fn read(&self, first: usize, count: usize, into: &mut [f32]) {
        T::numbers(&self[first..first + count], into);
    }

    fn encoded(&self) -> Vec<u8> {
        bytes_of(self)
    }
}

/// Types of which any bytes are a value and whose values are only bytes.
///
/// # Safety
/// The type has no padding, no invalid bit patterns, and nothing to drop.
unsafe trait Plain: GgmlType {
    /// What blocks stand for.
    fn numbers(blocks: &[Self], into: &mut [f32]) {
        Self::to_float(blocks, into);
    }
}

macro_rules! plain {
    ($($kind:ty),+) => {
        // SAFETY: each is a number, or a `repr(C)` block of numbers whose size candle asserts to be the sum of its parts.
        $(unsafe impl Plain for $kind {})+
    };
    ($($kind:ty => $numbers:path),+) => {
        // SAFETY: as above.
        $(unsafe impl Plain for $kind {
            fn numbers(blocks: &[Self], into: &mut [f32]) {
                $numbers(as_bytes(blocks), into);
            }
        })+
    };
}

plain!(f32, f16, bf16, BlockQ4_0, BlockQ4_1, BlockQ5_0, BlockQ5_1, BlockQ2K, BlockQ3K, BlockQ5K, BlockQ8K);
plain!(BlockQ8_0 => dequantise::q8_0, BlockQ4K => dequantise::q4_k, BlockQ6K => dequantise::q6_k);

fn blocks<T: Plain>(bytes: &[u8]) -> Vec<T> {
    let count = bytes.len() / size_of::<T>();
    let mut blocks: Vec<T> = Vec::with_capacity(count);
    // SAFETY: the vector has room for `count` values, which are plain bytes; the source has as many.
    unsafe {
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), blocks.as_mut_ptr().cast::<u8>(), count * size_of::<T>());
        blocks.set_len(count);
    }
    blocks
}

fn bytes_of<T: Plain>(values: &[T]) -> Vec<u8> {
    as_bytes(values).to_vec()
}

fn as_bytes<T: Plain>(values: &[T]) -> &[u8] {
    // SAFETY: the values are plain bytes, and the slice covers exactly them.
    unsafe { std::slice::from_raw_parts(values.as_ptr().cast::<u8>(), size_of_val(values)) }
}
