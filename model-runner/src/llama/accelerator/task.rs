//! What the threads do for an operation.

use std::{
    cell::RefCell,
    ffi::c_int,
    ptr::null_mut,
    slice::from_raw_parts,
    sync::atomic::{AtomicUsize, Ordering},
};

use kernels::{BLOCK, Cells, Format, Kernel, Numbers, Rows, TILE, Tile, Unpacked};
use llama_cpp_sys_2 as sys;

use super::{Attention, Product};

/// Rows that are multiplied at once: what their products with eight rows of weights take stands on the stack.
const ROWS: usize = 256;

/// How often each thread takes tiles. In between it reads one stretch of memory, which is what memory is fast at; and
/// one that was held up does not hold up the others for long.
const TURNS: usize = 4;

/// An operation, of which each thread takes parts until there are none.
pub(super) struct Task {
    kind: Kind,
    next: AtomicUsize,
}

enum Kind {
    Nothing,
    Product {
        format: Format,
        weights: *const u8,
        columns: usize,
        /// Of a row.
        blocks: usize,
        numbers: *const f32,
        rows: usize,
        products: *mut f32,
        /// Of all rows the first blocks, then the second ones, and so on.
        rounded: *mut Numbers,
    },
    Attention {
        /// Numbers of a head.
        width: usize,
        rows: usize,
        cells: usize,
        /// Heads of keys and values.
        heads: usize,
        /// Heads of queries for each.
        group: usize,
        scale: f32,
        queries: Strided,
        keys: Strided,
        values: Strided,
        mask: Strided,
        /// By rows, and in a row by heads.
        found: *mut f32,
    },
}

/// Data that does not lie together.
#[derive(Clone, Copy)]
struct Strided {
    data: *const u8,
    bytes: usize,
    /// From a row or cell to the next, in bytes.
    row: usize,
    /// From a head to the next, in bytes.
    head: usize,
}

impl Strided {
    fn of(tensor: &sys::ggml_tensor) -> Self {
        // SAFETY: the tensor is alive.
        let bytes = unsafe { sys::ggml_nbytes(tensor) };
        Self { data: tensor.data.cast(), bytes, row: tensor.nb[1], head: tensor.nb[2] }
    }

    /// # Safety
    /// The data is there, and nobody writes to it.
    unsafe fn cells(&self, head: usize) -> Cells<'_> {
        // SAFETY: the caller says so.
        Cells { bytes: unsafe { from_raw_parts(self.data, self.bytes) }, offset: head * self.head, stride: self.row }
    }

    /// Numbers of one row of a head.
    ///
    /// # Safety
    /// They are there, and nobody writes to them.
    unsafe fn row<T>(&self, row: usize, head: usize, length: usize) -> &[T] {
        let from = row * self.row + head * self.head;
        assert!(from + length * size_of::<T>() <= self.bytes, "a row lies within its tensor");
        // SAFETY: the caller says so, and what ggml keeps is aligned.
        unsafe { from_raw_parts(self.data.add(from).cast(), length) }
    }
}

/// A dimension of a tensor, which is never negative.
fn size(dimension: i64) -> usize {
    usize::try_from(dimension).unwrap_or(0)
}

impl Task {
    pub(super) const fn nothing() -> Self {
        Self { kind: Kind::Nothing, next: AtomicUsize::new(0) }
    }

    pub(super) fn product(product: &Product<'_>, operation: &sys::ggml_tensor) -> Self {
        let kind = Kind::Product {
            format: product.format,
            weights: product.weights.data.cast(),
            columns: size(product.weights.ne[1]),
            blocks: size(product.weights.ne[0]) / BLOCK,
            numbers: product.numbers.data.cast(),
            rows: size(product.numbers.ne[1]),
            products: operation.data.cast(),
            rounded: null_mut(),
        };
        Self { kind, next: AtomicUsize::new(0) }
    }

    pub(super) fn attention(attention: &Attention<'_>, operation: &sys::ggml_tensor) -> Self {
        let heads = size(attention.keys.ne[2]);
        let kind = Kind::Attention {
            width: size(attention.keys.ne[0]),
            rows: size(attention.queries.ne[1]),
            cells: size(attention.mask.ne[0]),
            heads,
            group: size(attention.queries.ne[2]) / heads.max(1),
            scale: attention.scale,
            queries: Strided::of(attention.queries),
            keys: Strided::of(attention.keys),
            values: Strided::of(attention.values),
            mask: Strided::of(attention.mask),
            found: operation.data.cast(),
        };
        Self { kind, next: AtomicUsize::new(0) }
    }

    /// How many blocks of rounded numbers it needs.
    pub(super) fn blocks(&self) -> usize {
        match self.kind {
            Kind::Product { blocks, rows, .. } => blocks * rows,
            _ => 0,
        }
    }

