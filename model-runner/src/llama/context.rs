//! A context: the cache of keys and values of all sequences, and the step that computes rows of several of them at once.

use std::{ptr::NonNull, sync::Arc};

use llama_cpp_sys_2 as sys;

use super::{Adapter, LlamaError, Model, accelerator};
use crate::{cache::SequenceId, sampling::TokenId};

/// How a context is made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ContextOptions {
    /// Tokens that the cache holds, of all sequences together.
    pub(crate) tokens: u32,
    /// Sequences that there can be at once.
    pub(crate) sequences: u32,
    /// Rows that a step computes at most.
    pub(crate) rows: u32,
    /// Rows of a step of which logits are wanted at most.
    pub(crate) outputs: u32,
    pub(crate) threads: u32,
    pub(crate) cache: CacheType,
}

/// How exactly keys and values are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum CacheType {
    /// 16 bits.
    F16,
    /// 32 bits, and no flash attention: twice the memory and slower, but what is computed in steps of different shapes
    /// differs only in the last bits.
    F32,
    /// 8.5 bits: half the memory.
    #[value(name = "q8_0")]
    Q8,
}

impl CacheType {
    fn number(self) -> sys::ggml_type {
        match self {
            Self::F16 => sys::GGML_TYPE_F16,
            Self::F32 => sys::GGML_TYPE_F32,
            Self::Q8 => sys::GGML_TYPE_Q8_0,
        }
    }

    /// Bytes of 32 numbers.
    fn bytes_of_32(self) -> u64 {
        match self {
            Self::F16 => 64,
            Self::F32 => 128,
            Self::Q8 => 34,
        }
    }
}

/// A token to be computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) token: TokenId,
    pub(crate) position: usize,
    pub(crate) sequence: SequenceId,
    /// Whether the logits of what follows it are wanted.
    pub(crate) output: bool,
}

/// A context over a model. It is used by one thread.
pub(crate) struct Context {
    raw: NonNull<sys::llama_context>,
    batch: Batch,
    /// In use; kept alive as long as it is.
    adapter: Option<Arc<Adapter>>,
    /// Dropped after `raw` was freed, since fields are dropped after [`Drop::drop`].
    model: Arc<Model>,
}

// SAFETY: llama.cpp binds a context to no thread, and it is not shared: no method takes it by shared reference but to
// read a number.
unsafe impl Send for Context {}

impl Context {
    /// A context with one cache that its sequences share, so that a common beginning is in it once.
    pub(crate) fn new(model: &Arc<Model>, options: &ContextOptions) -> Result<Self, LlamaError> {
        let threads = i32::try_from(options.threads).unwrap_or(i32::MAX);
        // SAFETY: the parameters are llama.cpp's own but for plain numbers, and the model outlives the context.
        let raw = unsafe {
            let mut parameters = sys::llama_context_default_params();
            parameters.n_ctx = options.tokens;
            parameters.n_seq_max = options.sequences;
            parameters.n_batch = options.rows;
            parameters.n_ubatch = options.rows;
            parameters.n_outputs_max = options.outputs;
            parameters.n_threads = threads;
            parameters.n_threads_batch = threads;
            parameters.type_k = options.cache.number();
            parameters.type_v = options.cache.number();
            if options.cache == CacheType::F32 {
                // Its kernels round to 16 bits whatever the cache holds, and not in the same places for one row as for many.
                parameters.flash_attn_type = sys::LLAMA_FLASH_ATTN_TYPE_DISABLED;
            } else if accelerator::attends() {
                // Left to itself llama.cpp does without where another backend computes it than has the cache.
                parameters.flash_attn_type = sys::LLAMA_FLASH_ATTN_TYPE_ENABLED;
            }
            parameters.kv_unified = true;
            parameters.no_perf = true;
            sys::llama_init_from_model(model.as_ptr(), parameters)
        };
        let raw = NonNull::new(raw).ok_or(LlamaError::Context(options.tokens))?;
        let batch = Batch::new(options.rows as usize);
        Ok(Self { raw, batch, adapter: None, model: Arc::clone(model) })
    }

    /// Tokens that the cache has room for: at least as many as were asked for.
    pub(crate) fn capacity(&self) -> u32 {
        // SAFETY: the context is alive.
        unsafe { sys::llama_n_ctx(self.raw.as_ptr()) }
    }

    /// Bytes that the cache takes for each token: keys and values of all layers.
    pub(crate) fn bytes_per_token(&self, cache: CacheType) -> u64 {
        // SAFETY: the model is alive.
        let [layers, width, heads, key_heads] = unsafe {
            let model = self.model.as_ptr();
            [
                sys::llama_model_n_layer(model),
                sys::llama_model_n_embd(model),
                sys::llama_model_n_head(model),
                sys::llama_model_n_head_kv(model),
            ]
        }
        .map(|number| u64::try_from(number).unwrap_or(0));
        let head_width = |kind: &str| {
            let said = self.model.number(&format!("attention.{kind}_length"));
            said.unwrap_or_else(|| width.checked_div(heads).unwrap_or(0))
        };
        layers * key_heads * (head_width("key") + head_width("value")) * cache.bytes_of_32() / 32
    }

