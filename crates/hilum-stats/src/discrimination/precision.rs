use crate::check;
use crate::error::StatsError;
use crate::estimate::Estimate;
use crate::ranks::{average_precision_of, distinct_ranks};
use crate::resampling::{Bootstrap, Cells, counted_bootstrap};

/// Average precision: the sum over distinct thresholds of the gain in recall times the precision there, equal scores
/// together (scikit-learn's `average_precision_score`; not the trapezoid, which is too optimistic).
///
/// # Errors
/// `LengthMismatch`; `OutOfRange` for a score that is not finite; `TooFew` without a positive.
///
/// # Examples
/// ```
/// let value = hilum_stats::average_precision(&[true, false, true], &[0.9, 0.8, 0.7]).unwrap();
/// assert!((value - (0.5 + 0.5 * 2.0 / 3.0)).abs() < 1e-15);
/// ```
pub fn average_precision(labels: &[bool], scores: &[f64]) -> Result<f64, StatsError> {
    let what = "average precision";
    check::same_length(what, labels.len(), scores.len())?;
    check::finite(what, scores)?;
    let tallies = distinct_ranks(scores).tally(labels);
    average_precision_of(&tallies).ok_or(StatsError::TooFew { what, of: "positives", needed: 1, found: 0 })
}

/// Area under the precision-recall curve, as average precision, with a bootstrap interval over patients.
///
/// Its chance value is the prevalence, so figures of sets of different prevalence do not compare.
///
/// # Errors
/// As [`average_precision`] and [`bootstrap`](crate::bootstrap).
pub fn auprc(
    labels: &[bool],
    scores: &[f64],
    patients: Option<&[u64]>,
    options: &Bootstrap,
) -> Result<Estimate, StatsError> {
    let what = "auprc";
    average_precision(labels, scores)?;
    if let Some(patients) = patients {
        check::same_length(what, labels.len(), patients.len())?;
    }
    let cells = Cells::new(labels, scores);
    counted_bootstrap(what, [&cells], patients, options, |[tallies]| average_precision_of(tallies))
}
