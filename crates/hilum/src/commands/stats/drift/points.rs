//! All columns of numbers at once: rows as points.

use super::columns::{Number, NumbersSink, number};
use super::line::Line;
use super::table::{Sink, Table};
use super::univariate::robust_scale;
use super::{Method, Scale, Settings};
use anyhow::{Result, ensure};
use hilum_stats::drift::{Permutations, Points, SortedSample, classifier_test, median_squared_distance, mmd};
use std::collections::BinaryHeap;

/// Folds of the classifier, by custom.
const FOLDS: u32 = 5;

/// Numbers beyond are broken, and their squares would not add up.
const VALUE_MAX: f64 = 1e100;

pub(super) fn compare(
    reference: &Table,
    current: &Table,
    names: &[String],
    method: Method,
    settings: &Settings,
) -> Result<Line> {
    let (columns, left_out) = numeric_columns(reference, current, names)?;
    ensure!(!columns.is_empty(), "no column of numbers is in both files; mmd and c2st compare numbers only");
    let places = |table: &Table| columns.iter().filter_map(|name| table.place(name)).collect::<Vec<usize>>();
    let read = |table: &Table| {
        let mut sample = RowSample::new(columns.len(), settings);
        let n = table.read(&places(table), &mut sample)?;
        anyhow::Ok((n, sample.incomplete, sample.rows()))
    };
    let (a, b) = rayon::join(|| read(reference), || read(current));
    let ((rows_ref, missing_ref, mut a), (rows_cur, missing_cur, mut b)) = (a?, b?);
    let line = Line {
        rows_ref: Some(rows_ref),
        rows_cur: Some(rows_cur),
        missing_ref: Some(missing_ref),
        missing_cur: Some(missing_cur),
        scaled: Some(settings.scale == Scale::Reference),
        seed: Some(settings.seed),
        columns,
        left_out,
        ..Line::default()
    };
    if settings.scale == Scale::Reference {
        scale_by_reference(&mut a, &mut b, line.columns.len())?;
    }
    let dimensions = line.columns.len();
    let (points_a, points_b) = match (Points::new(&a, dimensions), Points::new(&b, dimensions)) {
        (Ok(a), Ok(b)) => (a, b),
        (Err(error), _) | (_, Err(error)) => return Ok(line.failed(format!("{error}; complete rows are too few"))),
    };
    if method == Method::C2st {
        return Ok(match classifier_test(points_a, points_b, FOLDS, settings.seed, 0.95) {
            Ok(test) => line.with(Ok(test.comparison)).within(&test.auroc),
            Err(error) => line.failed(error.to_string()),
        });
    }
    let permutations = Permutations { number: settings.permutations, seed: settings.seed };
    let line = Line { permutations: Some(settings.permutations), ..line };
    let scale = median_squared_distance(points_a, points_b);
    Ok(match scale {
        Ok(scale) => {
            let line = line.with(mmd(points_a, points_b, Some(scale), permutations));
            Line { squared_scale: Some(scale), ..line }
        }
        Err(error) => line.failed(error.to_string()),
    })
}

/// The columns that hold numbers in both files, and those that do not.
fn numeric_columns(reference: &Table, current: &Table, names: &[String]) -> Result<(Vec<String>, Vec<String>)> {
    let tell = |table: &Table| -> Result<Vec<bool>> {
        let found: Vec<(usize, usize)> =
            names.iter().enumerate().filter_map(|(order, name)| Some((order, table.place(name)?))).collect();
        let columns: Vec<usize> = found.iter().map(|(_, column)| *column).collect();
        let mut sink = NumbersSink::telling_apart(columns.len());
        table.read(&columns, &mut sink)?;
        let mut numeric = vec![false; names.len()];
        for ((order, _), column) in found.iter().zip(&sink.columns) {
            numeric[*order] = column.numeric();
        }
        Ok(numeric)
    };
    let (a, b) = rayon::join(|| tell(reference), || tell(current));
    let numeric: Vec<bool> = a?.iter().zip(&b?).map(|(a, b)| *a && *b).collect();
    let (mut kept, mut left_out) = (Vec::new(), Vec::new());
    for (name, numeric) in names.iter().zip(numeric) {
        if numeric { kept.push(name.clone()) } else { left_out.push(name.clone()) }
    }
    Ok((kept, left_out))
}

/// Rows without a hole; of more than asked for, those that the seed draws.
struct RowSample {
    row: Vec<f64>,
    whole: bool,
    /// Rows seen, and those of them with a hole.
    seen: u64,
    incomplete: u64,
    rows_max: usize,
    seed: u64,
    /// Rows kept: draw, number of the row, place in `kept`. The largest draw is the first to go.
    drawn: BinaryHeap<(u64, u64, usize)>,
    kept: Vec<Vec<f64>>,
}

impl RowSample {
    fn new(n_columns: usize, settings: &Settings) -> RowSample {
        RowSample {
            row: vec![0.0; n_columns],
            whole: true,
            seen: 0,
            incomplete: 0,
            rows_max: settings.rows_max,
            seed: settings.seed,
            drawn: BinaryHeap::new(),
            kept: Vec::new(),
        }
    }

    /// The rows in the order of the file, one after the other.
    fn rows(self) -> Vec<f64> {
        let mut drawn = self.drawn.into_vec();
        drawn.sort_unstable_by_key(|(_, number, _)| *number);
        drawn.iter().flat_map(|(_, _, place)| self.kept[*place].iter().copied()).collect()
    }
}

impl Sink for RowSample {
    fn cell(&mut self, slot: usize, cell: &[u8]) {
        match number(cell) {
            Number::Value(value) if value.abs() <= VALUE_MAX => self.row[slot] = value,
            _ => self.whole = false,
        }
    }

    fn end(&mut self) {
        self.seen += 1;
        if !std::mem::replace(&mut self.whole, true) {
            self.incomplete += 1;
            return;
        }
        let draw = mixed(self.seed, self.seen);
        if self.kept.len() < self.rows_max {
            self.drawn.push((draw, self.seen, self.kept.len()));
            self.kept.push(self.row.clone());
        } else if let Some(mut largest) = self.drawn.peek_mut()
            && draw < largest.0
        {
            self.kept[largest.2].copy_from_slice(&self.row);
            *largest = (draw, self.seen, largest.2);
        }
    }
}

/// A number that looks random of a seed and a row (SplitMix64).
fn mixed(seed: u64, row: u64) -> u64 {
    let mut z = seed.wrapping_add(row).wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(seed.rotate_left(32));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Subtracts the reference's mean from every column and divides by its standard deviation, both robust against a corrupt value.
fn scale_by_reference(a: &mut [f64], b: &mut [f64], dimensions: usize) -> Result<()> {
    if a.is_empty() {
        return Ok(());
    }
    for column in 0..dimensions {
        let values: Vec<f64> = a.iter().skip(column).step_by(dimensions).copied().collect();
        let (mean, deviation) = robust_scale(&SortedSample::new(values)?)?;
        // A column that is constant in the reference keeps its unit.
        let deviation = if 0.0 < deviation { deviation } else { 1.0 };
        let all = a.iter_mut().skip(column).step_by(dimensions).chain(b.iter_mut().skip(column).step_by(dimensions));
        all.for_each(|value| *value = (*value - mean) / deviation);
    }
    Ok(())
}
