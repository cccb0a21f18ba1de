//! Bytes of a file as they come: a buffer that grows only as far as its caller asks, and the lines in it.
//!
//! Lines and JSON elements are handed out as slices of the buffer, so nothing is copied on the way to the parser.

use std::io::{self, Read};

use super::Fault;

/// The longest line that is read. A longer one is skipped without being held.
pub(super) const LONGEST_LINE: usize = 1 << 20;

const CHUNK: usize = 256 << 10;

/// The part of a file that is in memory, and the place in the file where it begins.
pub(super) struct Feed<R> {
    input: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    line: u64,
}

impl<R: Read> Feed<R> {
    /// Begins at the first byte after a byte order mark.
    pub fn new(input: R) -> Self {
        Feed { input, buffer: Vec::new(), start: 0, end: 0, line: 1 }
    }

    /// What has been read and not consumed.
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// The line of the first byte that is not consumed, from 1.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// Reads more behind [`Feed::bytes`]. False at the end of the file.
    pub fn more(&mut self) -> Result<bool, Fault> {
        if self.buffer.len() - self.end < CHUNK / 2 {
            self.make_room();
        }
        loop {
            match self.input.read(&mut self.buffer[self.end..]) {
                Ok(count) => {
                    self.end += count;
                    return Ok(count > 0);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Fault::Unreadable(error)),
            }
        }
    }

    fn make_room(&mut self) {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.buffer.len() - self.end < CHUNK / 2 {
            self.buffer.resize(self.end + CHUNK, 0);
        }
    }

    /// Steps over `count` bytes that are in memory.
    pub fn consume(&mut self, count: usize) {
        let consumed = &self.buffer[self.start..self.start + count];
        self.line += consumed.iter().filter(|&&byte| byte == b'\n').count() as u64;
        self.start += count;
    }

    /// Steps over a byte order mark.
    pub fn skip_byte_order_mark(&mut self) -> Result<(), Fault> {
        while self.bytes().len() < 3 && self.more()? {}
        if self.bytes().starts_with(b"\xEF\xBB\xBF") {
            self.consume(3);
        }
        Ok(())
    }
}

/// One line of a text file, without its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    Text(&'a str),
    TooLong,
}

/// The lines of a file, numbered from 1.
pub(super) struct Lines<R> {
    feed: Feed<R>,
    /// Bytes of the line that was handed out last.
    pending: usize,
    begun: bool,
}

impl<R: Read> Lines<R> {
    pub fn new(input: R) -> Self {
        Lines { feed: Feed::new(input), pending: 0, begun: false }
    }

    /// The next line and its number.
    pub fn next(&mut self) -> Result<Option<(u64, Line<'_>)>, Fault> {
        if !self.begun {
            self.feed.skip_byte_order_mark()?;
            self.begun = true;
        }
        self.feed.consume(std::mem::take(&mut self.pending));
        let number = self.feed.line();
        let Some(length) = self.find_end()? else { return self.skip_long(number).map(Some) };
        if length == 0 {
            return Ok(None);
        }
        self.pending = length;
        let line = &self.feed.bytes()[..length];
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let text = str::from_utf8(line).map_err(|_| Fault::NotUtf8 { line: number })?;
        Ok(Some((number, Line::Text(text))))
    }

    /// Whether no line follows the one that was handed out last.
    pub fn is_at_end(&mut self) -> Result<bool, Fault> {
        self.feed.consume(std::mem::take(&mut self.pending));
        Ok(self.feed.bytes().is_empty() && !self.feed.more()?)
    }

    /// The length of the next line with its end, 0 at the end of the file. None: it is too long to hold.
    fn find_end(&mut self) -> Result<Option<usize>, Fault> {
        let mut searched = 0;
        loop {
            let bytes = self.feed.bytes();
            if let Some(end) = newline(&bytes[searched..]) {
                return Ok(Some(searched + end + 1).filter(|&length| length <= LONGEST_LINE));
            }
            searched = bytes.len();
            if searched > LONGEST_LINE {
                return Ok(None);
            }
            if !self.feed.more()? {
                return Ok(Some(searched));
            }
        }
    }

    fn skip_long(&mut self, number: u64) -> Result<(u64, Line<'_>), Fault> {
        loop {
            match newline(self.feed.bytes()) {
                Some(end) => {
                    self.pending = end + 1;
                    return Ok((number, Line::TooLong));
                }
                None => self.feed.consume(self.feed.bytes().len()),
            }
            if !self.feed.more()? {
                return Ok((number, Line::TooLong));
            }
        }
    }
}

fn newline(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|&byte| byte == b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hands out its bytes in pieces of `step`.
    struct Trickle<'a>(&'a [u8], usize);

    impl Read for Trickle<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(self.0.len()).min(buffer.len());
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    fn lines(bytes: &[u8], step: usize) -> Vec<(u64, String)> {
        let mut lines = Lines::new(Trickle(bytes, step));
        let mut found = Vec::new();
        while let Some((number, line)) = lines.next().unwrap() {
            found.push((number, if let Line::Text(text) = line { text.to_owned() } else { "(long)".to_owned() }));
        }
        found
    }

    #[test]
    fn lines_are_the_same_however_the_bytes_arrive() {
        let text = b"\xEF\xBB\xBFone\r\ntwo\n\nfour";
        for step in 1..12 {
            let expected = [(1, "one"), (2, "two"), (3, ""), (4, "four")].map(|(n, line)| (n, line.to_owned()));
            assert_eq!(lines(text, step), expected);
        }
    }

    #[test]
    fn a_line_too_long_is_skipped_and_the_next_is_read() {
        let mut text = b"short\n".to_vec();
        text.extend(std::iter::repeat_n(b'x', LONGEST_LINE + 1));
        text.extend(b"\nshort again\n");
        let expected = [(1, "short"), (2, "(long)"), (3, "short again")].map(|(n, line)| (n, line.to_owned()));
        assert_eq!(lines(&text, 100_000), expected);
    }

    #[test]
    fn a_line_too_long_is_not_held() {
        let mut lines = Lines::new(io::repeat(b'x').take(64 << 20));
        assert_eq!(lines.next().unwrap(), Some((1, Line::TooLong)));
        assert!(lines.feed.buffer.len() < 4 << 20);
    }

    #[test]
    fn bytes_that_are_not_utf8_are_reported_with_their_line() {
        let mut lines = Lines::new(&b"fine\n\xFF\n"[..]);
        assert!(lines.next().is_ok());
        assert!(matches!(lines.next(), Err(Fault::NotUtf8 { line: 2 })));
    }
}
