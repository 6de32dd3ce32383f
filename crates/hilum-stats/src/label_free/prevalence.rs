use super::{Assumption, LabelFreeEstimate};
use crate::check::{at_least, number, probabilities};
use crate::error::StatsError;
use crate::estimate::Estimate;
use crate::special::{bisect, z_of_level};

/// Prevalence among unlabelled cases by maximum likelihood under label shift (MLLS: Saerens, Latinne & Decaestecker, Neural
/// Comput. 14 (2002) 21-41), from probabilities calibrated on a reference of known prevalence.
///
/// The likelihood has one maximum, found directly instead of by their EM iteration, to which it converges; the interval is
/// that of the likelihood ratio. It takes the calibrated probabilities as exact. Holds while cases with the finding, and those
/// without, look as in the reference. (From calls instead of scores: [`corrected_rate`](crate::imperfect_labels::corrected_rate)
/// with the model's acceptance figures, which is BBSE.)
///
/// # Errors
/// `TooFew` without cases; `OutOfRange` for a probability outside [0, 1], a reference prevalence outside (0, 1), or a level
/// outside (0, 1); `Undefined` where the probabilities are all that of the reference, so that they tell nothing.
///
/// # Examples
/// ```
/// let chances: Vec<f64> = (0..300).map(|i| if i % 3 == 0 { 0.6 } else { 0.02 }).collect();
/// let prevalence = hilum_stats::label_free::label_shift_prevalence(&chances, 0.10, 0.95).unwrap().advisory;
/// assert!(0.3 < prevalence.value && prevalence.value < 0.45);
/// ```
pub fn label_shift_prevalence(
    case_probabilities: &[f64],
    reference_prevalence: f64,
    level: f64,
) -> Result<LabelFreeEstimate, StatsError> {
    let what = "prevalence under label shift";
    at_least(what, "cases", 1, case_probabilities.len() as u64)?;
    probabilities(what, case_probabilities)?;
    let inside = |v: f64| (1e-9..=1.0 - 1e-9).contains(&v);
    number(what, reference_prevalence, "(0, 1) for the prevalence of the reference", inside)?;
    let z = z_of_level(what, level)?;
    // Likelihood of each case with and without the finding, up to a factor that does not matter.
    let pairs: Vec<(f64, f64)> = case_probabilities
        .iter()
        .map(|p| (p / reference_prevalence, (1.0 - p) / (1.0 - reference_prevalence)))
        .collect();
    if pairs.iter().all(|(with, without)| (with - without).abs() < 1e-12) {
        let why = "every case has the prevalence of the reference for its probability";
        return Err(StatsError::Undefined { what, why });
    }
    let ln_likelihood = |p: f64| pairs.iter().map(|(with, without)| (p * with + (1.0 - p) * without).ln()).sum::<f64>();
    // Falls in `p`, because every logarithm of a straight line is concave.
    let slope =
        |p: f64| pairs.iter().map(|(with, without)| (with - without) / (p * with + (1.0 - p) * without)).sum::<f64>();
    // At the ends a single certain case makes the likelihood 0.
    let (low, high) = (1e-12, 1.0 - 1e-12);
    let value = if slope(low) <= 0.0 {
        0.0
    } else if 0.0 <= slope(high) {
        1.0
    } else {
        bisect(low, high, |p| Ok(0.0 < slope(p)))?
    };
    let top = ln_likelihood(value.clamp(low, high));
    let beyond = |p: f64| z * z / 2.0 < top - ln_likelihood(p);
    let lower = if beyond(low) { bisect(low, value, |p| Ok(beyond(p)))? } else { 0.0 };
    let upper = if beyond(high) { bisect(value, high, |p| Ok(!beyond(p)))? } else { 1.0 };
    let n = case_probabilities.len() as u64;
    let (lower, upper) = (lower.min(value), upper.max(value));
    let method = "label-free/mlls-likelihood".into();
    let advisory = Estimate { value, lower, upper, level, n, method };
    Ok(LabelFreeEstimate { advisory, assumes: Assumption::SameScoresInEachClass })
}
