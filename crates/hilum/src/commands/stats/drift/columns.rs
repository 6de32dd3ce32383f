//! What is kept of the cells of a column: numbers, or how often each category comes.

use super::table::Sink;
use std::collections::HashMap;

/// Categories above which a column is an identifier.
const CATEGORIES_MAX: usize = 10_000;

/// Share of the cells with a value that may be no numbers in a column of numbers.
const INVALID_SHARE_MAX: f64 = 0.1;

/// A cell as a number.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Number {
    Value(f64),
    /// No value: empty, `NA`, `NaN`, `null`, ...
    Missing,
    /// Text, or infinite.
    Invalid,
}

pub(super) fn number(cell: &[u8]) -> Number {
    let parsed = std::str::from_utf8(cell).ok().and_then(|text| text.parse::<f64>().ok());
    match parsed {
        Some(value) if value.is_finite() => Number::Value(value),
        Some(value) if value.is_nan() => Number::Missing,
        Some(_) => Number::Invalid,
        None if missing(cell) => Number::Missing,
        None => Number::Invalid,
    }
}

/// Whether a cell says that there is no value.
pub(super) fn missing(cell: &[u8]) -> bool {
    cell.is_empty() || [&b"na"[..], b"n/a", b"nan", b"null", b"none"].iter().any(|word| cell.eq_ignore_ascii_case(word))
}

/// The numbers of one column.
#[derive(Default)]
pub(super) struct Numbers {
    pub(super) values: Vec<f64>,
    pub(super) n: u64,
    pub(super) missing: u64,
    pub(super) invalid: u64,
}

impl Numbers {
    /// Whether this is a column of numbers with a few broken cells, and not one of categories.
    pub(super) fn numeric(&self) -> bool {
        0 < self.n && self.invalid as f64 <= INVALID_SHARE_MAX * (self.n + self.invalid) as f64
    }
}

/// Numbers of several columns. With `keep` false they are only told apart.
pub(super) struct NumbersSink {
    pub(super) columns: Vec<Numbers>,
    keep: bool,
}

impl NumbersSink {
    /// Keeps the numbers of so many columns, with room for so many rows each.
    pub(super) fn keeping(n_columns: usize, rows: usize) -> NumbersSink {
        let column = || Numbers { values: Vec::with_capacity(rows), ..Numbers::default() };
        NumbersSink { columns: (0..n_columns).map(|_| column()).collect(), keep: true }
    }

    pub(super) fn telling_apart(n_columns: usize) -> NumbersSink {
        NumbersSink { columns: (0..n_columns).map(|_| Numbers::default()).collect(), keep: false }
    }
}

impl Sink for NumbersSink {
    fn cell(&mut self, slot: usize, cell: &[u8]) {
        let column = &mut self.columns[slot];
        match number(cell) {
            Number::Value(value) => {
                column.n += 1;
                if self.keep {
                    column.values.push(value);
                }
            }
            Number::Missing => column.missing += 1,
            Number::Invalid => column.invalid += 1,
        }
    }
}

/// How often each category of one column comes.
#[derive(Default)]
pub(super) struct Categories {
    pub(super) counts: HashMap<Vec<u8>, u64>,
    pub(super) missing: u64,
    /// More categories than are counted.
    pub(super) too_many: bool,
}

/// Categories of several columns.
pub(super) struct CategoriesSink {
    pub(super) columns: Vec<Categories>,
}

impl CategoriesSink {
    pub(super) fn new(n_columns: usize) -> CategoriesSink {
        CategoriesSink { columns: (0..n_columns).map(|_| Categories::default()).collect() }
    }
}

impl Sink for CategoriesSink {
    fn cell(&mut self, slot: usize, cell: &[u8]) {
        let column = &mut self.columns[slot];
        if missing(cell) {
            column.missing += 1;
        } else if let Some(count) = column.counts.get_mut(cell) {
            *count += 1;
        } else if column.counts.len() < CATEGORIES_MAX {
            column.counts.insert(cell.to_vec(), 1);
        } else {
            column.too_many = true;
        }
    }
}

/// Counts of the same categories in both samples, in the order of their names, and how many of them the reference lacks.
pub(super) fn aligned(reference: &Categories, current: &Categories) -> ([Vec<u64>; 2], u64) {
    let mut names: Vec<&Vec<u8>> = reference.counts.keys().chain(current.counts.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let row = |categories: &Categories| -> Vec<u64> {
        let counts = names.iter().map(|name| categories.counts.get(*name).copied().unwrap_or(0));
        counts.chain([categories.missing]).collect()
    };
    let new = names.iter().filter(|name| !reference.counts.contains_key(**name)).count() as u64;
    ([row(reference), row(current)], new)
}
