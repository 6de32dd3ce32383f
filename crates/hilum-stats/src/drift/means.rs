use super::tails::student_t_two_sided;
use super::{Comparison, Moments};
use crate::StatsError;

/// Welch's test of two means with unequal variances (Biometrika 34 (1947) 28-35), from moments: t of reference less current, two-sided,
/// as `scipy.stats.ttest_ind(equal_var=False)`.
///
/// # Errors
/// `TooFew` with less than two values in either; `Undefined` when neither varies, or values overflow.
pub fn welch(reference: &Moments, current: &Moments) -> Result<Comparison, StatsError> {
    let what = "Welch test";
    let of = |moments: &Moments| match (moments.mean(), moments.variance()) {
        (Some(mean), Some(variance)) => Ok((mean, variance / moments.n() as f64)),
        _ => Err(StatsError::TooFew { what, of: "values in each sample", needed: 2, found: moments.n() }),
    };
    let ((mean_a, error_a), (mean_b, error_b)) = (of(reference)?, of(current)?);
    let error = error_a + error_b;
    if error <= 0.0 {
        return Err(StatsError::Undefined { what, why: "neither sample varies" });
    }
    let t = (mean_a - mean_b) / error.sqrt();
    // In shares of the error, because its square can overflow.
    let (share_a, share_b) = (error_a / error, error_b / error);
    let degrees = 1.0 / (share_a * share_a / (reference.n() - 1) as f64 + share_b * share_b / (current.n() - 1) as f64);
    if !t.is_finite() || !degrees.is_finite() {
        return Err(StatsError::Undefined { what, why: "the values are too far apart to compute with" });
    }
    let p = student_t_two_sided(what, t, degrees)?;
    Comparison::test(what, (t, p), (reference.n(), current.n()), "welch")
}
