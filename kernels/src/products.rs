//! Products with AVX2.

#![expect(clippy::needless_range_loop, reason = "iterators over arrays of vectors take them through memory")]

use std::arch::x86_64::{
    __m128i, __m256, __m256i, _MM_HINT_T0, _mm_loadu_si128, _mm_prefetch, _mm256_add_epi16, _mm256_add_epi32,
    _mm256_and_si256, _mm256_castsi256_si128, _mm256_cvtepi32_ps, _mm256_cvtph_ps, _mm256_fmadd_ps, _mm256_fnmadd_ps,
    _mm256_load_si256, _mm256_loadu_ps, _mm256_loadu_si256, _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_mul_ps,
    _mm256_or_si256, _mm256_packus_epi32, _mm256_permute2x128_si256, _mm256_permute4x64_epi64, _mm256_set_m128i,
    _mm256_set1_epi8, _mm256_set1_epi32, _mm256_set1_ps, _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_slli_epi16,
    _mm256_slli_epi32, _mm256_srai_epi16, _mm256_srli_epi16, _mm256_srli_epi32, _mm256_store_si256, _mm256_storeu_ps,
    _mm256_sub_epi32, _mm256_unpackhi_epi32, _mm256_unpackhi_epi64, _mm256_unpacklo_epi32, _mm256_unpacklo_epi64,
};

use crate::{BLOCK, Format, Numbers, Rows, TILE, Tile};

/// Rows of numbers that are multiplied with a vector of weights while it is in a register.
const ROWS: usize = 4;

#[target_feature(enable = "avx2,fma,f16c")]
pub(crate) fn round(numbers: &[f32; BLOCK], into: &mut Numbers) {
    into.round(numbers);
}

/// Where weights are unpacked to.
pub(crate) struct Unpacked {
    q4_k: Q4K,
    q6_k: Q6K,
}

impl Unpacked {
    pub(crate) const ZERO: Self = Self { q4_k: Q4K::ZERO, q6_k: Q6K::ZERO };
}

#[target_feature(enable = "avx2,fma,f16c")]
pub(crate) fn multiply(unpacked: &mut Unpacked, tile: &Tile<'_>, rows: &Rows<'_>, products: &mut [[f32; TILE]]) {
    products.fill([0.0; TILE]);
    match tile.format {
        Format::Q4K => multiply_as(&mut unpacked.q4_k, tile, rows, products),
        Format::Q6K => multiply_as(&mut unpacked.q6_k, tile, rows, products),
    }
}

#[target_feature(enable = "avx2,fma,f16c")]
fn multiply_as<const BYTES: usize, T: Block<BYTES>>(
    unpacked: &mut T,
    tile: &Tile<'_>,
    rows: &Rows<'_>,
    products: &mut [[f32; TILE]],
) {
    let weights = tile.weights.as_chunks::<BYTES>().0;
    let blocks = weights.len() / TILE;
    for block in 0..blocks {
        // The rows are too short for the processor to see where the next ones begin.
        for line in tile.next.iter().skip(block * TILE * BYTES).take(TILE * BYTES).step_by(64) {
            _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(line).cast());
        }
        let (fours, rest) = rows.block(block).as_chunks::<ROWS>();
        let (products_of_fours, products_of_rest) = products.as_chunks_mut::<ROWS>();
        // SAFETY: this function is compiled for the same processors.
        unsafe {
            unpacked.unpack([0, 1, 2, 3, 4, 5, 6, 7].map(|row| &weights[row * blocks + block]));
            for (four, products) in fours.iter().zip(products_of_fours) {
                unpacked.add(four, products);
            }
            match rest.len() {
                1 => unpacked.add::<1>(first(rest), first_mut(products_of_rest)),
                2 => unpacked.add::<2>(first(rest), first_mut(products_of_rest)),
                3 => unpacked.add::<3>(first(rest), first_mut(products_of_rest)),
                _ => {}
            }
        }
    }
}

fn first<const N: usize>(numbers: &[Numbers]) -> &[Numbers; N] {
    numbers.first_chunk().expect("there are as many rows")
}

fn first_mut<const N: usize>(products: &mut [[f32; TILE]]) -> &mut [[f32; TILE]; N] {
    products.first_chunk_mut().expect("there are as many rows")
}

/// A block of each of eight rows of weights, unpacked. Packed it has `BYTES`.
trait Block<const BYTES: usize> {
    /// Unpacks a block of each of eight rows.
    unsafe fn unpack(&mut self, rows: [&[u8; BYTES]; TILE]);

    /// Adds the products with `N` rows of numbers to what there is of them.
    unsafe fn add<const N: usize>(&self, numbers: &[Numbers; N], products: &mut [[f32; TILE]; N]);
}

/// Aligned so that a vector never lies on two cache lines.
#[repr(C, align(64))]
struct Vectors<const N: usize>([[u8; 32]; N]);

