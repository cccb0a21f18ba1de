//! Attention of a row to the cells that it may see.

#![cfg_attr(
    target_arch = "x86_64",
    expect(clippy::needless_range_loop, reason = "iterators over arrays of vectors take them through memory")
)]

use crate::Kernel;

/// Keys or values of a head, in 16 bits: a cell's begin at `offset + cell * stride`.
#[derive(Debug, Clone, Copy)]
pub struct Cells<'a> {
    /// What they lie in.
    pub bytes: &'a [u8],
    /// Where those of the first cell begin, in bytes.
    pub offset: usize,
    /// From one cell's to the next's, in bytes.
    pub stride: usize,
}

impl<'a> Cells<'a> {
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    fn get(&self, cell: u32, width: usize) -> &'a [u8] {
        &self.bytes[self.offset + cell as usize * self.stride..][..2 * width]
    }
}

/// What a row looks for, by heads that share keys and values, and where a thread works on it.
#[derive(Debug, Default)]
pub struct Attention {
    width: usize,
    queries: Vec<f32>,
    cells: Vec<u32>,
    /// For each query one of each cell.
    scores: Vec<f32>,
}

impl Attention {
    /// Begins a row with what is added to the score of each cell, as numbers of 16 bits. Cells with minus infinity are
    /// not seen.
    pub fn begin(&mut self, mask: &[u16]) {
        const UNSEEN: u16 = 0xFC00;
        self.queries.clear();
        self.cells.clear();
        for (at, sixteen) in mask.chunks(16).enumerate() {
            if sixteen == &[UNSEEN; 16][..sixteen.len()] {
                continue;
            }
            let seen = sixteen.iter().enumerate().filter(|&(_, &mask)| mask != UNSEEN);
            self.cells.extend(seen.map(|(within, _)| (16 * at + within) as u32));
        }
    }

    /// Adds what a head looks for, as long as that of the others, times `scale`.
    pub fn query(&mut self, query: &[f32], scale: f32) {
        self.width = query.len();
        self.queries.extend(query.iter().map(|x| x * scale));
    }
}

impl Kernel {
    /// What the heads find: the mean of the values of all cells that are seen, weighted by the exponential of the
    /// product of query and key and of what the mask adds. Keys and values are as long as queries, a multiple of 8.
    ///
    /// # Panics
    /// Where the lengths do not fit each other.
    #[cfg_attr(not(target_arch = "x86_64"), expect(unused_variables, reason = "no kernel is made here"))]
    pub fn attend(
        self,
        attention: &mut Attention,
        mask: &[u16],
        keys: &Cells<'_>,
        values: &Cells<'_>,
        found: &mut [f32],
    ) {
        assert_eq!(attention.queries.len(), found.len(), "each head finds as much as it looks for");
        assert!(attention.width.is_multiple_of(8), "queries have a multiple of 8 numbers");
        #[cfg(target_arch = "x86_64")]
        // SAFETY: there is a kernel only where the processor has what it is compiled for.
        unsafe {
            x86::attend(attention, mask, keys, values, found);
        }
        #[cfg(not(target_arch = "x86_64"))]
        unreachable!("no kernel is made here");
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m256, _MM_FROUND_NO_EXC, _MM_FROUND_TO_NEAREST_INT, _mm_add_ps, _mm_add_ss, _mm_cvtph_ps, _mm_cvtsi32_si128,
        _mm_cvtss_f32, _mm_loadu_si128, _mm_movehdup_ps, _mm_movehl_ps, _mm256_add_epi32, _mm256_add_ps,
        _mm256_castps256_ps128, _mm256_castsi256_ps, _mm256_cvtph_ps, _mm256_cvtps_epi32, _mm256_extractf128_ps,
        _mm256_fmadd_ps, _mm256_fnmadd_ps, _mm256_loadu_ps, _mm256_max_ps, _mm256_mul_ps, _mm256_round_ps,
        _mm256_set1_epi32, _mm256_set1_ps, _mm256_setzero_ps, _mm256_slli_epi32, _mm256_storeu_ps, _mm256_sub_ps,
    };

    use super::{Attention, Cells};

    /// Vectors of values that are added up in registers.
    const VECTORS: usize = 4;

    #[target_feature(enable = "avx2,fma,f16c")]
    pub(super) fn attend(
        attention: &mut Attention,
        mask: &[u16],
        keys: &Cells<'_>,
        values: &Cells<'_>,
        found: &mut [f32],
    ) {
        let Attention { width, queries, cells, scores } = attention;
        let width = *width;
        found.fill(0.0);
        if cells.is_empty() {
            return;
        }
        let heads = queries.len() / width;
        scores.clear();
        scores.resize(heads * cells.len(), 0.0);
        for (at, &cell) in cells.iter().enumerate() {
            let key = keys.get(cell, width);
            let bias = half(mask[cell as usize]);
            for (head, query) in queries.chunks_exact(width).enumerate() {
                scores[head * cells.len() + at] = product(query, key) + bias;
            }
        }
        for (scores, found) in scores.chunks_exact_mut(cells.len()).zip(found.chunks_exact_mut(width)) {
            let share = exponentials(scores).recip();
            for (part, found) in found.chunks_mut(8 * VECTORS).enumerate() {
                let from = 8 * VECTORS * part;
                match found.len() / 8 {
                    1 => add_values::<1>(scores, cells, values, width, from, share, found),
                    2 => add_values::<2>(scores, cells, values, width, from, share, found),
                    3 => add_values::<3>(scores, cells, values, width, from, share, found),
                    _ => add_values::<VECTORS>(scores, cells, values, width, from, share, found),
                }
            }
        }
    }

