//! Reads the header of a GGUF file, so that a wrong or damaged file is refused in words.
//!
//! llama.cpp maps the file and trusts what stands in it: where it trusts wrongly the process is gone (`SIGBUS` on a file
//! that was cut off, an assertion elsewhere). This check reads a few megabytes at most and allocates nothing that the
//! file asks for beyond a name.
//!
//! Format: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>; sizes of blocks: ggml-common.h.

use std::{
    collections::HashSet,
    fs::File,
    io::{self, BufReader, Read, Seek},
    path::Path,
};

/// What the header says about the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GgufHeader {
    /// The version of the format: 2 or 3.
    pub version: u32,
    /// The family of models, as `qwen3`.
    pub architecture: String,
    /// How many tensors there are.
    pub tensors: u64,
}

/// STUB
pub struct AdapterHeader {
    pub(crate) prompt_version: Option<u32>,
    pub(crate) base_sha256: Option<String>,
}
impl AdapterHeader {
    pub(crate) fn read(_: &Path) -> Result<Self, BadGguf> {
        Ok(Self { prompt_version: None, base_sha256: None })
    }
}

/// Why a file cannot be a model, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum BadGguf {
    /// The system does not let us read it.
    #[error("it cannot be read ({0}); give the path of a GGUF file that this user may read")]
    Unreadable(#[source] io::Error),
    /// It is something else.
    #[error("it is not a GGUF file: it begins with \"{0}\" where GGUF belongs; give a model in GGUF format (*.gguf)")]
    NotGguf(String),
    /// A version that nobody here reads.
    #[error(
        "it is GGUF version {0}, and versions 2 and 3 are read here; convert the model again with a current llama.cpp"
    )]
    Version(u32),
    /// It ends too early.
    #[error("it is cut off: {what} would end at byte {end} and the file has {size}; fetch it again")]
    CutOff {
        /// What is missing its end.
        what: String,
        /// Where that would end.
        end: u64,
        /// How long the file is.
        size: u64,
    },
    /// Its header contradicts itself.
    #[error("its header is damaged ({0}); fetch it again")]
    Damaged(String),
    /// A GGUF file, but not of a model.
    #[error("it is a GGUF file of type \"{0}\", not a model; give the model itself")]
    NotAModel(String),
}

const DEFAULT_ALIGNMENT: u64 = 32;
/// A key, tensor name or value that is kept is shorter than this in every real file.
const MAX_KEPT_STRING: u64 = 64 * 1024;

impl GgufHeader {
    /// Reads and checks the header of a file.
    ///
    /// # Errors
    /// [`BadGguf`] says what is wrong with it.
    pub fn read(path: &Path) -> Result<Self, BadGguf> {
        let file = File::open(path).map_err(BadGguf::Unreadable)?;
        let metadata = file.metadata().map_err(BadGguf::Unreadable)?;
        if !metadata.is_file() {
            return Err(BadGguf::Unreadable(io::Error::other("not a file")));
        }
        Self::check(file, metadata.len())
    }

    /// Checks the header of anything of `size` bytes.
    pub(crate) fn check(source: impl Read + Seek, size: u64) -> Result<Self, BadGguf> {
        let mut reader = Reader { source: BufReader::new(source), position: 0, size };
        let version = read_version(&mut reader)?;
        let tensors = reader.u64("the number of tensors")?;
        let values = reader.u64("the number of values")?;
        let facts = read_values(&mut reader, values)?;
        if let Some(kind) = facts.kind.filter(|kind| kind != "model") {
            return Err(BadGguf::NotAModel(kind));
        }
        let architecture =
            facts.architecture.ok_or_else(|| BadGguf::Damaged("general.architecture is missing".to_owned()))?;
        check_tensors(&mut reader, tensors, facts.alignment)?;
        Ok(Self { version, architecture, tensors })
    }
}

fn read_version(reader: &mut Reader<impl Read + Seek>) -> Result<u32, BadGguf> {
    let magic: [u8; 4] = reader.bytes("the magic number")?;
    if &magic != b"GGUF" {
        return Err(BadGguf::NotGguf(magic.escape_ascii().to_string()));
    }
    match reader.u32("the version")? {
        version @ (2 | 3) => Ok(version),
        version => Err(BadGguf::Version(version)),
    }
}

/// What is kept of the values; the rest is only walked over.
struct Facts {
    architecture: Option<String>,
    kind: Option<String>,
    alignment: u64,
}

fn read_values(reader: &mut Reader<impl Read + Seek>, count: u64) -> Result<Facts, BadGguf> {
    let mut facts = Facts { architecture: None, kind: None, alignment: DEFAULT_ALIGNMENT };
    for _ in 0..count {
        let key = reader.string("a key")?;
        let kind = reader.u32(&key)?;
        match (key.as_str(), kind) {
            ("general.architecture", STRING) => facts.architecture = Some(reader.string(&key)?),
            ("general.type", STRING) => facts.kind = Some(reader.string(&key)?),
            ("general.alignment", UINT32) => facts.alignment = u64::from(reader.u32(&key)?),
            _ => skip_value(reader, &key, kind)?,
        }
    }
    if !facts.alignment.is_power_of_two() {
        return Err(BadGguf::Damaged(format!("general.alignment is {}", facts.alignment)));
    }
    Ok(facts)
}

