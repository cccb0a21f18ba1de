//! Our part of llama.cpp's computation, by [`kernels`]: products with K-quantised weights, and attention.
//!
//! It is a backend of ggml's kind "accelerator", which is how BLAS libraries join: llama.cpp gives it the operations
//! that it says it supports, the weights stay where the file was mapped, and everything else stays with ggml's CPU
//! backend. The work is done by the threads of that backend too, as operations of our own in a small graph, so that no
//! second pool of threads waits on the same processors.

mod interface;
mod task;
#[cfg(test)]
mod tests;
mod work;

use std::{
    ffi::{CStr, c_char, c_int, c_void},
    ptr::{self, null, null_mut},
    sync::OnceLock,
};

use kernels::{BLOCK, Format, Kernel, TILE};
use llama_cpp_sys_2 as sys;

use self::{
    interface::{Backend, BackendCalls, Device, DeviceCalls, Registry, RegistryCalls, VERSION},
    task::Task,
    work::Work,
};

const NAME: &CStr = c"groupchat";

/// The kernel, where the processor has what it takes. Without OpenMP ggml would start its threads anew for each of the
/// hundreds of small graphs of a step.
pub(crate) fn kernel() -> Option<Kernel> {
    if cfg!(feature = "openmp") { Kernel::detect() } else { None }
}

/// Joins the backends of this process, once, where there is a kernel. Contexts made before do not know of it.
pub(super) fn join() {
    static JOINED: OnceLock<()> = OnceLock::new();
    if kernel().is_none() {
        return;
    }
    JOINED.get_or_init(|| {
        let registry = Box::leak(Box::new(Registry {
            version: VERSION,
            calls: RegistryCalls {
                get_name: registry_name,
                get_device_count: device_count,
                get_device: device,
                get_proc_address: address_of,
            },
            context: null_mut(),
        }));
        let device = Device {
            calls: DeviceCalls {
                get_name: device_name,
                get_description: device_description,
                get_memory: device_memory,
                get_type: device_type,
                get_props: device_properties,
                init_backend: new_backend,
                get_buffer_type: buffer_type,
                get_host_buffer_type: None,
                buffer_from_host_ptr: None,
                supports_op: supports,
                supports_buft: supports_buffer,
                offload_op: None,
                event_new: None,
                event_free: None,
                event_synchronize: None,
            },
            registry: ptr::from_mut(registry).cast(),
            context: null_mut(),
        };
        registry.context = ptr::from_mut(Box::leak(Box::new(device))).cast();
        // SAFETY: the registry and its device live as long as the program, and their calls are below.
        unsafe { sys::ggml_backend_register(ptr::from_mut(registry).cast()) };
    });
}

/// Whether attention is computed by us: where no GPU can have the cache.
pub(super) fn attends() -> bool {
    kernel().is_some() && !cfg!(any(feature = "cuda", feature = "metal", feature = "vulkan"))
}

/// The format of weights that we multiply with.
fn format(kind: sys::ggml_type) -> Option<Format> {
    match kind {
        sys::GGML_TYPE_Q4_K => Some(Format::Q4K),
        sys::GGML_TYPE_Q6_K => Some(Format::Q6K),
        _ => None,
    }
}

/// A product that is ours: of a matrix of weights, as it stands in the file, with rows of numbers that stand one after
/// another.
struct Product<'a> {
    format: Format,
    weights: &'a sys::ggml_tensor,
    numbers: &'a sys::ggml_tensor,
}

impl<'a> Product<'a> {
    /// Where it is one.
    fn of(operation: &'a sys::ggml_tensor) -> Option<Self> {
        // SAFETY: ggml's graphs point at tensors that are alive, or nowhere.
        let (weights, numbers) = unsafe { (operation.src[0].as_ref()?, operation.src[1].as_ref()?) };
        let format = format(weights.type_)?;
        let [width, columns] = [weights.ne[0], weights.ne[1]];
        let floats = [numbers, operation].iter().all(|tensor| tensor.type_ == sys::GGML_TYPE_F32);
        let flat = [weights, numbers, operation].iter().all(|tensor| tensor.ne[2] == 1 && tensor.ne[3] == 1);
        // SAFETY: the tensors are alive.
        let whole = unsafe { [weights, numbers, operation].iter().all(|tensor| sys::ggml_is_contiguous(*tensor)) };
        let fits = width % BLOCK as i64 == 0 && columns % TILE as i64 == 0;
        (operation.op == sys::GGML_OP_MUL_MAT && floats && flat && whole && fits).then_some(Self {
            format,
            weights,
            numbers,
        })
    }
}