    /// The sum of `8 * N` numbers of each cell's values, from one on, weighted.
    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    fn add_values<const N: usize>(
        weights: &[f32],
        cells: &[u32],
        values: &Cells<'_>,
        width: usize,
        from: usize,
        share: f32,
        found: &mut [f32],
    ) {
        let mut sums = [_mm256_setzero_ps(); N];
        for (&weight, &cell) in weights.iter().zip(cells) {
            let weight = _mm256_set1_ps(weight);
            let value = &values.get(cell, width)[2 * from..][..16 * N];
            for at in 0..N {
                sums[at] = _mm256_fmadd_ps(weight, eight_halves(value, at), sums[at]);
            }
        }
        for at in 0..N {
            let eight = &mut found[8 * at..8 * at + 8];
            // SAFETY: eight numbers.
            unsafe { _mm256_storeu_ps(eight.as_mut_ptr(), _mm256_mul_ps(sums[at], _mm256_set1_ps(share))) };
        }
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    fn product(query: &[f32], key: &[u8]) -> f32 {
        let mut sums = [_mm256_setzero_ps(); 2];
        for at in 0..query.len() / 8 {
            sums[at % 2] = _mm256_fmadd_ps(eight(query, at), eight_halves(key, at), sums[at % 2]);
        }
        sum(_mm256_add_ps(sums[0], sums[1]))
    }

    /// Makes scores the exponentials of what they are below the largest, and gives their sum.
    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    fn exponentials(scores: &mut [f32]) -> f32 {
        let largest = scores.iter().fold(f32::NEG_INFINITY, |largest, &score| largest.max(score));
        let (eights, rest) = scores.as_chunks_mut::<8>();
        let mut sums = _mm256_setzero_ps();
        let top = _mm256_set1_ps(largest);
        for scores in eights {
            let exponentials = exponential(_mm256_sub_ps(eight(scores, 0), top));
            sums = _mm256_add_ps(sums, exponentials);
            // SAFETY: eight numbers.
            unsafe { _mm256_storeu_ps(scores.as_mut_ptr(), exponentials) };
        }
        let mut sum = sum(sums);
        for score in rest {
            *score = (*score - largest).exp();
            sum += *score;
        }
        sum
    }

    /// e^x for x up to 0, to 2e-7 of it: 2^n times the series of e^r, with r below ln 2 / 2.
    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    fn exponential(x: __m256) -> __m256 {
        // Below, e^x is no normal number any more.
        let x = _mm256_max_ps(x, _mm256_set1_ps(-87.0));
        let n = _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(_mm256_mul_ps(
            x,
            _mm256_set1_ps(std::f32::consts::LOG2_E),
        ));
        // ln 2 in two parts, the first with so few bits that its product with n is exact (Cody and Waite, 1980).
        let r = _mm256_fnmadd_ps(n, _mm256_set1_ps(0.693_359_4), x);
        let r = _mm256_fnmadd_ps(n, _mm256_set1_ps(-2.121_944_4e-4), r);
        let mut series = _mm256_set1_ps(1.0 / 5040.0);
        for factor in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
            series = _mm256_fmadd_ps(series, r, _mm256_set1_ps(factor));
        }
        let exponent = _mm256_slli_epi32::<23>(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)));
        _mm256_mul_ps(series, _mm256_castsi256_ps(exponent))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn eight(numbers: &[f32], at: usize) -> __m256 {
        let eight = &numbers[8 * at..8 * at + 8];
        // SAFETY: eight numbers.
        unsafe { _mm256_loadu_ps(eight.as_ptr()) }
    }

    #[inline]
    #[target_feature(enable = "avx2,f16c")]
    fn eight_halves(bytes: &[u8], at: usize) -> __m256 {
        let eight = &bytes[16 * at..16 * at + 16];
        // SAFETY: 16 bytes.
        _mm256_cvtph_ps(unsafe { _mm_loadu_si128(eight.as_ptr().cast()) })
    }

    #[inline]
    #[target_feature(enable = "f16c")]
    fn half(bits: u16) -> f32 {
        _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(i32::from(bits))))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn sum(vector: __m256) -> f32 {
        let four = _mm_add_ps(_mm256_castps256_ps128(vector), _mm256_extractf128_ps::<1>(vector));
        let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
        _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
    }
}
