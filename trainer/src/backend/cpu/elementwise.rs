//! What is computed for each element or row by itself. Sums go over a row in order, so that results do not depend on the
//! number of threads.

use multiversion::multiversion;
use rayon::prelude::*;

/// Elements that one task takes.
const CHUNK: usize = 8192;
/// Rows that one task takes at least.
const ROWS: usize = 16;

/// e to the `x`, to about 1e-7 of the result, in a form that compilers turn into vector instructions: 2 to the whole part
/// of `x / ln 2` by setting the exponent, times the Taylor series of the rest.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    /// Adding this and taking it away rounds to a whole number.
    const ROUND: f32 = 12_582_912.0;
    let x = x.clamp(-87.0, 88.0);
    let whole = (x * std::f32::consts::LOG2_E + ROUND) - ROUND;
    let rest = (x * std::f32::consts::LOG2_E - whole) * std::f32::consts::LN_2;
    let series = 1.0
        + rest * (1.0 + rest * (0.5 + rest * (1.0 / 6.0 + rest * (1.0 / 24.0 + rest * (1.0 / 120.0 + rest / 720.0)))));
    f32::from_bits(((whole as i32 + 127) << 23).cast_unsigned()) * series
}

pub(super) fn add(sum: &mut [f32], other: &[f32]) {
    sum.par_chunks_mut(CHUNK).zip(other.par_chunks(CHUNK)).for_each(|(sum, other)| add_part(sum, other));
}

#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
pub(super) fn add_part(sum: &mut [f32], other: &[f32]) {
    sum.iter_mut().zip(other).for_each(|(sum, other)| *sum += other);
}

pub(super) fn add_row(matrix: &mut [f32], row: &[f32]) {
    matrix.par_chunks_mut(row.len()).with_min_len(ROWS).for_each(|values| {
        values.iter_mut().zip(row).for_each(|(value, bias)| *value += bias);
    });
}

#[inline(always)]
fn inverse_root_mean_square(row: &[f32], epsilon: f32) -> f32 {
    let squares = dot(row, row);
    1.0 / (squares / row.len() as f32 + epsilon).sqrt()
}

pub(super) fn rms_norm(x: &[f32], gain: &[f32], epsilon: f32) -> Vec<f32> {
    let width = gain.len();
    let mut y = vec![0.0; x.len()];
    y.par_chunks_mut(width).zip(x.par_chunks(width)).with_min_len(ROWS).for_each(|(y, x)| {
        rms_norm_row(y, x, gain, epsilon);
    });
    y
}

#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn rms_norm_row(y: &mut [f32], x: &[f32], gain: &[f32], epsilon: f32) {
    let r = inverse_root_mean_square(x, epsilon);
    y.iter_mut().zip(x).zip(gain).for_each(|((y, x), gain)| *y = x * r * gain);
}

/// The sum of the products of two rows, in eight partial sums, which is what vector instructions need.
#[inline(always)]
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut sums = [0.0f32; 8];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..8 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}

/// The gradient with respect to one row `x` of an RMS norm, written to `dx`.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn rms_norm_backward_row(dx: &mut [f32], x: &[f32], gain: &[f32], dy: &[f32], epsilon: f32) {
    let r = inverse_root_mean_square(x, epsilon);
    dx.iter_mut().zip(dy).zip(gain).for_each(|((dx, dy), gain)| *dx = dy * gain);
    let c = dot(dx, x) * r * r * r / x.len() as f32;
    dx.iter_mut().zip(x).for_each(|(dx, x)| *dx = r * *dx - c * x);
}

pub(super) fn rms_norm_backward(x: &[f32], gain: &[f32], dy: &[f32], epsilon: f32) -> Vec<f32> {
    let width = gain.len();
    let mut dx = vec![0.0; x.len()];
    dx.par_chunks_mut(width)
        .zip(x.par_chunks(width))
        .zip(dy.par_chunks(width))
        .with_min_len(ROWS)
        .for_each(|((dx, x), dy)| rms_norm_backward_row(dx, x, gain, dy, epsilon));
    dx
}

pub(super) fn rms_norm_gain_gradient(x: &[f32], dy: &[f32], width: usize, epsilon: f32) -> Vec<f32> {
    let mut gradient = vec![0.0; width];
    for (x, dy) in x.chunks(width).zip(dy.chunks(width)) {
        add_gain_gradient(&mut gradient, x, dy, epsilon);
    }
    gradient
}

#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn add_gain_gradient(gradient: &mut [f32], x: &[f32], dy: &[f32], epsilon: f32) {
    let r = inverse_root_mean_square(x, epsilon);
    gradient.iter_mut().zip(x).zip(dy).for_each(|((sum, x), dy)| *sum += dy * x * r);
}

/// The angles of one token, as their cosines and sines.
type Angles<'a> = (&'a [f32], &'a [f32]);

/// Turns the pairs (i, i + half) of one head by the angles, or back.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn rotate(head: &mut [f32], cosines: &[f32], sines: &[f32], direction: f32) {
    let (front, back) = head.split_at_mut(cosines.len());
    for (((a, b), cosine), sine) in front.iter_mut().zip(back).zip(cosines).zip(sines) {
        let sine = direction * sine;
        (*a, *b) = (*a * cosine - *b * sine, *b * cosine + *a * sine);
    }
}

/// What the heads of a matrix are turned by.
#[derive(Clone, Copy)]
pub(super) struct Turn<'a> {
    pub(super) cosines: &'a [f32],
    pub(super) sines: &'a [f32],
    /// Heads a token.
    pub(super) heads: usize,
    /// Elements a head.
    pub(super) size: usize,
}

