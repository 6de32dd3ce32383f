use super::reliability::check_all;
use crate::error::StatsError;
use crate::estimate::Estimate;
use crate::ranks::{clustered_mean, independent};
use crate::special::z_of_level;

/// Logarithmic loss, the mean of `-ln(probability of what was the case)`, with the normal interval of a mean (variance
/// between patients where they have several cases), its lower bound not below 0. Lower is better.
///
/// scikit-learn moves probabilities of 0 and 1 a little inward; here one that rules out what was the case is an error,
/// because the loss is infinite and any finite figure would be that of the moving.
///
/// # Errors
/// `LengthMismatch`; `TooFew` with less than two cases or patients; `OutOfRange` for a probability outside [0, 1] or a bad
/// level; `Undefined` when a case has probability 0 of what it is.
///
/// # Examples
/// ```
/// let loss = hilum_stats::log_loss(&[true, false], &[0.5, 0.25], None, 0.95).unwrap();
/// assert!((loss.value + (0.5_f64.ln() + 0.75_f64.ln()) / 2.0).abs() < 1e-15);
/// ```
pub fn log_loss(
    labels: &[bool],
    probabilities: &[f64],
    patients: Option<&[u64]>,
    level: f64,
) -> Result<Estimate, StatsError> {
    let what = "log loss";
    check_all(what, labels, probabilities)?;
    let z = z_of_level(what, level)?;
    let patients = independent(what, labels.len(), patients)?;
    let loss = |(&label, &p): (&bool, &f64)| if label { -p.ln() } else { -(-p).ln_1p() };
    let losses: Vec<f64> = labels.iter().zip(probabilities).map(loss).collect();
    if losses.iter().any(|loss| !loss.is_finite()) {
        return Err(StatsError::Undefined { what, why: "a case has probability 0 of what it is" });
    }
    let (value, half) = clustered_mean(&losses, &patients, z);
    let method = if patients.n < labels.len() { "log-loss/normal-clustered" } else { "log-loss/normal" };
    let (lower, upper) = ((value - half).max(0.0), value + half);
    Ok(Estimate { value, lower, upper, level, n: patients.n as u64, method: method.into() })
}
