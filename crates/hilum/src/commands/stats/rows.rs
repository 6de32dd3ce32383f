//! The cases of a CSV file. What a cell holds is never repeated in an error, because it may be a name in the wrong column.

use super::methods::Method;
use anyhow::{Context, Result, bail, ensure};
use std::collections::HashMap;
use std::io::Read;

/// Cases in the order of the file; slices of one length.
#[derive(Default)]
pub(super) struct Rows {
    /// Line of each case in the file, from 1.
    pub(super) lines: Vec<u64>,
    /// Whether the finding is present; empty where the method needs no label.
    pub(super) labels: Vec<bool>,
    /// `score`, `score2`, ... as far as the method uses them.
    pub(super) scores: Vec<Vec<f64>>,
    pub(super) patients: Option<Vec<u64>>,
    pub(super) groups: Option<Vec<String>>,
    /// Columns of other names: not used, but said.
    pub(super) ignored: Vec<String>,
}

impl Rows {
    pub(super) fn n(&self) -> usize {
        self.lines.len()
    }

    /// The cases at these positions.
    pub(super) fn only(&self, cases: &[usize]) -> Rows {
        fn taken<T: Copy>(from: &[T], cases: &[usize]) -> Vec<T> {
            cases.iter().filter_map(|&case| from.get(case).copied()).collect()
        }
        Rows {
            lines: taken(&self.lines, cases),
            labels: taken(&self.labels, cases),
            scores: self.scores.iter().map(|scores| taken(scores, cases)).collect(),
            patients: self.patients.as_ref().map(|patients| taken(patients, cases)),
            groups: None,
            ignored: self.ignored.clone(),
        }
    }

    /// Whether a patient has several cases.
    pub(super) fn clustered(&self) -> bool {
        self.patients.as_ref().is_some_and(|patients| {
            let distinct: std::collections::HashSet<_> = patients.iter().collect();
            distinct.len() < patients.len()
        })
    }

    pub(super) fn read(mut source: impl Read, method: &Method) -> Result<Rows> {
        let mut text = Vec::new();
        source.read_to_end(&mut text).context("cannot be read to its end")?;
        // The parser counts a line when it meets the second byte of CR LF, one record too late.
        let mut after_cr = text.get(1..).unwrap_or_default().to_vec().into_iter();
        text.retain(|byte| !(after_cr.next() == Some(b'\n') && *byte == b'\r'));
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_slice());
        let header = reader.headers().context("the header is not UTF-8 text")?.clone();
        let columns = Columns::find(&header, method)?;
        let mut rows = Rows { ignored: columns.ignored(&header), ..Rows::default() };
        rows.scores = vec![Vec::new(); columns.scores.len()];
        rows.patients = columns.patient.map(|_| Vec::new());
        rows.groups = columns.group.map(|_| Vec::new());
        let mut patients: HashMap<String, u64> = HashMap::new();
        for record in reader.records() {
            let record = record.map_err(|error| broken(&error))?;
            let line = record.position().map_or(0, |start| start.line() + blank_lines(&text, start.byte()));
            let cell = |column: usize| record.get(column).unwrap_or_default();
            rows.lines.push(line);
            if let Some(column) = columns.label {
                rows.labels.push(label(cell(column), line)?);
            }
            for (scores, (name, column)) in rows.scores.iter_mut().zip(&columns.scores) {
                scores.push(number(cell(*column), name, line)?);
            }
            if let (Some(known), Some(column)) = (&mut rows.patients, columns.patient) {
                ensure!(!cell(column).is_empty(), "line {line}, column patient: empty; name the patient of every case");
                let next = patients.len() as u64;
                known.push(*patients.entry(cell(column).to_owned()).or_insert(next));
            }
            if let (Some(groups), Some(column)) = (&mut rows.groups, columns.group) {
                ensure!(!cell(column).is_empty(), "line {line}, column group: empty; name the group of every case");
                groups.push(cell(column).to_owned());
            }
        }
        ensure!(!rows.lines.is_empty(), "no case: there is nothing below the header");
        Ok(rows)
    }
}

/// Empty lines at this byte, which belong to the record after them.
fn blank_lines(text: &[u8], byte: u64) -> u64 {
    let rest = text.get(byte as usize..).unwrap_or_default();
    rest.iter().take_while(|&&byte| byte == b'\n').count() as u64
}

/// Where the columns are.
struct Columns {
    label: Option<usize>,
    scores: Vec<(String, usize)>,
    patient: Option<usize>,
    group: Option<usize>,
}

impl Columns {
    fn find(header: &csv::StringRecord, method: &Method) -> Result<Columns> {
        let mut places = HashMap::new();
        for (place, name) in header.iter().enumerate() {
            ensure!(places.insert(name, place).is_none(), "two columns are named {name:?}; remove one");
        }
        let place = |name: &str| places.get(name).copied();
        let needed = |name: &str| {
            let separator = header.iter().any(|h| h.contains(';') || h.contains('\t'));
            let hint = if separator { "; it seems separated by something else than commas" } else { "" };
            place(name).with_context(|| {
                format!("line 1: {} needs a column {name:?}, and the header has none{hint}", method.name)
            })
        };
        let label = if method.label { Some(needed("label")?) } else { None };
        let mut scores = Vec::new();
        for number in 1..=method.scores_max {
            let name = if number == 1 { "score".to_owned() } else { format!("score{number}") };
            let column = if number <= method.scores { Some(needed(&name)?) } else { place(&name) };
            let Some(column) = column else { break };
            scores.push((name, column));
        }
        Ok(Columns { label, scores, patient: place("patient"), group: place("group") })
    }

    /// Columns whose names mean nothing here.
    fn ignored(&self, header: &csv::StringRecord) -> Vec<String> {
        let known = |name: &str| {
            let score = name.strip_prefix("score").is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()));
            score || ["label", "patient", "group"].contains(&name)
        };
        header.iter().filter(|name| !known(name)).map(str::to_owned).collect()
    }
}

fn broken(error: &csv::Error) -> anyhow::Error {
    match error.kind() {
        csv::ErrorKind::UnequalLengths { pos, expected_len, len } => {
            let line = pos.as_ref().map_or(0, csv::Position::line);
            anyhow::anyhow!(
                "line {line}: {len} cells, and the header has {expected_len}; put text with commas in quotes"
            )
        }
        csv::ErrorKind::Utf8 { pos, .. } => {
            let line = pos.as_ref().map_or(0, csv::Position::line);
            anyhow::anyhow!("line {line}: not UTF-8 text; save the file as UTF-8")
        }
        csv::ErrorKind::Io(error) => anyhow::anyhow!("cannot be read to its end: {error}"),
        _ => anyhow::anyhow!("is not a CSV file"),
    }
}

fn label(cell: &str, line: u64) -> Result<bool> {
    match cell {
        "1" | "true" | "True" | "TRUE" | "1.0" => Ok(true),
        "0" | "false" | "False" | "FALSE" | "0.0" => Ok(false),
        "" => bail!("line {line}, column label: empty; leave cases without a label out, and report how many"),
        _ => bail!("line {line}, column label: neither 1 nor 0; write 1 where the finding is present"),
    }
}

fn number(cell: &str, column: &str, line: u64) -> Result<f64> {
    if cell.is_empty() {
        bail!("line {line}, column {column}: empty; leave cases without a value out, and report how many");
    }
    match cell.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value),
        _ => bail!("line {line}, column {column}: not a finite number; write it with a decimal point, such as 0.73"),
    }
}
