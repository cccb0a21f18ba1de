//! The only module that names `llama_cpp_2`: a model, the context over it with its sequences, adapters and grammars.
//!
//! Nothing here waits, queues or knows what HTTP is.

mod accelerator;
mod adapter;
mod context;
mod grammar;
mod quantise;

use std::{
    cell::RefCell,
    ffi::{CStr, CString, c_char, c_void},
    os::unix::ffi::OsStrExt,
    path::Path,
    ptr::NonNull,
    sync::{Arc, LazyLock},
};

use chat::{ModelMarkup, Piece, Thinking};
use llama_cpp_2::{
    llama_backend::LlamaBackend, model::LlamaModel, token::LlamaToken, token_type::LlamaTokenAttr, vocab::LlamaVocab,
};
use llama_cpp_sys_2 as sys;

pub(crate) use self::{
    adapter::Adapter,
    context::{Context, ContextOptions, Row},
    grammar::GrammarSampler,
};
pub use self::{
    context::CacheType,
    quantise::{Quantisation, quantise},
};
use crate::sampling::{TokenId, TokenKind, Vocabulary, VocabularyToken};

/// llama.cpp could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LlamaError {
    /// The file is not one that this llama.cpp takes.
    #[error("llama.cpp does not take it ({0}); give a model that this version of llama.cpp supports")]
    Load(String),
    /// The adapter does not fit, or is none.
    #[error("llama.cpp does not take it ({0})")]
    Adapter(String),
    /// There is no context, most often for want of memory.
    #[error("there is no memory for a context of {0} tokens; ask for a shorter one with --context")]
    Context(u32),
    /// A step of the computation failed.
    #[error("llama.cpp could not compute a step (its code {0})")]
    Decode(i32),
}

/// A loaded model.
pub(crate) struct Model {
    inner: LlamaModel,
    vocabulary: Arc<Vocabulary>,
    markup: ModelMarkup,
}

impl Model {
    /// Maps the file into memory. Its header is to be checked before, see [`crate::GgufHeader`].
    ///
    /// With `repack` the weights that a CPU kernel wants in another order are copied into it.
    pub(crate) fn load(path: &Path, repack: bool) -> Result<Self, LlamaError> {
        backend();
        let file = CString::new(path.as_os_str().as_bytes())
            .map_err(|_| LlamaError::Load("its path holds a zero byte".to_owned()))?;
        COMPLAINT.take();
        // SAFETY: the parameters are llama.cpp's own but for one flag, and the path ends with 0 and outlives the call.
        let model = unsafe {
            let mut parameters = sys::llama_model_default_params();
            parameters.use_extra_bufts = repack;
            sys::llama_model_load_from_file(file.as_ptr(), parameters)
        };
        let model = NonNull::new(model).ok_or_else(|| LlamaError::Load(complaint("it does not say why")))?;
        // SAFETY: `LlamaModel` is declared as transparent over such a pointer; it is ours alone and freed when it is dropped.
        let inner = unsafe { std::mem::transmute::<NonNull<sys::llama_model>, LlamaModel>(model) };
        let vocabulary = Arc::new(vocabulary(&inner));
        let markup = ModelMarkup::among(markup_texts(&inner.vocab()));
        Ok(Self { inner, vocabulary, markup })
    }

    /// The longest context that the model was made for, in tokens.
    pub(crate) fn longest_context(&self) -> u32 {
        self.inner.n_ctx_train()
    }

    /// Bytes of all weights.
    pub(crate) fn size(&self) -> u64 {
        self.inner.size()
    }

    /// Whether a sequence can be cut back to any of its tokens. What keeps one state instead of all keys and values can
    /// only go on or begin anew.
    pub(crate) fn can_rewind(&self) -> bool {
        !self.inner.is_recurrent() && !self.inner.is_hybrid()
    }

    /// What stands before the answer: an empty thinking block for a Qwen3 that knows the token, else nothing.
    pub(crate) fn thinking(&self) -> Thinking {
        let qwen3 =
            self.inner.meta_val_str("general.architecture").is_ok_and(|architecture| architecture.starts_with("qwen3"));
        if qwen3 && self.has_token("<think>") { Thinking::Empty } else { Thinking::None }
    }

    /// Whether `text` is one token of the vocabulary.
    pub(crate) fn has_token(&self, text: &str) -> bool {
        self.inner.vocab().tokenize(text.as_bytes(), false, true).len() == 1
    }

    pub(crate) fn vocabulary(&self) -> &Arc<Vocabulary> {
        &self.vocabulary
    }

