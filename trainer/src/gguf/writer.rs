//! Writes GGUF files, version 3, a tensor at a time, so that a merged model never needs to be in memory whole.
//!
//! Layout: docs/gguf.md of the ggml repository.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use candle_core::quantized::{GgmlDType, gguf_file::Value};

use crate::{
    error::{Error, Result},
    shape::Shape,
    whole_file::WholeFile,
};

const ALIGNMENT: u64 = 32;

/// A value of the header.
#[derive(Debug, Clone)]
pub enum MetaValue {
    /// A number without sign.
    U32(u32),
    /// A real number.
    F32(f32),
    /// A text.
    Text(String),
    /// Yes or no.
    Flag(bool),
    /// Whole numbers with sign.
    I32s(Vec<i32>),
    /// Texts.
    Texts(Vec<String>),
    /// Any value of another file.
    Copied(Value),
}

/// A value with its key.
pub type Entry = (String, MetaValue);

/// What a header says of a model's shape, and that it reads texts of up to `context` tokens.
pub(crate) fn shape_entries(shape: &Shape, context: u32) -> Vec<Entry> {
    let family = shape.family.name();
    let number = |key: &str, value: usize| (format!("{family}.{key}"), MetaValue::U32(value as u32));
    let real = |key: &str, value: f32| (format!("{family}.{key}"), MetaValue::F32(value));
    vec![
        ("general.architecture".to_owned(), MetaValue::Text(family.to_owned())),
        number("block_count", shape.layers),
        number("context_length", context as usize),
        number("embedding_length", shape.width),
        number("feed_forward_length", shape.feed_forward),
        number("attention.head_count", shape.heads),
        number("attention.head_count_kv", shape.key_heads),
        number("attention.key_length", shape.head_size),
        number("attention.value_length", shape.head_size),
        real("attention.layer_norm_rms_epsilon", shape.epsilon),
        real("rope.freq_base", shape.rope_base as f32),
    ]
}

/// A tensor that is going to be written.
#[derive(Debug, Clone)]
pub struct TensorPlan {
    /// Its name.
    pub name: String,
    /// Its dimensions, rows first.
    pub dimensions: Vec<usize>,
    /// How its numbers are written.
    pub kind: GgmlDType,
}

impl TensorPlan {
    fn bytes(&self) -> u64 {
        (self.dimensions.iter().product::<usize>() / self.kind.block_size() * self.kind.type_size()) as u64
    }
}

/// A file being written.
pub struct Writer {
    path: PathBuf,
    out: BufWriter<File>,
    file: WholeFile,
    waiting: std::collections::VecDeque<TensorPlan>,
}

impl Writer {
    /// Writes the header of a file. It appears under its name when it is whole.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn create(path: &Path, entries: &[Entry], tensors: Vec<TensorPlan>) -> Result<Self> {
        let file = WholeFile::create(path)?;
        let handle = file.handle()?;
        let mut writer = Self {
            path: path.to_owned(),
            out: BufWriter::with_capacity(1 << 20, handle),
            file,
            waiting: tensors.into(),
        };
        let header = header(entries, writer.waiting.make_contiguous());
        writer.write(&header)?;
        Ok(writer)
    }

    /// Writes the next of the tensors; they come in the order in which they were announced.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn tensor(&mut self, bytes: &[u8]) -> Result<()> {
        let plan = self.waiting.pop_front().expect("no more tensors come than were announced");
        assert_eq!(bytes.len() as u64, plan.bytes(), "the tensor {} has another size than was announced", plan.name);
        self.write(bytes)?;
        self.write(&vec![0; (padded(plan.bytes()) - plan.bytes()) as usize])
    }

    /// Ends the file.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn finish(mut self) -> Result<()> {
        assert!(self.waiting.is_empty(), "all tensors that were announced were written");
        self.out.flush().map_err(|error| Error::file("write", &self.path, error))?;
        self.file.finish()
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes).map_err(|error| Error::file("write", &self.path, error))
    }
}

