//! A pull reader for JSON of any size: it walks objects and arrays step by step and hands out values as text.
//!
//! Only the value in hand is in memory, up to [`LONGEST_VALUE`]; `serde_json` parses it. What is stepped over is not
//! kept at all.

use std::io::Read;

use serde::Deserialize;

use super::{DropReason, Fault, feed::Feed};

/// The longest value that is held.
const LONGEST_VALUE: usize = 4 << 20;

/// A place in a JSON text.
pub(super) struct JsonReader<R> {
    feed: Feed<R>,
    /// Bytes of the value that was handed out last.
    pending: usize,
    /// Whether a value has ended, so that a comma must stand before the next one.
    after_value: bool,
    /// Array elements passed, for the report of a file that is cut off.
    rows: u64,
}

/// A value of the text.
enum Value<'a> {
    Text(&'a str),
    TooLong,
}

impl<R: Read> JsonReader<R> {
    pub fn new(input: R) -> Self {
        JsonReader { feed: Feed::new(input), pending: 0, after_value: false, rows: 0 }
    }

    /// Steps into the object that the whole text is.
    pub fn enter_document(&mut self) -> Result<(), Fault> {
        self.feed.skip_byte_order_mark()?;
        self.enter(b'{')
    }

    /// Steps into the object that comes next.
    pub fn enter_object(&mut self) -> Result<(), Fault> {
        self.enter(b'{')
    }

    /// Steps into the array that comes next.
    pub fn enter_array(&mut self) -> Result<(), Fault> {
        self.enter(b'[')
    }

    fn enter(&mut self, bracket: u8) -> Result<(), Fault> {
        match self.peek()? {
            byte if byte == bracket => {
                self.feed.consume(1);
                self.after_value = false;
                Ok(())
            }
            byte => Err(self.broken(format!("expected '{}', found '{}'", bracket as char, byte.escape_ascii()))),
        }
    }

    /// Whether an object or array comes next.
    pub fn at(&mut self, bracket: u8) -> Result<bool, Fault> {
        Ok(self.peek()? == bracket)
    }

    /// The next key of the object, or None behind its end.
    pub fn next_key(&mut self) -> Result<Option<String>, Fault> {
        if !self.next_member(b'}')? {
            return Ok(None);
        }
        let key = match self.value()? {
            Value::Text(text) => serde_json::from_str::<String>(text),
            Value::TooLong => return Err(self.broken("a key is too long".to_owned())),
        };
        let key = key.map_err(|error| self.broken(error.to_string()))?;
        if self.peek()? != b':' {
            return Err(self.broken("expected ':' behind a key".to_owned()));
        }
        self.feed.consume(1);
        self.after_value = false;
        Ok(Some(key))
    }

    /// Whether the array goes on; if not, steps behind its end.
    pub fn next_element(&mut self) -> Result<bool, Fault> {
        self.next_member(b']')
    }

    fn next_member(&mut self, end: u8) -> Result<bool, Fault> {
        let byte = self.peek()?;
        if byte == end {
            self.feed.consume(1);
            self.after_value = true;
            return Ok(false);
        }
        if self.after_value {
            if byte != b',' {
                return Err(self.broken(format!("expected ',' or '{}'", end as char)));
            }
            self.feed.consume(1);
            self.after_value = false;
        }
        Ok(true)
    }