    /// The tokens of a prompt. What people wrote never becomes a control token.
    pub(crate) fn tokens(&self, pieces: &[Piece<'_>]) -> Vec<TokenId> {
        let vocabulary = self.inner.vocab();
        let mut tokens = Vec::new();
        for piece in pieces {
            match piece {
                Piece::Control(control) => vocabulary.tokenize_into(control.as_bytes(), &mut tokens, false, true),
                Piece::Text(text) => {
                    for part in self.markup.cut(text) {
                        vocabulary.tokenize_into(part.as_bytes(), &mut tokens, false, false);
                    }
                }
            }
        }
        tokens.into_iter().map(|token| token.0).collect()
    }

    /// The tokens of a prompt that its author wrote as a whole, control tokens included.
    pub(crate) fn raw_tokens(&self, prompt: &str) -> Vec<TokenId> {
        self.inner.vocab().tokenize(prompt.as_bytes(), true, true).into_iter().map(|token| token.0).collect()
    }

    /// A number that the file gives under a key of its architecture.
    fn number(&self, key: &str) -> Option<u64> {
        let architecture = self.inner.meta_val_str("general.architecture").ok()?;
        self.inner.meta_val_str(&format!("{architecture}.{key}")).ok()?.parse().ok()
    }

    fn as_ptr(&self) -> *mut sys::llama_model {
        // SAFETY: `LlamaModel` is declared as transparent over such a pointer.
        unsafe { *std::ptr::from_ref(&self.inner).cast::<*mut sys::llama_model>() }
    }
}

fn vocabulary(model: &LlamaModel) -> Vocabulary {
    let vocabulary = model.vocab();
    let tokens = (0..vocabulary.n_tokens()).map(|id| {
        let token = LlamaToken(id);
        VocabularyToken { piece: vocabulary.token_to_piece(token, false, None), kind: kind(&vocabulary, token) }
    });
    Vocabulary::new(tokens)
}

fn kind(vocabulary: &LlamaVocab<'_>, token: LlamaToken) -> TokenKind {
    let attributes = vocabulary.attr(token);
    let hidden = [LlamaTokenAttr::Control, LlamaTokenAttr::Unknown, LlamaTokenAttr::Unused];
    if vocabulary.is_eog(token) {
        TokenKind::End
    } else if hidden.into_iter().any(|hidden| attributes.contains(hidden)) {
        TokenKind::Control
    } else if attributes.contains(LlamaTokenAttr::UserDefined) && is_markup(vocabulary, token) {
        TokenKind::Markup
    } else {
        TokenKind::Text
    }
}

fn is_markup(vocabulary: &LlamaVocab<'_>, token: LlamaToken) -> bool {
    vocabulary.text(token).is_some_and(|text| ModelMarkup::is_markup(&text.to_string_lossy()))
}

fn markup_texts(vocabulary: &LlamaVocab<'_>) -> impl Iterator<Item = String> {
    let user_defined =
        vocabulary.tokens().filter(|&token| vocabulary.attr(token).contains(LlamaTokenAttr::UserDefined));
    user_defined.filter_map(|token| Some(vocabulary.text(token)?.to_string_lossy().into_owned()))
}

/// Whether this processor has what llama.cpp was built for. Without a variant for each generation that is what its build
/// takes for granted, and on a processor without it the first step would end in an illegal instruction.
///
/// # Errors
/// A sentence that says what is missing and how to build for it.
pub(crate) fn check_processor() -> Result<(), String> {
    #[cfg(all(target_arch = "x86_64", not(feature = "dynamic-backends")))]
    {
        use std::arch::is_x86_feature_detected as has;
        let known = [("AVX2", has!("avx2")), ("FMA", has!("fma")), ("F16C", has!("f16c")), ("BMI2", has!("bmi2"))];
        if let Some((missing, _)) = known.into_iter().find(|(_, is_here)| !is_here) {
            return Err(format!(
                "this program was built for processors from 2013 on, and this one has no {missing}; build it with make \
                 install"
            ));
        }
    }
    Ok(())
}

/// Whether what takes most time is computed by our own kernels here.
pub(crate) fn has_own_kernels() -> bool {
    accelerator::kernel().is_some()
}

/// llama.cpp is set up once in a process and stays.
fn backend() -> &'static LlamaBackend {
    static BACKEND: LazyLock<LlamaBackend> = LazyLock::new(|| {
        // SAFETY: `log` has the signature that llama.cpp calls, needs no user data and is there as long as the program.
        unsafe { sys::llama_log_set(Some(log), std::ptr::null_mut()) };
        #[cfg(feature = "dynamic-backends")]
        load_backends();
        accelerator::join();
        LlamaBackend::init().expect("nobody else sets llama.cpp up")
    });
    &BACKEND
}

/// Loads the variant of llama.cpp's code that is best for this processor, from where the program was installed or else
/// from where it was built. Its own search would look into the working directory too, which anybody may have written to.
#[cfg(feature = "dynamic-backends")]
fn load_backends() {
    let program = std::env::current_exe().ok();
    let beside = program.as_deref().and_then(Path::parent);
    let installed = beside.map(|folder| folder.join("../lib/groupchat"));
    let folders = [beside.map(Path::to_owned), installed, sys::BACKENDS_DIR.map(std::path::PathBuf::from)];
    let holds_backends = |folder: &std::path::PathBuf| {
        std::fs::read_dir(folder).is_ok_and(|files| {
            files.flatten().any(|file| file.file_name().to_string_lossy().starts_with("libggml-cpu"))
        })
    };
    match folders.into_iter().flatten().find(holds_backends) {
        Some(folder) => llama_cpp_2::llama_backend::load_backends_from_path(&folder),
        None => tracing::error!(
            "there are no libggml-cpu-*.so beside the program, in ../lib/groupchat or where it was built"
        ),
    }
}

thread_local! {
    /// The first error that llama.cpp logged on this thread since this was emptied. Its functions only return null, and
    /// the errors that follow the first only say that there was one.
    static COMPLAINT: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Takes what llama.cpp complained of first, or `otherwise` where it did not.
fn complaint(otherwise: &str) -> String {
    let complaint = COMPLAINT.take();
    if complaint.is_empty() { otherwise.to_owned() } else { complaint }
}

unsafe extern "C" fn log(level: sys::ggml_log_level, text: *const c_char, _: *mut c_void) {
    // SAFETY: llama.cpp passes a string that ends with 0 and outlives the call.
    let text = unsafe { CStr::from_ptr(text) }.to_string_lossy();
    let line = text.trim();
    if level == sys::GGML_LOG_LEVEL_ERROR {
        COMPLAINT.with_borrow_mut(|complaint| {
            if complaint.is_empty() {
                line.clone_into(complaint);
            }
        });
    }
    if !line.is_empty() && line != "." {
        tracing::debug!(target: "llama.cpp", "{line}");
    }
}