const UINT32: u32 = 4;
const STRING: u32 = 8;
const ARRAY: u32 = 9;

fn skip_value(reader: &mut Reader<impl Read + Seek>, key: &str, kind: u32) -> Result<(), BadGguf> {
    match kind {
        STRING => skip_string(reader, key),
        ARRAY => match (reader.u32(key)?, reader.u64(key)?) {
            (STRING, count) => (0..count).try_for_each(|_| skip_string(reader, key)),
            (kind, count) => {
                let size = fixed_size(kind).ok_or_else(|| unknown_type(key, kind))?;
                reader.skip(count.saturating_mul(size), key)
            }
        },
        kind => reader.skip(fixed_size(kind).ok_or_else(|| unknown_type(key, kind))?, key),
    }
}

fn skip_string(reader: &mut Reader<impl Read + Seek>, key: &str) -> Result<(), BadGguf> {
    let length = reader.u64(key)?;
    reader.skip(length, key)
}

fn unknown_type(key: &str, kind: u32) -> BadGguf {
    BadGguf::Damaged(format!("{key} has the unknown type {kind}"))
}

/// The size in bytes of a value of a type, where all values of it have the same.
fn fixed_size(kind: u32) -> Option<u64> {
    Some(match kind {
        0 | 1 | 7 => 1,
        2 | 3 => 2,
        4..=6 => 4,
        10..=12 => 8,
        _ => return None,
    })
}

struct Tensor {
    name: String,
    /// Bytes; none where the type is newer than the table here.
    length: Option<u64>,
    offset: u64,
}

fn check_tensors(reader: &mut Reader<impl Read + Seek>, count: u64, alignment: u64) -> Result<(), BadGguf> {
    let mut names = HashSet::new();
    let mut ends = Vec::new();
    for _ in 0..count {
        let tensor = read_tensor(reader)?;
        if tensor.offset % alignment != 0 {
            return Err(BadGguf::Damaged(format!("the tensor {} begins between two places", tensor.name)));
        }
        ends.push((tensor.name.clone(), tensor.offset.saturating_add(tensor.length.unwrap_or(0))));
        if !names.insert(tensor.name) {
            return Err(BadGguf::Damaged("two tensors have the same name".to_owned()));
        }
    }
    let data = reader.position.next_multiple_of(alignment);
    let size = reader.size;
    match ends.into_iter().max_by_key(|(_, end)| *end) {
        None => Err(BadGguf::Damaged("it holds no tensors".to_owned())),
        Some((name, end)) if data.saturating_add(end) > size => {
            Err(BadGguf::CutOff { what: format!("the tensor {name}"), end: data.saturating_add(end), size })
        }
        Some(_) => Ok(()),
    }
}

fn read_tensor(reader: &mut Reader<impl Read + Seek>) -> Result<Tensor, BadGguf> {
    let name = reader.string("a tensor's name")?;
    let dimensions = reader.u32(&name)?;
    if dimensions > 4 {
        return Err(BadGguf::Damaged(format!("the tensor {name} has {dimensions} dimensions")));
    }
    let mut elements = 1_u64;
    let mut row = 1;
    for dimension in 0..dimensions {
        let length = reader.u64(&name)?;
        row = if dimension == 0 { length } else { row };
        elements = elements
            .checked_mul(length)
            .filter(|&elements| elements <= i64::MAX as u64)
            .ok_or_else(|| BadGguf::Damaged(format!("the tensor {name} has too many elements")))?;
    }
    let kind = reader.u32(&name)?;
    let offset = reader.u64(&name)?;
    let length = match block(kind) {
        Some((block, _)) if row % block != 0 => {
            return Err(BadGguf::Damaged(format!("the rows of the tensor {name} are not whole blocks")));
        }
        Some((block, bytes)) => Some((elements / block).saturating_mul(bytes)),
        None => None,
    };
    Ok(Tensor { name, length, offset })
}

/// How many elements a block of a tensor type has, and how many bytes. None where the type is not known here: then
/// llama.cpp decides.
fn block(kind: u32) -> Option<(u64, u64)> {
    Some(match kind {
        0 | 26 => (1, 4),
        1 | 25 | 30 => (1, 2),
        24 => (1, 1),
        27 | 28 => (1, 8),
        2 | 20 => (32, 18),
        3 => (32, 20),
        6 => (32, 22),
        7 => (32, 24),
        8 => (32, 34),
        9 => (32, 36),
        10 => (256, 84),
        11 | 21 => (256, 110),
        12 => (256, 144),
        13 => (256, 176),
        14 => (256, 210),
        15 => (256, 292),
        16 | 35 => (256, 66),
        17 => (256, 74),
        18 => (256, 98),
        19 => (256, 50),
        22 => (256, 82),
        23 => (256, 136),
        29 => (256, 56),
        34 => (256, 54),
        39 => (32, 17),
        _ => return None,
    })
}

/// Reads little-endian values and never past the end that the file's size sets.
struct Reader<R> {
    source: BufReader<R>,
    position: u64,
    size: u64,
}

