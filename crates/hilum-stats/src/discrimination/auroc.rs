use super::placement::Design;
use crate::check;
use crate::error::StatsError;
use crate::estimate::Estimate;
use crate::ranks::{auroc_of, distinct_ranks};
use crate::special::{bisect, z_of_level};
use serde::{Deserialize, Serialize};

/// How an interval for an AUROC is built from its DeLong variance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AurocInterval {
    /// `AUROC +- z * SE`, as pROC and the original paper. **Not cut at 1**: a bound beyond 1 tells that the normal
    /// approximation does not hold on so few cases.
    #[default]
    Delong,
    /// The same on the logit scale and turned back: always within (0, 1) (Pepe 2003, section 5.2.4).
    DelongLogit,
}

/// Area under the ROC curve with its DeLong interval, in O(n log n).
///
/// `labels` and `scores` belong together by position, in any order. `patients` names the patient of each case by any
/// number; where one has several cases, variance and `n` are those of patients (Obuchowski 1997, method
/// `auroc/delong-clustered`). Ties count one half. Where the variance is 0, as with completely separated classes, the
/// interval is Newcombe's method 5 (Stat. Med. 25 (2006) 559-573), which is not, and the method reads `auroc/newcombe-5`.
///
/// # Errors
/// `LengthMismatch`; `OutOfRange` for a score that is not finite or a level outside (0, 1); `TooFew` with less than two
/// positives or negatives, or less than two patients with either; `Undefined` when the clustered variance is negative.
///
/// # Examples
/// ```
/// use hilum_stats::{AurocInterval, auroc};
/// let labels = [false, false, true, false, true, true];
/// let scores = [0.1, 0.4, 0.35, 0.2, 0.8, 0.7];
/// let figure = auroc(&labels, &scores, None, 0.95, AurocInterval::DelongLogit).unwrap();
/// assert!((figure.value - 8.0 / 9.0).abs() < 1e-15 && 0.0 < figure.lower && figure.upper < 1.0);
/// ```
pub fn auroc(
    labels: &[bool],
    scores: &[f64],
    patients: Option<&[u64]>,
    level: f64,
    interval: AurocInterval,
) -> Result<Estimate, StatsError> {
    let what = "AUROC";
    check::two_classes(what, labels, scores, 1)?;
    let design = Design::new(what, labels, patients)?;
    let mut ranks = vec![0; labels.len()];
    let placements = design.placements(scores, &mut ranks)?;
    let variance = design.variance(&placements);
    interval_of(what, &design, placements.auroc, variance, level, interval)
}

/// The AUROC alone, for inner loops; a figure that is shown needs [`auroc`].
///
/// # Errors
/// `LengthMismatch`, `OutOfRange` for a score that is not finite, `TooFew` when a class is empty.
pub fn auroc_value(labels: &[bool], scores: &[f64]) -> Result<f64, StatsError> {
    check::two_classes("AUROC", labels, scores, 1)?;
    let tallies = distinct_ranks(scores).tally(labels);
    auroc_of(&tallies).ok_or(StatsError::TooFew { what: "AUROC", of: "cases of each class", needed: 1, found: 0 })
}

pub(super) fn interval_of(
    what: &'static str,
    design: &Design<'_>,
    value: f64,
    variance: f64,
    level: f64,
    interval: AurocInterval,
) -> Result<Estimate, StatsError> {
    let z = z_of_level(what, level)?;
    if variance < -1e-15 {
        return Err(StatsError::Undefined { what, why: "its variance between patients comes out negative" });
    }
    let se = variance.max(0.0).sqrt();
    let clustered = design.clusters.is_some();
    let (lower, upper, method) = if se < 1e-12 {
        let (m, n) = (design.n_positive_patients, design.n_negative_patients);
        let (lower, upper) = newcombe_5(value, m as f64, n as f64, z)?;
        (lower, upper, "auroc/newcombe-5")
    } else if interval == AurocInterval::DelongLogit && 0.0 < value && value < 1.0 {
        let logit = (value / (1.0 - value)).ln();
        let half = z * se / (value * (1.0 - value));
        let back = |l: f64| 1.0 / (1.0 + (-l).exp());
        let method = if clustered { "auroc/delong-logit-clustered" } else { "auroc/delong-logit" };
        (back(logit - half), back(logit + half), method)
    } else {
        let method = if clustered { "auroc/delong-clustered" } else { "auroc/delong" };
        (value - z * se, value + z * se, method)
    };
    Ok(Estimate { value, lower, upper, level, n: design.n(), method: method.into() })
}

/// Variance of an AUROC after Hanley & McNeil (Radiology 143, 1982, 29-36), exponential model.
fn hanley_mcneil_variance(auroc: f64, n_positive: f64, n_negative: f64) -> f64 {
    let more_positives = (n_positive - 1.0) * (1.0 - auroc) / (2.0 - auroc);
    let more_negatives = (n_negative - 1.0) * auroc / (1.0 + auroc);
    auroc * (1.0 - auroc) * (1.0 + more_positives + more_negatives) / (n_positive * n_negative)
}

/// Newcombe's method 5: score interval on Hanley and McNeil's variance, both class sizes replaced by their mean.
fn newcombe_5(value: f64, n_positive: f64, n_negative: f64, z: f64) -> Result<(f64, f64), StatsError> {
    let mean = (n_positive + n_negative) / 2.0;
    let excess = |theta: f64| {
        let variance = hanley_mcneil_variance(theta, mean, mean) * mean * mean / (n_positive * n_negative);
        (value - theta).powi(2) - z * z * variance
    };
    let lower = if value <= 0.0 { 0.0 } else { bisect(0.0, value, |theta| Ok(0.0 < excess(theta)))? };
    let upper = if 1.0 <= value { 1.0 } else { bisect(value, 1.0, |theta| Ok(excess(theta) <= 0.0))? };
    Ok((lower, upper))
}

/// Standard error that an AUROC will have with so many cases of each class, before there are any (Hanley & McNeil,
/// Radiology 143, 1982, 29-36).
///
/// # Errors
/// `OutOfRange` unless `0 < auroc < 1`; `TooFew` when a class is empty.
///
/// # Examples
/// ```
/// let se = hilum_stats::hanley_mcneil_standard_error(0.85, 50, 450).unwrap();
/// assert!((se - 0.034_798_018_276_750_074).abs() < 1e-15);
/// ```
pub fn hanley_mcneil_standard_error(auroc: f64, n_positive: u64, n_negative: u64) -> Result<f64, StatsError> {
    let what = "Hanley-McNeil standard error";
    check::number(what, auroc, "(0, 1)", |a| 0.0 < a && a < 1.0)?;
    check::at_least(what, "positives", 1, n_positive)?;
    check::at_least(what, "negatives", 1, n_negative)?;
    Ok(hanley_mcneil_variance(auroc, n_positive as f64, n_negative as f64).sqrt())
}
