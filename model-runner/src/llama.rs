//! The only module that names `llama_cpp_2`: a model, a context over it, and what the model thread does with them.
//!
//! Nothing here waits, queues or knows what HTTP is.

use std::{
    cell::RefCell,
    ffi::{CStr, c_char, c_void},
    num::NonZeroU32,
    path::Path,
    sync::LazyLock,
};

use chat::{Piece, Thinking};
use llama_cpp_2::{
    DecodeError,
    context::{LlamaContext, params::LlamaContextParams},
    llama_backend::LlamaBackend,
    llama_batch::{BatchAddError, LlamaBatch},
    model::{LlamaModel, params::LlamaModelParams},
    sampling::LlamaSampler,
    token::LlamaToken,
    token_type::LlamaTokenAttr,
    vocab::LlamaVocab,
};

use crate::{job::Sampling, markup::Markup};

/// A token's number in the vocabulary of the model.
pub(crate) type Token = LlamaToken;

/// How many prompt tokens are computed at a time: what a client that goes away may still cost.
const BATCH: u32 = 128;

/// llama.cpp could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LlamaError {
    /// The file is not one that this llama.cpp takes.
    #[error("llama.cpp does not take it ({0}); give a model that this version of llama.cpp supports")]
    Load(String),
    /// There is no context, most often for want of memory.
    #[error("there is no memory for a context of {0} tokens; ask for a shorter one with --context")]
    Context(u32),
    /// A step of the computation failed.
    #[error("llama.cpp could not compute the next token: {0}")]
    Decode(#[from] DecodeError),
    /// More tokens than the batch holds, or a position that does not exist.
    #[error("llama.cpp refused a batch: {0}")]
    Batch(#[from] BatchAddError),
}

/// A loaded model.
pub(crate) struct Model(LlamaModel);

impl Model {
    /// Maps the file into memory. Its header is to be checked before, see [`crate::GgufHeader`].
    pub(crate) fn load(path: &Path) -> Result<Self, LlamaError> {
        let backend = backend();
        COMPLAINT.take();
        let parameters = LlamaModelParams::default().with_use_mmap(true);
        LlamaModel::load_from_file(backend, path, &parameters).map(Self).map_err(|error| {
            let complaint = COMPLAINT.take();
            LlamaError::Load(if complaint.is_empty() { error.to_string() } else { complaint })
        })
    }

    /// The longest context that the model was made for, in tokens.
    pub(crate) fn longest_context(&self) -> u32 {
        self.0.n_ctx_train()
    }

    /// What stands before the answer: an empty thinking block for a Qwen3 that knows the token, else nothing.
    pub(crate) fn thinking(&self) -> Thinking {
        let qwen3 = self.0.meta_val_str("general.architecture").is_ok_and(|architecture| architecture == "qwen3");
        if qwen3 && self.has_token("<think>") { Thinking::Empty } else { Thinking::None }
    }

    /// Whether `text` is one token of the vocabulary.
    pub(crate) fn has_token(&self, text: &str) -> bool {
        self.0.vocab().tokenize(text.as_bytes(), false, true).len() == 1
    }

    fn markup(&self) -> Markup {
        let vocabulary = self.0.vocab();
        let user_defined =
            vocabulary.tokens().filter(|&token| vocabulary.attr(token).contains(LlamaTokenAttr::UserDefined));
        Markup::among(user_defined.filter_map(|token| Some(vocabulary.text(token)?.to_string_lossy().into_owned())))
    }

    /// A context of `length` tokens over this model.
    pub(crate) fn session(&self, length: u32, threads: u32) -> Result<Session<'_>, LlamaError> {
        let threads = i32::try_from(threads).unwrap_or(i32::MAX);
        let parameters = LlamaContextParams::default()
            .with_n_ctx(NonZeroU32::new(length))
            .with_n_batch(BATCH)
            .with_n_ubatch(BATCH)
            .with_n_threads(threads)
            .with_n_threads_batch(threads);
        let context = self.0.new_context(backend(), parameters).map_err(|_| LlamaError::Context(length))?;
        Ok(Session {
            vocabulary: self.0.vocab(),
            markup: self.markup(),
            context,
            batch: LlamaBatch::new(BATCH as usize, 1),
            computed: Vec::new(),
        })
    }
}

/// A context and the tokens that are in it.
pub(crate) struct Session<'model> {
    vocabulary: LlamaVocab<'model>,
    markup: Markup,
    context: LlamaContext<'model>,
    batch: LlamaBatch<'static>,
    /// The tokens whose keys and values the cache holds, at positions 0 to the length of this.
    computed: Vec<Token>,
}

/// How a prompt got into the context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Prefilled {
    /// Tokens that were there already.
    pub(crate) reused: usize,
    /// Whether all of the prompt is in; if not, nobody wanted it any more.
    pub(crate) complete: bool,
}

