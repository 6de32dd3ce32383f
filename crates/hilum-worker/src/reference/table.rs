//! The table beside the images: comma-separated values with a heading (RFC 4180), UTF-8.

use super::ReferenceError;
use crate::SiteKey;
use hilum_types::Digest;
use hilum_validate::case_list::CASE_LIST_FORMAT;
use hilum_validate::{CaseList, ListedCase, ListedInstance};
use std::collections::BTreeMap;
use std::path::Path;

/// A table larger than this is a mistake.
const TABLE_BYTES_MAX: u64 = 256 << 20;

/// A table whose rows all have as many cells as the heading.
pub(super) struct Table {
    heading: Vec<String>,
    pub(super) rows: Vec<Row>,
}

/// One row with its line, counted from 1 with the heading.
pub(super) struct Row {
    pub(super) line: u64,
    cells: Vec<String>,
}

impl Table {
    /// Read a file; everything that is wrong with it goes to `problems`, row by row.
    pub(super) fn read(path: &Path, problems: &mut Vec<String>) -> Result<Table, ReferenceError> {
        let failed = |source| ReferenceError::File { what: "read the table", path: path.to_owned(), source };
        if TABLE_BYTES_MAX < std::fs::metadata(path).map_err(failed)?.len() {
            let why = format!("{} is larger than {} MiB", path.display(), TABLE_BYTES_MAX >> 20);
            return Err(ReferenceError::Problems(vec![why]));
        }
        Ok(Table::parse(&std::fs::read(path).map_err(failed)?, problems))
    }

    fn parse(bytes: &[u8], problems: &mut Vec<String>) -> Table {
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        // The reader counts the second half of a line end of two bytes to the next line, and lines are told to people.
        let ends_line = |at: usize| bytes[at] == b'\r' && bytes.get(at + 1) == Some(&b'\n');
        let bytes: Vec<u8> = (0..bytes.len()).filter(|at| !ends_line(*at)).map(|at| bytes[at]).collect();
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .trim(csv::Trim::All)
            .from_reader(bytes.as_slice());
        let mut table = Table { heading: Vec::new(), rows: Vec::new() };
        let mut record = csv::ByteRecord::new();
        loop {
            match reader.read_byte_record(&mut record) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    problems.push(format!("the table cannot be read: {error}"));
                    break;
                }
            }
            let line = record.position().map_or(0, csv::Position::line);
            let cells: Result<Vec<String>, _> = record.iter().map(|cell| String::from_utf8(cell.to_vec())).collect();
            match cells {
                Err(_) => problems.push(format!("line {line}: it is not UTF-8; save the table as UTF-8")),
                Ok(cells) if table.heading.is_empty() => table.take_heading(cells, problems),
                Ok(cells) if cells.len() != table.heading.len() => problems.push(format!(
                    "line {line}: it has {} cells, the heading has {}; put a cell with a comma in quotes",
                    cells.len(),
                    table.heading.len()
                )),
                Ok(cells) => table.rows.push(Row { line, cells }),
            }
        }
        if table.heading.is_empty() {
            problems.push("the table is empty; its first line names the columns".to_owned());
        }
        table
    }

    fn take_heading(&mut self, cells: Vec<String>, problems: &mut Vec<String>) {
        for (index, name) in cells.iter().enumerate() {
            if !name.is_empty() && cells[..index].contains(name) {
                problems.push(format!("column {name:?} is there twice; rename one"));
            }
        }
        self.heading = cells;
    }

    /// Place of a column.
    pub(super) fn column(&self, name: &str) -> Option<usize> {
        self.heading.iter().position(|known| known == name)
    }

    /// Place of a column that must be there.
    pub(super) fn required(&self, name: &str, what: &str, problems: &mut Vec<String>) -> Option<usize> {
        let found = self.column(name);
        if found.is_none() && !self.heading.is_empty() {
            let known = self.heading.join(", ");
            problems.push(format!("the table has no column {name:?} for {what}; it has {known}"));
        }
        found
    }
}

impl Row {
    /// The cell in a column; `None` when it is empty or there is no such column.
    pub(super) fn cell(&self, column: Option<usize>) -> Option<&str> {
        self.cells.get(column?).map(String::as_str).filter(|cell| !cell.is_empty())
    }
}

