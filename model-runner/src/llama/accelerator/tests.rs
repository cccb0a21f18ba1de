use std::{path::Path, ptr::null_mut, sync::Arc};

use half::f16;

use super::*;
use crate::{
    llama::{CacheType, Context, ContextOptions, Model, Row},
    testing::{Shape, TinyModel},
};

/// Large enough for blocks of 256, and with both formats.
const SHAPE: Shape = Shape { layers: 2, width: 256, heads: 4, key_heads: 2, head_width: 64, inner_width: 512 };

/// A product of ggml's, computed by a backend, for `rows` rows of numbers.
fn product(
    backend: sys::ggml_backend_t,
    kind: sys::ggml_type,
    weights: &[u8],
    numbers: &mut [f32],
    rows: usize,
) -> Vec<f32> {
    let width = numbers.len() / rows;
    let columns = weights.len() / (format(kind).unwrap().block_bytes() * width / BLOCK);
    let mut products = vec![f32::NAN; rows * columns];
    // SAFETY: the context has room for three tensors and a graph, whose data are the slices.
    unsafe {
        let parameters = sys::ggml_init_params { mem_size: 1 << 20, mem_buffer: null_mut(), no_alloc: true };
        let context = sys::ggml_init(parameters);
        let a = sys::ggml_new_tensor_2d(context, kind, width as i64, columns as i64);
        let b = sys::ggml_new_tensor_2d(context, sys::GGML_TYPE_F32, width as i64, rows as i64);
        (*a).data = weights.as_ptr().cast_mut().cast();
        (*b).data = numbers.as_mut_ptr().cast();
        let c = sys::ggml_mul_mat(context, a, b);
        (*c).data = products.as_mut_ptr().cast();
        let graph = sys::ggml_new_graph(context);
        sys::ggml_build_forward_expand(graph, c);
        assert_eq!(sys::ggml_backend_graph_compute(backend, graph), sys::GGML_STATUS_SUCCESS);
        sys::ggml_free(context);
    }
    products
}

/// Blocks of arbitrary bytes, but for their scales of 16 bits, which are 2^-10.
fn blocks(bytes: usize, scales: &[usize], count: usize) -> Vec<u8> {
    let mut state = 1u32;
    let random = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    });
    let mut blocks: Vec<u8> = random.take(bytes * count).collect();
    for block in blocks.chunks_exact_mut(bytes) {
        scales.iter().for_each(|&at| block[at..at + 2].copy_from_slice(&[0x00, 0x14]));
    }
    blocks
}

#[test]
fn products_are_those_of_llama_cpp() {
    crate::llama::backend();
    if kernel().is_none() {
        return;
    }
    let (width, columns) = (512, 72);
    for (kind, bytes) in [
        (sys::GGML_TYPE_Q4_K, blocks(144, &[0, 2], width * columns / BLOCK)),
        (sys::GGML_TYPE_Q6_K, blocks(210, &[208], width * columns / BLOCK)),
    ] {
        for rows in [1, 2, 3, 9, 300] {
            let mut numbers: Vec<f32> =
                (0..rows * width).map(|at| ((at * 7919 % 1009) as f32 - 504.0) / 100.0).collect();
            // SAFETY: both backends are freed below, by the calls that made them.
            let (ours, theirs) = unsafe {
                let cpu = sys::ggml_backend_init_by_type(sys::GGML_BACKEND_DEVICE_TYPE_CPU, null());
                let ours = new_backend(null_mut(), null());
                set_threads(ours, 3);
                let products = (
                    product(ours.cast(), kind, &bytes, &mut numbers, rows),
                    product(cpu, kind, &bytes, &mut numbers, rows),
                );
                free(ours);
                sys::ggml_backend_free(cpu);
                products
            };
            let largest = theirs.iter().fold(0.0f32, |largest, product| largest.max(product.abs()));
            for (ours, theirs) in ours.iter().zip(&theirs) {
                assert!((ours - theirs).abs() < 1e-5 * largest, "{ours} is not {theirs} with {rows} rows");
            }
        }
    }
}

