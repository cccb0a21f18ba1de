//! What a model is computed on.
//!
//! All matrices hold 32-bit floats, a row a token unless said otherwise. Gradients are named after what they are the
//! gradient of: `dx` is that of the loss with respect to `x`.

mod candle;
mod cpu;

pub use self::{candle::Candle, cpu::Cpu};

use crate::{gguf::Stored, packing::Segment};

/// What a computation can fail with: nothing on the CPU, memory and drivers elsewhere.
pub type Result<T> = std::result::Result<T, candle_core::Error>;

/// How attention is laid out in a matrix.
#[derive(Debug, Clone, Copy)]
pub struct Heads {
    /// Heads that ask.
    pub queries: usize,
    /// Heads that are asked.
    pub keys: usize,
    /// Elements a head.
    pub size: usize,
}

/// Something that computes.
pub trait Backend: Send + Sync {
    /// A matrix of numbers.
    type Matrix: Clone + Send + Sync;
    /// A matrix as it is served, which is only read.
    type Weight: Send + Sync;
    /// What the rows of a packed batch need to know of each other.
    type Layout: Send + Sync;

    /// Brings numbers here, row by row.
    fn matrix(&self, rows: usize, columns: usize, values: Vec<f32>) -> Result<Self::Matrix>;
    /// Fetches numbers, row by row.
    fn values(&self, x: &Self::Matrix) -> Result<Vec<f32>>;
    /// Changes numbers in place.
    fn update(&self, x: &mut Self::Matrix, change: &mut dyn FnMut(&mut [f32])) -> Result<()>;
    /// Brings a stored matrix here.
    fn weight(&self, stored: Stored) -> Result<Self::Weight>;
    /// What attention over these segments needs, and turning heads of `size` at these positions. The positions are those
    /// of the last tokens, which are computed; of those before, keys and values are known.
    fn layout(&self, segments: &[Segment], positions: &[u32], size: usize, base: f64) -> Result<Self::Layout>;

    /// Rows of a weight, by number.
    fn lookup(&self, weight: &Self::Weight, rows: &[u32]) -> Result<Self::Matrix>;
    /// `x * weight^T`
    fn apply(&self, weight: &Self::Weight, x: &Self::Matrix) -> Result<Self::Matrix>;
    /// `dy * weight`
    fn apply_backward(&self, weight: &Self::Weight, dy: &Self::Matrix) -> Result<Self::Matrix>;

    /// `scale * a * b`
    fn product(&self, a: &Self::Matrix, b: &Self::Matrix, scale: f32) -> Result<Self::Matrix>;
    /// `scale * a * b^T`
    fn product_with_transposed(&self, a: &Self::Matrix, b: &Self::Matrix, scale: f32) -> Result<Self::Matrix>;
    /// `a^T * b`
    fn product_of_transposed(&self, a: &Self::Matrix, b: &Self::Matrix) -> Result<Self::Matrix>;
    /// `y + a * b`
    fn add_product(&self, y: Self::Matrix, a: &Self::Matrix, b: &Self::Matrix) -> Result<Self::Matrix>;
    /// `y + a * b^T`
    fn add_product_with_transposed(&self, y: Self::Matrix, a: &Self::Matrix, b: &Self::Matrix) -> Result<Self::Matrix>;
    /// `a + b`
    fn add(&self, a: Self::Matrix, b: &Self::Matrix) -> Result<Self::Matrix>;
    /// Adds a matrix of one row to each row.
    fn add_row(&self, x: Self::Matrix, row: &Self::Matrix) -> Result<Self::Matrix>;
    /// Multiplies each element with 0 or `1 / (1 - share)`, 0 for about `share` of them, the same for the same seed.
    fn drop_out(&self, x: &Self::Matrix, share: f32, seed: u64) -> Result<Self::Matrix>;

