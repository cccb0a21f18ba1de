//! The operations of a graph, done by the threads of ggml's CPU backend.

use std::{
    ffi::{c_int, c_void},
    ptr::{self, null, null_mut},
};

use kernels::{Kernel, Numbers};
use llama_cpp_sys_2 as sys;

use super::task::Task;

/// Operations of one small graph. A layer has at most three in a row.
const TASKS: usize = 8;

/// `GGML_N_TASKS_MAX`.
const ALL_THREADS: c_int = -1;

/// What our backend works with.
pub(super) struct Work {
    cpu: sys::ggml_backend_t,
    context: *mut sys::ggml_context,
    graph: *mut sys::ggml_cgraph,
    /// For each task what is done first, and what then.
    operations: Vec<[*mut sys::ggml_tensor; 2]>,
    /// Where the operations find what to do: nothing here moves.
    tasks: Box<[Task]>,
    used: usize,
    rounded: Vec<Numbers>,
}

impl Work {
    pub(super) fn new() -> Option<Self> {
        super::kernel()?;
        // SAFETY: plain calls of ggml; the context has room for what is made in it: tensors without data and a graph.
        unsafe {
            let cpu = sys::ggml_backend_init_by_type(sys::GGML_BACKEND_DEVICE_TYPE_CPU, null());
            if cpu.is_null() {
                return None;
            }
            let nodes = 2 * TASKS;
            let bytes = nodes * sys::ggml_tensor_overhead() + sys::ggml_graph_overhead_custom(nodes, false);
            let parameters = sys::ggml_init_params { mem_size: bytes, mem_buffer: null_mut(), no_alloc: true };
            let context = sys::ggml_init(parameters);
            let graph = sys::ggml_new_graph_custom(context, nodes, false);
            let tasks: Box<[Task]> = (0..TASKS).map(|_| Task::nothing()).collect();
            let operation = |work: unsafe extern "C" fn(_, _, _, _), task: &Task| {
                let (kind, none, task) = (sys::GGML_TYPE_F32, null_mut(), ptr::from_ref(task).cast_mut().cast());
                let tensor = sys::ggml_custom_4d(context, kind, 1, 1, 1, 1, none, 0, Some(work), ALL_THREADS, task);
                (*tensor).flags |= sys::GGML_TENSOR_FLAG_COMPUTE as i32;
                tensor
            };
            let operations = tasks.iter().map(|task| [operation(round, task), operation(compute, task)]).collect();
            Some(Self { cpu, context, graph, operations, tasks, used: 0, rounded: Vec::new() })
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

    /// Puts a task into the graph, and computes the graph first where it is full.
    ///
    /// # Safety
    /// The task's tensors have their data, it stays where it is until [`Self::finish`], and nobody else writes to it.
    pub(super) unsafe fn add(&mut self, task: Task) -> sys::ggml_status {
        if self.used == TASKS {
            let status = self.finish();
            if status != sys::GGML_STATUS_SUCCESS {
                return status;
            }
        }
        self.tasks[self.used] = task;
        self.used += 1;
        #[cfg(test)]
        TASKS_DONE.set(TASKS_DONE.get() + 1);
        sys::GGML_STATUS_SUCCESS
    }

    /// Computes what was put into the graph.
    pub(super) fn finish(&mut self) -> sys::ggml_status {
        let tasks = &mut self.tasks[..std::mem::take(&mut self.used)];
        if tasks.is_empty() {
            return sys::GGML_STATUS_SUCCESS;
        }
        let most = tasks.iter().map(Task::blocks).max().unwrap_or(0);
        if self.rounded.len() < most {
            self.rounded.resize(most, Numbers::ZERO);
        }
        let mut last = None;
        // SAFETY: the graph has room for all operations, which live as long as it does; backend and graph are alive,
        // and so is what the tasks point at.
        unsafe {
            sys::ggml_graph_clear(self.graph);
            for (task, [round, compute]) in tasks.iter_mut().zip(&self.operations) {
                let numbers = task.round_to(self.rounded.as_mut_ptr());
                // What is rounded already is there for a product right after with the same: for keys and values as for
                // queries.
                if numbers.is_some() && numbers != last {
                    sys::ggml_graph_add_node(self.graph, *round);
                }
                sys::ggml_graph_add_node(self.graph, *compute);
                last = numbers;
            }
            sys::ggml_backend_graph_compute(self.cpu, self.graph)
        }
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

unsafe extern "C" fn round(_: *mut sys::ggml_tensor, thread: c_int, threads: c_int, task: *mut c_void) {
    let Some(kernel) = Kernel::detect() else { return };
    // SAFETY: it is one of the tasks of `Work`, as it was when it was put into the graph.
    unsafe { (*task.cast::<Task>()).round(kernel, thread, threads) };
}

unsafe extern "C" fn compute(_: *mut sys::ggml_tensor, _: c_int, threads: c_int, task: *mut c_void) {
    let Some(kernel) = Kernel::detect() else { return };
    // SAFETY: as above, and what it needs rounded is.
    unsafe { (*task.cast::<Task>()).compute(kernel, threads) };
}

#[cfg(test)]
thread_local! {
    static TASKS_DONE: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Operations that were done by us for this thread.
#[cfg(test)]
pub(super) fn done_by_us() -> usize {
    TASKS_DONE.get()
}