/// Attention that is ours: to a cache in 16 bits, by a mask, with nothing else added to the scores.
struct Attention<'a> {
    queries: &'a sys::ggml_tensor,
    keys: &'a sys::ggml_tensor,
    values: &'a sys::ggml_tensor,
    mask: &'a sys::ggml_tensor,
    scale: f32,
}

impl<'a> Attention<'a> {
    /// Where it is some.
    fn of(operation: &'a sys::ggml_tensor) -> Option<Self> {
        if !attends() || operation.op != sys::GGML_OP_FLASH_ATTN_EXT || !operation.src[4].is_null() {
            return None;
        }
        // SAFETY: ggml's graphs point at tensors that are alive, or nowhere.
        let [queries, keys, values, mask] = [0, 1, 2, 3].map(|at: usize| unsafe { operation.src[at].as_ref() });
        let (queries, keys, values, mask) = (queries?, keys?, values?, mask?);
        let [scale, bias, cap] = [0, 1, 2].map(|at: usize| f32::from_bits(operation.op_params[at].cast_unsigned()));
        let halves = [keys, values, mask].iter().all(|tensor| tensor.type_ == sys::GGML_TYPE_F16);
        let floats = [queries, operation].iter().all(|tensor| tensor.type_ == sys::GGML_TYPE_F32);
        let one_stream = [queries, keys, values, mask].iter().all(|tensor| tensor.ne[3] == 1) && mask.ne[2] == 1;
        let dense = queries.nb[0] == 4 && keys.nb[0] == 2 && values.nb[0] == 2 && mask.nb[0] == 2;
        let width = keys.ne[0];
        let fits = width % 8 == 0
            && [queries.ne[0], values.ne[0], operation.ne[0]] == [width; 3]
            && keys.ne[1..3] == values.ne[1..3]
            && mask.ne[0] == keys.ne[1]
            && mask.ne[1] >= queries.ne[1]
            && queries.ne[2] % keys.ne[2] == 0;
        // SAFETY: the tensor is alive.
        let whole = unsafe { sys::ggml_is_contiguous(operation) };
        (bias == 0.0 && cap == 0.0 && halves && floats && one_stream && dense && fits && whole).then_some(Self {
            queries,
            keys,
            values,
            mask,
            scale,
        })
    }
}

unsafe extern "C" fn supports(_: *mut Device, operation: *const sys::ggml_tensor) -> bool {
    // SAFETY: ggml asks about a tensor that is alive.
    let operation = unsafe { &*operation };
    is_no_work(operation.op) || Product::of(operation).is_some() || Attention::of(operation).is_some()
}

/// Whether an operation only names a part of a tensor, or one in another order.
fn is_no_work(operation: sys::ggml_op) -> bool {
    let names =
        [sys::GGML_OP_NONE, sys::GGML_OP_RESHAPE, sys::GGML_OP_VIEW, sys::GGML_OP_PERMUTE, sys::GGML_OP_TRANSPOSE];
    names.contains(&operation)
}

unsafe extern "C" fn supports_buffer(_: *mut Device, buffer: sys::ggml_backend_buffer_type_t) -> bool {
    // SAFETY: ggml asks about a kind of buffer that there is.
    unsafe { sys::ggml_backend_buft_is_host(buffer) }
}

unsafe extern "C" fn compute(backend: *mut Backend, graph: *mut sys::ggml_cgraph) -> sys::ggml_status {
    // SAFETY: the context of our backends is their work, and ggml computes one graph at a time with a backend.
    let work = unsafe { &mut *(*backend).context.cast::<Work>() };
    // SAFETY: the graph is alive.
    let nodes = unsafe { sys::ggml_graph_n_nodes(graph) };
    for at in 0..nodes {
        // SAFETY: there are so many nodes, and they live as long as the graph.
        let operation = unsafe { &*sys::ggml_graph_node(graph, at) };
        if operation.flags & sys::GGML_TENSOR_FLAG_COMPUTE as i32 == 0 || is_no_work(operation.op) {
            continue;
        }
        // SAFETY: what is computed has its data when a graph is computed, and ggml waits for us.
        let status = unsafe {
            match (Product::of(operation), Attention::of(operation)) {
                (Some(product), _) => work.add(Task::product(&product, operation)),
                (None, Some(attention)) => work.add(Task::attention(&attention, operation)),
                (None, None) => sys::GGML_STATUS_FAILED,
            }
        };
        if status != sys::GGML_STATUS_SUCCESS {
            return status;
        }
    }
    work.finish()
}