impl<R: Read + Seek> Reader<R> {
    fn bytes<const N: usize>(&mut self, what: &str) -> Result<[u8; N], BadGguf> {
        self.advance(N as u64, what)?;
        let mut bytes = [0; N];
        self.source.read_exact(&mut bytes).map_err(BadGguf::Unreadable)?;
        Ok(bytes)
    }

    fn u32(&mut self, what: &str) -> Result<u32, BadGguf> {
        self.bytes(what).map(u32::from_le_bytes)
    }

    fn u64(&mut self, what: &str) -> Result<u64, BadGguf> {
        self.bytes(what).map(u64::from_le_bytes)
    }

    fn string(&mut self, what: &str) -> Result<String, BadGguf> {
        let length = self.u64(what)?;
        self.advance(length, what)?;
        if length > MAX_KEPT_STRING {
            return Err(BadGguf::Damaged(format!("{what} is {length} bytes long")));
        }
        let mut bytes = vec![0; usize::try_from(length).expect("checked against the longest")];
        self.source.read_exact(&mut bytes).map_err(BadGguf::Unreadable)?;
        String::from_utf8(bytes).map_err(|_| BadGguf::Damaged(format!("{what} is not text")))
    }

    fn skip(&mut self, length: u64, what: &str) -> Result<(), BadGguf> {
        self.advance(length, what)?;
        let length = i64::try_from(length).map_err(|_| BadGguf::Damaged(format!("{what} is {length} bytes long")))?;
        self.source.seek_relative(length).map_err(BadGguf::Unreadable)
    }

    /// Counts bytes that are about to be read, and refuses those that the file does not have.
    fn advance(&mut self, length: u64, what: &str) -> Result<(), BadGguf> {
        let end = self.position.saturating_add(length);
        if end > self.size {
            return Err(BadGguf::CutOff { what: what.to_owned(), end, size: self.size });
        }
        self.position = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Cursor, sync::LazyLock};

    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{GgufWriter, TinyModel};

    fn header(bytes: &[u8]) -> Result<GgufHeader, BadGguf> {
        GgufHeader::check(Cursor::new(bytes), bytes.len() as u64)
    }

    fn check(bytes: &[u8], expected: Expect) {
        expected.assert_eq(&match header(bytes) {
            Ok(header) => format!("{header:?}"),
            Err(error) => error.to_string(),
        });
    }

    fn tiny() -> Vec<u8> {
        static TINY: LazyLock<Vec<u8>> = LazyLock::new(|| TinyModel::default().to_bytes());
        TINY.clone()
    }

    #[test]
    fn a_model_is_read() {
        check(&tiny(), expect![[r#"GgufHeader { version: 3, architecture: "qwen3", tensors: 25 }"#]]);
    }

    #[test]
    fn what_is_no_model_is_refused_in_words() {
        check(b"", expect!["it is cut off: the magic number would end at byte 4 and the file has 0; fetch it again"]);
        check(
            b"PK\x03\x04....",
            expect![[
                r#"it is not a GGUF file: it begins with "PK\x03\x04" where GGUF belongs; give a model in GGUF format (*.gguf)"#
            ]],
        );
        check(
            b"GGUF\x01\0\0\0",
            expect![
                "it is GGUF version 1, and versions 2 and 3 are read here; convert the model again with a current llama.cpp"
            ],
        );
        let mut adapter = GgufWriter::new("qwen3");
        adapter.text("general.type", "adapter");
        check(
            &adapter.into_bytes(),
            expect![[r#"it is a GGUF file of type "adapter", not a model; give the model itself"#]],
        );
        check(
            &GgufWriter::new("qwen3").into_bytes(),
            expect!["its header is damaged (it holds no tensors); fetch it again"],
        );
    }

    #[test]
    fn a_missing_file_and_a_folder_are_refused_in_words() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().to_owned(), folder.path().join("absent.gguf")] {
            assert!(matches!(GgufHeader::read(&path), Err(BadGguf::Unreadable(_))), "{path:?}");
        }
    }

    #[test]
    fn a_model_that_lacks_its_last_byte_is_cut_off() {
        let bytes = tiny();
        assert!(matches!(header(&bytes[..bytes.len() - 1]), Err(BadGguf::CutOff { .. })));
    }

    proptest! {
        #[test]
        fn a_model_cut_anywhere_is_refused(cut in any::<prop::sample::Index>()) {
            let bytes = tiny();
            prop_assert!(header(&bytes[..cut.index(bytes.len())]).is_err());
        }

        #[test]
        fn damage_is_refused_or_harmless_but_never_a_panic(
            place in 0_usize..16 * 1024,
            damage in prop::collection::vec(any::<u8>(), 1..16),
        ) {
            let mut bytes = tiny();
            bytes[place..place + damage.len()].copy_from_slice(&damage);
            drop(header(&bytes));
        }

        #[test]
        fn arbitrary_bytes_are_refused(rest in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(header(&rest).is_err());
            prop_assert!(header(&[b"GGUF\x03\0\0\0", rest.as_slice()].concat()).is_err());
        }
    }
}
