//! Writing a model in fewer bits a weight, with llama.cpp's own quantiser.

use std::{ffi::CString, os::unix::ffi::OsStrExt, path::Path};

use super::{COMPLAINT, backend, complaint, sys};

/// How the weights of a model are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantisation {
    /// 16 bits each.
    F16,
    /// About 8.5 bits.
    Q8_0,
    /// About 4.8 bits, more for those that matter most.
    Q4KM,
}

impl Quantisation {
    fn number(self) -> sys::llama_ftype {
        match self {
            Self::F16 => sys::LLAMA_FTYPE_MOSTLY_F16,
            Self::Q8_0 => sys::LLAMA_FTYPE_MOSTLY_Q8_0,
            Self::Q4KM => sys::LLAMA_FTYPE_MOSTLY_Q4_K_M,
        }
    }
}

/// Writes the model in `from` to `to`. The file `from` must be one that was checked or written by us.
///
/// # Errors
/// What llama.cpp says.
pub fn quantise(from: &Path, to: &Path, quantisation: Quantisation) -> Result<(), String> {
    backend();
    let name =
        |path: &Path| CString::new(path.as_os_str().as_bytes()).map_err(|_| "a path holds a zero byte".to_owned());
    let (from, to) = (name(from)?, name(to)?);
    COMPLAINT.take();
    // SAFETY: the parameters are llama.cpp's own but for one number, and both paths end with 0 and outlive the call.
    let code = unsafe {
        let mut parameters = sys::llama_model_quantize_default_params();
        parameters.ftype = quantisation.number();
        sys::llama_model_quantize(from.as_ptr(), to.as_ptr(), &raw const parameters)
    };
    if code == 0 { Ok(()) } else { Err(complaint("it does not say why")) }
}
