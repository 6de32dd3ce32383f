use crate::cell::Cell;
use crate::error::ExportError;
use serde_json::{Value, json};
use std::io::Write;

/// A CSV table that is being written.
pub(crate) struct CsvTable<W: Write> {
    writer: csv::Writer<W>,
    n_columns: usize,
    n_rows: u64,
}

impl<W: Write> CsvTable<W> {
    pub(crate) fn new(out: W, columns: &[&str]) -> Result<CsvTable<W>, ExportError> {
        let mut writer = csv::Writer::from_writer(out);
        writer.write_record(columns)?;
        Ok(CsvTable { writer, n_columns: columns.len(), n_rows: 0 })
    }

    pub(crate) fn push(&mut self, cells: &[Cell<'_>]) -> Result<(), ExportError> {
        if cells.len() != self.n_columns {
            return Err(ExportError::OtherTable);
        }
        self.writer.write_record(cells.iter().map(text))?;
        self.n_rows += 1;
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Result<u64, ExportError> {
        self.writer.flush()?;
        Ok(self.n_rows)
    }
}

fn text(cell: &Cell<'_>) -> String {
    match cell {
        Cell::Text(text) => plain(text),
        Cell::MaybeText(text) => text.map(plain).unwrap_or_default(),
        Cell::Digest(digest) => digest.to_string(),
        Cell::Whole(number) => number.to_string(),
        Cell::Time(time) => time.to_string(),
        Cell::Flag(flag) => flag.to_string(),
        Cell::MaybeNumber(number) => number.map(|number| number.to_string()).unwrap_or_default(),
        Cell::MaybeTexts(texts) => texts.map(|texts| json!(texts).to_string()).unwrap_or_default(),
        Cell::TextMap(map) => json!(map).to_string(),
        Cell::NumberMap(map) => json!(map).to_string(),
        Cell::Outputs(map) => {
            let one = |(name, fact): (&String, &hilum_monitor::OutputFact)| {
                (name.clone(), json!({ "score": fact.score, "present": fact.present }))
            };
            Value::Object(map.iter().map(one).collect()).to_string()
        }
    }
}

/// A spreadsheet takes what begins like a formula for one; an apostrophe keeps it text.
fn plain(text: &str) -> String {
    match text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        true => format!("'{text}"),
        false => text.to_owned(),
    }
}
