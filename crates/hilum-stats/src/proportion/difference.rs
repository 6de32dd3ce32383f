//! Two shares of different cases.

use super::interval::{check, wilson_bounds};
use crate::check::number;
use crate::error::StatsError;
use crate::estimate::{Estimate, TestResult};
use crate::special::{bisect, normal_sf};

/// Difference of two independent proportions, first minus second, by Newcombe's hybrid score interval (Stat. Med. 17
/// (1998) 873-890, method 10). `n` is the sum of both.
///
/// # Errors
/// `TooFew` when either has no trials; `OutOfRange` for more successes than trials or a bad level.
///
/// # Examples
/// ```
/// let d = hilum_stats::newcombe_difference(85, 100, 88, 100, 0.95).unwrap();
/// assert!((d.lower + 0.126_759_131_6).abs() < 1e-9 && (d.upper - 0.066_669_902_8).abs() < 1e-9);
/// ```
pub fn newcombe_difference(x1: u64, n1: u64, x2: u64, n2: u64, level: f64) -> Result<Estimate, StatsError> {
    let what = "difference of proportions";
    let z = check(what, x1, n1, level)?;
    check(what, x2, n2, level)?;
    let (p1, p2) = (x1 as f64 / n1 as f64, x2 as f64 / n2 as f64);
    let ((l1, u1), (l2, u2)) = (wilson_bounds(p1, n1 as f64, z), wilson_bounds(p2, n2 as f64, z));
    let value = p1 - p2;
    let lower = value - (p1 - l1).hypot(u2 - p2);
    let upper = value + (u1 - p1).hypot(p2 - l2);
    Ok(Estimate { value, lower, upper, level, n: n1 + n2, method: "difference/newcombe-10".into() })
}

/// Difference of two independent proportions by Miettinen and Nurminen's score interval (Stat. Med. 4 (1985) 213-226):
/// the interval that [`difference_score_test`] inverts to.
///
/// # Errors
/// As [`newcombe_difference`].
pub fn difference_score(x1: u64, n1: u64, x2: u64, n2: u64, level: f64) -> Result<Estimate, StatsError> {
    let what = "difference of proportions";
    let z = check(what, x1, n1, level)?;
    check(what, x2, n2, level)?;
    let value = x1 as f64 / n1 as f64 - x2 as f64 / n2 as f64;
    let counts = (x1 as f64, n1 as f64, x2 as f64, n2 as f64);
    // The score falls while the assumed difference rises.
    let lower = bisect(-1.0, value, |delta| Ok(z < score(counts, delta)))?;
    let upper = bisect(value, 1.0, |delta| Ok(-z < score(counts, delta)))?;
    Ok(Estimate { value, lower, upper, level, n: n1 + n2, method: "difference/miettinen-nurminen".into() })
}

/// One-sided score test that the first proportion exceeds the second by more than `difference`; for non-inferiority give
/// minus the margin (Farrington & Manning, Stat. Med. 9 (1990) 1447-1454, with Miettinen and Nurminen's factor n/(n-1)).
///
/// # Errors
/// As [`newcombe_difference`]; `OutOfRange` unless `-1 < difference < 1`; `Undefined` when both samples are constant and
/// agree with the difference exactly.
pub fn difference_score_test(x1: u64, n1: u64, x2: u64, n2: u64, difference: f64) -> Result<TestResult, StatsError> {
    let what = "score test of two proportions";
    check(what, x1, n1, 0.95)?;
    check(what, x2, n2, 0.95)?;
    number(what, difference, "(-1, 1)", |d| -1.0 < d && d < 1.0)?;
    let statistic = score((x1 as f64, n1 as f64, x2 as f64, n2 as f64), difference);
    if !statistic.is_finite() {
        return Err(StatsError::Undefined { what, why: "both samples are constant" });
    }
    Ok(TestResult { statistic, p_value: normal_sf(statistic), n: n1 + n2, method: "difference/score".into() })
}

/// Score statistic of an assumed difference; infinite where the data exclude it outright.
fn score((x1, n1, x2, n2): (f64, f64, f64, f64), delta: f64) -> f64 {
    let n = n1 + n2;
    let gap = x1 / n1 - x2 / n2 - delta;
    let p2 = constrained_second((x1, n1, x2, n2), delta);
    let p1 = (p2 + delta).clamp(0.0, 1.0);
    let variance = (p1 * (1.0 - p1) / n1 + p2 * (1.0 - p2) / n2) * n / (n - 1.0);
    if gap.abs() < 1e-15 {
        return 0.0;
    }
    if variance <= 0.0 { gap.signum() * f64::INFINITY } else { gap / variance.sqrt() }
}

/// Maximum-likelihood second proportion when the first is larger by `delta`: root of Miettinen and Nurminen's cubic.
fn constrained_second((x1, n1, x2, n2): (f64, f64, f64, f64), delta: f64) -> f64 {
    let n = n1 + n2;
    let l3 = n;
    let l2 = (n1 + 2.0 * n2) * delta - n - (x1 + x2);
    let l1 = (n2 * delta - n - 2.0 * x2) * delta + (x1 + x2);
    let l0 = x2 * delta * (1.0 - delta);
    let q = (l2 / (3.0 * l3)).powi(3) - l1 * l2 / (6.0 * l3 * l3) + l0 / (2.0 * l3);
    let root = ((l2 / (3.0 * l3)).powi(2) - l1 / (3.0 * l3)).max(0.0).sqrt();
    let p = if q < 0.0 { -root } else { root };
    let cosine = if p == 0.0 { 0.0 } else { (q / p.powi(3)).clamp(-1.0, 1.0) };
    let angle = (std::f64::consts::PI + cosine.acos()) / 3.0;
    (2.0 * p * angle.cos() - l2 / (3.0 * l3)).clamp((-delta).max(0.0), (1.0 - delta).min(1.0))
}
