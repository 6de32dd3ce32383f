//! CSV read as fast as it can be scanned, a chunk at a time, so that a file of any length takes the same little memory. What a
//! cell holds is never repeated in an error.

use anyhow::{Context, Result, bail, ensure};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Bytes read at once.
const CHUNK: usize = 1 << 18;

/// A record longer than this is a quote that nobody closed.
const RECORD_BYTES_MAX: usize = 1 << 26;

/// A CSV file with a header, and how long it probably is.
pub(super) struct Table {
    path: PathBuf,
    /// Names of the columns, in the order of the file.
    pub(super) names: Vec<String>,
    /// Records that the file has by its size and the length of its first ones; for reserving memory only.
    pub(super) rows_estimated: usize,
}

/// What is done with the cells of the columns asked for.
pub(super) trait Sink {
    /// A cell without surrounding spaces and quotes; `slot` is the place of its column among those asked for.
    fn cell(&mut self, slot: usize, cell: &[u8]);
    /// The record is complete.
    fn end(&mut self) {}
}

impl Table {
    /// Opens a file and reads its header.
    pub(super) fn open(path: &Path) -> Result<Table> {
        let shown = path.display().to_string();
        Table::try_open(path).context(shown)
    }

    fn try_open(path: &Path) -> Result<Table> {
        let mut file = File::open(path).context("cannot be read")?;
        let bytes = file.metadata().context("cannot be read")?.len();
        let mut scanner = Scanner::new(&mut file)?;
        let mut names: Vec<String> = Vec::new();
        scanner.record(|_, cell| {
            let name = std::str::from_utf8(cell).context("line 1: not UTF-8 text; save the file as UTF-8")?;
            names.push(name.to_owned());
            Ok(())
        })?;
        ensure!(!names.is_empty(), "is empty; the first line names the columns");
        for (place, name) in names.iter().enumerate() {
            ensure!(!names[..place].contains(name), "line 1: two columns are named {name:?}; remove one");
        }
        let header = scanner.consumed();
        let (mut records, mut end) = (0_u64, header);
        while records < 1000 && scanner.record(|_, _| Ok(()))? {
            records += 1;
            end = scanner.consumed();
        }
        let length = (end - header).max(1) as f64 / records.max(1) as f64;
        let rows_estimated = (bytes as f64 / length * 1.02) as usize + 16;
        Ok(Table { path: path.to_owned(), names, rows_estimated })
    }

    /// The name of a file in errors.
    pub(super) fn shown(&self) -> String {
        self.path.display().to_string()
    }

    /// The place of a column.
    pub(super) fn place(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|known| known == name)
    }

    /// Feeds the cells of these columns to a sink; answers with the number of records.
    pub(super) fn read(&self, columns: &[usize], sink: &mut impl Sink) -> Result<u64> {
        self.try_read(columns, sink).with_context(|| self.shown())
    }

    fn try_read(&self, columns: &[usize], sink: &mut impl Sink) -> Result<u64> {
        let mut file = File::open(&self.path).context("cannot be read")?;
        let mut scanner = Scanner::new(&mut file)?;
        scanner.record(|_, _| Ok(()))?;
        let mut slots = vec![None; self.names.len()];
        for (slot, &column) in columns.iter().enumerate() {
            slots[column] = Some(slot);
        }
        let mut records = 0;
        loop {
            let mut n_cells = 0;
            let more = scanner.record(|column, cell| {
                n_cells = column + 1;
                if let Some(Some(slot)) = slots.get(column) {
                    sink.cell(*slot, cell);
                }
                Ok(())
            })?;
            if !more {
                return Ok(records);
            }
            let (line, expected) = (scanner.fed_line, self.names.len());
            ensure!(
                n_cells == expected,
                "line {line}: {n_cells} cells, and the header has {expected}; put text with commas in quotes"
            );
            sink.end();
            records += 1;
        }
    }
}

/// Cells of one record after the other.
struct Scanner<'a> {
    source: &'a mut File,
    buffer: Vec<u8>,
    /// Where the next record begins, and where what was read ends.
    start: usize,
    end: usize,
    /// Bytes of the file before the buffer.
    before: u64,
    finished: bool,
    /// Line on which the next record begins, from 1, and on which the last one that was fed began.
    line: u64,
    fed_line: u64,
    /// A quoted cell without its quotes.
    unquoted: Vec<u8>,
}

/// How a record ended.
enum Scanned {
    /// Where the next one begins, the lines of this one, and whether it has quotes.
    Whole { end: usize, lines: u64, quotes: bool },
    /// The buffer ends within it.
    Cut,
}

