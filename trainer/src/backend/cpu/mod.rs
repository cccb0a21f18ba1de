//! The CPU: products by the crate `gemm`, the rest by loops that compilers turn into vector instructions, on the threads of
//! rayon. The same input gives the same result with any number of threads but for products, which may be cut differently.

mod attention;
mod elementwise;
mod product;
mod weight;

use rayon::prelude::*;

use self::{
    elementwise::Turn,
    product::{Columns, Operand, Target, Threads, multiply},
};
use super::{Backend, Heads, Result, angles, is_dropped};
use crate::{gguf::Stored, packing::Segment};

/// The processor that this runs on.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cpu;

/// A matrix in memory.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    rows: usize,
    columns: usize,
    values: Vec<f32>,
}

impl Matrix {
    fn new(rows: usize, columns: usize, values: Vec<f32>) -> Self {
        assert_eq!(values.len(), rows * columns, "a matrix has rows times columns elements");
        Self { rows, columns, values }
    }

    fn like(other: &Self, values: Vec<f32>) -> Self {
        Self::new(other.rows, other.columns, values)
    }

    /// Its numbers, row by row.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    fn operand(&self) -> Operand<'_> {
        Operand::new(&self.values, self.rows, self.columns)
    }
}

/// Segments, and what turns the heads of their tokens.
#[derive(Debug)]
pub struct Layout {
    segments: Vec<Segment>,
    cosines: Vec<f32>,
    sines: Vec<f32>,
    size: usize,
}

impl Layout {
    fn turn(&self, columns: usize) -> Turn<'_> {
        Turn { cosines: &self.cosines, sines: &self.sines, heads: columns / self.size, size: self.size }
    }
}

fn product(a: Operand<'_>, b: Operand<'_>, (rows, columns): (usize, usize), scale: f32) -> Matrix {
    let mut values = vec![0.0; rows * columns];
    multiply(&mut Columns::all(&mut values, rows, columns), a, b, scale, Target::Overwritten, Threads::All);
    Matrix::new(rows, columns, values)
}

fn add_product(mut y: Matrix, a: Operand<'_>, b: Operand<'_>) -> Matrix {
    let mut columns = Columns::all(&mut y.values, y.rows, y.columns);
    multiply(&mut columns, a, b, 1.0, Target::AddedTo, Threads::All);
    y
}

impl Backend for Cpu {
    type Layout = Layout;
    type Matrix = Matrix;
    type Weight = Stored;

    fn matrix(&self, rows: usize, columns: usize, values: Vec<f32>) -> Result<Matrix> {
        Ok(Matrix::new(rows, columns, values))
    }

    fn values(&self, x: &Matrix) -> Result<Vec<f32>> {
        Ok(x.values.clone())
    }

    fn update(&self, x: &mut Matrix, change: &mut dyn FnMut(&mut [f32])) -> Result<()> {
        change(&mut x.values);
        Ok(())
    }

    fn weight(&self, stored: Stored) -> Result<Stored> {
        Ok(stored)
    }

    fn layout(&self, segments: &[Segment], positions: &[u32], size: usize, base: f64) -> Result<Layout> {
        let (cosines, sines) = angles(positions, size, base);
        Ok(Layout { segments: segments.to_vec(), cosines, sines, size })
    }

    fn lookup(&self, weight: &Stored, rows: &[u32]) -> Result<Matrix> {
        Ok(Matrix::new(rows.len(), weight.columns, weight::lookup(weight, rows)))
    }

    fn apply(&self, weight: &Stored, x: &Matrix) -> Result<Matrix> {
        Ok(Matrix::new(x.rows, weight.rows, weight::apply(weight, &x.values)))
    }

    fn apply_backward(&self, weight: &Stored, dy: &Matrix) -> Result<Matrix> {
        Ok(Matrix::new(dy.rows, weight.columns, weight::apply_backward(weight, &dy.values)))
    }

    fn product(&self, a: &Matrix, b: &Matrix, scale: f32) -> Result<Matrix> {
        Ok(product(a.operand(), b.operand(), (a.rows, b.columns), scale))
    }

    fn product_with_transposed(&self, a: &Matrix, b: &Matrix, scale: f32) -> Result<Matrix> {
        Ok(product(a.operand(), b.operand().transposed(), (a.rows, b.rows), scale))
    }

    fn product_of_transposed(&self, a: &Matrix, b: &Matrix) -> Result<Matrix> {
        Ok(product(a.operand().transposed(), b.operand(), (a.columns, b.columns), 1.0))
    }

    fn add_product(&self, y: Matrix, a: &Matrix, b: &Matrix) -> Result<Matrix> {
        Ok(add_product(y, a.operand(), b.operand()))
    }

    fn add_product_with_transposed(&self, y: Matrix, a: &Matrix, b: &Matrix) -> Result<Matrix> {
        Ok(add_product(y, a.operand(), b.operand().transposed()))
    }

