use crate::check;
use crate::error::StatsError;
use crate::ranks::{Ranks, Tally, distinct_ranks};
use crate::resampling::{Bootstrap, Cells, quantile, resampled_tallies};
use serde::{Deserialize, Serialize};

/// Steps of the common axis on which curves and their bands are given.
const GRID_STEPS: usize = 100;

/// One corner of an ROC curve: what calling `score >= threshold` positive does.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RocVertex {
    /// Threshold on the score; the first corner has none, because nothing is called positive there.
    pub threshold: Option<f64>,
    /// 1 - specificity, in [0, 1].
    pub false_positive_rate: f64,
    /// Sensitivity, in [0, 1].
    pub sensitivity: f64,
    /// Share of positives among those called positive; `None` where nothing is.
    pub precision: Option<f64>,
}

/// A curve at one place of its axis, with its pointwise band.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CurvePoint {
    /// Place on the axis, 0, 0.01, ... 1: false-positive rate of an ROC curve, recall of a precision-recall curve.
    pub x: f64,
    /// Sensitivity, or precision.
    pub y: f64,
    /// Lower bound of the band, not above `y`.
    pub lower: f64,
    /// Upper bound of the band, not below `y`.
    pub upper: f64,
}

/// All corners of the ROC curve, from (0, 0) to (1, 1), highest threshold first, one per distinct score.
///
/// # Errors
/// `LengthMismatch`, `OutOfRange` for a score that is not finite, `TooFew` when a class is empty.
pub fn roc_vertices(labels: &[bool], scores: &[f64]) -> Result<Vec<RocVertex>, StatsError> {
    let (n_positive, n_negative) = check::two_classes("ROC curve", labels, scores, 1)?;
    let ranks = distinct_ranks(scores);
    let thresholds = thresholds(&ranks, scores);
    let (mut true_positives, mut false_positives) = (0, 0);
    let mut vertices = vec![RocVertex { threshold: None, false_positive_rate: 0.0, sensitivity: 0.0, precision: None }];
    for (&[negatives, positives], threshold) in ranks.tally(labels).iter().zip(thresholds).rev() {
        true_positives += positives as usize;
        false_positives += negatives as usize;
        vertices.push(RocVertex {
            threshold: Some(threshold),
            false_positive_rate: false_positives as f64 / n_negative as f64,
            sensitivity: true_positives as f64 / n_positive as f64,
            precision: Some(true_positives as f64 / (true_positives + false_positives) as f64),
        });
    }
    Ok(vertices)
}

fn thresholds(ranks: &Ranks, scores: &[f64]) -> Vec<f64> {
    let mut of_rank = vec![0.0; ranks.n_distinct];
    for (&rank, &score) in ranks.of_case.iter().zip(scores) {
        of_rank[rank as usize] = score;
    }
    of_rank
}

/// ROC curve on 101 false-positive rates, straight between corners, with pointwise percentile bands from resampled
/// patients. Pointwise: each place is covered with the level asked for, not all at once.
///
/// # Errors
/// As [`roc_vertices`] and [`bootstrap`](crate::bootstrap).
pub fn roc_curve(
    labels: &[bool],
    scores: &[f64],
    patients: Option<&[u64]>,
    options: &Bootstrap,
) -> Result<Vec<CurvePoint>, StatsError> {
    check::two_classes("ROC curve", labels, scores, 1)?;
    banded("ROC curve", labels, scores, patients, options, sensitivity_on_grid)
}

/// Precision-recall curve on 101 recalls (the precision at the highest threshold that reaches the recall), with bands as
/// in [`roc_curve`].
///
/// # Errors
/// As [`roc_curve`].
pub fn pr_curve(
    labels: &[bool],
    scores: &[f64],
    patients: Option<&[u64]>,
    options: &Bootstrap,
) -> Result<Vec<CurvePoint>, StatsError> {
    check::two_classes("precision-recall curve", labels, scores, 1)?;
    banded("precision-recall curve", labels, scores, patients, options, precision_on_grid)
}

