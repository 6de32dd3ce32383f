//! Columns on their own. As many at a time as fit into little memory; the files are read again for the next ones.

use super::columns::{CategoriesSink, Numbers, NumbersSink, aligned};
use super::line::Line;
use super::table::Table;
use super::{Method, Settings};
use anyhow::Result;
use hilum_stats::StatsError;
use hilum_stats::drift::{
    Comparison, JensenShannonBase, KolmogorovP, LowCounts, Moments, PSI_FLOOR, ReferenceBins, SortedSample,
    chi_squared, jensen_shannon, kolmogorov_smirnov, psi, wasserstein,
};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Bytes of numbers held at once. Reading a file once more costs less than memory that others need.
const HELD_BYTES_MAX: usize = 96 << 20;

/// Cells of a column of numbers: tenths of the reference, by custom.
const TENTHS: usize = 10;

/// Cases up to which a chi-squared p-value with low counts is found by permutation; above, rare categories are pooled.
const PERMUTED_CASES_MAX: u64 = 20_000;

pub(super) fn compare(reference: &Table, current: &Table, names: &[String], settings: &Settings) -> Result<Vec<Line>> {
    let mut lines: BTreeMap<usize, Line> = BTreeMap::new();
    let mut pairs = Vec::new();
    let mut categorical = Vec::new();
    for (order, name) in names.iter().enumerate() {
        match (reference.place(name), current.place(name)) {
            (Some(a), Some(b)) if settings.categorical.contains(name) => categorical.push((order, [a, b])),
            (Some(a), Some(b)) => pairs.push((order, [a, b])),
            (None, _) => drop(lines.insert(order, Line::of_column(name).failed("the reference lacks this column"))),
            (_, None) => drop(lines.insert(order, Line::of_column(name).failed("the current file lacks this column"))),
        }
    }
    let bytes_per_column = 8 * (reference.rows_estimated + current.rows_estimated);
    let fit = (HELD_BYTES_MAX / bytes_per_column.max(1)).max(1);
    // Batches of about equal size: the last one costs as much reading as any.
    let batch = pairs.len().div_ceil(pairs.len().div_ceil(fit).max(1)).max(1);
    for batch in pairs.chunks(batch) {
        let (numbers_ref, numbers_cur) = both(reference, current, batch, |table, columns| {
            let mut sink = NumbersSink::keeping(columns.len(), table.rows_estimated);
            table.read(columns, &mut sink)?;
            Ok(sink.columns)
        })?;
        let columns: Vec<_> = batch.iter().zip(numbers_ref.into_iter().zip(numbers_cur)).collect();
        let compared: Vec<_> = columns
            .into_par_iter()
            .map(|(&(order, places), (a, b))| {
                let line = a.numeric().then(|| numeric(Line::of_column(&names[order]), a, b, settings));
                (order, places, line)
            })
            .collect();
        for (order, places, line) in compared {
            match line {
                Some(line) => drop(lines.insert(order, line)),
                None => categorical.push((order, places)),
            }
        }
    }
    if !categorical.is_empty() {
        let (a, b) = both(reference, current, &categorical, |table, columns| {
            let mut sink = CategoriesSink::new(columns.len());
            table.read(columns, &mut sink)?;
            Ok(sink.columns)
        })?;
        for ((order, _), (a, b)) in categorical.iter().zip(a.into_iter().zip(b)) {
            let line = Line { kind: Some("categorical"), ..Line::of_column(&names[*order]) };
            let line = Line { missing_ref: Some(a.missing), missing_cur: Some(b.missing), ..line };
            let line = if a.too_many || b.too_many {
                line.failed("more than 10,000 categories; it looks like an identifier: leave it out of --columns")
            } else {
                let ([row_a, row_b], new) = aligned(&a, &b);
                of_shares(Line { new_categories: Some(new), ..line }, &row_a, &row_b, "", settings)
            };
            lines.insert(*order, line);
        }
    }
    Ok(lines.into_values().collect())
}

/// Both files at the same time.
fn both<T: Send>(
    reference: &Table,
    current: &Table,
    columns: &[(usize, [usize; 2])],
    read: impl Fn(&Table, &[usize]) -> Result<T> + Sync,
) -> Result<(T, T)> {
    let places = |side: usize| columns.iter().map(|(_, places)| places[side]).collect::<Vec<usize>>();
    let (a, b) = rayon::join(|| read(reference, &places(0)), || read(current, &places(1)));
    Ok((a?, b?))
}

