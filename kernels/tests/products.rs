//! Held to the plain reading of the blocks, in 64 bits.

use half::f16;
use kernels::{BLOCK, Format, Kernel, Numbers, Rows, TILE, Tile, Unpacked};
use proptest::prelude::*;

fn half(bytes: &[u8]) -> f64 {
    f16::from_le_bytes([bytes[0], bytes[1]]).to_f64()
}

/// What the 256 weights of a block stand for, as ggml-quants.c reads them.
fn weights(format: Format, block: &[u8]) -> Vec<f64> {
    let mut weights = vec![0.0; BLOCK];
    match format {
        Format::Q4K => {
            let packed = &block[4..16];
            for (at, weight) in weights.iter_mut().enumerate() {
                let part = at / 32;
                let (scale, minimum) = if part < 4 {
                    (packed[part] & 63, packed[part + 4] & 63)
                } else {
                    (packed[part + 4] & 15 | packed[part - 4] >> 6 << 4, packed[part + 4] >> 4 | packed[part] >> 6 << 4)
                };
                let byte = block[16 + at / 64 * 32 + at % 32];
                let q = if part % 2 == 0 { byte & 15 } else { byte >> 4 };
                *weight = half(block) * f64::from(scale) * f64::from(q) - half(&block[2..]) * f64::from(minimum);
            }
        }
        Format::Q6K => {
            for (at, weight) in weights.iter_mut().enumerate() {
                let (half_at, within) = (at / 128, at % 128);
                let (quarter, column) = (within / 32, within % 32);
                let low = block[64 * half_at + quarter % 2 * 32 + column] >> (quarter / 2 * 4) & 15;
                let high = block[128 + 32 * half_at + column] >> (2 * quarter) & 3;
                let scale = block[192 + at / 16].cast_signed();
                *weight = half(&block[208..]) * f64::from(scale) * (f64::from(low | high << 4) - 32.0);
            }
        }
    }
    weights
}

/// What a row of numbers is after rounding to 255 steps by 256.
fn rounded(row: &[f32]) -> Vec<f64> {
    let blocks = row.chunks_exact(BLOCK).flat_map(|block| {
        let largest = block.iter().fold(0.0f32, |largest, x| largest.max(x.abs()));
        let inverse = if largest > 0.0 { 127.0 / largest } else { 0.0 };
        block.iter().map(move |x| f64::from((x * inverse).round_ties_even()) * f64::from(largest / 127.0))
    });
    blocks.collect()
}

fn blocks(format: Format, count: usize) -> impl Strategy<Value = Vec<u8>> {
    let finite = move |mut bytes: Vec<u8>| {
        for block in bytes.chunks_exact_mut(format.block_bytes()) {
            // The upper byte of each half: no infinity and nothing that is no number.
            let halves: &[usize] = if format == Format::Q4K { &[1, 3] } else { &[209] };
            halves.iter().for_each(|&at| block[at] &= 0b1011_1111);
        }
        bytes
    };
    prop::collection::vec(any::<u8>(), count * format.block_bytes()).prop_map(finite)
}

fn cases(format: Format) -> impl Strategy<Value = (Vec<u8>, Vec<f32>, usize)> {
    (1..4usize, 1..11usize).prop_flat_map(move |(blocks_per_row, rows)| {
        let numbers = prop::collection::vec(-1000.0..1000.0f32, rows * blocks_per_row * BLOCK);
        (blocks(format, TILE * blocks_per_row), numbers, Just(blocks_per_row))
    })
}

fn check(format: Format, stored: &[u8], numbers: &[f32], blocks_per_row: usize) -> Result<(), TestCaseError> {
    let Some(kernel) = Kernel::detect() else { return Ok(()) };
    let width = blocks_per_row * BLOCK;
    let mut unpacked = Unpacked::new();
    let rows = numbers.len() / width;
    let mut inputs = vec![Numbers::ZERO; numbers.len() / BLOCK];
    for (row, numbers) in numbers.chunks_exact(width).enumerate() {
        for (block, numbers) in numbers.as_chunks().0.iter().enumerate() {
            kernel.round(numbers, &mut inputs[block * rows + row]);
        }
    }
    let mut products = vec![[f32::NAN; TILE]; rows];
    let (some, others) = products.split_at_mut(rows / 3);
    let tile = Tile { format, weights: stored, next: &[] };
    let inputs = |range| Rows { numbers: &inputs, all: rows, range };
    kernel.multiply(&mut unpacked, &tile, &inputs(0..rows / 3), some);
    kernel.multiply(&mut unpacked, &tile, &inputs(rows / 3..rows), others);
    let stored: Vec<f64> = stored.chunks_exact(format.block_bytes()).flat_map(|block| weights(format, block)).collect();
    for (row, products) in numbers.chunks_exact(width).zip(products) {
        let row = rounded(row);
        for (stored, product) in stored.chunks_exact(width).zip(products) {
            let expected: f64 = stored.iter().zip(&row).map(|(w, x)| w * x).sum();
            let size: f64 = stored.iter().zip(&row).map(|(w, x)| (w * x).abs()).sum();
            let apart = (f64::from(product) - expected).abs();
            prop_assert!(apart <= 4e-6 * size, "{product} is not {expected}, of parts that add up to {size}");
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn products_are_those_of_the_weights((stored, numbers, blocks) in prop_oneof![
        cases(Format::Q4K).prop_map(|case| (Format::Q4K, case)),
        cases(Format::Q6K).prop_map(|case| (Format::Q6K, case)),
    ].prop_map(|(format, (stored, numbers, blocks))| ((format, stored), numbers, blocks))) {
        check(stored.0, &stored.1, &numbers, blocks)?;
    }
}

#[test]
fn the_largest_of_all_do_not_overflow() {
    for format in [Format::Q4K, Format::Q6K] {
        let mut block = vec![0xff; format.block_bytes()];
        if format == Format::Q4K {
            block[..4].copy_from_slice(&[0, 0x3c, 0, 0x3c]);
        } else {
            block[208..].copy_from_slice(&[0, 0x3c]);
            block[192..208].fill(0x80);
        }
        let numbers = vec![127.0f32; 3 * BLOCK];
        check(format, &block.repeat(TILE), &numbers, 1).unwrap();
        let numbers = vec![-127.0f32; 3 * BLOCK];
        check(format, &block.repeat(TILE), &numbers, 1).unwrap();
    }
}

#[test]
fn what_is_no_number_is_not_hidden() {
    let Some(kernel) = Kernel::detect() else { return };
    for odd in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut row = [0.5; BLOCK];
        row[77] = odd;
        let mut inputs = [Numbers::ZERO];
        kernel.round(&row, &mut inputs[0]);
        let (mut unpacked, mut products) = (Unpacked::new(), [[0.0; TILE]]);
        let tile = Tile { format: Format::Q4K, weights: &[0x11; TILE * 144], next: &[] };
        kernel.multiply(&mut unpacked, &tile, &Rows { numbers: &inputs, all: 1, range: 0..1 }, &mut products);
        assert!(products[0].iter().all(|product| product.is_nan()), "{odd}: {products:?}");
    }
}
