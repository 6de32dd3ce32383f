use super::interval::{check, wilson_bounds};
use crate::check::same_length;
use crate::error::StatsError;
use crate::estimate::Estimate;
use crate::ranks::clusters;

/// Share of successes among cases of patients who may have several: Wilson's interval on the effective number of cases.
///
/// The number of cases is divided by the design effect, the variance of the share between patients over that of
/// independent cases (ratio estimator: Rao & Scott, Biometrics 48 (1992) 577-585; Wilson on it: Saha, Miller & Wang,
/// Int. J. Biostat. 12 (2016)). A design effect below 1 counts as 1, so the interval is never narrower than for
/// independent cases. `n` is the number of patients. With one case each it is [`wilson`](crate::wilson), by name too.
///
/// # Errors
/// `LengthMismatch`; `TooFew` without cases, or with a single patient of several cases; `OutOfRange` for a bad level.
///
/// # Examples
/// ```
/// let (found, patients) = ([true, true, true, false, false, true], [1, 1, 2, 3, 3, 4]);
/// let sensitivity = hilum_stats::proportion_clustered(&found, &patients, 0.95).unwrap();
/// let as_if_independent = hilum_stats::wilson(4, 6, 0.95).unwrap();
/// assert!(sensitivity.lower < as_if_independent.lower && sensitivity.n == 4);
/// ```
pub fn proportion_clustered(successes: &[bool], patients: &[u64], level: f64) -> Result<Estimate, StatsError> {
    let what = "proportion";
    same_length(what, successes.len(), patients.len())?;
    let n_cases = successes.len() as u64;
    let x = successes.iter().filter(|&&s| s).count() as u64;
    let z = check(what, x, n_cases, level)?;
    let patients = clusters(successes.len(), Some(patients));
    if patients.n == successes.len() {
        return super::wilson(x, n_cases, level);
    }
    crate::check::at_least(what, "patients", 2, patients.n as u64)?;
    let (share, n, k) = (x as f64 / n_cases as f64, n_cases as f64, patients.n as f64);
    let mut residuals = vec![0.0; patients.n];
    for (&patient, &success) in patients.of_case.iter().zip(successes) {
        residuals[patient as usize] += f64::from(u8::from(success)) - share;
    }
    let between = k / (k - 1.0) * residuals.iter().map(|r| r * r).sum::<f64>() / (n * n);
    let independent = share * (1.0 - share) / n;
    // All alike tells nothing of the design effect; the worst is that every patient counts once.
    let design_effect = if 0.0 < independent { (between / independent).max(1.0) } else { n / k };
    let (lower, upper) = wilson_bounds(share, n / design_effect, z);
    let method = "proportion/wilson-clustered".into();
    Ok(Estimate { value: share, lower, upper, level, n: patients.n as u64, method })
}
