//! How ggml calls a backend: the structures of ggml-backend-impl.h, which the bindings leave out. They are those of
//! [`VERSION`] of its interface, and this llama.cpp is pinned in Cargo.toml; ggml aborts where a registry has another.

use std::ffi::{c_char, c_int, c_void};

use llama_cpp_sys_2 as sys;

/// `GGML_BACKEND_API_VERSION`.
pub(super) const VERSION: c_int = 3;

/// A call that we leave out.
type Unused = Option<unsafe extern "C" fn()>;

/// `ggml_backend_reg`.
#[repr(C)]
pub(super) struct Registry {
    pub(super) version: c_int,
    pub(super) calls: RegistryCalls,
    pub(super) context: *mut c_void,
}

/// `ggml_backend_reg_i`.
#[repr(C)]
pub(super) struct RegistryCalls {
    pub(super) get_name: unsafe extern "C" fn(*mut Registry) -> *const c_char,
    pub(super) get_device_count: unsafe extern "C" fn(*mut Registry) -> usize,
    pub(super) get_device: unsafe extern "C" fn(*mut Registry, usize) -> *mut Device,
    pub(super) get_proc_address: unsafe extern "C" fn(*mut Registry, *const c_char) -> *mut c_void,
}

/// `ggml_backend_device`.
#[repr(C)]
pub(super) struct Device {
    pub(super) calls: DeviceCalls,
    pub(super) registry: sys::ggml_backend_reg_t,
    pub(super) context: *mut c_void,
}

/// `ggml_backend_device_i`.
#[repr(C)]
pub(super) struct DeviceCalls {
    pub(super) get_name: unsafe extern "C" fn(*mut Device) -> *const c_char,
    pub(super) get_description: unsafe extern "C" fn(*mut Device) -> *const c_char,
    pub(super) get_memory: unsafe extern "C" fn(*mut Device, *mut usize, *mut usize),
    pub(super) get_type: unsafe extern "C" fn(*mut Device) -> sys::ggml_backend_dev_type,
    pub(super) get_props: unsafe extern "C" fn(*mut Device, *mut sys::ggml_backend_dev_props),
    pub(super) init_backend: unsafe extern "C" fn(*mut Device, *const c_char) -> *mut Backend,
    pub(super) get_buffer_type: unsafe extern "C" fn(*mut Device) -> sys::ggml_backend_buffer_type_t,
    pub(super) get_host_buffer_type: Unused,
    pub(super) buffer_from_host_ptr: Unused,
    pub(super) supports_op: unsafe extern "C" fn(*mut Device, *const sys::ggml_tensor) -> bool,
    pub(super) supports_buft: unsafe extern "C" fn(*mut Device, sys::ggml_backend_buffer_type_t) -> bool,
    pub(super) offload_op: Unused,
    pub(super) event_new: Unused,
    pub(super) event_free: Unused,
    pub(super) event_synchronize: Unused,
}

/// `ggml_backend`.
#[repr(C)]
pub(super) struct Backend {
    pub(super) guid: sys::ggml_guid_t,
    pub(super) calls: BackendCalls,
    pub(super) device: *mut Device,
    pub(super) context: *mut c_void,
}

/// `ggml_backend_i`.
#[repr(C)]
pub(super) struct BackendCalls {
    pub(super) get_name: unsafe extern "C" fn(*mut Backend) -> *const c_char,
    pub(super) free: unsafe extern "C" fn(*mut Backend),
    /// Reading, writing and copying while it computes (five calls), waiting for that, and plans (four).
    pub(super) between: [Unused; 10],
    pub(super) graph_compute: unsafe extern "C" fn(*mut Backend, *mut sys::ggml_cgraph) -> sys::ggml_status,
    /// Events (two), and making a graph better.
    pub(super) after: [Unused; 3],
}
