//! Distances between two rows of counts of the same cells, as shares.

use super::Comparison;
use crate::StatsError;
use crate::check;
use serde::{Deserialize, Serialize};

/// Share that an empty cell counts as where a logarithm of it is taken: one in ten thousand, the common choice.
pub const PSI_FLOOR: f64 = 1e-4;

/// Base of the logarithm in the Jensen-Shannon distance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JensenShannonBase {
    /// Base 2: the distance lies in [0, 1].
    #[default]
    Two,
    /// Natural: in [0, sqrt(ln 2)].
    E,
}

/// Population stability index: `sum (q - p) ln(q / p)` (Jeffreys' divergence). By custom 0.1 asks to watch and 0.25 to review.
///
/// A cell empty on one side counts as a share of `floor` there ([`PSI_FLOOR`]); a cell empty on both is left out. With few
/// cases chance alone makes about `(cells - 1) (1 / n + 1 / m)`: use few cells.
///
/// # Errors
/// `LengthMismatch`; `TooFew` when either row counts nothing; `OutOfRange` unless `0 < floor < 1`.
pub fn psi(reference: &[u64], current: &[u64], floor: f64) -> Result<Comparison, StatsError> {
    let what = "population stability index";
    check::number(what, floor, "a share in (0, 1)", |floor| 0.0 < floor && floor < 1.0)?;
    let value = sum_over(what, reference, current, |p, q| {
        let (p, q) = (if p == 0.0 { floor } else { p }, if q == 0.0 { floor } else { q });
        (q - p) * (q / p).ln()
    })?;
    distance(what, value, reference, current, "psi")
}

/// Jensen-Shannon distance, the square root of the divergence, which is a metric (Endres & Schindelin, IEEE Trans. Inf. Theory 49 (2003)
/// 1858-1860); as `scipy.spatial.distance.jensenshannon`.
///
/// # Errors
/// `LengthMismatch`; `TooFew` when either row counts nothing.
pub fn jensen_shannon(reference: &[u64], current: &[u64], base: JensenShannonBase) -> Result<Comparison, StatsError> {
    let what = "Jensen-Shannon distance";
    let part = |share: f64, middle: f64| if share == 0.0 { 0.0 } else { share * (share / middle).ln() };
    let divergence = sum_over(what, reference, current, |p, q| {
        let middle = (p + q) / 2.0;
        (part(p, middle) + part(q, middle)) / 2.0
    })?;
    let (unit, method) = match base {
        JensenShannonBase::Two => (std::f64::consts::LN_2, "jensen-shannon/base-2"),
        JensenShannonBase::E => (1.0, "jensen-shannon/base-e"),
    };
    distance(what, (divergence.max(0.0) / unit).sqrt(), reference, current, method)
}

/// Hellinger distance, in [0, 1].
///
/// # Errors
/// As [`jensen_shannon`].
pub fn hellinger(reference: &[u64], current: &[u64]) -> Result<Comparison, StatsError> {
    let what = "Hellinger distance";
    let twice_square = sum_over(what, reference, current, |p, q| (p.sqrt() - q.sqrt()).powi(2))?;
    distance(what, (twice_square / 2.0).sqrt(), reference, current, "hellinger")
}

/// Total variation: the share of cases that would have to change cell, in [0, 1].
///
/// # Errors
/// As [`jensen_shannon`].
pub fn total_variation(reference: &[u64], current: &[u64]) -> Result<Comparison, StatsError> {
    let what = "total variation";
    let twice = sum_over(what, reference, current, |p, q| (p - q).abs())?;
    distance(what, twice / 2.0, reference, current, "total-variation")
}

/// Largest difference of the share of any one cell, in [0, 1].
///
/// # Errors
/// As [`jensen_shannon`].
pub fn largest_difference(reference: &[u64], current: &[u64]) -> Result<Comparison, StatsError> {
    let what = "largest difference of shares";
    let mut largest: f64 = 0.0;
    sum_over(what, reference, current, |p, q| {
        largest = largest.max((p - q).abs());
        0.0
    })?;
    distance(what, largest, reference, current, "largest-difference")
}

/// Kullback and Leibler's divergence of the current shares from the reference's, `sum q ln(q / p)`, natural logarithm.
///
/// # Errors
/// As [`jensen_shannon`]; `Undefined` when the current sample has cases where the reference has none: it is infinite.
pub fn kullback_leibler(reference: &[u64], current: &[u64]) -> Result<Comparison, StatsError> {
    let what = "Kullback-Leibler divergence";
    let value = sum_over(what, reference, current, |p, q| if q == 0.0 { 0.0 } else { q * (q / p).ln() })?;
    if !value.is_finite() {
        let why =
            "the current sample has cases in a cell where the reference has none; Jensen-Shannon is defined there";
        return Err(StatsError::Undefined { what, why });
    }
    distance(what, value, reference, current, "kullback-leibler")
}

fn distance(
    what: &'static str,
    value: f64,
    reference: &[u64],
    current: &[u64],
    method: &'static str,
) -> Result<Comparison, StatsError> {
    Comparison::distance(what, value, (total(reference), total(current)), method)
}

/// All cases of a row. Saturating, because a count may come from a file.
pub(super) fn total(counts: &[u64]) -> u64 {
    counts.iter().fold(0, |sum: u64, &count| sum.saturating_add(count))
}

/// Rows of one length that both count something.
pub(super) fn check_rows(what: &'static str, reference: &[u64], current: &[u64]) -> Result<(), StatsError> {
    check::same_length(what, reference.len(), current.len())?;
    check::at_least(what, "reference cases", 1, total(reference))?;
    check::at_least(what, "current cases", 1, total(current))
}

/// Sum over the cells that are not empty on both sides.
fn sum_over(
    what: &'static str,
    reference: &[u64],
    current: &[u64],
    mut of: impl FnMut(f64, f64) -> f64,
) -> Result<f64, StatsError> {
    check_rows(what, reference, current)?;
    let (n, m) = (total(reference) as f64, total(current) as f64);
    let cells = reference.iter().zip(current).filter(|(a, b)| 0 < **a || 0 < **b);
    Ok(cells.map(|(&a, &b)| of(a as f64 / n, b as f64 / m)).sum())
}
