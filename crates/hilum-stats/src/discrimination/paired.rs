use super::auroc::{AurocInterval, interval_of};
use super::placement::Design;
use crate::check;
use crate::error::StatsError;
use crate::estimate::Estimate;
use crate::special::{two_sided_p, z_of_level};
use serde::{Deserialize, Serialize};

/// Two AUROCs on the same cases, and their difference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AurocDifference {
    /// AUROC of the first scores.
    pub first: Estimate,
    /// AUROC of the second scores.
    pub second: Estimate,
    /// First minus second; in [-1, 1], bounds not cut.
    pub difference: Estimate,
    /// Standard error of the difference; 0 only when both order every case alike.
    pub standard_error: f64,
    /// Covariance of the two AUROCs.
    pub covariance: f64,
    /// Difference divided by its standard error; 0 when both order every case alike.
    pub z: f64,
    /// Two-sided, for "no difference"; in (0, 1].
    pub p_value: f64,
}

/// Difference of two AUROCs measured on the same cases, by DeLong's covariance.
///
/// Slices belong together by position; `patients` as in [`auroc`](crate::auroc). Scores that order every case alike differ
/// by exactly 0, with the interval [0, 0].
///
/// # Errors
/// As [`auroc`](crate::auroc); `Undefined` when the difference has no variance although the orders differ, such as when
/// both scores separate the classes completely: too easy cases to compare by.
///
/// # Examples
/// ```
/// let labels = [false, false, true, false, true, true, false];
/// let (first, second) = ([0.1, 0.4, 0.35, 0.2, 0.8, 0.7, 0.3], [0.3, 0.2, 0.1, 0.4, 0.5, 0.9, 0.6]);
/// let compared = hilum_stats::auroc_difference(&labels, &first, &second, None, 0.95).unwrap();
/// // 11 of 12 pairs are in order by the first score, 7 of 12 by the second.
/// assert!((compared.difference.value - 4.0 / 12.0).abs() < 1e-12);
/// ```
pub fn auroc_difference(
    labels: &[bool],
    first: &[f64],
    second: &[f64],
    patients: Option<&[u64]>,
    level: f64,
) -> Result<AurocDifference, StatsError> {
    let what = "difference of AUROCs";
    let z_level = z_of_level(what, level)?;
    check::two_classes(what, labels, first, 1)?;
    check::two_classes(what, labels, second, 1)?;
    let design = Design::new(what, labels, patients)?;
    // Of both scores in one piece, which the allocator keeps for the next call rather than ask the kernel for fresh memory again.
    let mut ranks = vec![0; 2 * labels.len()];
    let (of_first, of_second) = ranks.split_at_mut(labels.len());
    let (a, b) = (design.placements(first, of_first)?, design.placements(second, of_second)?);
    let (variance_a, variance_b) = (design.variance(&a), design.variance(&b));
    let covariance = design.covariance(&a, &b);
    let value = a.auroc - b.auroc;
    let variance = variance_a + variance_b - 2.0 * covariance;

    let alike = a.of_case == b.of_case;
    // Of variances that cancel, what rounding leaves depends on the order of the cases.
    let cancels = variance <= 1e-14 * (variance_a + variance_b);
    let standard_error = if alike || cancels { 0.0 } else { variance.max(0.0).sqrt() };
    if !alike && standard_error < 1e-12 {
        let why = "the two scores order the cases differently, yet the difference has no variance to judge it by";
        return Err(StatsError::Undefined { what, why });
    }
    let z = if alike { 0.0 } else { value / standard_error };
    let difference = Estimate {
        value,
        lower: value - z_level * standard_error,
        upper: value + z_level * standard_error,
        level,
        n: design.n(),
        method: if design.clusters.is_some() { "auroc-difference/delong-clustered" } else { "auroc-difference/delong" }
            .into(),
    };
    let plain = AurocInterval::Delong;
    Ok(AurocDifference {
        first: interval_of(what, &design, a.auroc, variance_a, level, plain)?,
        second: interval_of(what, &design, b.auroc, variance_b, level, plain)?,
        difference,
        standard_error,
        covariance,
        z,
        p_value: two_sided_p(z),
    })
}
