//! Many tests at once.

use crate::check::at_least;
use crate::error::StatsError;

/// Holm's step-down p-values (Scand. J. Stat. 6 (1979) 65-70): rejecting those at most alpha keeps the chance of any false
/// rejection at alpha, whatever the dependence. In the order given; each in [0, 1].
///
/// # Errors
/// `TooFew` without p-values; `OutOfRange` for one outside [0, 1].
///
/// # Examples
/// ```
/// let adjusted = hilum_stats::holm(&[0.01, 0.04, 0.03]).unwrap();
/// assert!((adjusted[0] - 0.03).abs() < 1e-15 && (adjusted[1] - 0.06).abs() < 1e-15 && (adjusted[2] - 0.06).abs() < 1e-15);
/// ```
pub fn holm(p_values: &[f64]) -> Result<Vec<f64>, StatsError> {
    let order = ascending("Holm adjustment", p_values)?;
    let mut adjusted = vec![0.0; p_values.len()];
    let mut largest: f64 = 0.0;
    for (place, &test) in order.iter().enumerate() {
        largest = largest.max(p_values[test] * (order.len() - place) as f64).min(1.0);
        adjusted[test] = largest;
    }
    Ok(adjusted)
}

/// Benjamini and Hochberg's p-values (J. R. Stat. Soc. B 57 (1995) 289-300): rejecting those at most q keeps the expected
/// share of false rejections at q, for independent or positively dependent tests.
///
/// # Errors
/// As [`holm`].
pub fn benjamini_hochberg(p_values: &[f64]) -> Result<Vec<f64>, StatsError> {
    step_up("Benjamini-Hochberg adjustment", p_values, 1.0)
}

/// Benjamini and Yekutieli's p-values (Ann. Stat. 29 (2001) 1165-1188): the same under any dependence.
///
/// # Errors
/// As [`holm`].
pub fn benjamini_yekutieli(p_values: &[f64]) -> Result<Vec<f64>, StatsError> {
    let harmonic = (1..=p_values.len()).map(|k| 1.0 / k as f64).sum();
    step_up("Benjamini-Yekutieli adjustment", p_values, harmonic)
}

/// Wang and Ramdas' e-BH (J. R. Stat. Soc. B 84 (2022) 822-852) as adjusted values: rejecting those at most q keeps the expected share
/// of false rejections at q under any dependence of the e-values. In the order given; each in [0, 1].
///
/// An e-value is at least 0, may be infinite, and speaks against its hypothesis the louder the larger it is.
///
/// # Errors
/// `TooFew` without e-values; `OutOfRange` for one that is negative or NaN.
///
/// # Examples
/// ```
/// let adjusted = hilum_stats::e_benjamini_hochberg(&[100.0, 0.5, 40.0, 1.0]).unwrap();
/// assert_eq!(adjusted, [0.04, 1.0, 0.05, 1.0]);
/// ```
pub fn e_benjamini_hochberg(e_values: &[f64]) -> Result<Vec<f64>, StatsError> {
    let what = "e-BH adjustment";
    at_least(what, "e-values", 1, e_values.len() as u64)?;
    if let Some(index) = e_values.iter().position(|e| e.is_nan() || *e < 0.0) {
        let value = e_values[index].to_string();
        return Err(StatsError::OutOfRange { what, index, value, range: "[0, infinity]" });
    }
    // The reciprocal of an e-value is a p-value, and e-BH is BH on these without its condition on dependence.
    let p_values: Vec<f64> = e_values.iter().map(|e| (1.0 / e).min(1.0)).collect();
    step_up(what, &p_values, 1.0)
}

fn step_up(what: &'static str, p_values: &[f64], factor: f64) -> Result<Vec<f64>, StatsError> {
    let order = ascending(what, p_values)?;
    let n = order.len() as f64;
    let mut adjusted = vec![0.0; p_values.len()];
    let mut smallest: f64 = 1.0;
    for (place, &test) in order.iter().enumerate().rev() {
        smallest = smallest.min(p_values[test] * n * factor / (place + 1) as f64);
        adjusted[test] = smallest;
    }
    Ok(adjusted)
}

fn ascending(what: &'static str, p_values: &[f64]) -> Result<Vec<usize>, StatsError> {
    at_least(what, "p-values", 1, p_values.len() as u64)?;
    crate::check::probabilities(what, p_values)?;
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    Ok(order)
}