impl<'a> Turn<'a> {
    fn angles(&self, token: usize) -> Angles<'a> {
        let half = self.size / 2;
        let range = token * half..(token + 1) * half;
        (&self.cosines[range.clone()], &self.sines[range])
    }
}

pub(super) fn norm_and_turn(x: &[f32], gain: Option<&[f32]>, turn: Turn<'_>, epsilon: f32) -> Vec<f32> {
    let mut y = x.to_vec();
    y.par_chunks_mut(turn.heads * turn.size).enumerate().with_min_len(8).for_each(|(token, heads)| {
        let (cosines, sines) = turn.angles(token);
        for head in heads.chunks_mut(turn.size) {
            if let Some(gain) = gain {
                let r = inverse_root_mean_square(head, epsilon);
                head.iter_mut().zip(gain).for_each(|(x, gain)| *x *= r * gain);
            }
            rotate(head, cosines, sines, 1.0);
        }
    });
    y
}

/// The gradient with respect to what was turned.
pub(super) fn turn_back(dy: &[f32], turn: Turn<'_>) -> Vec<f32> {
    let mut dx = dy.to_vec();
    dx.par_chunks_mut(turn.heads * turn.size).enumerate().with_min_len(8).for_each(|(token, heads)| {
        let (cosines, sines) = turn.angles(token);
        heads.chunks_mut(turn.size).for_each(|head| rotate(head, cosines, sines, -1.0));
    });
    dx
}

pub(super) fn swiglu(gate: &[f32], up: &[f32]) -> Vec<f32> {
    let mut y = vec![0.0; gate.len()];
    y.par_chunks_mut(CHUNK).zip(gate.par_chunks(CHUNK)).zip(up.par_chunks(CHUNK)).for_each(|((y, gate), up)| {
        swiglu_part(y, gate, up);
    });
    y
}

#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn swiglu_part(y: &mut [f32], gate: &[f32], up: &[f32]) {
    y.iter_mut().zip(gate).zip(up).for_each(|((y, gate), up)| *y = gate / (1.0 + exp(-gate)) * up);
}

pub(super) fn swiglu_backward(gate: &[f32], up: &[f32], dy: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let (mut dgate, mut dup) = (vec![0.0; gate.len()], vec![0.0; gate.len()]);
    dgate
        .par_chunks_mut(CHUNK)
        .zip(dup.par_chunks_mut(CHUNK))
        .zip(gate.par_chunks(CHUNK))
        .zip(up.par_chunks(CHUNK))
        .zip(dy.par_chunks(CHUNK))
        .for_each(|((((dgate, dup), gate), up), dy)| swiglu_backward_part(dgate, dup, gate, up, dy));
    (dgate, dup)
}

#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn swiglu_backward_part(dgate: &mut [f32], dup: &mut [f32], gate: &[f32], up: &[f32], dy: &[f32]) {
    for ((((dgate, dup), gate), up), dy) in dgate.iter_mut().zip(dup).zip(gate).zip(up).zip(dy) {
        let sigmoid = 1.0 / (1.0 + exp(-gate));
        let swish = gate * sigmoid;
        *dup = dy * swish;
        *dgate = dy * up * (sigmoid + swish * (1.0 - sigmoid));
    }
}

/// Turns each row of logits into its gradient, `weight * (softmax - target)`, and returns the loss of each: minus the
/// logarithm of the target's probability.
pub(super) fn cross_entropy(logits: &mut [f32], width: usize, targets: &[u32], weight: f32) -> Vec<f64> {
    logits
        .par_chunks_mut(width)
        .zip(targets)
        .map(|(row, &target)| cross_entropy_row(row, target as usize, weight))
        .collect()
}

#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn cross_entropy_row(row: &mut [f32], target: usize, weight: f32) -> f64 {
    let (greatest, chosen) = (greatest(row), row[target]);
    let mut sum = 0.0;
    for part in row.chunks_mut(4096) {
        sum += f64::from(exponentiate(part, greatest));
    }
    let factor = weight / sum as f32;
    row.iter_mut().for_each(|x| *x *= factor);
    row[target] -= weight;
    sum.ln() + f64::from(greatest) - f64::from(chosen)
}

#[inline(always)]
fn greatest(row: &[f32]) -> f32 {
    let (chunks, rest) = row.as_chunks::<8>();
    let mut lanes = [f32::NEG_INFINITY; 8];
    for chunk in chunks {
        for lane in 0..8 {
            lanes[lane] = if chunk[lane] > lanes[lane] { chunk[lane] } else { lanes[lane] };
        }
    }
    lanes.iter().chain(rest).copied().fold(f32::NEG_INFINITY, f32::max)
}

/// Turns each element x into e to the `x - greatest`, and returns their sum.
#[inline(always)]
fn exponentiate(row: &mut [f32], greatest: f32) -> f32 {
    row.iter_mut().for_each(|x| *x = exp(*x - greatest));
    let (chunks, rest) = row.as_chunks::<8>();
    let mut sums = [0.0f32; 8];
    for chunk in chunks {
        for lane in 0..8 {
            sums[lane] += chunk[lane];
        }
    }
    sums.iter().chain(rest).sum()
}

/// The softmax of a row, in place.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
pub(super) fn softmax(row: &mut [f32]) {
    let greatest = greatest(row);
    let factor = 1.0 / exponentiate(row, greatest);
    row.iter_mut().for_each(|x| *x *= factor);
}

/// Turns the gradient of a row of probabilities into that of their scores, in place.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
pub(super) fn softmax_backward(probabilities: &[f32], gradient: &mut [f32], scale: f32) {
    let dot = dot(probabilities, gradient);
    gradient.iter_mut().zip(probabilities).for_each(|(g, p)| *g = p * (*g - dot) * scale);
}