impl Session<'_> {
    /// The tokens of a prompt. What people wrote never becomes a control token.
    pub(crate) fn tokens(&self, pieces: &[Piece<'_>]) -> Vec<Token> {
        let mut tokens = Vec::new();
        for piece in pieces {
            match piece {
                Piece::Control(control) => self.vocabulary.tokenize_into(control.as_bytes(), &mut tokens, false, true),
                Piece::Text(text) => {
                    for part in self.markup.cut(text) {
                        self.vocabulary.tokenize_into(part.as_bytes(), &mut tokens, false, false);
                    }
                }
            }
        }
        tokens
    }

    /// The tokens of a prompt that its author wrote as a whole, control tokens included.
    pub(crate) fn raw_tokens(&self, prompt: &str) -> Vec<Token> {
        self.vocabulary.tokenize(prompt.as_bytes(), true, true)
    }

    /// Brings a prompt of at least one token into the context, from the first token on that differs from what is there.
    /// The last token is always computed: the answer is drawn from what comes out at it.
    pub(crate) fn prefill(&mut self, prompt: &[Token], wanted: impl Fn() -> bool) -> Result<Prefilled, LlamaError> {
        let common = self.computed.iter().zip(prompt).take_while(|(here, new)| here == new).count();
        let reused = self.forget_from(common.min(prompt.len() - 1));
        let mut chunks = prompt[reused..].chunks(BATCH as usize).peekable();
        while let Some(chunk) = chunks.next() {
            if !wanted() {
                return Ok(Prefilled { reused, complete: false });
            }
            self.compute(chunk, chunks.peek().is_none())?;
        }
        Ok(Prefilled { reused, complete: true })
    }

    /// Draws a token from what came out at the last one.
    pub(crate) fn draw(&self, sampler: &mut Sampler) -> Token {
        sampler.0.sample(&self.context, -1)
    }

    /// Appends a token that was drawn.
    pub(crate) fn push(&mut self, token: Token) -> Result<(), LlamaError> {
        self.compute(&[token], true)
    }

    /// Whether a token ends the model's turn.
    pub(crate) fn ends(&self, token: Token) -> bool {
        self.vocabulary.is_eog(token)
    }

    /// The bytes that a token stands for; none for a control token. They need not be whole characters.
    pub(crate) fn bytes(&self, token: Token) -> Vec<u8> {
        self.vocabulary.token_to_piece(token, false, None)
    }

    fn compute(&mut self, tokens: &[Token], output: bool) -> Result<(), LlamaError> {
        self.batch.clear();
        for (index, &token) in tokens.iter().enumerate() {
            let position = i32::try_from(self.computed.len() + index).unwrap_or(i32::MAX);
            self.batch.add(token, position, &[0], output && index + 1 == tokens.len())?;
        }
        if let Err(error) = self.context.decode(&mut self.batch) {
            // It is not known how much of the batch is in the cache.
            self.forget_from(0);
            return Err(error.into());
        }
        self.computed.extend_from_slice(tokens);
        Ok(())
    }

    /// Keeps the first `length` tokens, or none where this kind of model can only forget everything. Returns how many
    /// are left.
    fn forget_from(&mut self, length: usize) -> usize {
        let position = u32::try_from(length).ok();
        if length > 0 && self.context.kv_cache_seq_rm(0, position, None).is_ok() {
            self.computed.truncate(length);
        } else {
            self.context.clear_kv_cache();
            self.computed.clear();
        }
        self.computed.len()
    }
}

/// Draws tokens.
pub(crate) struct Sampler(LlamaSampler);

impl Sampler {
    /// A chain that begins with top-k: over a vocabulary of 150,000 tokens top-p alone costs 10 ms a token, behind a
    /// top-k of 40 nothing that can be measured.
    pub(crate) fn new(sampling: &Sampling) -> Self {
        if sampling.temperature <= 0.0 {
            return Self(LlamaSampler::greedy());
        }
        let mut chain = Vec::with_capacity(5);
        if sampling.top_k > 0 {
            chain.push(LlamaSampler::top_k(i32::try_from(sampling.top_k).unwrap_or(i32::MAX)));
        }
        if sampling.top_p < 1.0 {
            chain.push(LlamaSampler::top_p(sampling.top_p, 1));
        }
        if sampling.min_p > 0.0 {
            chain.push(LlamaSampler::min_p(sampling.min_p, 1));
        }
        chain.push(LlamaSampler::temp(sampling.temperature));
        chain.push(LlamaSampler::dist(sampling.seed.map_or(ANY_SEED, fold)));
        Self(LlamaSampler::chain_simple(chain))
    }
}

/// llama.cpp's word for a seed of its own choice (`LLAMA_DEFAULT_SEED` in llama.h).
const ANY_SEED: u32 = u32::MAX;

/// Makes 32 bits of 64, and never llama.cpp's word for "any seed".
fn fold(seed: i64) -> u32 {
    let seed = (seed as u64 ^ (seed as u64 >> 32)) as u32;
    if seed == ANY_SEED { 0 } else { seed }
}

/// llama.cpp is set up once in a process and stays.
fn backend() -> &'static LlamaBackend {
    static BACKEND: LazyLock<LlamaBackend> = LazyLock::new(|| {
        // SAFETY: `log` has the signature that llama.cpp calls, needs no user data and is there as long as the program.
        unsafe { llama_cpp_sys_2::llama_log_set(Some(log), std::ptr::null_mut()) };
        LlamaBackend::init().expect("nobody else sets llama.cpp up")
    });
    &BACKEND
}

thread_local! {
    /// The first error that llama.cpp logged on this thread since this was emptied. Its functions only return null, and
    /// the errors that follow the first only say that there was one.
    static COMPLAINT: RefCell<String> = const { RefCell::new(String::new()) };
}

unsafe extern "C" fn log(level: llama_cpp_sys_2::ggml_log_level, text: *const c_char, _: *mut c_void) {
    // SAFETY: llama.cpp passes a string that ends with 0 and outlives the call.
    let text = unsafe { CStr::from_ptr(text) }.to_string_lossy();
    let line = text.trim();
    if level == llama_cpp_sys_2::GGML_LOG_LEVEL_ERROR {
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
