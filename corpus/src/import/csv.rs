//! Tables with named columns, separated by commas, semicolons or tabs.

use std::{
    io::{self, Cursor, Read},
    str::Utf8Error,
};

use super::{
    ChatName, Fault, Item, Options,
    table::{Column, Fields, Table, missing_columns},
};

/// How much is read of one row before it is taken for one that never ends.
const LONGEST_ROW: usize = 4 << 20;

/// How much of the file is looked at for the separator.
const HEAD: u64 = 64 << 10;

/// Reads row by row.
pub(super) struct Csv<R> {
    state: State<R>,
    table: Table,
}

enum State<R> {
    Unopened(R),
    Open(Box<Rows<R>>),
    Failed,
}

struct Rows<R> {
    reader: csv::Reader<Rationed<io::Chain<Cursor<Vec<u8>>, R>>>,
    record: csv::ByteRecord,
    /// Which field holds which column.
    places: Vec<(Column, usize)>,
}

impl<R: Read> Csv<R> {
    pub fn new(input: R, file: &ChatName, options: &Options) -> Self {
        Csv { state: State::Unopened(input), table: Table::new(file, options) }
    }

    fn step(&mut self) -> Result<Option<Item>, Fault> {
        if let Some(item) = self.table.waiting() {
            return Ok(Some(item));
        }
        if let State::Unopened(_) = self.state
            && let State::Unopened(input) = std::mem::replace(&mut self.state, State::Failed)
        {
            self.state = State::Open(Box::new(Rows::open(input)?));
        }
        let State::Open(rows) = &mut self.state else { return Ok(None) };
        if !rows.read_record()? {
            return Ok(None);
        }
        let line = rows.line();
        let fields = rows.fields().map_err(|_| Fault::NotUtf8 { line })?;
        Ok(Some(self.table.read(line, &fields)))
    }
}

impl<R: Read> Iterator for Csv<R> {
    type Item = Result<Item, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}

impl<R: Read> Rows<R> {
    fn open(mut input: R) -> Result<Self, Fault> {
        let mut head = Vec::new();
        input.by_ref().take(HEAD).read_to_end(&mut head).map_err(Fault::Unreadable)?;
        let separator = separator(&String::from_utf8_lossy(&head));
        let input = Rationed { input: Cursor::new(head).chain(input), ration: 0 };
        let mut builder = csv::ReaderBuilder::new();
        builder.has_headers(false).flexible(true).delimiter(separator).buffer_capacity(256 << 10);
        let reader = builder.from_reader(input);
        let mut rows = Rows { reader, record: csv::ByteRecord::new(), places: Vec::new() };
        rows.read_record()?;
        rows.places = places(&rows.record)?;
        Ok(rows)
    }

    fn read_record(&mut self) -> Result<bool, Fault> {
        self.reader.get_mut().ration = LONGEST_ROW;
        let line = self.reader.position().line();
        self.reader.read_byte_record(&mut self.record).map_err(|error| match error.into_kind() {
            csv::ErrorKind::Io(error) if error.kind() == io::ErrorKind::FileTooLarge => Fault::EndlessRow { line },
            csv::ErrorKind::Io(error) => Fault::Unreadable(error),
            // Rows of any length are taken and text is decoded later, so nothing else can be wrong.
            other => Fault::Unreadable(io::Error::other(format!("{other:?}"))),
        })
    }

    fn line(&self) -> u64 {
        self.record.position().map_or(1, csv::Position::line)
    }

    fn fields(&self) -> Result<Fields<'_>, Utf8Error> {
        let mut fields = Fields::default();
        for &(column, place) in &self.places {
            fields.set(column, str::from_utf8(self.record.get(place).unwrap_or_default())?.into());
        }
        Ok(fields)
    }
}

/// The place of each column that is known, by the best of its names.
fn places(header: &csv::ByteRecord) -> Result<Vec<(Column, usize)>, Fault> {
    let names: Vec<String> = header.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
    if let Some(fault) = missing_columns(&names) {
        return Err(fault);
    }
    let mut known: Vec<_> = names
        .iter()
        .enumerate()
        .filter_map(|(place, name)| Column::named(name).map(|(column, rank)| (column as usize, rank, place, column)))
        .collect();
    known.sort_by_key(|&(column, rank, place, _)| (column, rank, place));
    known.dedup_by_key(|&mut (column, ..)| column);
    Ok(known.into_iter().map(|(_, _, place, column)| (column, place)).collect())
}

/// The separator under which the first line has the most known columns.
fn separator(head: &str) -> u8 {
    let known = |separator: &u8| header_names(head, *separator).filter(|name| Column::named(name).is_some()).count();
    // Of equals `max_by_key` takes the last.
    b"\t;,".iter().copied().max_by_key(known).unwrap_or(b',')
}

fn header_names(head: &str, separator: u8) -> impl Iterator<Item = &str> {
    let head = head.trim_start_matches('\u{FEFF}');
    let first_line = head.lines().next().unwrap_or_default();
    first_line.split(char::from(separator)).map(|name| name.trim().trim_matches('"'))
}

/// Whether the first line looks like names of columns, of which at least one is known.
pub(super) fn is_header(head: &str) -> bool {
    let mut names = header_names(head, separator(head)).peekable();
    let has_several = header_names(head, separator(head)).count() > 1;
    has_several && names.any(|name| Column::named(name).is_some())
}

/// A reader that stops when more is asked of it than was allotted. The CSV parser holds a row in memory until it ends,
/// and one quotation mark too many makes the rest of the file one row.
struct Rationed<R> {
    input: R,
    ration: usize,
}

impl<R: Read> Read for Rationed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.ration == 0 {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let count = self.input.read(buffer)?;
        self.ration = self.ration.saturating_sub(count);
        Ok(count)
    }
}
