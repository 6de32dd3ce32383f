//! Observations as columns of small numbers, so that thousands of permutations cost little.

use crate::Observation;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use std::collections::BTreeMap;

/// Value of an attribute that was not stated.
pub(super) const NOT_STATED: &str = "(not stated)";

/// Most values of one attribute; an attribute with more is no category.
const VALUES_MAX: usize = 200;

/// Quantity and attributes of the studies of two periods: the reference first.
pub(super) struct Table<'a> {
    pub(super) rows: Vec<&'a Observation>,
    pub(super) y: Vec<f64>,
    pub(super) n_reference: usize,
    pub(super) columns: Vec<Column>,
}

/// One attribute.
pub(super) struct Column {
    pub(super) attribute: String,
    pub(super) values: Vec<String>,
    /// Per row: which of `values`.
    pub(super) codes: Vec<u16>,
}

/// Count and sum of one value in one period.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Sum {
    pub(super) n: f64,
    pub(super) sum: f64,
}

impl Sum {
    pub(super) fn mean(self) -> f64 {
        self.sum / self.n
    }

    pub(super) fn without(self, other: Sum) -> Sum {
        Sum { n: self.n - other.n, sum: self.sum - other.sum }
    }
}

impl<'a> Table<'a> {
    pub(super) fn new(rows: Vec<&'a Observation>, y: Vec<f64>, n_reference: usize) -> Table<'a> {
        let mut names: Vec<&String> = rows.iter().flat_map(|row| row.attributes.keys()).collect();
        names.sort();
        names.dedup();
        let columns = names.into_iter().filter_map(|name| Column::new(name, &rows)).collect();
        Table { rows, y, n_reference, columns }
    }

    pub(super) fn is_reference(&self, row: usize) -> bool {
        row < self.n_reference
    }

    /// Reference and current sums over all rows, of `y`.
    pub(super) fn totals(&self, y: &[f64]) -> [Sum; 2] {
        let sum = |part: &[f64]| Sum { n: part.len() as f64, sum: part.iter().sum() };
        [sum(&y[..self.n_reference]), sum(&y[self.n_reference..])]
    }

    /// Variance of `y` about the mean of its period.
    pub(super) fn variance_within(&self) -> f64 {
        let totals = self.totals(&self.y);
        let mean = |row: usize| totals[usize::from(!self.is_reference(row))].mean();
        let squares: f64 = self.y.iter().enumerate().map(|(row, y)| (y - mean(row)).powi(2)).sum();
        squares / (self.y.len() as f64 - 2.0).max(1.0)
    }

    /// `y` shuffled within each period.
    pub(super) fn shuffle(&self, y: &mut [f64], draws: &mut Draws) {
        let (reference, current) = y.split_at_mut(self.n_reference);
        draws.shuffle(reference);
        draws.shuffle(current);
    }
}

impl Column {
    fn new(attribute: &str, rows: &[&Observation]) -> Option<Column> {
        let value = |row: &&Observation| row.attributes.get(attribute).map_or(NOT_STATED, String::as_str).to_owned();
        let mut codes_of: BTreeMap<String, u16> = BTreeMap::new();
        for row in rows {
            codes_of.entry(value(row)).or_insert(0);
        }
        if codes_of.len() < 2 || VALUES_MAX < codes_of.len() {
            return None;
        }
        for (code, slot) in codes_of.values_mut().enumerate() {
            *slot = code as u16;
        }
        let codes = rows.iter().map(|row| codes_of[&value(row)]).collect();
        Some(Column { attribute: attribute.to_owned(), values: codes_of.into_keys().collect(), codes })
    }

    /// Sums per value: reference and current.
    pub(super) fn sums(&self, y: &[f64], n_reference: usize) -> Vec<[Sum; 2]> {
        let mut sums = vec![[Sum::default(); 2]; self.values.len()];
        for (row, (&code, &y)) in self.codes.iter().zip(y).enumerate() {
            let sum = &mut sums[usize::from(code)][usize::from(n_reference <= row)];
            sum.n += 1.0;
            sum.sum += y;
        }
        sums
    }
}

/// Draws that follow from a seed alone.
pub(super) struct Draws(ChaCha8Rng);

impl Draws {
    pub(super) fn new(seed: u64, stream: u64) -> Draws {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        generator.set_stream(stream);
        Draws(generator)
    }

    /// Uniform in 0..n. The bias of the plain product is below n / 2^64.
    pub(super) fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.0.next_u64()) * n as u128) >> 64) as usize
    }

    pub(super) fn shuffle(&mut self, values: &mut [f64]) {
        for i in (1..values.len()).rev() {
            values.swap(i, self.below(i + 1));
        }
    }
}
