//! Blocks of the forms that are served most, as numbers. candle does the same for all forms, in code for any processor;
//! these loops become the vector instructions of the one that they run on.
//!
//! Layout: `block_q8_0`, `block_q4_K` and `block_q6_K` in ggml-common.h.

use half::f16;
use multiversion::multiversion;

#[inline(always)]
fn scale(bytes: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([bytes[at], bytes[at + 1]]).to_f32()
}

/// 32 numbers a block: a scale, and a signed byte for each.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
pub(super) fn q8_0(blocks: &[u8], into: &mut [f32]) {
    for (block, into) in blocks.chunks_exact(34).zip(into.chunks_exact_mut(32)) {
        let scale = scale(block, 0);
        into.iter_mut().zip(&block[2..]).for_each(|(x, &q)| *x = scale * f32::from(q.cast_signed()));
    }
}

/// 256 numbers a block: a scale and a step of minima, eight scales and minima in 12 bytes, four bits for each number.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
pub(super) fn q4_k(blocks: &[u8], into: &mut [f32]) {
    for (block, into) in blocks.chunks_exact(144).zip(into.chunks_exact_mut(256)) {
        let (scale, step) = (scale(block, 0), scale(block, 2));
        let inner = |part: usize| {
            let (inner, minimum) = scale_and_minimum(&block[4..16], part);
            (scale * f32::from(inner), step * f32::from(minimum))
        };
        for (pair, (into, q)) in into.chunks_exact_mut(64).zip(block[16..].chunks_exact(32)).enumerate() {
            let ((low_scale, low_minimum), (high_scale, high_minimum)) = (inner(2 * pair), inner(2 * pair + 1));
            let (low, high) = into.split_at_mut(32);
            low.iter_mut().zip(q).for_each(|(x, q)| *x = low_scale * f32::from(q & 15) - low_minimum);
            high.iter_mut().zip(q).for_each(|(x, q)| *x = high_scale * f32::from(q >> 4) - high_minimum);
        }
    }
}

/// The six bits each of one of eight scales and minima: `get_scale_min_k4` of ggml-quants.c.
#[inline(always)]
fn scale_and_minimum(packed: &[u8], part: usize) -> (u8, u8) {
    if part < 4 {
        (packed[part] & 63, packed[part + 4] & 63)
    } else {
        let (both, scale, minimum) = (packed[part + 4], packed[part - 4], packed[part]);
        ((both & 15) | (scale >> 6 << 4), (both >> 4) | (minimum >> 6 << 4))
    }
}

/// 256 numbers a block: the lower four bits of each, the upper two, 16 signed scales, and a scale of all.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
pub(super) fn q6_k(blocks: &[u8], into: &mut [f32]) {
    for (block, into) in blocks.chunks_exact(210).zip(into.chunks_exact_mut(256)) {
        let scale = scale(block, 208);
        let inner = |at: usize| scale * f32::from(block[192 + at].cast_signed());
        let halves = block[..128].chunks_exact(64).zip(block[128..192].chunks_exact(32));
        for (half, ((lower, upper), into)) in halves.zip(into.chunks_exact_mut(128)).enumerate() {
            for (quarter, into) in into.chunks_exact_mut(32).enumerate() {
                // The first two quarters are the lower halves of bytes, the last two the upper ones of the same bytes.
                let (lower, shift) = (&lower[quarter % 2 * 32..][..32], quarter / 2 * 4);
                for (sixteenth, into) in into.chunks_exact_mut(16).enumerate() {
                    let scale = inner(8 * half + 2 * quarter + sixteenth);
                    let (lower, upper) = (&lower[16 * sixteenth..][..16], &upper[16 * sixteenth..][..16]);
                    for ((x, lower), upper) in into.iter_mut().zip(lower).zip(upper) {
                        let q = (lower >> shift & 15) | (upper >> (2 * quarter) & 3) << 4;
                        *x = scale * f32::from(q.cast_signed() - 32);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{
        Device,
        quantized::{GgmlDType, QStorage, QTensor},
    };
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::super::{Stored, encode};

    fn check(kind: GgmlDType) {
        let (rows, columns) = (3, 512);
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let values: Vec<f32> = (0..rows * columns).map(|_| rng.random_range(-1.0..1.0f32).powi(3)).collect();
        let bytes = encode(&values, kind).unwrap();
        let ours = Stored::new(kind, rows, columns, &bytes).unwrap().values();
        let storage = QStorage::from_data(bytes.into(), &Device::Cpu, kind).unwrap();
        let theirs = QTensor::new(storage, (rows, columns)).unwrap().dequantize(&Device::Cpu).unwrap();
        assert_eq!(ours, theirs.flatten_all().unwrap().to_vec1::<f32>().unwrap(), "{kind:?}");
    }

    #[test]
    fn numbers_are_those_that_candle_reads() {
        [GgmlDType::Q8_0, GgmlDType::Q4K, GgmlDType::Q6K].into_iter().for_each(check);
    }
}
