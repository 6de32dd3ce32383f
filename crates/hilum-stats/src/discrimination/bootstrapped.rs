use crate::check;
use crate::error::StatsError;
use crate::estimate::Estimate;
use crate::ranks::auroc_of;
use crate::resampling::{Bootstrap, Cells, counted_bootstrap};

/// Area under the ROC curve with a bootstrap interval over patients; the check on [`auroc`](crate::auroc) for data that
/// DeLong's normal approximation may not fit. Method `auroc/bootstrap-bca`.
///
/// # Errors
/// `LengthMismatch`, `OutOfRange`, `TooFew` when a class is empty; as [`bootstrap`](crate::bootstrap).
pub fn auroc_bootstrap(
    labels: &[bool],
    scores: &[f64],
    patients: Option<&[u64]>,
    options: &Bootstrap,
) -> Result<Estimate, StatsError> {
    let what = "auroc";
    check_all(what, labels, &[scores], patients)?;
    let cells = Cells::new(labels, scores);
    counted_bootstrap(what, [&cells], patients, options, |[tallies]| auroc_of(tallies))
}

/// Difference of two AUROCs on the same cases, first minus second, with a bootstrap interval over patients.
///
/// # Errors
/// As [`auroc_bootstrap`]; `Undefined` when both order every case alike.
pub fn auroc_difference_bootstrap(
    labels: &[bool],
    first: &[f64],
    second: &[f64],
    patients: Option<&[u64]>,
    options: &Bootstrap,
) -> Result<Estimate, StatsError> {
    let what = "auroc-difference";
    check_all(what, labels, &[first, second], patients)?;
    let cells = [Cells::new(labels, first), Cells::new(labels, second)];
    counted_bootstrap(what, cells.each_ref(), patients, options, |[a, b]| Some(auroc_of(a)? - auroc_of(b)?))
}

fn check_all(
    what: &'static str,
    labels: &[bool],
    scores: &[&[f64]],
    patients: Option<&[u64]>,
) -> Result<(), StatsError> {
    for scores in scores {
        check::two_classes(what, labels, scores, 1)?;
    }
    patients.map_or(Ok(()), |patients| check::same_length(what, labels.len(), patients.len()))
}
