use super::reliability::check_all;
use crate::error::StatsError;
use crate::estimate::TestResult;
use crate::special::two_sided_p;

/// Spiegelhalter's test that the Brier score is what calibrated probabilities would have (Stat. Med. 5 (1986) 421-433).
/// The statistic is standard normal then; the p-value is two-sided. It sees miscalibration that moves the Brier score and
/// may miss other kinds, so it stands beside ECE, not for it.
///
/// # Errors
/// `LengthMismatch`; `TooFew` without cases; `OutOfRange` for a probability outside [0, 1]; `Undefined` when every
/// probability is 0, 1/2 or 1.
///
/// # Examples
/// ```
/// let test = hilum_stats::spiegelhalter(&[true, false, true, false], &[0.8, 0.3, 0.6, 0.1]).unwrap();
/// assert!(0.3 < test.p_value && test.p_value <= 1.0);
/// ```
pub fn spiegelhalter(labels: &[bool], probabilities: &[f64]) -> Result<TestResult, StatsError> {
    let what = "Spiegelhalter test";
    check_all(what, labels, probabilities)?;
    let (mut sum, mut variance) = (0.0, 0.0);
    for (&label, &p) in labels.iter().zip(probabilities) {
        let slope = 1.0 - 2.0 * p;
        sum += (f64::from(u8::from(label)) - p) * slope;
        variance += slope * slope * p * (1.0 - p);
    }
    if variance <= 0.0 {
        return Err(StatsError::Undefined { what, why: "every probability is 0, 1/2 or 1" });
    }
    let statistic = sum / variance.sqrt();
    let p_value = two_sided_p(statistic);
    Ok(TestResult { statistic, p_value, n: labels.len() as u64, method: "spiegelhalter/normal".into() })
}