fn banded(
    what: &'static str,
    labels: &[bool],
    scores: &[f64],
    patients: Option<&[u64]>,
    options: &Bootstrap,
    on_grid: fn(&[Tally]) -> Option<Vec<f64>>,
) -> Result<Vec<CurvePoint>, StatsError> {
    if let Some(patients) = patients {
        check::same_length(what, labels.len(), patients.len())?;
    }
    let curve = on_grid(&distinct_ranks(scores).tally(labels))
        .ok_or(StatsError::Undefined { what, why: "a class is empty" })?;
    let cells = Cells::new(labels, scores);
    let resampled = resampled_tallies(what, &cells, patients, options, on_grid)?;
    let resampled: Vec<Vec<f64>> = resampled.into_iter().flatten().collect();
    check::at_least(what, "resamples with both classes", 100, resampled.len() as u64)?;
    let tail = (1.0 - options.level) / 2.0;
    let point = |(step, &y): (usize, &f64)| {
        let mut column: Vec<f64> = resampled.iter().map(|curve| curve[step]).collect();
        column.sort_unstable_by(f64::total_cmp);
        let (lower, upper) = (quantile(&column, tail), quantile(&column, 1.0 - tail));
        CurvePoint { x: grid(step), y, lower: lower.min(y), upper: upper.max(y) }
    };
    Ok(curve.iter().enumerate().map(point).collect())
}

fn grid(step: usize) -> f64 {
    step as f64 / GRID_STEPS as f64
}

fn totals(tallies: &[Tally]) -> Option<(f64, f64)> {
    let (mut negatives, mut positives) = (0_u64, 0_u64);
    for tally in tallies {
        negatives += u64::from(tally[0]);
        positives += u64::from(tally[1]);
    }
    (0 < negatives && 0 < positives).then_some((negatives as f64, positives as f64))
}

/// Sensitivity at each false-positive rate of the grid; where the curve rises straight up, its top.
fn sensitivity_on_grid(tallies: &[Tally]) -> Option<Vec<f64>> {
    let (n_negative, n_positive) = totals(tallies)?;
    let mut on_grid = Vec::with_capacity(GRID_STEPS + 1);
    let (mut x, mut y) = (0.0, 0.0);
    let (mut negatives_above, mut positives_above) = (0_u64, 0_u64);
    for tally in tallies.iter().rev() {
        negatives_above += u64::from(tally[0]);
        positives_above += u64::from(tally[1]);
        let (next_x, next_y) = (negatives_above as f64 / n_negative, positives_above as f64 / n_positive);
        // A place at the end of this segment waits: the next one may rise from it.
        while on_grid.len() <= GRID_STEPS && grid(on_grid.len()) < next_x {
            let share = (grid(on_grid.len()) - x) / (next_x - x);
            on_grid.push(y + share * (next_y - y));
        }
        (x, y) = (next_x, next_y);
    }
    on_grid.resize(GRID_STEPS + 1, 1.0);
    Some(on_grid)
}

/// Precision at each recall of the grid.
fn precision_on_grid(tallies: &[Tally]) -> Option<Vec<f64>> {
    let (_, n_positive) = totals(tallies)?;
    let mut on_grid = Vec::with_capacity(GRID_STEPS + 1);
    let (mut negatives_above, mut positives_above) = (0_u64, 0_u64);
    for tally in tallies.iter().rev() {
        negatives_above += u64::from(tally[0]);
        positives_above += u64::from(tally[1]);
        if tally == &[0, 0] {
            continue;
        }
        let recall = positives_above as f64 / n_positive;
        let precision = positives_above as f64 / (positives_above + negatives_above) as f64;
        while on_grid.len() <= GRID_STEPS && grid(on_grid.len()) <= recall {
            on_grid.push(precision);
        }
    }
    Some(on_grid)
}
