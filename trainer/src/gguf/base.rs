//! The model that is trained on, read from the very file that is served.

use std::{
    fs::File,
    io::{BufReader, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use candle_core::quantized::{
    GgmlDType,
    gguf_file::{Content, Value},
};
use sha2::{Digest, Sha256};

use super::Stored;
use crate::{
    error::{Error, Result},
    shape::{Family, Module, Shape},
};

/// A GGUF file whose header was read.
#[derive(Debug)]
pub struct GgufFile {
    path: PathBuf,
    content: Content,
    file: BufReader<File>,
    size: u64,
}

impl GgufFile {
    /// Opens a file and reads its header.
    ///
    /// # Errors
    /// Where it cannot be read, is no GGUF, or holds a kind of tensor that nobody here can compute with.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|error| Error::file("read", path, error))?;
        let size = file.metadata().map_err(|error| Error::file("read", path, error))?.len();
        let mut file = BufReader::with_capacity(1 << 20, file);
        let content = Content::read(&mut file).map_err(|error| Error::Base {
            path: path.to_owned(),
            reason: format!(
                "its header says what cannot be read ({error}); take a GGUF in F32, F16, BF16, Q8_0 or Q4_K_M"
            ),
        })?;
        Ok(Self { path: path.to_owned(), content, file, size })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A value of its header.
    pub fn value(&self, key: &str) -> Option<&Value> {
        self.content.metadata.get(key)
    }

    /// All values of its header, in the order of their keys.
    pub fn values(&self) -> Vec<(&str, &Value)> {
        let mut values: Vec<_> = self.content.metadata.iter().map(|(key, value)| (key.as_str(), value)).collect();
        values.sort_unstable_by_key(|(key, _)| *key);
        values
    }

    /// A text of its header.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.value(key).and_then(|value| value.to_string().ok()).map(String::as_str)
    }

    /// The tensors, in the order in which they lie in the file, as (name, dimensions with the rows first, kind).
    pub fn tensors(&self) -> Vec<(&str, &[usize], GgmlDType)> {
        let mut tensors: Vec<_> = self.content.tensor_infos.iter().collect();
        tensors.sort_unstable_by_key(|(_, info)| info.offset);
        tensors.into_iter().map(|(name, info)| (name.as_str(), info.shape.dims(), info.ggml_dtype)).collect()
    }

    /// Whether there is a tensor of that name.
    pub fn has(&self, name: &str) -> bool {
        self.content.tensor_infos.contains_key(name)
    }

    /// Reads a tensor of one or two dimensions; one is a matrix of one row.
    ///
    /// # Errors
    /// Where it is not there, not whole, or of another form.
    pub fn tensor(&mut self, name: &str) -> Result<Stored> {
        let missing = || self.refuse(format!("it has no tensor {name}; it may be damaged, or of another architecture"));
        let info = self.content.tensor_infos.get(name).ok_or_else(missing)?;
        let (rows, columns) = match *info.shape.dims() {
            [columns] => (1, columns),
            [rows, columns] => (rows, columns),
            _ => return Err(self.refuse(format!("its tensor {name} is no matrix"))),
        };
        let kind = info.ggml_dtype;
        let (start, length) = self.extent(name, rows, columns, kind)?;
        let mut bytes = vec![0; length];
        self.file
            .seek(SeekFrom::Start(start))
            .and_then(|_| self.file.read_exact(&mut bytes))
            .map_err(|error| Error::file("read", &self.path, error))?;
        Stored::new(kind, rows, columns, &bytes)
            .ok_or_else(|| self.refuse(format!("its tensor {name} is of the kind {kind:?}, which holds no weights")))
    }

    /// Where a tensor begins, and how many bytes it has.
    fn extent(&self, name: &str, rows: usize, columns: usize, kind: GgmlDType) -> Result<(u64, usize)> {
        let start = self.content.tensor_data_offset.checked_add(self.content.tensor_infos[name].offset);
        let length =
            rows.checked_mul(columns / kind.block_size()).and_then(|blocks| blocks.checked_mul(kind.type_size()));
        let whole = start.zip(length).filter(|&(start, length)| {
            columns.is_multiple_of(kind.block_size())
                && start.checked_add(length as u64).is_some_and(|end| end <= self.size)
        });
        whole.ok_or_else(|| self.refuse(format!("its tensor {name} is not whole; fetch the file again")))
    }

    pub(crate) fn refuse(&self, reason: String) -> Error {
        Error::Base { path: self.path.clone(), reason }
    }
}

/// A base: its shape, its weights one by one, and what it is called.
#[derive(Debug)]
pub struct Base {
    file: GgufFile,
    shape: Shape,
}

impl Base {
    /// Opens a base.
    ///
    /// # Errors
    /// Where it is none, or of an architecture that is not trained here.
    pub fn open(path: &Path) -> Result<Self> {
        let file = GgufFile::open(path)?;
        let shape = read_shape(&file)?;
        check_tensors(&file, &shape)?;
        Ok(Self { file, shape })
    }

    /// Its shape.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Its file.
    pub fn file(&self) -> &GgufFile {
        &self.file
    }

    /// Its file, to read tensors from.
    pub fn file_mut(&mut self) -> &mut GgufFile {
        &mut self.file
    }

    /// What it calls itself, or else what its file is called.
    pub fn name(&self) -> String {
        let of_file = || self.file.path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        self.file.text("general.name").map_or_else(of_file, str::to_owned)
    }

    /// Its tensors as bytes in memory: what the weights take while it is trained on.
    pub fn weight_bytes(&self) -> usize {
        let sizes = self.file.tensors();
        sizes.iter().map(|(_, dims, kind)| dims.iter().product::<usize>() / kind.block_size() * kind.type_size()).sum()
    }

    /// The SHA-256 of the file in hexadecimal digits, by which an adapter names its base.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn sha256(&self) -> Result<String> {
        sha256_of_file(&self.file.path)
    }
}

