//! A LoRA adapter over a model.

use std::{ffi::CString, os::unix::ffi::OsStrExt, path::Path, ptr::NonNull, sync::Arc};

use llama_cpp_sys_2 as sys;

use super::{COMPLAINT, LlamaError, Model, complaint};

/// A loaded adapter, freed when nobody uses it any more.
pub(crate) struct Adapter {
    raw: NonNull<sys::llama_adapter_lora>,
    /// Freeing an adapter after its model would be too late.
    _model: Arc<Model>,
}

// SAFETY: after loading it is only read, by the one thread that computes; freeing it changes the model's list of
// adapters, and all references to it are held and dropped by that thread.
unsafe impl Send for Adapter {}
// SAFETY: as above.
unsafe impl Sync for Adapter {}

impl Adapter {
    /// Reads an adapter into memory. Its header is to be checked before, see [`crate::AdapterHeader`]. Only the thread
    /// that computes may call this: the model's list of adapters is read in each step.
    pub(crate) fn load(model: &Arc<Model>, path: &Path) -> Result<Self, LlamaError> {
        let file = CString::new(path.as_os_str().as_bytes())
            .map_err(|_| LlamaError::Adapter("its path holds a zero byte".to_owned()))?;
        COMPLAINT.take();
        // SAFETY: the model is alive, and the path ends with 0 and outlives the call.
        let raw = unsafe { sys::llama_adapter_lora_init(model.as_ptr(), file.as_ptr()) };
        let raw = NonNull::new(raw).ok_or_else(|| LlamaError::Adapter(complaint("it does not say why")))?;
        Ok(Self { raw, _model: Arc::clone(model) })
    }

    pub(super) fn as_ptr(&self) -> *mut sys::llama_adapter_lora {
        self.raw.as_ptr()
    }
}

impl Drop for Adapter {
    fn drop(&mut self) {
        // SAFETY: it was made by llama.cpp, its model is alive, and this is its only owner.
        unsafe { sys::llama_adapter_lora_free(self.raw.as_ptr()) };
    }
}
