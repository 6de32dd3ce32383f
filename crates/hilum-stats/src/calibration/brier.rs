use super::reliability::{Binning, check_all, sums};
use crate::error::StatsError;
use crate::estimate::Estimate;
use crate::ranks::{clustered_mean, independent};
use crate::special::z_of_level;
use serde::{Deserialize, Serialize};

/// Brier score, the mean of (probability - label)^2, with the normal interval of a mean cut to [0, 1]; the variance is that
/// between patients where they have several cases. Lower is better; the label's own mean alone scores
/// `prevalence * (1 - prevalence)`.
///
/// # Errors
/// `LengthMismatch`; `TooFew` with less than two cases or patients; `OutOfRange` for a probability outside [0, 1] or a bad
/// level.
///
/// # Examples
/// ```
/// let score = hilum_stats::brier(&[true, false, false], &[0.9, 0.2, 0.4], None, 0.95).unwrap();
/// assert!((score.value - 0.07).abs() < 1e-15);
/// ```
pub fn brier(
    labels: &[bool],
    probabilities: &[f64],
    patients: Option<&[u64]>,
    level: f64,
) -> Result<Estimate, StatsError> {
    let what = "Brier score";
    check_all(what, labels, probabilities)?;
    let z = z_of_level(what, level)?;
    let patients = independent(what, labels.len(), patients)?;
    let losses: Vec<f64> = labels.iter().zip(probabilities).map(|(&y, &p)| (p - indicator(y)).powi(2)).collect();
    let (value, half) = clustered_mean(&losses, &patients, z);
    let method = if patients.n < labels.len() { "brier/normal-clustered" } else { "brier/normal" };
    let (lower, upper) = ((value - half).max(0.0), (value + half).min(1.0));
    Ok(Estimate { value, lower, upper, level, n: patients.n as u64, method: method.into() })
}

fn indicator(label: bool) -> f64 {
    f64::from(u8::from(label))
}

/// What a Brier score is made of: `brier = reliability - resolution + uncertainty + within_bins`, exactly.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BrierParts {
    /// The score.
    pub brier: f64,
    /// Mean squared distance of bin means from bin shares: miscalibration; lower is better.
    pub reliability: f64,
    /// Variance of bin shares: how far the bins tell cases apart; higher is better.
    pub resolution: f64,
    /// `prevalence * (1 - prevalence)`: not the model's doing.
    pub uncertainty: f64,
    /// What binning loses: variance of probabilities within bins, less twice their covariance with the labels there.
    pub within_bins: f64,
}

/// Murphy's decomposition (J. Appl. Meteorol. 12 (1973) 595-600) on bins, with the two terms within bins that make it exact
/// (Stephenson, Coelho & Jolliffe, Weather Forecast. 23 (2008) 752-757).
///
/// # Errors
/// `LengthMismatch`; `TooFew` without cases or bins; `OutOfRange` for a probability outside [0, 1].
pub fn brier_parts(labels: &[bool], probabilities: &[f64], binning: Binning) -> Result<BrierParts, StatsError> {
    let bins = sums("Brier decomposition", labels, probabilities, binning)?;
    let n = labels.len() as f64;
    let mean = |sum: f64| sum / n;
    let prevalence = mean(labels.iter().map(|&y| indicator(y)).sum());
    let brier = mean(labels.iter().zip(probabilities).map(|(&y, &p)| (p - indicator(y)).powi(2)).sum());
    let reliability = mean(bins.iter().map(|bin| bin.n as f64 * bin.gap().powi(2)).sum());
    let resolution = mean(bins.iter().map(|bin| bin.n as f64 * (bin.share() - prevalence).powi(2)).sum());
    let uncertainty = prevalence * (1.0 - prevalence);
    let within_bins = brier - (reliability - resolution + uncertainty);
    Ok(BrierParts { brier, reliability, resolution, uncertainty, within_bins })
}
