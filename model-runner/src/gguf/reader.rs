//! Reads the parts that a GGUF file is written with.

use std::io::{BufReader, Read, Seek};

use super::BadGguf;

/// A key, tensor name or value that is kept is shorter than this: the longest says whose words an adapter has seen, 30
/// bytes for each member of a community.
const MAX_KEPT_STRING: u64 = 16 * 1024 * 1024;

/// Reads little-endian values and never past the end that the file's size sets.
pub(super) struct Reader<R> {
    source: BufReader<R>,
    position: u64,
    size: u64,
}

impl<R: Read + Seek> Reader<R> {
    /// Begins at the beginning of something of `size` bytes.
    pub(super) fn new(source: R, size: u64) -> Self {
        Self { source: BufReader::new(source), position: 0, size }
    }

    /// How many bytes there are.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// How many bytes were read or skipped.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    pub(super) fn bytes<const N: usize>(&mut self, what: &str) -> Result<[u8; N], BadGguf> {
        self.advance(N as u64, what)?;
        let mut bytes = [0; N];
        self.source.read_exact(&mut bytes).map_err(BadGguf::Unreadable)?;
        Ok(bytes)
    }

    pub(super) fn u32(&mut self, what: &str) -> Result<u32, BadGguf> {
        self.bytes(what).map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self, what: &str) -> Result<u64, BadGguf> {
        self.bytes(what).map(u64::from_le_bytes)
    }

    /// A text of a length that a key, a name or a token has.
    pub(super) fn string(&mut self, what: &str) -> Result<String, BadGguf> {
        let bytes = self.raw_string(what)?;
        String::from_utf8(bytes).map_err(|_| BadGguf::Damaged(format!("{what} is not text")))
    }

    /// The same where any bytes will do.
    pub(super) fn raw_string(&mut self, what: &str) -> Result<Vec<u8>, BadGguf> {
        let length = self.u64(what)?;
        self.advance(length, what)?;
        if length > MAX_KEPT_STRING {
            return Err(BadGguf::Damaged(format!("{what} is {length} bytes long")));
        }
        let mut bytes = vec![0; usize::try_from(length).expect("checked against the longest")];
        self.source.read_exact(&mut bytes).map_err(BadGguf::Unreadable)?;
        Ok(bytes)
    }

    pub(super) fn skip(&mut self, length: u64, what: &str) -> Result<(), BadGguf> {
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
