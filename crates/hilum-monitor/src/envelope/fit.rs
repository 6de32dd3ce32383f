//! Learning an envelope.

use super::check::{deviations, scored};
use super::matrix::{inverse, ledoit_wolf};
use super::{CASES_MIN, Envelope, EnvelopeError, FEATURES_MAX, FORMAT, FeatureScale};
use crate::image::at;
use std::collections::BTreeMap;

/// Folds of the cross-validation that calibrates the scores.
const FOLDS: usize = 10;
/// Standard normal quantile of 90 %.
const Z_90: f64 = 1.281_551_565_544_600_4;
/// A quarter of the largest deviation is one unit at least.
const LARGEST: f64 = 4.0;
/// One unit is at least this share of the median, so that a feature that hardly ever varies (rows, spacing) does not make
/// of a small difference a large one; on a logarithmic scale it is that share outright.
const RELATIVE_MIN: f64 = 0.01;
/// Features that are shares of 1: one unit is at least 0.01 of them, also about a median of 0.
const SHARES: [&str; 5] = ["clipped_low", "clipped_high", "border", "padding", "coverage"];
/// A unit that nothing else bounds from below.
const ABSOLUTE_MIN: f64 = 1e-6;
/// A feature with a skewness ratio beyond this is looked at on a logarithmic scale, where that is more symmetric.
const SKEWED: f64 = 1.5;
/// A deviation counts at most this much in the covariance, so that one case does not turn it.
const WINSOR: f64 = 8.0;

pub(super) fn fit(cases: &[BTreeMap<String, f64>]) -> Result<Envelope, EnvelopeError> {
    let (names, left_out) = common(cases)?;
    let rows: Vec<Vec<f64>> = cases.iter().map(|case| names.iter().map(|name| case[name]).collect()).collect();
    let mut scores = Vec::with_capacity(rows.len());
    for fold in 0..FOLDS {
        let part = |inside: bool| {
            let chosen = rows.iter().enumerate().filter(move |(at, _)| (at % FOLDS == fold) == inside);
            chosen.map(|(_, row)| row.as_slice()).collect::<Vec<&[f64]>>()
        };
        let without = learn(&names, &part(false))?;
        scores.extend(part(true).into_iter().map(|row| scored(&without, &deviations(&without, row)).score()));
    }
    scores.sort_by(f64::total_cmp);
    let all: Vec<&[f64]> = rows.iter().map(Vec::as_slice).collect();
    Ok(Envelope { scores, left_out, ..learn(&names, &all)? })
}

/// Features that every case has, and those that only some have.
fn common(cases: &[BTreeMap<String, f64>]) -> Result<(Vec<String>, Vec<String>), EnvelopeError> {
    if cases.len() < CASES_MIN {
        let rate = 1.0 / (CASES_MIN as f64 + 1.0);
        return Err(EnvelopeError::Insufficient { n: cases.len(), needed: CASES_MIN, rate });
    }
    let mut counts = BTreeMap::<&String, usize>::new();
    for (name, value) in cases.iter().flatten() {
        if !value.is_finite() {
            return Err(EnvelopeError::NotFinite(name.clone()));
        }
        *counts.entry(name).or_default() += 1;
    }
    let (everywhere, left_out): (Vec<_>, Vec<_>) = counts.into_iter().partition(|(_, n)| *n == cases.len());
    let names = |some: Vec<(&String, usize)>| some.into_iter().map(|(name, _)| name.clone()).collect::<Vec<String>>();
    let (everywhere, left_out) = (names(everywhere), names(left_out));
    match everywhere.len() {
        0 => Err(EnvelopeError::NothingInCommon),
        n if FEATURES_MAX < n => Err(EnvelopeError::TooManyFeatures(n)),
        _ => Ok((everywhere, left_out)),
    }
}

/// An envelope without its scores.
fn learn(names: &[String], rows: &[&[f64]]) -> Result<Envelope, EnvelopeError> {
    let p = names.len();
    let mut envelope = Envelope {
        format: FORMAT,
        features: (0..p).map(|column| scale(&names[column], rows.iter().map(|row| row[column]).collect())).collect(),
        precision: Vec::new(),
        units: [1.0, 1.0],
        scores: Vec::new(),
        left_out: Vec::new(),
    };
    let raw: Vec<Vec<f64>> = rows.iter().map(|row| deviations(&envelope, row)).collect();
    let winsorised = |row: &[f64]| row.iter().map(|z| z.clamp(-WINSOR, WINSOR)).collect::<Vec<f64>>();
    let mut table: Vec<f64> = raw.iter().flat_map(|row| winsorised(row)).collect();
    for (column, feature) in envelope.features.iter_mut().enumerate() {
        feature.mean = table.iter().skip(column).step_by(p).sum::<f64>() / rows.len() as f64;
        table.iter_mut().skip(column).step_by(p).for_each(|z| *z -= feature.mean);
    }
    let (covariance, _) = ledoit_wolf(&table, p);
    // Features that never vary leave zeros, and where all do, nothing is there to be inverted: then only single ones count.
    envelope.precision = inverse(&covariance, p).unwrap_or_else(|| vec![0.0; p * p]);
    let found: Vec<_> = raw.iter().map(|row| scored(&envelope, &winsorised(row))).collect();
    let unit = |of: fn(&super::check::Scored) -> f64| {
        let mut values: Vec<f64> = found.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        let unit = at(&values, 0.9);
        if 0.0 < unit { unit } else { 1.0 }
    };
    envelope.units = [unit(|s| s.single), unit(|s| s.joint)];
    Ok(envelope)
}

/// Quantiles of 10, 50 and 90 %.
fn spread(values: &mut [f64]) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [0.1, 0.5, 0.9].map(|q| at(values, q))
}

/// How lopsided: the logarithm of the upper spread over the lower.
fn skewness([low, middle, high]: [f64; 3]) -> f64 {
    if low < middle && middle < high { ((high - middle) / (middle - low)).ln() } else { 0.0 }
}

fn scale(name: &str, mut values: Vec<f64>) -> FeatureScale {
    let mut quantiles = spread(&mut values);
    let mut logarithmic = false;
    if 0.0 < values[0] && SKEWED.ln() < skewness(quantiles) {
        let mut logs: Vec<f64> = values.iter().map(|v| v.ln()).collect();
        let of_logs = spread(&mut logs);
        if skewness(of_logs).abs() < skewness(quantiles).abs() {
            (values, quantiles, logarithmic) = (logs, of_logs, true);
        }
    }
    let [low, centre, high] = quantiles;
    let least = match logarithmic {
        true => RELATIVE_MIN,
        false if SHARES.contains(&name) => RELATIVE_MIN,
        false => (RELATIVE_MIN * centre.abs()).max(ABSOLUTE_MIN),
    };
    let (smallest, largest) = (values[0], values[values.len() - 1]);
    let unit = |quantile: f64, end: f64| (quantile / Z_90).max(end / LARGEST).max(least);
    FeatureScale {
        name: name.to_owned(),
        logarithmic,
        centre,
        below: unit(centre - low, centre - smallest),
        above: unit(high - centre, largest - centre),
        mean: 0.0,
    }
}