unsafe extern "C" fn new_backend(device: *mut Device, _: *const c_char) -> *mut Backend {
    let Some(work) = Work::new() else { return null_mut() };
    static IDENTITY: sys::ggml_guid = *b"groupchat's GEMM";
    let backend = Backend {
        guid: (&raw const IDENTITY).cast_mut(),
        calls: BackendCalls {
            get_name: backend_name,
            free,
            between: [None; 10],
            graph_compute: compute,
            after: [None; 3],
        },
        device,
        context: Box::into_raw(Box::new(work)).cast(),
    };
    Box::into_raw(Box::new(backend))
}

unsafe extern "C" fn free(backend: *mut Backend) {
    // SAFETY: both were boxed in `new_backend`, and ggml frees a backend once.
    unsafe {
        let backend = Box::from_raw(backend);
        drop(Box::from_raw(backend.context.cast::<Work>()));
    }
}

unsafe extern "C" fn set_threads(backend: *mut Backend, threads: c_int) {
    // SAFETY: as in `compute`.
    unsafe { (*(*backend).context.cast::<Work>()).set_threads(threads) };
}

unsafe extern "C" fn address_of(_: *mut Registry, name: *const c_char) -> *mut c_void {
    // SAFETY: ggml passes a string.
    let name = unsafe { CStr::from_ptr(name) };
    if name == c"ggml_backend_set_n_threads" { set_threads as *mut c_void } else { null_mut() }
}

unsafe extern "C" fn backend_name(_: *mut Backend) -> *const c_char {
    NAME.as_ptr()
}

unsafe extern "C" fn registry_name(_: *mut Registry) -> *const c_char {
    NAME.as_ptr()
}

unsafe extern "C" fn device_count(_: *mut Registry) -> usize {
    1
}

unsafe extern "C" fn device(registry: *mut Registry, _: usize) -> *mut Device {
    // SAFETY: it is the registry that was leaked, and its context is the device.
    unsafe { (*registry).context.cast() }
}

unsafe extern "C" fn device_name(_: *mut Device) -> *const c_char {
    NAME.as_ptr()
}

unsafe extern "C" fn device_description(_: *mut Device) -> *const c_char {
    c"products with K-quants, and attention".as_ptr()
}

unsafe extern "C" fn device_memory(_: *mut Device, free: *mut usize, total: *mut usize) {
    // SAFETY: ggml passes two places. It has no memory of its own.
    unsafe {
        *free = 0;
        *total = 0;
    }
}

unsafe extern "C" fn device_type(_: *mut Device) -> sys::ggml_backend_dev_type {
    sys::GGML_BACKEND_DEVICE_TYPE_ACCEL
}

unsafe extern "C" fn device_properties(device: *mut Device, into: *mut sys::ggml_backend_dev_props) {
    let properties = sys::ggml_backend_dev_props {
        name: NAME.as_ptr(),
        // SAFETY: it asks for nothing.
        description: unsafe { device_description(device) },
        memory_free: 0,
        memory_total: 0,
        type_: sys::GGML_BACKEND_DEVICE_TYPE_ACCEL,
        device_id: null(),
        caps: sys::ggml_backend_dev_caps {
            async_: false,
            host_buffer: false,
            buffer_from_host_ptr: false,
            events: false,
            mmap_support: true,
        },
    };
    // SAFETY: ggml passes a place for it.
    unsafe { into.write(properties) };
}

unsafe extern "C" fn buffer_type(_: *mut Device) -> sys::ggml_backend_buffer_type_t {
    // SAFETY: it asks for nothing.
    unsafe { sys::ggml_backend_cpu_buffer_type() }
}
