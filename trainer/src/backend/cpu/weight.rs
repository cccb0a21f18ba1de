//! Products with a matrix that stays in the form it is served in: a part is turned into numbers, multiplied, and let go.

use rayon::prelude::*;

use super::product::{Columns, Operand, Target, Threads, multiply};
use crate::gguf::Stored;

/// Rows of the weight that a task turns into numbers at a time: with 1,024 columns 256 kB, which the second cache holds.
const ROWS: usize = 64;
/// Columns of the weight that a task takes on the way back; the greatest block there is.
const COLUMNS: usize = 256;

pub(super) fn lookup(weight: &Stored, rows: &[u32]) -> Vec<f32> {
    let mut y = vec![0.0; rows.len() * weight.columns];
    y.par_chunks_mut(weight.columns).zip(rows).for_each(|(y, &row)| weight.read(row as usize, 0, y));
    y
}

/// `x * weight^T`
pub(super) fn apply(weight: &Stored, x: &[f32]) -> Vec<f32> {
    let (count, inputs) = (x.len() / weight.columns, weight.columns);
    let mut y = vec![0.0; count * weight.rows];
    let parts = Columns::split(&mut y, count, weight.rows, ROWS);
    parts.into_par_iter().enumerate().for_each_init(
        || vec![0.0; ROWS * inputs],
        |numbers, (part, mut columns)| {
            let rows = ROWS.min(weight.rows - part * ROWS);
            for (row, numbers) in numbers.chunks_mut(inputs).take(rows).enumerate() {
                weight.read(part * ROWS + row, 0, numbers);
            }
            let right = Operand::new(&numbers[..rows * inputs], rows, inputs).transposed();
            multiply(&mut columns, Operand::new(x, count, inputs), right, 1.0, Target::Overwritten, Threads::One);
        },
    );
    y
}

/// `dy * weight`
pub(super) fn apply_backward(weight: &Stored, dy: &[f32]) -> Vec<f32> {
    let (count, inputs) = (dy.len() / weight.rows, weight.columns);
    let mut dx = vec![0.0; count * inputs];
    let parts = Columns::split(&mut dx, count, inputs, COLUMNS);
    parts.into_par_iter().enumerate().for_each_init(
        || vec![0.0; COLUMNS * COLUMNS],
        |numbers, (part, mut columns)| {
            let width = COLUMNS.min(inputs - part * COLUMNS);
            for first in (0..weight.rows).step_by(COLUMNS) {
                let rows = COLUMNS.min(weight.rows - first);
                for (row, numbers) in numbers.chunks_mut(width).take(rows).enumerate() {
                    weight.read(first + row, part * COLUMNS, numbers);
                }
                let left = Operand::strided(&dy[first..], count, rows, weight.rows);
                let right = Operand::new(&numbers[..rows * width], rows, width);
                let target = if first == 0 { Target::Overwritten } else { Target::AddedTo };
                multiply(&mut columns, left, right, 1.0, target, Threads::One);
            }
        },
    );
    dx
}