impl<const N: usize> Vectors<N> {
    const ZERO: Self = Self([[0; 32]; N]);

    #[inline]
    #[target_feature(enable = "avx2")]
    fn get(&self, at: usize) -> __m256i {
        // SAFETY: 32 bytes, aligned to 32.
        unsafe { _mm256_load_si256(self.0[at].as_ptr().cast()) }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn set(&mut self, at: usize, vector: __m256i) {
        // SAFETY: 32 bytes, aligned to 32.
        unsafe { _mm256_store_si256(self.0[at].as_mut_ptr().cast(), vector) };
    }
}

/// `block_q4_K` of ggml-common.h: `d`, `dmin`, eight scales and eight minima in 12 bytes, and 256 weights in 128 bytes,
/// of which each 32 hold the lower halves of 32 weights and then the upper ones of the next 32.
struct Q4K {
    /// Four weights of each row, by 4 weights.
    weights: Vectors<64>,
    /// Twice the scale of each row, by 32 weights.
    scales: Vectors<8>,
    /// The minima of each row of two times 32 weights.
    minima: Vectors<4>,
    scale: [f32; TILE],
    step: [f32; TILE],
}

impl Q4K {
    const ZERO: Self = Self {
        weights: Vectors::ZERO,
        scales: Vectors::ZERO,
        minima: Vectors::ZERO,
        scale: [0.0; TILE],
        step: [0.0; TILE],
    };
}

impl Block<144> for Q4K {
    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn unpack(&mut self, rows: [&[u8; 144]; TILE]) {
        let [both, first, second, third] = transposed_4(rows.map(|row| load_16(row, 0)));
        store(&mut self.scale, halves(both));
        store(&mut self.step, halves(_mm256_srli_epi32::<16>(both)));
        // `get_scale_min_k4` of ggml-quants.c, for four parts at once.
        let six = _mm256_set1_epi8(0x3f);
        let four = _mm256_set1_epi8(0x0f);
        let two = _mm256_set1_epi8(0x30);
        let upper = |vector| _mm256_and_si256(_mm256_srli_epi16::<2>(vector), two);
        let scales = [_mm256_and_si256(first, six), _mm256_or_si256(_mm256_and_si256(third, four), upper(first))];
        let minima = [
            _mm256_and_si256(second, six),
            _mm256_or_si256(_mm256_and_si256(_mm256_srli_epi16::<4>(third), four), upper(second)),
        ];
        for part in 0..8 {
            self.scales.set(part, _mm256_shuffle_epi8(scales[part / 4], words(part % 4, part % 4)));
        }
        for pair in 0..4 {
            let at = 2 * pair % 4;
            self.minima.set(pair, _mm256_shuffle_epi8(minima[pair / 2], words(at, at + 1)));
        }
        for group in 0..4 {
            let both = transposed_8(rows.map(|row| load_32(row, 16 + 32 * group)));
            for quad in 0..8 {
                self.weights.set(16 * group + quad, _mm256_and_si256(both[quad], four));
                let upper = _mm256_srli_epi16::<4>(both[quad]);
                self.weights.set(16 * group + 8 + quad, _mm256_and_si256(upper, four));
            }
        }
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn add<const N: usize>(&self, numbers: &[Numbers; N], products: &mut [[f32; TILE]; N]) {
        let mut totals = [_mm256_setzero_si256(); N];
        for part in 0..8 {
            // Eight times two products of at most 15 * 127: below 2^15.
            let mut sums = [_mm256_setzero_si256(); N];
            for quad in 8 * part..8 * part + 8 {
                let weights = self.weights.get(quad);
                for row in 0..N {
                    let products = _mm256_maddubs_epi16(weights, four(&numbers[row], quad));
                    sums[row] = _mm256_add_epi16(sums[row], products);
                }
            }
            let scales = self.scales.get(part);
            for row in 0..N {
                totals[row] = _mm256_add_epi32(totals[row], _mm256_madd_epi16(sums[row], scales));
            }
        }
        let (scale, step) = (load_floats(&self.scale), load_floats(&self.step));
        for row in 0..N {
            let (total, numbers, products) = (totals[row], &numbers[row], &mut products[row]);
            let mut minima = _mm256_setzero_si256();
            for pair in 0..4 {
                let sums = two(&numbers.sums_of_32, pair);
                minima = _mm256_add_epi32(minima, _mm256_madd_epi16(self.minima.get(pair), sums));
            }
            let worth = _mm256_set1_ps(numbers.scale);
            let product = load_floats(products);
            let product = _mm256_fmadd_ps(_mm256_cvtepi32_ps(total), _mm256_mul_ps(scale, worth), product);
            let product = _mm256_fnmadd_ps(_mm256_cvtepi32_ps(minima), _mm256_mul_ps(step, worth), product);
            store(products, product);
        }
    }
}

/// `block_q6_K` of ggml-common.h: the lower four bits of 256 weights in 128 bytes, the upper two in 64, sixteen signed
/// scales, and `d`. A weight is its six bits less 32.
struct Q6K {
    /// Four weights of each row, by 4 weights, as they are stored: not less 32.
    weights: Vectors<64>,
    /// Twice the scale of each row, by 16 weights.
    scales: Vectors<16>,
    /// The scales of each row of two times 16 weights.
    pairs: Vectors<8>,
    scale: [f32; TILE],
}

impl Q6K {
    const ZERO: Self = Self { weights: Vectors::ZERO, scales: Vectors::ZERO, pairs: Vectors::ZERO, scale: [0.0; TILE] };
}

impl Block<210> for Q6K {
    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn unpack(&mut self, rows: [&[u8; 210]; TILE]) {
        let ends = rows.map(|row| i32::from(u16::from_le_bytes([row[208], row[209]])));
        // SAFETY: eight numbers of 32 bits.
        store(&mut self.scale, halves(unsafe { _mm256_loadu_si256(ends.as_ptr().cast()) }));
        let scales = transposed_4(rows.map(|row| load_16(row, 192)));
        for four in 0..4 {
            for part in 0..4 {
                let twice = _mm256_shuffle_epi8(scales[four], upper_bytes(part, part));
                self.scales.set(4 * four + part, _mm256_srai_epi16::<8>(twice));
            }
            for pair in 0..2 {
                let both = _mm256_shuffle_epi8(scales[four], upper_bytes(2 * pair, 2 * pair + 1));
                self.pairs.set(2 * four + pair, _mm256_srai_epi16::<8>(both));
            }
        }
        let (low_bits, high_bits) = (_mm256_set1_epi8(0x0f), _mm256_set1_epi8(0x30));
        for half in 0..2 {
            let upper = transposed_8(rows.map(|row| load_32(row, 128 + 32 * half)));
            let first = transposed_8(rows.map(|row| load_32(row, 64 * half)));
            let second = transposed_8(rows.map(|row| load_32(row, 64 * half + 32)));
            let join = |low, high| _mm256_or_si256(_mm256_and_si256(low, low_bits), _mm256_and_si256(high, high_bits));
            for quad in 0..8 {
                // Two bits of each byte for each of the quarters of the half.
                let (upper, first, second) = (upper[quad], first[quad], second[quad]);
                let at = 32 * half + quad;
                self.weights.set(at, join(first, _mm256_slli_epi16::<4>(upper)));
                self.weights.set(at + 8, join(second, _mm256_slli_epi16::<2>(upper)));
                self.weights.set(at + 16, join(_mm256_srli_epi16::<4>(first), upper));
                self.weights.set(at + 24, join(_mm256_srli_epi16::<4>(second), _mm256_srli_epi16::<2>(upper)));
            }
        }
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn add<const N: usize>(&self, numbers: &[Numbers; N], products: &mut [[f32; TILE]; N]) {
        let mut totals = [_mm256_setzero_si256(); N];
        for part in 0..16 {
            let scales = self.scales.get(part);
            for pair in 2 * part..2 * part + 2 {
                // Two times two products of at most 63 * 127: below 2^15.
                let (first, second) = (self.weights.get(2 * pair), self.weights.get(2 * pair + 1));
                for row in 0..N {
                    let sum = _mm256_add_epi16(
                        _mm256_maddubs_epi16(first, four(&numbers[row], 2 * pair)),
                        _mm256_maddubs_epi16(second, four(&numbers[row], 2 * pair + 1)),
                    );
                    totals[row] = _mm256_add_epi32(totals[row], _mm256_madd_epi16(sum, scales));
                }
            }
        }
        let scale = load_floats(&self.scale);
        for row in 0..N {
            let (total, numbers, products) = (totals[row], &numbers[row], &mut products[row]);
            let mut offsets = _mm256_setzero_si256();
            for pair in 0..8 {
                let sums = two(&numbers.sums_of_16, pair);
                offsets = _mm256_add_epi32(offsets, _mm256_madd_epi16(self.pairs.get(pair), sums));
            }
            let total = _mm256_sub_epi32(total, _mm256_slli_epi32::<5>(offsets));
            let worth = _mm256_mul_ps(scale, _mm256_set1_ps(numbers.scale));
            store(products, _mm256_fmadd_ps(_mm256_cvtepi32_ps(total), worth, load_floats(products)));
        }
    }
}

/// Four numbers, for each of the eight rows of weights.
#[inline]
#[target_feature(enable = "avx2")]
fn four(numbers: &Numbers, quad: usize) -> __m256i {
    let [a, b, c, d] = numbers.rounded.as_chunks::<4>().0[quad];
    _mm256_set1_epi32(i32::from_le_bytes([a.cast_unsigned(), b.cast_unsigned(), c.cast_unsigned(), d.cast_unsigned()]))
}

/// Two sums, for each of the eight rows of weights.
#[inline]
#[target_feature(enable = "avx2")]
fn two<const N: usize>(sums: &[i16; N], pair: usize) -> __m256i {
    let [a, b] = sums.as_chunks::<2>().0[pair];
    _mm256_set1_epi32(i32::from(a.cast_unsigned()) | i32::from(b) << 16)
}

/// For a shuffle that makes two words out of bytes of each 32 bits.
#[inline]
#[target_feature(enable = "avx2")]
fn words(first: usize, second: usize) -> __m256i {
    shuffle([first as u8, 0x80, second as u8, 0x80])
}

/// The same with the bytes as the upper halves of words.
#[inline]
#[target_feature(enable = "avx2")]
fn upper_bytes(first: usize, second: usize) -> __m256i {
    shuffle([0x80, first as u8, 0x80, second as u8])
}

#[inline]
#[target_feature(enable = "avx2")]
fn shuffle(bytes: [u8; 4]) -> __m256i {
    let within: [[u8; 4]; 4] =
        std::array::from_fn(|dword| bytes.map(|byte| if byte < 4 { byte + 4 * dword as u8 } else { byte }));
    // SAFETY: 16 bytes.
    let within = unsafe { _mm_loadu_si128(within.as_ptr().cast()) };
    _mm256_set_m128i(within, within)
}

/// The numbers of 16 bits in the lower halves of each 32.
#[inline]
#[target_feature(enable = "avx2,f16c")]
fn halves(vector: __m256i) -> __m256 {
    let low = _mm256_and_si256(vector, _mm256_set1_epi32(0xffff));
    let packed = _mm256_permute4x64_epi64::<0b00_00_10_00>(_mm256_packus_epi32(low, low));
    _mm256_cvtph_ps(_mm256_castsi256_si128(packed))
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_16(row: &[u8], at: usize) -> __m128i {
    let bytes = &row[at..at + 16];
    // SAFETY: 16 bytes.
    unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_32(row: &[u8], at: usize) -> __m256i {
    let bytes = &row[at..at + 32];
    // SAFETY: 32 bytes.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_floats(floats: &[f32; 8]) -> __m256 {
    // SAFETY: eight numbers.
    unsafe { _mm256_loadu_ps(floats.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn store(into: &mut [f32; 8], floats: __m256) {
    // SAFETY: eight numbers.
    unsafe { _mm256_storeu_ps(into.as_mut_ptr(), floats) };
}

/// The first, second, third and fourth 32 bits of eight rows.
#[inline]
#[target_feature(enable = "avx2")]
fn transposed_4(rows: [__m128i; 8]) -> [__m256i; 4] {
    // Rows 0 and 4, 1 and 5, 2 and 6, 3 and 7: what is transposed within the halves comes out in order.
    let joined: [__m256i; 4] = std::array::from_fn(|row| _mm256_set_m128i(rows[row + 4], rows[row]));
    transposed_within(joined)
}

/// The first to eighth 32 bits of eight rows.
#[inline]
#[target_feature(enable = "avx2")]
fn transposed_8(rows: [__m256i; 8]) -> [__m256i; 8] {
    let [a, b, c, d, e, f, g, h] = rows;
    let lower = transposed_within([
        _mm256_permute2x128_si256::<0x20>(a, e),
        _mm256_permute2x128_si256::<0x20>(b, f),
        _mm256_permute2x128_si256::<0x20>(c, g),
        _mm256_permute2x128_si256::<0x20>(d, h),
    ]);
    let upper = transposed_within([
        _mm256_permute2x128_si256::<0x31>(a, e),
        _mm256_permute2x128_si256::<0x31>(b, f),
        _mm256_permute2x128_si256::<0x31>(c, g),
        _mm256_permute2x128_si256::<0x31>(d, h),
    ]);
    let [a, b, c, d] = lower;
    let [e, f, g, h] = upper;
    [a, b, c, d, e, f, g, h]
}

/// Four by four 32 bits, transposed in each half.
#[inline]
#[target_feature(enable = "avx2")]
fn transposed_within([a, b, c, d]: [__m256i; 4]) -> [__m256i; 4] {
    let (ab, ab_upper) = (_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
    let (cd, cd_upper) = (_mm256_unpacklo_epi32(c, d), _mm256_unpackhi_epi32(c, d));
    [
        _mm256_unpacklo_epi64(ab, cd),
        _mm256_unpackhi_epi64(ab, cd),
        _mm256_unpacklo_epi64(ab_upper, cd_upper),
        _mm256_unpackhi_epi64(ab_upper, cd_upper),
    ]
}
