//! The products of a graph, done by the threads of ggml's CPU backend.

use std::{
    ffi::{c_int, c_void},
    ptr::{self, null, null_mut},
    sync::atomic::{AtomicUsize, Ordering},
};

use llama_cpp_sys_2 as sys;
use quantised_gemm::{BLOCK, Format, Kernel, Numbers, Rows, TILE, Tile, Unpacked};

use super::Product;

/// Products of one small graph. A layer has at most four in a row.
const PRODUCTS: usize = 8;

/// Rows that are multiplied at once: what their products with eight rows of weights take stands on the stack.
const ROWS: usize = 256;

/// How often each thread takes tiles. In between it reads one stretch of memory, which is what memory is fast at; and one
/// that was held up does not hold up the others for long.
const TURNS: usize = 4;

/// What our backend works with.
pub(super) struct Work {
    kernel: Kernel,
    cpu: sys::ggml_backend_t,
    context: *mut sys::ggml_context,
    graph: *mut sys::ggml_cgraph,
    /// A rounding and a multiplication for each product.
    operations: Vec<[*mut sys::ggml_tensor; 2]>,
    /// Where the operations find what to do: nothing here moves.
    tasks: Box<[Task]>,
    used: usize,
    rounded: Vec<Numbers>,
}

/// A product to be done.
struct Task {
    kernel: Kernel,
    format: Format,
    weights: *const u8,
    columns: usize,
    blocks: usize,
    numbers: *const f32,
    rows: usize,
    products: *mut f32,
    rounded: *mut Numbers,
    next: AtomicUsize,
}

impl Work {
    pub(super) fn new() -> Option<Self> {
        let kernel = Kernel::detect()?;
        // SAFETY: plain calls of ggml; the context has room for what is made in it: tensors without data and a graph.
        unsafe {
            let cpu = sys::ggml_backend_init_by_type(sys::GGML_BACKEND_DEVICE_TYPE_CPU, null());
            if cpu.is_null() {
                return None;
            }
            let bytes =
                2 * PRODUCTS * sys::ggml_tensor_overhead() + sys::ggml_graph_overhead_custom(2 * PRODUCTS, false);
            let parameters = sys::ggml_init_params { mem_size: bytes, mem_buffer: null_mut(), no_alloc: true };
            let context = sys::ggml_init(parameters);
            let graph = sys::ggml_new_graph_custom(context, 2 * PRODUCTS, false);
            let tasks: Box<[Task]> = (0..PRODUCTS).map(|_| Task::none(kernel)).collect();
            let operation = |work: unsafe extern "C" fn(_, _, _, _), task: &Task| {
                let tensor = sys::ggml_custom_4d(
                    context,
                    sys::GGML_TYPE_F32,
                    1,
                    1,
                    1,
                    1,
                    null_mut(),
                    0,
                    Some(work),
                    ALL_THREADS,
                    ptr::from_ref(task).cast_mut().cast(),
                );
                (*tensor).flags |= sys::GGML_TENSOR_FLAG_COMPUTE as i32;
                tensor
            };
            let operations = tasks.iter().map(|task| [operation(round, task), operation(multiply, task)]).collect();
            Some(Self { kernel, cpu, context, graph, operations, tasks, used: 0, rounded: Vec::new() })
        }
    }

    pub(super) fn set_threads(&mut self, threads: c_int) {
        // SAFETY: the backend is ggml's for the CPU, whose registry has this call with this signature.
        unsafe {
            let registry = sys::ggml_backend_dev_backend_reg(sys::ggml_backend_get_device(self.cpu));
            let call = sys::ggml_backend_reg_get_proc_address(registry, c"ggml_backend_set_n_threads".as_ptr());
            let call: sys::ggml_backend_set_n_threads_t = std::mem::transmute(call);
            if let Some(call) = call {
                call(self.cpu, threads);
            }
        }
    }

    /// Puts a product into the graph, and computes the graph first where it is full.
    ///
    /// # Safety
    /// The tensors have their data, it stays where it is until [`Self::finish`], and nobody else writes to it.
    pub(super) unsafe fn add(&mut self, product: &Product<'_>, operation: &sys::ggml_tensor) -> sys::ggml_status {
        if self.used == PRODUCTS {
            let status = self.finish();
            if status != sys::GGML_STATUS_SUCCESS {
                return status;
            }
        }
        let [width, columns, rows] = [product.weights.ne[0], product.weights.ne[1], product.numbers.ne[1]].map(size);
        self.tasks[self.used] = Task {
            format: product.format,
            weights: product.weights.data.cast(),
            columns,
            blocks: width / BLOCK,
            numbers: product.numbers.data.cast(),
            rows,
            products: operation.data.cast(),
            ..Task::none(self.kernel)
        };
        self.used += 1;
        #[cfg(test)]
        PRODUCTS_DONE.fetch_add(1, Ordering::Relaxed);
        sys::GGML_STATUS_SUCCESS
    }

