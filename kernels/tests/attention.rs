//! Held to attention as it is written down, in 64 bits.

use half::f16;
use kernels::{Attention, Cells, Kernel};
use proptest::prelude::*;

/// A number of 16 bits that is no infinity, from -2 to 2.
fn halves(count: usize) -> impl Strategy<Value = Vec<u16>> {
    prop::collection::vec(
        (0..0x4000u16, any::<bool>()).prop_map(|(size, negative)| size | u16::from(negative) << 15),
        count,
    )
}

fn value(half: u16) -> f64 {
    f16::from_bits(half).to_f64()
}

fn bytes(halves: &[u16]) -> Vec<u8> {
    halves.iter().flat_map(|half| half.to_le_bytes()).collect()
}

#[derive(Debug, Clone)]
struct Case {
    width: usize,
    queries: Vec<f32>,
    keys: Vec<u16>,
    values: Vec<u16>,
    mask: Vec<u16>,
}

fn cases() -> impl Strategy<Value = Case> {
    (1..17usize, 1..4usize, 1..70usize).prop_flat_map(|(eights, heads, cells)| {
        let width = 8 * eights;
        // Unseen, as it is, and a half less.
        let mask = prop::collection::vec(prop::sample::select(vec![0xFC00u16, 0, 0xB800]), cells);
        let queries = prop::collection::vec(-3.0..3.0f32, heads * width);
        // Two heads of keys in each cell, of which the second is meant.
        (queries, halves(2 * cells * width), halves(2 * cells * width), mask)
            .prop_map(move |(queries, keys, values, mask)| Case { width, queries, keys, values, mask })
    })
}

proptest! {
    #[test]
    fn heads_find_the_weighted_mean_of_what_they_see(Case { width, queries, keys, values, mask } in cases()) {
        let Some(kernel) = Kernel::detect() else { return Ok(()) };
        const SCALE: f32 = 0.25;
        let (key_bytes, value_bytes) = (bytes(&keys), bytes(&values));
        let cells = |bytes| Cells { bytes, offset: 2 * width, stride: 4 * width };
        let mut attention = Attention::default();
        // What was there before does not matter.
        attention.begin(&[0; 40]);
        attention.query(&[1.0; 8], 1.0);
        attention.begin(&mask);
        queries.chunks(width).for_each(|query| attention.query(query, SCALE));
        let mut found = vec![f32::NAN; queries.len()];
        kernel.attend(&mut attention, &mask, &cells(&key_bytes), &cells(&value_bytes), &mut found);
        let cell = |of: &[u16], cell: usize| -> Vec<f64> {
            of[(2 * cell + 1) * width..][..width].iter().map(|&half| value(half)).collect()
        };
        let seen: Vec<usize> = (0..mask.len()).filter(|&cell| mask[cell] != 0xFC00).collect();
        for (query, found) in queries.chunks(width).zip(found.chunks(width)) {
            let weight = |at: usize| {
                let product: f64 = cell(&keys, at).iter().zip(query).map(|(k, &q)| k * f64::from(q)).sum();
                (product * f64::from(SCALE) + value(mask[at])).exp()
            };
            let weights: Vec<f64> = seen.iter().map(|&at| weight(at)).collect();
            let all: f64 = weights.iter().sum();
            for (at, &found) in found.iter().enumerate() {
                let sum: f64 = seen.iter().zip(&weights).map(|(&of, weight)| weight * cell(&values, of)[at]).sum();
                let mean = if seen.is_empty() { 0.0 } else { sum / all };
                prop_assert!((f64::from(found) - mean).abs() < 2e-5, "{found} is not {mean}");
            }
        }
    }
}

#[test]
fn a_cell_that_outweighs_all_others_is_found_alone() {
    let Some(kernel) = Kernel::detect() else { return };
    // Keys of 1 and -1, and a query that tells them apart by more than can be told in 32 bits.
    let keys = bytes(&[[0x3C00u16; 8], [0xBC00; 8]].concat());
    let values = bytes(&[[0x4000u16; 8], [0x4200; 8]].concat());
    let cells = |bytes| Cells { bytes, offset: 0, stride: 16 };
    let mut attention = Attention::default();
    attention.begin(&[0, 0]);
    attention.query(&[100.0; 8], 1.0);
    let mut found = [0.0; 8];
    kernel.attend(&mut attention, &[0, 0], &cells(&keys), &cells(&values), &mut found);
    assert_eq!(found, [2.0; 8]);
}