fn sha256_of_file(path: &Path) -> Result<String> {
    let mut hasher = Sha256::new();
    let mut file = File::open(path).map_err(|error| Error::file("read", path, error))?;
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer).map_err(|error| Error::file("read", path, error))? {
            0 => break,
            length => hasher.update(&buffer[..length]),
        }
    }
    Ok(hex(&hasher.finalize()))
}

/// Bytes in hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read_shape(file: &GgufFile) -> Result<Shape> {
    let architecture = file.text("general.architecture").unwrap_or("nothing");
    let family = Family::ALL.into_iter().find(|family| family.name() == architecture).ok_or_else(|| {
        file.refuse(format!(
            "its architecture is {architecture}, and only qwen2 (Qwen2, Qwen2.5) and qwen3 are trained here; \
             groupchat model list names some"
        ))
    })?;
    let number = |key: &str| {
        let value = file.value(&format!("{architecture}.{key}"));
        value.and_then(|value| value.to_u64().ok()).and_then(|value| usize::try_from(value).ok()).filter(|&v| v > 0)
    };
    let real = |key: &str| file.value(&format!("{architecture}.{key}")).and_then(|value| value.to_f32().ok());
    let needed = |key: &str| number(key).ok_or_else(|| file.refuse(format!("its header lacks {architecture}.{key}")));
    let (width, heads) = (needed("embedding_length")?, needed("attention.head_count")?);
    let vocabulary = file.content.tensor_infos.get("token_embd.weight").map(|info| info.shape.dims().to_vec());
    let Some([vocabulary, columns]) = vocabulary.as_deref() else {
        return Err(file.refuse("it has no tensor token_embd.weight".to_owned()));
    };
    let shape = Shape {
        family,
        vocabulary: *vocabulary,
        width: *columns,
        feed_forward: needed("feed_forward_length")?,
        layers: needed("block_count")?,
        heads,
        key_heads: number("attention.head_count_kv").unwrap_or(heads),
        head_size: number("attention.key_length").unwrap_or(width / heads),
        rope_base: real("rope.freq_base").map_or(10_000.0, f64::from),
        epsilon: real("attention.layer_norm_rms_epsilon").unwrap_or(1e-6),
    };
    let sound =
        shape.width == width && shape.heads.is_multiple_of(shape.key_heads) && shape.head_size.is_multiple_of(2);
    if sound { Ok(shape) } else { Err(file.refuse(format!("its sizes do not fit each other: {shape:?}"))) }
}

/// Compares the sizes of all tensors with the shape, so that nothing fails later.
fn check_tensors(file: &GgufFile, shape: &Shape) -> Result<()> {
    for layer in 0..shape.layers {
        for module in Module::ALL {
            let name = format!("blk.{layer}.{}.weight", module.gguf_name());
            let (rows, columns) = shape.size_of(module);
            match file.content.tensor_infos.get(&name).map(|info| info.shape.dims()) {
                Some(&[r, c]) if (r, c) == (rows, columns) => {}
                Some(other) => {
                    return Err(file.refuse(format!("its tensor {name} is {other:?} where {rows} x {columns} is due")));
                }
                None => return Err(file.refuse(format!("it has no tensor {name}"))),
            }
        }
    }
    Ok(())
}
