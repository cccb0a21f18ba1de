//! Writes GGUF version 3: as much of the format as models of random weights need.

const ALIGNMENT: usize = 32;
/// ggml's number for F32.
const F32: u32 = 0;

/// Collects values and tensors and gives the file's bytes.
#[derive(Debug)]
pub struct GgufWriter {
    values: Vec<u8>,
    value_count: u64,
    tensors: Vec<u8>,
    tensor_count: u64,
    data: Vec<u8>,
}

impl GgufWriter {
    /// Begins a file for a model of a family, as `qwen3`.
    pub fn new(architecture: &str) -> Self {
        let mut writer =
            Self { values: Vec::new(), value_count: 0, tensors: Vec::new(), tensor_count: 0, data: Vec::new() };
        writer.text("general.architecture", architecture);
        writer
    }

    /// Adds a text.
    pub fn text(&mut self, key: &str, value: &str) {
        self.key(key, 8);
        put_text(&mut self.values, value);
    }

    /// Adds a whole number of 32 bits.
    pub fn number(&mut self, key: &str, value: u32) {
        self.key(key, 4);
        self.values.extend(value.to_le_bytes());
    }

    /// Adds a real number of 32 bits.
    pub fn real(&mut self, key: &str, value: f32) {
        self.key(key, 6);
        self.values.extend(value.to_le_bytes());
    }

    /// Adds a truth value.
    pub fn flag(&mut self, key: &str, value: bool) {
        self.key(key, 7);
        self.values.push(u8::from(value));
    }

    /// Adds a list of texts.
    pub fn texts(&mut self, key: &str, values: &[String]) {
        self.array(key, 8, values.len());
        for value in values {
            put_text(&mut self.values, value);
        }
    }

    /// Adds a list of signed whole numbers of 32 bits.
    pub fn integers(&mut self, key: &str, values: &[i32]) {
        self.array(key, 5, values.len());
        self.values.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    }

    /// Adds a value as it stands in another file: its type and its bytes.
    pub fn value(&mut self, key: &str, kind: u32, bytes: &[u8]) {
        self.key(key, kind);
        self.values.extend(bytes);
    }

    /// Adds a tensor of F32. The first of `dimensions` is the length of a row.
    pub fn tensor(&mut self, name: &str, dimensions: &[usize], elements: &[f32]) {
        assert_eq!(dimensions.iter().product::<usize>(), elements.len(), "{name}");
        let bytes: Vec<u8> = elements.iter().flat_map(|element| element.to_le_bytes()).collect();
        self.blocks(name, dimensions, F32, &bytes);
    }

    /// Adds a tensor of any type of ggml, as the bytes of its blocks.
    pub fn blocks(&mut self, name: &str, dimensions: &[usize], kind: u32, bytes: &[u8]) {
        put_text(&mut self.tensors, name);
        self.tensors.extend((dimensions.len() as u32).to_le_bytes());
        self.tensors.extend(dimensions.iter().flat_map(|&length| (length as u64).to_le_bytes()));
        self.tensors.extend(kind.to_le_bytes());
        self.tensors.extend((self.data.len() as u64).to_le_bytes());
        self.data.extend(bytes);
        pad(&mut self.data);
        self.tensor_count += 1;
    }

    /// The file.
    pub fn into_bytes(self) -> Vec<u8> {
        let mut bytes = b"GGUF".to_vec();
        bytes.extend(3_u32.to_le_bytes());
        bytes.extend(self.tensor_count.to_le_bytes());
        bytes.extend(self.value_count.to_le_bytes());
        bytes.extend(self.values);
        bytes.extend(self.tensors);
        pad(&mut bytes);
        bytes.extend(self.data);
        bytes
    }

    fn key(&mut self, key: &str, kind: u32) {
        put_text(&mut self.values, key);
        self.values.extend(kind.to_le_bytes());
        self.value_count += 1;
    }

    fn array(&mut self, key: &str, kind: u32, length: usize) {
        self.key(key, 9);
        self.values.extend(kind.to_le_bytes());
        self.values.extend((length as u64).to_le_bytes());
    }
}

fn put_text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend((text.len() as u64).to_le_bytes());
    bytes.extend(text.as_bytes());
}

fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
}