impl<'a> Scanner<'a> {
    fn new(source: &'a mut File) -> Result<Scanner<'a>> {
        let (buffer, unquoted) = (vec![0; CHUNK], Vec::new());
        let (start, end, before) = (0, 0, 0);
        let mut scanner =
            Scanner { source, buffer, start, end, before, finished: false, line: 1, fed_line: 1, unquoted };
        scanner.refill()?;
        // Some programs begin UTF-8 text with a byte order mark.
        if scanner.buffer[..scanner.end].starts_with(b"\xef\xbb\xbf") {
            scanner.start = 3;
        }
        Ok(scanner)
    }

    /// Bytes up to the next record.
    fn consumed(&self) -> u64 {
        self.before + self.start as u64
    }

    /// Feeds the next record that is not an empty line; false at the end of the file.
    fn record(&mut self, mut cell: impl FnMut(usize, &[u8]) -> Result<()>) -> Result<bool> {
        loop {
            // A record is fed once it is known to be whole, so that no cell comes twice.
            match self.boundary()? {
                Scanned::Cut if self.finished && self.start == self.end => return Ok(false),
                Scanned::Cut if self.finished => {
                    // The last line may lack its end.
                    if self.buffer.len() == self.end {
                        self.buffer.push(0);
                    }
                    self.buffer[self.end] = b'\n';
                    self.end += 1;
                }
                Scanned::Cut => self.refill()?,
                Scanned::Whole { end, lines, quotes } => {
                    let empty = self.buffer[self.start..end].trim_ascii().is_empty();
                    let record = &self.buffer[self.start..end - 1];
                    self.fed_line = self.line;
                    if quotes {
                        feed_quoted(record, &mut self.unquoted, self.line, &mut cell)?;
                    } else if !empty {
                        feed(record, &mut cell)?;
                    }
                    self.start = end;
                    self.line += lines;
                    if !empty {
                        return Ok(true);
                    }
                }
            }
        }
    }

    /// Where the record that begins at `start` ends: at a line end outside quotes.
    fn boundary(&mut self) -> Result<Scanned> {
        let bytes = &self.buffer[self.start..self.end];
        let Some(first) = memchr::memchr(b'\n', bytes) else { return Ok(Scanned::Cut) };
        if memchr::memchr(b'"', &bytes[..first]).is_none() {
            return Ok(Scanned::Whole { end: self.start + first + 1, lines: 1, quotes: false });
        }
        let (mut quoted, mut lines) = (false, 0);
        for place in memchr::memchr2_iter(b'"', b'\n', bytes) {
            if bytes[place] == b'"' {
                quoted = !quoted;
                continue;
            }
            lines += 1;
            if !quoted {
                return Ok(Scanned::Whole { end: self.start + place + 1, lines, quotes: true });
            }
        }
        if self.finished {
            bail!("line {}: a quote is opened and not closed; close it, or double it within a cell", self.line);
        }
        Ok(Scanned::Cut)
    }

    /// Moves what is left to the front and reads on.
    fn refill(&mut self) -> Result<()> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.before += self.start as u64;
        (self.start, self.end) = (0, self.end - self.start);
        if self.buffer.len() < self.end + CHUNK / 2 {
            ensure!(
                self.buffer.len() < RECORD_BYTES_MAX,
                "line {}: longer than 64 MiB; is a quote opened and not closed?",
                self.line
            );
            self.buffer.resize(2 * self.buffer.len(), 0);
        }
        let n = self.source.read(&mut self.buffer[self.end..]).context("cannot be read to its end")?;
        self.end += n;
        self.finished = n == 0;
        Ok(())
    }
}

/// Feeds the cells of one record, which comes without its line end.
fn feed(record: &[u8], cell: &mut impl FnMut(usize, &[u8]) -> Result<()>) -> Result<()> {
    let (mut column, mut start) = (0, 0);
    for comma in memchr::memchr_iter(b',', record) {
        cell(column, record[start..comma].trim_ascii())?;
        (column, start) = (column + 1, comma + 1);
    }
    cell(column, record[start..].trim_ascii())
}

/// The same for a record with quotes.
fn feed_quoted(
    record: &[u8],
    unquoted: &mut Vec<u8>,
    line: u64,
    cell: &mut impl FnMut(usize, &[u8]) -> Result<()>,
) -> Result<()> {
    let (mut column, mut rest) = (0, record);
    loop {
        let trimmed = rest.trim_ascii_start();
        if trimmed.first() != Some(&b'"') {
            let comma = memchr::memchr(b',', rest);
            cell(column, rest[..comma.unwrap_or(rest.len())].trim_ascii())?;
            let Some(comma) = comma else { return Ok(()) };
            (column, rest) = (column + 1, &rest[comma + 1..]);
            continue;
        }
        unquoted.clear();
        rest = &trimmed[1..];
        loop {
            let Some(quote) = memchr::memchr(b'"', rest) else {
                bail!("line {line}: a quote is opened and not closed; close it, or double it within a cell")
            };
            unquoted.extend_from_slice(&rest[..quote]);
            rest = &rest[quote + 1..];
            if rest.first() != Some(&b'"') {
                break;
            }
            unquoted.push(b'"');
            rest = &rest[1..];
        }
        cell(column, unquoted.trim_ascii())?;
        let after = rest.trim_ascii_start();
        match after.first() {
            None => return Ok(()),
            Some(b',') => (column, rest) = (column + 1, &after[1..]),
            Some(_) => bail!("line {line}: text follows a closing quote; double quotes within a cell"),
        }
    }
}