/// What four heads of rows find among cells of two heads of keys, computed by a backend.
fn attention(backend: sys::ggml_backend_t, rows: usize, cells: usize) -> Vec<f32> {
    const WIDTH: usize = 64;
    let number = |at: usize| (at * 7919 % 1009) as f32 / 504.0 - 1.0;
    let mut queries: Vec<f32> = (0..4 * rows * WIDTH).map(number).collect();
    let half = |at: usize| f16::from_f32(number(at)).to_bits();
    let mut keys: Vec<u16> = (0..2 * cells * WIDTH).map(half).collect();
    let mut values: Vec<u16> = (0..2 * cells * WIDTH).map(|at| half(at + 77)).collect();
    // Each row sees its own two thirds.
    let mut mask: Vec<u16> =
        (0..rows * cells).map(|at| if (at / cells + at % cells).is_multiple_of(3) { 0xFC00 } else { 0 }).collect();
    let mut found = vec![f32::NAN; queries.len()];
    // SAFETY: the context has room for five tensors and a graph, whose data are the lists.
    unsafe {
        let parameters = sys::ggml_init_params { mem_size: 1 << 20, mem_buffer: null_mut(), no_alloc: true };
        let context = sys::ggml_init(parameters);
        let tensor = |kind, sizes: [usize; 3], data: *mut c_void| {
            let [width, rows, heads] = sizes.map(|size| size as i64);
            let tensor = sys::ggml_new_tensor_3d(context, kind, width, rows, heads);
            (*tensor).data = data;
            tensor
        };
        let q = tensor(sys::GGML_TYPE_F32, [WIDTH, rows, 4], queries.as_mut_ptr().cast());
        let k = tensor(sys::GGML_TYPE_F16, [WIDTH, cells, 2], keys.as_mut_ptr().cast());
        let v = tensor(sys::GGML_TYPE_F16, [WIDTH, cells, 2], values.as_mut_ptr().cast());
        let m = tensor(sys::GGML_TYPE_F16, [cells, rows, 1], mask.as_mut_ptr().cast());
        let operation = sys::ggml_flash_attn_ext(context, q, k, v, m, 0.125, 0.0, 0.0);
        (*operation).data = found.as_mut_ptr().cast();
        let graph = sys::ggml_new_graph(context);
        sys::ggml_build_forward_expand(graph, operation);
        assert_eq!(sys::ggml_backend_graph_compute(backend, graph), sys::GGML_STATUS_SUCCESS);
        sys::ggml_free(context);
    }
    found
}

#[test]
fn attention_is_that_of_llama_cpp() {
    crate::llama::backend();
    if !attends() {
        return;
    }
    for (rows, cells) in [(1, 40), (7, 64), (70, 150)] {
        // SAFETY: both backends are freed below, by the calls that made them.
        let (ours, theirs) = unsafe {
            let cpu = sys::ggml_backend_init_by_type(sys::GGML_BACKEND_DEVICE_TYPE_CPU, null());
            let ours = new_backend(null_mut(), null());
            set_threads(ours, 3);
            let found = (attention(ours.cast(), rows, cells), attention(cpu, rows, cells));
            free(ours);
            sys::ggml_backend_free(cpu);
            found
        };
        for (ours, theirs) in ours.iter().zip(&theirs) {
            // llama.cpp rounds what it looks for, or what it found so far, to 16 bits.
            assert!((ours - theirs).abs() < 2e-3, "{ours} is not {theirs} for {rows} rows of {cells} cells");
        }
    }
}

/// The logits after each of some tokens, computed `at_once` at a time.
fn logits(model: &Arc<Model>, cache: CacheType, at_once: usize) -> Vec<f32> {
    let options = ContextOptions { tokens: 64, sequences: 1, rows: 32, outputs: 32, threads: 2, cache };
    let mut context = Context::new(model, &options).unwrap();
    let rows: Vec<Row> =
        (0..24).map(|position| Row { token: 40 + position as i32, position, sequence: 0, output: true }).collect();
    let mut logits = Vec::new();
    for rows in rows.chunks(at_once) {
        context.step(rows).unwrap();
        (0..rows.len()).for_each(|row| logits.extend_from_slice(context.logits(row)));
    }
    logits
}

fn model(folder: &Path) -> Arc<Model> {
    let (tiny, file) = (folder.join("tiny.gguf"), folder.join("model.gguf"));
    TinyModel::default().write(&tiny).unwrap();
    SHAPE.write_q4_k_m(&tiny, &file).unwrap();
    Arc::new(Model::load(&file, false).unwrap())
}

#[test]
fn llama_cpp_has_us_compute_and_a_row_is_the_same_whatever_is_computed_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let model = model(folder.path());
    // Where the cache is F32, attention is left to llama.cpp.
    for (cache, ours) in [(CacheType::F32, 7), (CacheType::F16, 8)] {
        let alone = logits(&model, cache, 1);
        let before = work::done_by_us();
        let together = logits(&model, cache, 24);
        if kernel().is_some() {
            assert!(work::done_by_us() >= before + 2 * ours, "matrices and attention of both layers were ours");
        }
        let largest = alone.iter().fold(0.0f32, |largest, logit| largest.max(logit.abs()));
        let apart = alone.iter().zip(&together).map(|(a, b)| (a - b).abs()).fold(0.0f32, f32::max);
        assert!(apart < 1e-5 * largest, "logits up to {largest} lie {apart} apart, with {cache:?}");
    }
}