/// A training list from fingerprints that somebody else computed: columns `case`, `pixels` (64 digits, one image a row)
/// and, where known, `patient` (an identifier, hashed here).
///
/// # Errors
/// [`ReferenceError::Problems`] with everything that is wrong, line by line.
pub fn fingerprint_list(name: &str, table: &Path, key: &SiteKey) -> Result<CaseList, ReferenceError> {
    let mut problems = Vec::new();
    let table = Table::read(table, &mut problems)?;
    let case = table.required("case", "the case id", &mut problems);
    let pixels = table.required("pixels", "the digest of the samples", &mut problems);
    let patient = table.column("patient");
    let mut cases: BTreeMap<String, ListedCase> = BTreeMap::new();
    for row in &table.rows {
        let digest = row.cell(pixels).map(str::parse::<Digest>);
        let (Some(id), Some(Ok(pixels))) = (row.cell(case), digest) else {
            problems.push(format!("line {}: it needs a case and a digest of 64 hexadecimal digits", row.line));
            continue;
        };
        let patient = row.cell(patient).and_then(|text| key.patient(text));
        let fresh =
            || ListedCase { id: id.to_owned(), patient, instances: Vec::new(), label: None, columns: BTreeMap::new() };
        let listed = cases.entry(id.to_owned()).or_insert_with(fresh);
        if listed.patient != patient {
            problems.push(format!("line {}: case {id:?} is of another patient in an earlier line", row.line));
        }
        listed.instances.push(ListedInstance { object: None, pixels });
    }
    let cases = cases.into_values().collect();
    let (format, name, columns) = (CASE_LIST_FORMAT, name.to_owned(), Vec::new());
    let list = CaseList { format, name, synthetic_data: false, columns, cases };
    problems.extend(list.problems());
    if problems.is_empty() { Ok(list) } else { Err(ReferenceError::Problems(problems)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_commas_and_a_byte_order_mark() {
        let mut problems = Vec::new();
        let table = Table::parse(b"\xEF\xBB\xBFfile,site\r\na.dcm,\"MHH, Hannover\"\r\n\"b.dcm\",\r\n", &mut problems);
        assert_eq!((problems, table.rows.len(), table.rows[1].line), (vec![], 2, 3));
        let site = table.column("site");
        assert_eq!((table.rows[0].cell(site), table.rows[1].cell(site)), (Some("MHH, Hannover"), None));
    }

    #[test]
    fn every_bad_line_is_named() {
        let mut problems = Vec::new();
        let table = Table::parse(b"file,label,label\na,b\nc,\xFF,e\nf,g,h\n", &mut problems);
        table.required("patient", "the patient", &mut problems);
        assert_eq!(table.rows.len(), 1);
        insta::assert_snapshot!(problems.join("\n"), @r#"
        column "label" is there twice; rename one
        line 2: it has 2 cells, the heading has 3; put a cell with a comma in quotes
        line 3: it is not UTF-8; save the table as UTF-8
        the table has no column "patient" for the patient; it has file, label, label
        "#);
        let mut problems = Vec::new();
        Table::parse(b"", &mut problems);
        assert_eq!(problems, ["the table is empty; its first line names the columns"]);
    }

    #[test]
    fn fingerprints_of_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f.csv");
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        std::fs::write(&path, format!("case,pixels,patient\nt1,{a},P1\nt1,{b},P1\nt2,{a},\n")).unwrap();
        let list = fingerprint_list("theirs", &path, &SiteKey::of([1; 32])).unwrap();
        assert_eq!((list.cases.len(), list.cases[0].instances.len(), list.n_patients()), (2, 2, 1));
        std::fs::write(&path, format!("case,pixels,patient\nt1,{a},P1\nt1,{b},P2\nt2,zz,\n")).unwrap();
        let refusal = fingerprint_list("theirs", &path, &SiteKey::of([1; 32])).unwrap_err().to_string();
        assert!(
            refusal.contains("line 3: case \"t1\" is of another patient") && refusal.contains("line 4: it needs"),
            "{refusal}"
        );
    }
}