    /// Chooses the adapter of the steps that follow.
    pub(crate) fn use_adapter(&mut self, adapter: Option<&Arc<Adapter>>) {
        if self.adapter.as_ref().map(Arc::as_ptr) == adapter.map(Arc::as_ptr) {
            return;
        }
        let mut adapters: Vec<_> = adapter.iter().map(|adapter| adapter.as_ptr()).collect();
        let mut scales = vec![1.0; adapters.len()];
        // SAFETY: both lists have as many elements as is said, and the adapter is kept alive while it is in use.
        unsafe {
            let (list, count) = (adapters.as_mut_ptr(), adapters.len());
            sys::llama_set_adapters_lora(self.raw.as_ptr(), list, count, scales.as_mut_ptr());
        }
        self.adapter = adapter.cloned();
    }

    /// Lets `to`, which is empty, begin with the first `length` tokens of `from`.
    pub(crate) fn fork(&mut self, from: SequenceId, to: SequenceId, length: usize) {
        // A model that keeps one state can only copy all of it.
        let end = if self.model.can_rewind() { position(length) } else { -1 };
        // SAFETY: the context is alive, and the numbers of sequences are below the one it was made with.
        unsafe { sys::llama_memory_seq_cp(self.memory(), from, to, 0, end) };
    }

    /// Forgets what a sequence has after its first `length` tokens.
    pub(crate) fn truncate(&mut self, sequence: SequenceId, length: usize) {
        // SAFETY: as for `fork`.
        unsafe { sys::llama_memory_seq_rm(self.memory(), sequence, position(length), -1) };
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        // SAFETY: the context is alive.
        unsafe { sys::llama_memory_clear(self.memory(), false) };
    }

    /// Computes rows of one or several sequences. They must not be more than the context was made for.
    pub(crate) fn step(&mut self, rows: &[Row]) -> Result<(), LlamaError> {
        self.batch.fill(rows);
        // SAFETY: the batch holds as many rows as it says, of sequences below the number the context was made with.
        let code = unsafe { sys::llama_decode(self.raw.as_ptr(), self.batch.raw) };
        if code == 0 { Ok(()) } else { Err(LlamaError::Decode(code)) }
    }

    /// Computes a few tokens and forgets them, so that a model with which that cannot be done is known before anybody asks.
    pub(crate) fn try_out(&mut self) -> Result<(), LlamaError> {
        /// A word, what no vocabulary has as one token, and a character of several bytes.
        const TEXT: &str = "hello \u{1}\u{1F9AD}";
        let most = (self.capacity() as usize / 2).min(self.batch.capacity);
        let tokens = self.model.raw_tokens(TEXT);
        let last = tokens.len().min(most).saturating_sub(1);
        let row = |(position, token)| Row { token, position, sequence: 0, output: position == last };
        let rows: Vec<_> = tokens.into_iter().take(most).enumerate().map(row).collect();
        if !rows.is_empty() {
            self.step(&rows)?;
            self.clear();
        }
        Ok(())
    }

    /// The logits that came out at a row of the last step, which must have been wanted: one for each token of the
    /// vocabulary.
    pub(crate) fn logits(&mut self, row: usize) -> &mut [f32] {
        let length = self.model.vocabulary().len();
        // SAFETY: llama.cpp gives either null or as many floats as the vocabulary has tokens, which stay until the next
        // step; no other reference to them is given out meanwhile.
        unsafe {
            let logits = sys::llama_get_logits_ith(self.raw.as_ptr(), i32::try_from(row).unwrap_or(i32::MAX));
            assert!(!logits.is_null(), "the logits of row {row} were wanted");
            std::slice::from_raw_parts_mut(logits, length)
        }
    }

    fn memory(&self) -> sys::llama_memory_t {
        // SAFETY: the context is alive.
        unsafe { sys::llama_get_memory(self.raw.as_ptr()) }
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: it was made by llama.cpp, and this is its only owner.
        unsafe { sys::llama_free(self.raw.as_ptr()) };
    }
}

fn position(length: usize) -> i32 {
    i32::try_from(length).unwrap_or(i32::MAX)
}

/// Room for the rows of a step.
struct Batch {
    raw: sys::llama_batch,
    capacity: usize,
}

impl Batch {
    fn new(capacity: usize) -> Self {
        let rows = i32::try_from(capacity).unwrap_or(i32::MAX);
        // SAFETY: it takes plain numbers: so many rows of tokens, each of one sequence.
        Self { raw: unsafe { sys::llama_batch_init(rows, 0, 1) }, capacity }
    }

    fn fill(&mut self, rows: &[Row]) {
        assert!(rows.len() <= self.capacity, "{} rows in a batch of {}", rows.len(), self.capacity);
        for (index, row) in rows.iter().enumerate() {
            // SAFETY: each list has room for `capacity` elements, and the lists of sequences for one element each.
            unsafe {
                *self.raw.token.add(index) = row.token;
                *self.raw.pos.add(index) = position(row.position);
                *self.raw.n_seq_id.add(index) = 1;
                **self.raw.seq_id.add(index) = row.sequence;
                *self.raw.logits.add(index) = i8::from(row.output);
            }
        }
        self.raw.n_tokens = position(rows.len());
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        // SAFETY: it was made by `llama_batch_init`, and this is its only owner.
        unsafe { sys::llama_batch_free(self.raw) };
    }
}