    /// The value that comes next, as text.
    fn value(&mut self) -> Result<Value<'_>, Fault> {
        self.peek()?;
        let line = self.feed.line();
        let mut scan = Scan::default();
        let mut scanned = 0;
        let length = loop {
            match scan.find_end(&self.feed.bytes()[scanned..]).map_err(|message| self.broken(message))? {
                Some(end) => break scanned + end,
                None => scanned = self.feed.bytes().len(),
            }
            if scanned > LONGEST_VALUE {
                self.feed.consume(scanned);
                self.skip_rest(scan)?;
                return Ok(Value::TooLong);
            }
            self.more()?;
        };
        self.pending = length;
        self.after_value = true;
        let text = str::from_utf8(&self.feed.bytes()[..length]);
        text.map(Value::Text).map_err(|error| not_utf8(&self.feed.bytes()[..error.valid_up_to()], line))
    }

    /// The value that comes next, parsed; or why it is none: too long, or of another shape than `T`.
    pub fn parse<T: for<'de> Deserialize<'de>>(&mut self) -> Result<Result<T, DropReason>, Fault> {
        let parsed = match self.value()? {
            Value::Text(text) => serde_json::from_str(text),
            Value::TooLong => return Ok(Err(DropReason::TooLong)),
        };
        match parsed {
            Ok(value) => Ok(Ok(value)),
            Err(error) if error.is_data() => Ok(Err(DropReason::Malformed)),
            Err(error) => Err(self.broken_value(&error)),
        }
    }

    /// Steps over the value that comes next, whatever its size.
    pub fn skip(&mut self) -> Result<(), Fault> {
        self.peek()?;
        self.skip_rest(Scan::default())
    }

    /// Steps over the rest of a value whose part before the bytes in memory is consumed.
    fn skip_rest(&mut self, mut scan: Scan) -> Result<(), Fault> {
        loop {
            match scan.find_end(self.feed.bytes()).map_err(|message| self.broken(message))? {
                Some(end) => {
                    self.feed.consume(end);
                    self.after_value = true;
                    return Ok(());
                }
                None => self.feed.consume(self.feed.bytes().len()),
            }
            self.more()?;
        }
    }

    /// Counts a row, for the report of a file that is cut off. Its number, from 1.
    pub fn count_row(&mut self) -> u64 {
        self.rows += 1;
        self.rows
    }

    /// Makes sure that nothing follows the document.
    pub fn end_document(&mut self) -> Result<(), Fault> {
        loop {
            let bytes = self.feed.bytes();
            match bytes.iter().position(|byte| !byte.is_ascii_whitespace()) {
                Some(_) => return Err(self.broken("something follows the end".to_owned())),
                None => self.feed.consume(bytes.len()),
            }
            if !self.feed.more()? {
                return Ok(());
            }
        }
    }

    /// A fault at the value that was handed out last.
    fn broken_value(&self, error: &serde_json::Error) -> Fault {
        let line = self.feed.line() + error.line().saturating_sub(1) as u64;
        let message = error.to_string();
        let message = message.split(" at line ").next().unwrap_or_default().to_owned();
        Fault::Json { line, message }
    }

    fn broken(&self, message: String) -> Fault {
        Fault::Json { line: self.feed.line(), message }
    }

    /// The next byte that is not white space.
    fn peek(&mut self) -> Result<u8, Fault> {
        self.feed.consume(std::mem::take(&mut self.pending));
        loop {
            let bytes = self.feed.bytes();
            if let Some(at) = bytes.iter().position(|byte| !byte.is_ascii_whitespace()) {
                let byte = bytes[at];
                self.feed.consume(at);
                return Ok(byte);
            }
            self.feed.consume(bytes.len());
            self.more()?;
        }
    }

    fn more(&mut self) -> Result<(), Fault> {
        if self.feed.more()? {
            return Ok(());
        }
        let unread = self.feed.bytes().iter().filter(|&&byte| byte == b'\n').count() as u64;
        Err(Fault::CutOff { line: self.feed.line() + unread, rows: self.rows })
    }
}

fn not_utf8(before: &[u8], first_line: u64) -> Fault {
    Fault::NotUtf8 { line: first_line + before.iter().filter(|&&byte| byte == b'\n').count() as u64 }
}

/// Looks for the end of a value, piece by piece. It only balances brackets and strings; the parser judges the rest.
#[derive(Debug, Clone, Copy, Default)]
struct Scan {
    begun: bool,
    depth: u32,
    string: bool,
    escaped: bool,
    scalar: bool,
}

impl Scan {
    /// Where in `bytes` the value ends, or None if it goes on behind them. A piece must be shown only once.
    fn find_end(&mut self, bytes: &[u8]) -> Result<Option<usize>, String> {
        let mut at = 0;
        while at < bytes.len() {
            if self.string {
                at += self.find_end_of_string(&bytes[at..])?;
                if self.string || self.depth > 0 {
                    continue;
                }
                return Ok(Some(at));
            }
            let byte = bytes[at];
            if self.scalar && (byte.is_ascii_whitespace() || matches!(byte, b',' | b']' | b'}')) {
                return Ok(Some(at));
            }
            at += 1;
            self.take(byte)?;
            if self.depth == 0 && matches!(byte, b']' | b'}') {
                return Ok(Some(at));
            }
        }
        Ok(None)
    }

    fn take(&mut self, byte: u8) -> Result<(), String> {
        match byte {
            b'"' if self.scalar => return Err("unexpected '\"'".to_owned()),
            b'"' => self.string = true,
            b'[' | b'{' => self.depth += 1,
            b']' | b'}' => self.depth = self.depth.checked_sub(1).ok_or("a bracket closes what was not opened")?,
            b',' | b':' if !self.begun => return Err("a value is missing".to_owned()),
            _ if self.depth == 0 => self.scalar = true,
            _ => {}
        }
        self.begun = true;
        Ok(())
    }

    /// Steps to the end of the string or of `bytes`; returns how far.
    fn find_end_of_string(&mut self, bytes: &[u8]) -> Result<usize, String> {
        let mut at = 0;
        if std::mem::take(&mut self.escaped) {
            at = 1;
        }
        while let Some(next) = bytes[at..].iter().position(|&byte| byte == b'"' || byte == b'\\' || byte < b' ') {
            at += next;
            match bytes[at] {
                b'"' => {
                    self.string = false;
                    return Ok(at + 1);
                }
                b'\\' if at + 1 == bytes.len() => {
                    self.escaped = true;
                    return Ok(at + 1);
                }
                b'\\' => at += 2,
                _ => return Err("a control character within a string".to_owned()),
            }
        }
        Ok(bytes.len())
    }
}