    /// Computes what was put into the graph.
    pub(super) fn finish(&mut self) -> sys::ggml_status {
        let tasks = &mut self.tasks[..self.used];
        let largest = tasks.iter().map(|task| task.rows * task.blocks).max().unwrap_or(0);
        if self.rounded.len() < largest {
            self.rounded.resize(largest, Numbers::ZERO);
        }
        let mut last = null();
        // SAFETY: the graph has room for all operations, which live as long as it does.
        unsafe { sys::ggml_graph_clear(self.graph) };
        for (task, [round, multiply]) in tasks.iter_mut().zip(&self.operations) {
            task.rounded = self.rounded.as_mut_ptr();
            // SAFETY: as above.
            unsafe {
                // What is rounded already is there for the next product with it: for keys and values as for queries.
                if task.numbers != last {
                    sys::ggml_graph_add_node(self.graph, *round);
                }
                sys::ggml_graph_add_node(self.graph, *multiply);
            }
            last = task.numbers;
        }
        if std::mem::take(&mut self.used) == 0 {
            return sys::GGML_STATUS_SUCCESS;
        }
        // SAFETY: backend and graph are alive, and so is what the tasks point at.
        unsafe { sys::ggml_backend_graph_compute(self.cpu, self.graph) }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        // SAFETY: both were made in `new`, and nothing uses them any more.
        unsafe {
            sys::ggml_free(self.context);
            sys::ggml_backend_free(self.cpu);
        }
    }
}

impl Task {
    fn none(kernel: Kernel) -> Self {
        Self {
            kernel,
            format: Format::Q4K,
            weights: null(),
            columns: 0,
            blocks: 0,
            numbers: null(),
            rows: 0,
            products: null_mut(),
            rounded: null_mut(),
            next: AtomicUsize::new(0),
        }
    }
}

/// A dimension of a tensor, which is never negative.
fn size(dimension: i64) -> usize {
    usize::try_from(dimension).unwrap_or(0)
}

/// Rounds every so-manieth row of a task's numbers. The rounded ones stand by blocks, and in a block by rows.
unsafe extern "C" fn round(_: *mut sys::ggml_tensor, thread: c_int, threads: c_int, task: *mut c_void) {
    // SAFETY: it is one of the tasks of `Work`, and nobody changes it meanwhile.
    let task = unsafe { &*task.cast::<Task>() };
    for row in (thread as usize..task.rows).step_by(threads as usize) {
        for block in 0..task.blocks {
            // SAFETY: there are so many rows of so many blocks, there is room for them all, and no other thread has this row.
            unsafe {
                let numbers = &*task.numbers.add((row * task.blocks + block) * BLOCK).cast::<[f32; BLOCK]>();
                task.kernel.round(numbers, &mut *task.rounded.add(block * task.rows + row));
            }
        }
    }
}

/// Multiplies a task's rows of numbers with the tiles of weights that no other thread has taken.
unsafe extern "C" fn multiply(_: *mut sys::ggml_tensor, _: c_int, threads: c_int, task: *mut c_void) {
    // SAFETY: as above.
    let task = unsafe { &*task.cast::<Task>() };
    let tile_bytes = TILE * task.blocks * task.format.block_bytes();
    let tiles = task.columns / TILE;
    let turn = tiles.div_ceil(TURNS * threads as usize);
    // SAFETY: they were rounded before this operation began.
    let rounded = unsafe { std::slice::from_raw_parts(task.rounded, task.blocks * task.rows) };
    // SAFETY: the matrix has so many tiles.
    let weights = |tile| unsafe { std::slice::from_raw_parts(task.weights.add(tile * tile_bytes), tile_bytes) };
    let (mut unpacked, mut products) = (Unpacked::new(), [[0.0; TILE]; ROWS]);
    loop {
        let first = task.next.fetch_add(turn, Ordering::Relaxed);
        if first >= tiles {
            return;
        }
        for at in first..tiles.min(first + turn) {
            let tile = Tile {
                format: task.format,
                weights: weights(at),
                next: if at + 1 < tiles { weights(at + 1) } else { &[] },
            };
            for from in (0..task.rows).step_by(ROWS) {
                let range = from..task.rows.min(from + ROWS);
                let products = &mut products[..range.len()];
                let rows = Rows { numbers: rounded, all: task.rows, range: range.clone() };
                task.kernel.multiply(&mut unpacked, &tile, &rows, products);
                for (row, products) in range.zip(products) {
                    let place = row * task.columns + at * TILE;
                    // SAFETY: a row of products has so many columns, and no other thread has this tile.
                    unsafe { task.products.add(place).cast::<[f32; TILE]>().write(*products) };
                }
            }
        }
    }
}

#[cfg(test)]
static PRODUCTS_DONE: AtomicUsize = AtomicUsize::new(0);

/// Products that were done by us in this process.
#[cfg(test)]
pub(super) fn done_by_us() -> usize {
    PRODUCTS_DONE.load(Ordering::Relaxed)
}

/// `GGML_N_TASKS_MAX`.
const ALL_THREADS: c_int = -1;
