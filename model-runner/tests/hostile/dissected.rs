//! A GGUF file taken apart, so that a test can change one thing in it and put it together again.

/// A value of the metadata as its type and its bytes.
#[derive(Clone)]
pub struct Value {
    pub key: String,
    pub kind: u32,
    pub bytes: Vec<u8>,
}

/// What the header says of a tensor.
#[derive(Clone)]
pub struct Tensor {
    pub name: String,
    pub dimensions: Vec<u64>,
    pub kind: u32,
    pub offset: u64,
}

/// The parts of a file.
#[derive(Clone)]
pub struct Dissected {
    pub version: u32,
    pub values: Vec<Value>,
    pub tensors: Vec<Tensor>,
    pub data: Vec<u8>,
    /// What the header says instead of the number of values and of tensors.
    pub counts: Option<(u64, u64)>,
}

impl Dissected {
    /// Takes a file apart that is known to be whole.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let mut reader = Reader { bytes, position: 4 };
        let version = reader.u32();
        let (tensors, values) = (reader.u64(), reader.u64());
        let values = (0..values).map(|_| reader.value()).collect();
        let tensors = (0..tensors).map(|_| reader.tensor()).collect();
        let data = bytes[reader.position.next_multiple_of(32)..].to_vec();
        Self { version, values, tensors, data, counts: None }
    }

    /// Puts the file together.
    pub fn to_bytes(&self) -> Vec<u8> {
        let (values, tensors) = self.counts.unwrap_or((self.values.len() as u64, self.tensors.len() as u64));
        let mut bytes = b"GGUF".to_vec();
        bytes.extend(self.version.to_le_bytes());
        bytes.extend(tensors.to_le_bytes());
        bytes.extend(values.to_le_bytes());
        for value in &self.values {
            bytes.extend(text(&value.key));
            bytes.extend(value.kind.to_le_bytes());
            bytes.extend(&value.bytes);
        }
        for tensor in &self.tensors {
            bytes.extend(text(&tensor.name));
            bytes.extend((tensor.dimensions.len() as u32).to_le_bytes());
            bytes.extend(tensor.dimensions.iter().flat_map(|length| length.to_le_bytes()));
            bytes.extend(tensor.kind.to_le_bytes());
            bytes.extend(tensor.offset.to_le_bytes());
        }
        bytes.resize(bytes.len().next_multiple_of(32), 0);
        bytes.extend(&self.data);
        bytes
    }

    /// Where the header ends and the tensors' data begin.
    pub fn header_length(&self) -> usize {
        self.to_bytes().len() - self.data.len()
    }

    /// Gives a key another value, or adds it.
    pub fn with_value(&self, key: &str, kind: u32, bytes: impl Into<Vec<u8>>) -> Self {
        let mut changed = self.without(key);
        changed.values.push(Value { key: key.to_owned(), kind, bytes: bytes.into() });
        changed
    }

    /// Takes a key away.
    pub fn without(&self, key: &str) -> Self {
        let mut changed = self.clone();
        changed.values.retain(|value| value.key != key);
        changed
    }

    /// Changes what the header says of a tensor.
    pub fn with_tensor(&self, index: usize, change: impl FnOnce(&mut Tensor)) -> Self {
        let mut changed = self.clone();
        change(&mut changed.tensors[index]);
        changed
    }

    /// The texts of a list of texts.
    pub fn texts(&self, key: &str) -> Vec<Vec<u8>> {
        let value = self.values.iter().find(|value| value.key == key).unwrap();
        let mut reader = Reader { bytes: &value.bytes, position: 4 };
        (0..reader.u64()).map(|_| reader.text().to_vec()).collect()
    }
}

/// A text as it stands in a file.
pub fn text(text: impl AsRef<[u8]>) -> Vec<u8> {
    let text = text.as_ref();
    [&(text.len() as u64).to_le_bytes(), text].concat()
}

/// A list as it stands in a file.
pub fn list(kind: u32, elements: &[Vec<u8>]) -> Vec<u8> {
    [kind.to_le_bytes().as_slice(), &(elements.len() as u64).to_le_bytes(), &elements.concat()].concat()
}

struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> &'a [u8] {
        let taken = &self.bytes[self.position..self.position + length];
        self.position += length;
        taken
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take(4).try_into().unwrap())
    }

    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take(8).try_into().unwrap())
    }

    fn text(&mut self) -> &'a [u8] {
        let length = self.u64() as usize;
        self.take(length)
    }

    fn owned_text(&mut self) -> String {
        String::from_utf8(self.text().to_vec()).unwrap()
    }

    fn value(&mut self) -> Value {
        let (key, kind) = (self.owned_text(), self.u32());
        let start = self.position;
        self.skip(kind);
        Value { key, kind, bytes: self.bytes[start..self.position].to_vec() }
    }

    fn skip(&mut self, kind: u32) {
        match kind {
            7 => drop(self.take(1)),
            4..=6 => drop(self.take(4)),
            8 => drop(self.text()),
            9 => {
                let (kind, count) = (self.u32(), self.u64());
                (0..count).for_each(|_| self.skip(kind));
            }
            kind => unreachable!("no value of type {kind} is written for these tests"),
        }
    }

    fn tensor(&mut self) -> Tensor {
        let name = self.owned_text();
        let dimensions = (0..self.u32()).map(|_| self.u64()).collect();
        Tensor { name, dimensions, kind: self.u32(), offset: self.u64() }
    }
}