    fn add(&self, mut a: Matrix, b: &Matrix) -> Result<Matrix> {
        elementwise::add(&mut a.values, &b.values);
        Ok(a)
    }

    fn add_row(&self, mut x: Matrix, row: &Matrix) -> Result<Matrix> {
        elementwise::add_row(&mut x.values, &row.values);
        Ok(x)
    }

    fn drop_out(&self, x: &Matrix, share: f32, seed: u64) -> Result<Matrix> {
        let mut values = x.values.clone();
        values.par_iter_mut().enumerate().with_min_len(4096).for_each(|(index, value)| {
            *value = if is_dropped(seed, index as u64, share) { 0.0 } else { *value / (1.0 - share) };
        });
        Ok(Matrix::like(x, values))
    }

    fn stack(&self, parts: &[&Matrix]) -> Result<Matrix> {
        let values: Vec<&[f32]> = parts.iter().map(|part| part.values.as_slice()).collect();
        let rows = parts.iter().map(|part| part.rows).sum();
        Ok(Matrix::new(rows, parts[0].columns, values.concat()))
    }

    fn select(&self, x: &Matrix, rows: &[u32]) -> Result<Matrix> {
        let row = |&row: &u32| &x.values[row as usize * x.columns..(row as usize + 1) * x.columns];
        Ok(Matrix::new(rows.len(), x.columns, rows.iter().flat_map(row).copied().collect()))
    }

    fn spread(&self, x: &Matrix, rows: &[u32], count: usize) -> Result<Matrix> {
        let mut values = vec![0.0; count * x.columns];
        for (&row, x) in rows.iter().zip(x.values.chunks(x.columns)) {
            let at = row as usize * x.len();
            values[at..at + x.len()].iter_mut().zip(x).for_each(|(sum, x)| *sum += x);
        }
        Ok(Matrix::new(count, x.columns, values))
    }

    fn norm(&self, x: &Matrix, gain: &Matrix, epsilon: f32) -> Result<Matrix> {
        Ok(Matrix::like(x, elementwise::rms_norm(&x.values, &gain.values, epsilon)))
    }

    fn norm_backward(&self, x: &Matrix, gain: &Matrix, dy: &Matrix, epsilon: f32) -> Result<Matrix> {
        Ok(Matrix::like(x, elementwise::rms_norm_backward(&x.values, &gain.values, &dy.values, epsilon)))
    }

    fn norm_gain_gradient(&self, x: &Matrix, dy: &Matrix, width: usize, epsilon: f32) -> Result<Matrix> {
        Ok(Matrix::new(1, width, elementwise::rms_norm_gain_gradient(&x.values, &dy.values, width, epsilon)))
    }

    fn turn(&self, x: &Matrix, gain: Option<&Matrix>, layout: &Layout, epsilon: f32) -> Result<Matrix> {
        let gain = gain.map(|gain| gain.values.as_slice());
        Ok(Matrix::like(x, elementwise::norm_and_turn(&x.values, gain, layout.turn(x.columns), epsilon)))
    }

    fn turn_back(&self, dy: &Matrix, layout: &Layout) -> Result<Matrix> {
        Ok(Matrix::like(dy, elementwise::turn_back(&dy.values, layout.turn(dy.columns))))
    }

    fn head_norm_backward(&self, x: &Matrix, gain: &Matrix, dy: &Matrix, epsilon: f32) -> Result<Matrix> {
        self.norm_backward(x, gain, dy, epsilon)
    }

    fn attention(&self, [q, k, v]: [&Matrix; 3], layout: &Layout, heads: Heads) -> Result<Matrix> {
        let read = attention::attention(&q.values, &k.values, &v.values, &layout.segments, heads);
        Ok(Matrix::like(q, read))
    }

    fn attention_backward(
        &self,
        [q, k, v]: [&Matrix; 3],
        dy: &Matrix,
        layout: &Layout,
        heads: Heads,
    ) -> Result<[Matrix; 3]> {
        let given = [&q.values[..], &k.values, &v.values, &dy.values];
        let (dq, dk, dv) = attention::attention_backward(given, &layout.segments, heads);
        Ok([Matrix::like(q, dq), Matrix::like(k, dk), Matrix::like(v, dv)])
    }

    fn swiglu(&self, gate: &Matrix, up: &Matrix) -> Result<Matrix> {
        Ok(Matrix::like(gate, elementwise::swiglu(&gate.values, &up.values)))
    }

    fn swiglu_backward(&self, gate: &Matrix, up: &Matrix, dy: &Matrix) -> Result<[Matrix; 2]> {
        let (dgate, dup) = elementwise::swiglu_backward(&gate.values, &up.values, &dy.values);
        Ok([Matrix::like(gate, dgate), Matrix::like(up, dup)])
    }

    fn cross_entropy(&self, mut logits: Matrix, targets: &[u32], weight: f32) -> Result<(Vec<f64>, Matrix)> {
        let losses = elementwise::cross_entropy(&mut logits.values, logits.columns, targets, weight);
        Ok((losses, logits))
    }
}