    /// Matrices below each other.
    fn stack(&self, parts: &[&Self::Matrix]) -> Result<Self::Matrix>;
    /// Some rows, by number.
    fn select(&self, x: &Self::Matrix, rows: &[u32]) -> Result<Self::Matrix>;
    /// A matrix of `count` rows, of which those named are sums of the rows of `x`.
    fn spread(&self, x: &Self::Matrix, rows: &[u32], count: usize) -> Result<Self::Matrix>;

    /// Each row divided by its root mean square, times `gain`.
    fn norm(&self, x: &Self::Matrix, gain: &Self::Matrix, epsilon: f32) -> Result<Self::Matrix>;
    /// The gradient with respect to what was normed.
    fn norm_backward(
        &self,
        x: &Self::Matrix,
        gain: &Self::Matrix,
        dy: &Self::Matrix,
        epsilon: f32,
    ) -> Result<Self::Matrix>;
    /// The gradient with respect to the gain, where rows of `x` hold one or several vectors of its width.
    fn norm_gain_gradient(
        &self,
        x: &Self::Matrix,
        dy: &Self::Matrix,
        width: usize,
        epsilon: f32,
    ) -> Result<Self::Matrix>;
    /// Norms each head, where there is a gain, and turns it by its position (RoPE, pairs half a head apart).
    fn turn(
        &self,
        x: &Self::Matrix,
        gain: Option<&Self::Matrix>,
        layout: &Self::Layout,
        epsilon: f32,
    ) -> Result<Self::Matrix>;
    /// Turns the heads of a gradient back.
    fn turn_back(&self, dy: &Self::Matrix, layout: &Self::Layout) -> Result<Self::Matrix>;
    /// The gradient with respect to heads that were normed.
    fn head_norm_backward(
        &self,
        x: &Self::Matrix,
        gain: &Self::Matrix,
        dy: &Self::Matrix,
        epsilon: f32,
    ) -> Result<Self::Matrix>;
    /// What each query reads.
    fn attention(&self, qkv: [&Self::Matrix; 3], layout: &Self::Layout, heads: Heads) -> Result<Self::Matrix>;
    /// The gradients with respect to queries, keys and values.
    fn attention_backward(
        &self,
        qkv: [&Self::Matrix; 3],
        dy: &Self::Matrix,
        layout: &Self::Layout,
        heads: Heads,
    ) -> Result<[Self::Matrix; 3]>;
    /// `gate * sigmoid(gate) * up`
    fn swiglu(&self, gate: &Self::Matrix, up: &Self::Matrix) -> Result<Self::Matrix>;
    /// The gradients with respect to gate and up.
    fn swiglu_backward(&self, gate: &Self::Matrix, up: &Self::Matrix, dy: &Self::Matrix) -> Result<[Self::Matrix; 2]>;
    /// For each row of logits minus the logarithm of its target's probability, and `weight` times that's gradient.
    fn cross_entropy(&self, logits: Self::Matrix, targets: &[u32], weight: f32) -> Result<(Vec<f64>, Self::Matrix)>;
}

/// The cosines and sines by which heads are turned, row by row, `size / 2` a position: angle i of position p is
/// `p * base^(-2i / size)` (Su et al., RoFormer, 2021).
fn angles(positions: &[u32], size: usize, base: f64) -> (Vec<f32>, Vec<f32>) {
    let rates: Vec<f64> = (0..size / 2).map(|i| base.powf(-2.0 * i as f64 / size as f64)).collect();
    let all = positions.iter().flat_map(|&position| rates.iter().map(move |rate| f64::from(position) * rate));
    all.map(|angle| (angle.cos() as f32, angle.sin() as f32)).unzip()
}

/// Whether element `index` of a matrix is dropped for a seed: the finaliser of SplitMix64 (Steele, Lea and Flood, 2014)
/// over both, so that going backwards needs nothing that going forwards kept.
fn is_dropped(seed: u64, index: u64, share: f32) -> bool {
    let mut z = seed ^ index.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (((z ^ (z >> 31)) >> 40) as f32 / (1u64 << 24) as f32) < share
}