    /// Says where rounded numbers are kept, and gives whose they are: where they lie, and in how many rows and blocks.
    pub(super) fn round_to(&mut self, place: *mut Numbers) -> Option<(*const f32, usize, usize)> {
        match &mut self.kind {
            Kind::Product { rounded, numbers, rows, blocks, .. } => {
                *rounded = place;
                Some((*numbers, *rows, *blocks))
            }
            _ => None,
        }
    }

    /// Rounds every so-manieth row of a product's numbers.
    ///
    /// # Safety
    /// The tensors have their data, which nobody else writes to; all threads come here at once with a number of their
    /// own, and there is room for what is rounded.
    pub(super) unsafe fn round(&self, kernel: Kernel, thread: c_int, threads: c_int) {
        let Kind::Product { blocks, numbers, rows, rounded, .. } = self.kind else { return };
        for row in (thread as usize..rows).step_by(threads as usize) {
            for block in 0..blocks {
                // SAFETY: there are so many rows of so many blocks, there is room for them all, and no other thread has
                // this row.
                unsafe {
                    let numbers = &*numbers.add((row * blocks + block) * BLOCK).cast::<[f32; BLOCK]>();
                    kernel.round(numbers, &mut *rounded.add(block * rows + row));
                }
            }
        }
    }

    /// Does the parts of an operation that no other thread has taken.
    ///
    /// # Safety
    /// As for [`Self::round`], after which it comes.
    pub(super) unsafe fn compute(&self, kernel: Kernel, threads: c_int) {
        match self.kind {
            Kind::Nothing => {}
            // SAFETY: the caller says so.
            Kind::Product { .. } => unsafe { self.multiply(kernel, threads as usize) },
            // SAFETY: the caller says so.
            Kind::Attention { .. } => unsafe { self.attend(kernel) },
        }
    }

    /// Multiplies rows of numbers with tiles of weights.
    unsafe fn multiply(&self, kernel: Kernel, threads: usize) {
        let Kind::Product { format, weights, columns, blocks, rows, products: into, rounded, .. } = self.kind else {
            return;
        };
        let tile_bytes = TILE * blocks * format.block_bytes();
        let tiles = columns / TILE;
        let turn = tiles.div_ceil(TURNS * threads);
        // SAFETY: they were rounded before this operation began.
        let rounded = unsafe { from_raw_parts(rounded, blocks * rows) };
        // SAFETY: the matrix has so many tiles.
        let weights = |tile| unsafe { from_raw_parts(weights.add(tile * tile_bytes), tile_bytes) };
        let (mut unpacked, mut products) = (Unpacked::new(), [[0.0; TILE]; ROWS]);
        while let Some(first) = self.take(turn, tiles) {
            for at in first..tiles.min(first + turn) {
                let next = if at + 1 < tiles { weights(at + 1) } else { &[] };
                let tile = Tile { format, weights: weights(at), next };
                for from in (0..rows).step_by(ROWS) {
                    let range = from..rows.min(from + ROWS);
                    let products = &mut products[..range.len()];
                    kernel.multiply(
                        &mut unpacked,
                        &tile,
                        &Rows { numbers: rounded, all: rows, range: range.clone() },
                        products,
                    );
                    for (row, products) in range.zip(products) {
                        let place = row * columns + at * TILE;
                        // SAFETY: a row of products has so many columns, and no other thread has this tile.
                        unsafe { into.add(place).cast::<[f32; TILE]>().write(*products) };
                    }
                }
            }
        }
    }

    /// Looks at cells for rows, a head of keys after the other.
    unsafe fn attend(&self, kernel: Kernel) {
        thread_local! {
            static ATTENTION: RefCell<kernels::Attention> = RefCell::default();
        }
        let Kind::Attention { width, rows, cells, heads, group, scale, queries, keys, values, mask, found } = self.kind
        else {
            return;
        };
        ATTENTION.with_borrow_mut(|attention| {
            while let Some(part) = self.take(1, heads * rows) {
                let (head, row) = (part / rows, part % rows);
                // SAFETY: the tensors are as long as they say, and no other thread has this row of this head.
                unsafe {
                    let mask = mask.row(row, 0, cells);
                    attention.begin(mask);
                    for member in 0..group {
                        attention.query(queries.row(row, head * group + member, width), scale);
                    }
                    let found = found.add((row * heads + head) * group * width);
                    let found = std::slice::from_raw_parts_mut(found, group * width);
                    kernel.attend(attention, mask, &keys.cells(head), &values.cells(head), found);
                }
            }
        });
    }

    /// The first of the next `many` parts that no thread has taken.
    fn take(&self, many: usize, all: usize) -> Option<usize> {
        let first = self.next.fetch_add(many, Ordering::Relaxed);
        (first < all).then_some(first)
    }
}