/// A column of numbers.
fn numeric(line: Line, a: Numbers, b: Numbers, settings: &Settings) -> Line {
    let line = Line { kind: Some("numeric"), missing_ref: Some(a.missing), missing_cur: Some(b.missing), ..line };
    let line = Line { invalid_ref: Some(a.invalid), invalid_cur: Some(b.invalid), ..line };
    if b.values.is_empty() {
        return line.failed("no cell of the current file is a number");
    }
    match settings.method {
        None | Some(Method::Ks) => {
            let test = ordered(a.values, b.values).and_then(|(a, b)| kolmogorov_smirnov(&a, &b, KolmogorovP::Auto));
            line.with(test)
        }
        Some(Method::Wasserstein) => match wasserstein_of(a.values, b.values) {
            Ok((distance, standardised)) => {
                let line = line.with(Ok(distance));
                let drift = Some(settings.threshold <= standardised);
                Line { standardised: Some(standardised), threshold: Some(settings.threshold), drift, ..line }
            }
            Err(error) => line.failed(error.to_string()),
        },
        _ => match tenths(a, b) {
            Ok([a, b]) => of_shares(line, &a, &b, "/reference-tenths", settings),
            Err(error) => line.failed(error.to_string()),
        },
    }
}

fn ordered(a: Vec<f64>, b: Vec<f64>) -> Result<(SortedSample, SortedSample), StatsError> {
    let (a, b) = rayon::join(|| SortedSample::new(a), || SortedSample::new(b));
    Ok((a?, b?))
}

/// The distance, and the same in [robust standard deviations](robust_scale) of the reference.
fn wasserstein_of(a: Vec<f64>, b: Vec<f64>) -> Result<(Comparison, f64), StatsError> {
    let what = "Wasserstein distance in standard deviations";
    let (a, b) = ordered(a, b)?;
    let distance = wasserstein(&a, &b)?;
    let (_, deviation) = robust_scale(&a)?;
    if deviation <= 0.0 {
        return Err(StatsError::Undefined { what, why: "the reference does not vary; use psi or ks" });
    }
    let standardised = distance.value / deviation;
    if !standardised.is_finite() {
        return Err(StatsError::Undefined { what, why: "the values are too far apart to compute with" });
    }
    Ok((distance, standardised))
}

/// Mean and standard deviation of a sample whose values are first drawn in to five interquartile ranges beyond the quartiles:
/// those of clean data, and not those of one corrupt value, which would make every distance small.
pub(super) fn robust_scale(sample: &SortedSample) -> Result<(f64, f64), StatsError> {
    let (low, high) = (sample.quantile(0.25), sample.quantile(0.75));
    let reach = 5.0 * (high - low);
    // Where half of the values are equal there is no range to go by.
    let (least, most) =
        if 0.0 < reach && reach.is_finite() { (low - reach, high + reach) } else { (f64::MIN, f64::MAX) };
    let mut moments = Moments::default();
    for value in sample.values() {
        moments.add(value.clamp(least, most))?;
    }
    Ok((moments.mean().unwrap_or(0.0), moments.variance().unwrap_or(0.0).sqrt()))
}

/// Counts of both samples in tenths of the reference, then of missing and invalid cells.
fn tenths(a: Numbers, b: Numbers) -> Result<[Vec<u64>; 2], StatsError> {
    let reference = SortedSample::new(a.values)?;
    let bins = ReferenceBins::of_numbers(&reference, 255)?;
    let count = |values: &[f64], missing: u64, invalid: u64| {
        let mut counts = bins.empty();
        values.iter().try_for_each(|value| bins.count_number(&mut counts, *value))?;
        (0..missing).try_for_each(|_| counts.add_missing())?;
        (0..invalid).try_for_each(|_| counts.add_invalid())?;
        Ok::<_, StatsError>(counts)
    };
    bins.rows(&count(reference.values(), a.missing, a.invalid)?, &count(&b.values, b.missing, b.invalid)?, TENTHS)
}

/// Shares of cells, missing ones being one of them. For categories, tests of numbers give way to chi-squared. `cells` is added to
/// the method.
fn of_shares(line: Line, a: &[u64], b: &[u64], cells: &str, settings: &Settings) -> Line {
    let mut line = match settings.method {
        Some(Method::Psi) => line.with_distance(psi(a, b, PSI_FLOOR), settings.threshold),
        Some(Method::Js) => line.with_distance(jensen_shannon(a, b, JensenShannonBase::Two), settings.threshold),
        _ => {
            let few = a.iter().chain(b).sum::<u64>() <= PERMUTED_CASES_MAX;
            let Settings { permutations, seed, .. } = *settings;
            let low_counts = if few { LowCounts::Permute { permutations, seed } } else { LowCounts::Pool };
            let mut line = line.with(chi_squared(a, b, low_counts));
            if line.method.as_deref().is_some_and(|method| method.ends_with("permutation")) {
                (line.permutations, line.seed) = (Some(permutations), Some(seed));
            }
            line
        }
    };
    if let Some(method) = &mut line.method {
        method.push_str(cells);
    }
    line
}
