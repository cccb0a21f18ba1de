//! Reads the header of a GGUF file, so that a wrong or damaged file is refused in words.
//!
//! llama.cpp maps the file and trusts what stands in it: where it trusts wrongly the process is gone (`SIGBUS` on a file
//! that was cut off, an assertion elsewhere). This check reads a few megabytes at most and keeps the names and the
//! vocabulary. What it does not foresee ends in the process's last words, see `last_words`.
//!
//! Format: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>; sizes of blocks: ggml-common.h.

mod adapter;
mod facts;
mod reader;
mod tensors;
mod trust;

use std::{
    fs::File,
    io::{self, Read, Seek},
    path::Path,
};

pub use self::adapter::AdapterHeader;
use self::{facts::Facts, reader::Reader};

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
    /// A GGUF file, but not of a LoRA adapter.
    #[error("it is a GGUF file of type \"{0}\", not a LoRA adapter; give the adapter that training wrote")]
    NotAnAdapter(String),
}

impl GgufHeader {
    /// Reads and checks the header of a file.
    ///
    /// # Errors
    /// [`BadGguf`] says what is wrong with it.
    pub fn read(path: &Path) -> Result<Self, BadGguf> {
        let (file, size) = open(path)?;
        Self::check(file, size)
    }

    /// Checks the header of anything of `size` bytes.
    pub(crate) fn check(source: impl Read + Seek, size: u64) -> Result<Self, BadGguf> {
        let mut reader = Reader::new(source, size);
        let version = read_version(&mut reader)?;
        let count = reader.u64("the number of tensors")?;
        let values = reader.u64("the number of values")?;
        let facts = Facts::read(&mut reader, values)?;
        if let Some(kind) = facts.text("general.type").filter(|&kind| kind != "model") {
            return Err(BadGguf::NotAModel(kind.to_owned()));
        }
        let architecture = facts.architecture()?;
        tensors::read(&mut reader, count, facts.alignment()?)?;
        trust::check(&facts, &architecture)?;
        Ok(Self { version, architecture, tensors: count })
    }
}

/// Opens a file, and gives its length in bytes.
fn open(path: &Path) -> Result<(File, u64), BadGguf> {
    let file = File::open(path).map_err(BadGguf::Unreadable)?;
    let metadata = file.metadata().map_err(BadGguf::Unreadable)?;
    if metadata.is_file() {
        Ok((file, metadata.len()))
    } else {
        Err(BadGguf::Unreadable(io::Error::other("not a file")))
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