fn padded(length: u64) -> u64 {
    length.next_multiple_of(ALIGNMENT)
}

fn header(entries: &[Entry], tensors: &[TensorPlan]) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend(b"GGUF");
    out.extend(3u32.to_le_bytes());
    out.extend((tensors.len() as u64).to_le_bytes());
    out.extend((entries.len() as u64).to_le_bytes());
    for (key, value) in entries {
        put_text(&mut out, key);
        put_value(&mut out, value);
    }
    let mut offset = 0u64;
    for tensor in tensors {
        put_text(&mut out, &tensor.name);
        out.extend((tensor.dimensions.len() as u32).to_le_bytes());
        tensor.dimensions.iter().rev().for_each(|&length| out.extend((length as u64).to_le_bytes()));
        out.extend(number_of(tensor.kind).to_le_bytes());
        out.extend(offset.to_le_bytes());
        offset += padded(tensor.bytes());
    }
    out.resize(padded(out.len() as u64) as usize, 0);
    out
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

fn put_array(out: &mut Vec<u8>, kind: u32, length: usize) {
    out.extend(9u32.to_le_bytes());
    out.extend(kind.to_le_bytes());
    out.extend((length as u64).to_le_bytes());
}

fn put_value(out: &mut Vec<u8>, value: &MetaValue) {
    match value {
        MetaValue::U32(number) => put_copied(out, &Value::U32(*number)),
        MetaValue::F32(number) => put_copied(out, &Value::F32(*number)),
        MetaValue::Text(text) => put_copied(out, &Value::String(text.clone())),
        MetaValue::Flag(flag) => put_copied(out, &Value::Bool(*flag)),
        MetaValue::I32s(numbers) => {
            put_array(out, 5, numbers.len());
            numbers.iter().for_each(|number| out.extend(number.to_le_bytes()));
        }
        MetaValue::Texts(texts) => {
            put_array(out, 8, texts.len());
            texts.iter().for_each(|text| put_text(out, text));
        }
        MetaValue::Copied(value) => put_copied(out, value),
    }
}

/// The number of a value's type, and its bytes.
fn encoded(value: &Value) -> (u32, Vec<u8>) {
    match value {
        Value::U8(v) => (0, v.to_le_bytes().to_vec()),
        Value::I8(v) => (1, v.to_le_bytes().to_vec()),
        Value::U16(v) => (2, v.to_le_bytes().to_vec()),
        Value::I16(v) => (3, v.to_le_bytes().to_vec()),
        Value::U32(v) => (4, v.to_le_bytes().to_vec()),
        Value::I32(v) => (5, v.to_le_bytes().to_vec()),
        Value::F32(v) => (6, v.to_le_bytes().to_vec()),
        Value::Bool(v) => (7, vec![u8::from(*v)]),
        Value::String(text) => {
            let mut out = Vec::new();
            put_text(&mut out, text);
            (8, out)
        }
        Value::Array(values) => {
            let mut out = Vec::new();
            let kind = values.first().map_or(4, |value| encoded(value).0);
            out.extend(kind.to_le_bytes());
            out.extend((values.len() as u64).to_le_bytes());
            values.iter().for_each(|value| out.extend(encoded(value).1));
            (9, out)
        }
        Value::U64(v) => (10, v.to_le_bytes().to_vec()),
        Value::I64(v) => (11, v.to_le_bytes().to_vec()),
        Value::F64(v) => (12, v.to_le_bytes().to_vec()),
    }
}

fn put_copied(out: &mut Vec<u8>, value: &Value) {
    let (kind, bytes) = encoded(value);
    out.extend(kind.to_le_bytes());
    out.extend(bytes);
}

/// ggml's number of a kind of tensor that is written here.
fn number_of(kind: GgmlDType) -> u32 {
    match kind {
        GgmlDType::F32 => 0,
        GgmlDType::F16 => 1,
        GgmlDType::Q8_0 => 8,
        GgmlDType::Q4K => 12,
        GgmlDType::Q6K => 14,
        other => unreachable!("tensors of the kind {other:?} are not written"),
    }
}
