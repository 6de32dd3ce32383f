//! What acting on a score gains, in true positives per case.

use crate::check;
use crate::error::StatsError;
use crate::estimate::Estimate;
use crate::ranks::{clustered_mean, independent};
use crate::special::z_of_level;
use serde::{Deserialize, Serialize};

/// Net benefit at one threshold probability, beside the two policies that need no model (always 0: to act on none).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NetBenefit {
    /// Probability at which one would act: a missed finding weighs `(1 - threshold) / threshold` false alarms.
    pub threshold: f64,
    /// Of acting where the probability reaches the threshold.
    pub model: Estimate,
    /// Of acting on everybody.
    pub treat_all: f64,
}

/// Net benefit over thresholds (Vickers & Elkin, Med. Decis. Making 26 (2006) 565-574): true positives per case, less false
/// positives per case times the odds of the threshold. The interval is the normal one of a mean, between patients where
/// they have several cases.
///
/// # Errors
/// `LengthMismatch`; `TooFew` with less than two cases or patients; `OutOfRange` for a probability outside [0, 1], a
/// threshold outside (0, 1) or a bad level.
///
/// # Examples
/// ```
/// let labels = [true, true, false, false, false];
/// let curve = hilum_stats::decision_curve(&labels, &[0.9, 0.4, 0.6, 0.2, 0.1], &[0.5], None, 0.95).unwrap();
/// assert!((curve[0].model.value - (0.2 - 0.2)).abs() < 1e-15 && (curve[0].treat_all - (0.4 - 0.6)).abs() < 1e-15);
/// ```
pub fn decision_curve(
    labels: &[bool],
    probabilities: &[f64],
    thresholds: &[f64],
    patients: Option<&[u64]>,
    level: f64,
) -> Result<Vec<NetBenefit>, StatsError> {
    let what = "net benefit";
    check::same_length(what, labels.len(), probabilities.len())?;
    check::probabilities(what, probabilities)?;
    let z = z_of_level(what, level)?;
    let patients = independent(what, labels.len(), patients)?;
    let n = labels.len() as f64;
    let prevalence = labels.iter().filter(|&&label| label).count() as f64 / n;

    let at = |(index, &threshold): (usize, &f64)| {
        if !(0.0 < threshold && threshold < 1.0) {
            return Err(StatsError::OutOfRange { what, index, value: threshold.to_string(), range: "(0, 1)" });
        }
        let odds = threshold / (1.0 - threshold);
        let gain = |label: bool, p: f64| match (threshold <= p, label) {
            (false, _) => 0.0,
            (true, true) => 1.0,
            (true, false) => -odds,
        };
        let gains: Vec<f64> = labels.iter().zip(probabilities).map(|(&label, &p)| gain(label, p)).collect();
        let (value, half) = clustered_mean(&gains, &patients, z);
        let method = "net-benefit/normal".into();
        let model = Estimate { value, lower: value - half, upper: value + half, level, n: patients.n as u64, method };
        Ok(NetBenefit { threshold, model, treat_all: prevalence - (1.0 - prevalence) * odds })
    };
    thresholds.iter().enumerate().map(at).collect()
}
