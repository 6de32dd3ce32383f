//! Core: what was observed and labelled -> tables for analysis, as Parquet or CSV (`docs/reference/export.md`).
//!
//! A [`Table`] takes rows one by one and writes them in groups of bounded size, so that a year takes no more memory than a
//! day. Columns are an outside contract: they are added to, never renamed, and hold no name, number or date of a patient.

mod cell;
mod csv_table;
mod error;
mod parquet_table;
mod row;

pub use error::ExportError;

use cell::Cell;
use hilum_monitor::{Label, Observation};
use hilum_types::Timestamp;
use std::io::Write;

/// How a table is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Apache Parquet with nested columns, compressed with Snappy.
    Parquet,
    /// Comma-separated text; nested columns are JSON, what is absent is empty.
    Csv,
}

/// What a table was asked for; it is kept in the file where the format has a place for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Deployment.
    pub deployment: String,
    /// Studies complete at or after this.
    pub from: Option<Timestamp>,
    /// Studies complete before this.
    pub until: Option<Timestamp>,
    /// Everything entered until then was known.
    pub as_of: Timestamp,
}

/// Something a table can be made of: [`Observation`] or [`Label`].
pub trait Row: sealed::Sealed {}

impl Row for Observation {}
impl Row for Label {}

mod sealed {
    use crate::cell::Cell;

    pub trait Sealed {
        /// Parquet schema of its table.
        const SCHEMA: &'static str;
        /// Names of the columns, in the order of [`Sealed::cells`].
        const COLUMNS: &'static [&'static str];
        /// What stands in its row.
        fn cells(&self) -> Vec<Cell<'_>>;
    }
}

/// A table that is being written.
pub struct Table<W: Write + Send>(Kind<W>);

enum Kind<W: Write + Send> {
    Parquet(Box<parquet_table::ParquetTable<W>>),
    Csv(Box<csv_table::CsvTable<W>>),
}

impl<W: Write + Send> Table<W> {
    /// Begin a table of rows `R`.
    ///
    /// # Errors
    /// [`ExportError`] when `out` cannot be written.
    pub fn new<R: Row>(out: W, format: Format, asked: &Asked) -> Result<Table<W>, ExportError> {
        Ok(Table(match format {
            Format::Parquet => Kind::Parquet(Box::new(parquet_table::ParquetTable::new(out, R::SCHEMA, asked)?)),
            Format::Csv => Kind::Csv(Box::new(csv_table::CsvTable::new(out, R::COLUMNS)?)),
        }))
    }

    /// Add a row.
    ///
    /// # Errors
    /// [`ExportError`] when `out` cannot be written, or the row is of another table.
    pub fn push<R: Row>(&mut self, row: &R) -> Result<(), ExportError> {
        let cells: Vec<Cell<'_>> = row.cells();
        match &mut self.0 {
            Kind::Parquet(table) => table.push(&cells),
            Kind::Csv(table) => table.push(&cells),
        }
    }

    /// End the table; says how many rows it has. Without this the file cannot be read.
    ///
    /// # Errors
    /// [`ExportError`] when `out` cannot be written.
    pub fn finish(self) -> Result<u64, ExportError> {
        match self.0 {
            Kind::Parquet(table) => table.finish(),
            Kind::Csv(table) => table.finish(),
        }
    }
}
