use super::isotonic::Points;
use super::{Assumption, LabelFreeEstimate};
use crate::chance::Chance;
use crate::check::{at_least, finite, number, probabilities, same_length};
use crate::error::StatsError;
use crate::estimate::Estimate;
use crate::ranks::distinct_ranks;
use crate::special::z_of_level;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Counts to be expected of calls on cases whose probabilities are known, and their truth not.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ExpectedTable {
    /// Expected number with the finding among those called.
    pub true_positives: f64,
    /// Expected number without it among those called.
    pub false_positives: f64,
    /// Expected number with it among those left.
    pub false_negatives: f64,
    /// Expected number without it among those left.
    pub true_negatives: f64,
}

impl ExpectedTable {
    /// The named figures in their order below; `None` where nothing is divided by.
    fn figures(&self) -> [Option<f64>; 7] {
        let ExpectedTable { true_positives: tp, false_positives: fp, false_negatives: misses, true_negatives: tn } =
            *self;
        let ratio = |part: f64, rest: f64| (0.0 < part + rest).then(|| part / (part + rest));
        [
            ratio(tp + misses, fp + tn),
            ratio(tp + tn, fp + misses),
            ratio(tp, misses),
            ratio(tn, fp),
            ratio(tp, fp),
            ratio(tn, misses),
            ratio(2.0 * tp, fp + misses),
        ]
    }
}

/// Expected counts when every case with `score >= threshold` is called, given the probability of each.
///
/// # Errors
/// `LengthMismatch`; `TooFew` without cases; `OutOfRange` for a probability outside [0, 1], or a score or threshold that is
/// not finite.
pub fn expected_table(case_probabilities: &[f64], scores: &[f64], threshold: f64) -> Result<ExpectedTable, StatsError> {
    let what = "expected confusion table";
    same_length(what, case_probabilities.len(), scores.len())?;
    at_least(what, "cases", 1, scores.len() as u64)?;
    probabilities(what, case_probabilities)?;
    finite(what, scores)?;
    number(what, threshold, "the finite numbers for the threshold", |_| true)?;
    Ok(table(scores.iter().zip(case_probabilities).map(|(&score, &p)| (threshold <= score, p, 1.0))))
}

fn table(cases: impl Iterator<Item = (bool, f64, f64)>) -> ExpectedTable {
    let [mut true_positives, mut false_positives, mut false_negatives, mut true_negatives] = [0.0; 4];
    for (called, p, weight) in cases {
        let (with, without) = if called {
            (&mut true_positives, &mut false_positives)
        } else {
            (&mut false_negatives, &mut true_negatives)
        };
        *with += weight * p;
        *without += weight * (1.0 - p);
    }
    ExpectedTable { true_positives, false_positives, false_negatives, true_negatives }
}

/// Expected area under the ROC curve of cases whose probabilities are known: expected true and false positives, summed along
/// falling scores. Equal scores count one half, so the order of cases does not matter (in NannyML 0.13 it does).
///
/// # Errors
/// `LengthMismatch`; `OutOfRange` for a probability outside [0, 1] or a score that is not finite; `Undefined` where no case can
/// have the finding, or none can lack it.
pub fn expected_auroc(case_probabilities: &[f64], scores: &[f64]) -> Result<f64, StatsError> {
    let what = "expected AUROC";
    same_length(what, case_probabilities.len(), scores.len())?;
    probabilities(what, case_probabilities)?;
    finite(what, scores)?;
    let ranks = distinct_ranks(scores);
    let mut sums = vec![[0.0; 2]; ranks.n_distinct];
    for (&place, &p) in ranks.of_case.iter().zip(case_probabilities) {
        sums[place as usize][0] += 1.0 - p;
        sums[place as usize][1] += p;
    }
    area(&sums).ok_or(StatsError::Undefined { what, why: "a class is empty" })
}

/// From sums of non-finding and finding at each distinct score, lowest first.
fn area(sums: &[[f64; 2]]) -> Option<f64> {
    let (mut below, mut positives, mut pairs) = (0.0, 0.0, 0.0);
    for [without, with] in sums {
        pairs += with * (below + 0.5 * without);
        below += without;
        positives += with;
    }
    (0.0 < below * positives).then(|| (pairs / (below * positives)).clamp(0.0, 1.0))
}

/// How [`cbpe`] draws its intervals.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CbpeOptions {
    /// Resamples of both sides, 100 to 100,000.
    pub resamples: u32,
    /// Seed of the draws.
    pub seed: u64,
    /// Confidence level.
    pub level: f64,
}

impl Default for CbpeOptions {
    fn default() -> Self {
        CbpeOptions { resamples: 500, seed: 0, level: 0.95 }
    }
}

/// Performance to be expected on unlabelled cases. A figure is `None` where nothing is divided by, such as the PPV without calls.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cbpe {
    /// Expected counts.
    pub expected: ExpectedTable,
    /// Share with the finding.
    pub prevalence: Option<LabelFreeEstimate>,
    /// Share of right calls.
    pub accuracy: Option<LabelFreeEstimate>,
    /// Sensitivity.
    pub sensitivity: Option<LabelFreeEstimate>,
    /// Specificity.
    pub specificity: Option<LabelFreeEstimate>,
    /// Positive predictive value.
    pub ppv: Option<LabelFreeEstimate>,
    /// Negative predictive value.
    pub npv: Option<LabelFreeEstimate>,
    /// F1 score of the expected counts.
    pub f1: Option<LabelFreeEstimate>,
    /// Area under the ROC curve.
    pub auroc: Option<LabelFreeEstimate>,
}

/// Confidence-based performance estimation (Kivimaki, Bialek, Nurminen & Kuberski, arXiv 2407.08649; NannyML): isotonic
/// calibration on a labelled reference, expected figures on unlabelled current cases.
///
/// Intervals are bootstrap percentiles over reference and current cases, each redrawn and the curve refitted. They do **not**
/// cover that scores have come to mean something else ([`Assumption::SameProbabilityAtEachScore`]). `n` is the number of current
/// cases.
///
/// # Errors
/// `LengthMismatch`; `TooFew` without reference or current cases; `OutOfRange` for scores, thresholds or options out of range.
///
/// # Examples
/// ```
/// use hilum_stats::label_free::{CbpeOptions, cbpe};
/// let scores: Vec<f64> = (0..200).map(|i| f64::from(i) / 200.0).collect();
/// let labels: Vec<bool> = (0..200).map(|i| 5 < (i * 7 + i / 20) % 16).collect();
/// let expected = cbpe((&labels, &scores), &scores[100..], 0.75, &CbpeOptions::default()).unwrap();
/// let sensitivity = expected.sensitivity.unwrap().advisory;
/// assert!(sensitivity.lower < 0.5 && 0.5 < sensitivity.upper);
/// ```
pub fn cbpe(
    reference: (&[bool], &[f64]),
    scores: &[f64],
    threshold: f64,
    options: &CbpeOptions,
) -> Result<Cbpe, StatsError> {
    let what = "label-free performance";
    let (labels, reference_scores) = reference;
    same_length(what, labels.len(), reference_scores.len())?;
    at_least(what, "reference cases", 1, labels.len() as u64)?;
    at_least(what, "cases", 1, scores.len() as u64)?;
    finite(what, reference_scores)?;
    finite(what, scores)?;
    number(what, threshold, "the finite numbers for the threshold", |_| true)?;
    z_of_level(what, options.level)?;
    number(what, f64::from(options.resamples), "100 to 100,000 resamples", |n| (100.0..=100_000.0).contains(&n))?;

    let points = Points::new(labels, reference_scores);
    let current = distinct_ranks(scores);
    let mut distinct = vec![0.0; current.n_distinct];
    let mut counts = vec![0.0; current.n_distinct];
    for (&place, &score) in current.of_case.iter().zip(scores) {
        distinct[place as usize] = score;
        counts[place as usize] += 1.0;
    }
    let compute = |weights: &[[f64; 2]], counts: &[f64]| -> (ExpectedTable, [Option<f64>; 8]) {
        let curve = points.fit(weights);
        let chances: Vec<f64> = distinct.iter().map(|&score| curve.at(score)).collect();
        let cases = distinct.iter().zip(&chances).zip(counts);
        let expected = table(cases.map(|((&score, &p), &count)| (threshold <= score, p, count)));
        let sums: Vec<[f64; 2]> = chances.iter().zip(counts).map(|(p, count)| [count * (1.0 - p), count * p]).collect();
        let [a, b, c, d, e, f, g] = expected.figures();
        (expected, [a, b, c, d, e, f, g, area(&sums)])
    };
    let (expected, values) = compute(&points.weights, &counts);
    let resample = |run: u32| {
        let mut chance = Chance::new(options.seed, u64::from(run));
        let mut weights = vec![[0.0; 2]; points.weights.len()];
        for _ in labels {
            let case = chance.below(labels.len());
            weights[points.of_case[case] as usize][usize::from(labels[case])] += 1.0;
        }
        let mut counts = vec![0.0; counts.len()];
        for _ in scores {
            counts[current.of_case[chance.below(scores.len())] as usize] += 1.0;
        }
        compute(&weights, &counts).1
    };
    let resamples: Vec<[Option<f64>; 8]> = (0..options.resamples).into_par_iter().map(resample).collect();
    let figure = |place: usize| {
        let value = values[place]?;
        let mut drawn: Vec<f64> = resamples.iter().filter_map(|figures| figures[place]).collect();
        drawn.sort_by(f64::total_cmp);
        let at = |p: f64| drawn.get(((p * drawn.len() as f64) as usize).min(drawn.len().saturating_sub(1))).copied();
        let lower = at((1.0 - options.level) / 2.0)?.min(value);
        let upper = at((1.0 + options.level) / 2.0)?.max(value);
        let method = "label-free/cbpe-bootstrap".into();
        let advisory = Estimate { value, lower, upper, level: options.level, n: scores.len() as u64, method };
        Some(LabelFreeEstimate { advisory, assumes: Assumption::SameProbabilityAtEachScore })
    };
    Ok(Cbpe {
        expected,
        prevalence: figure(0),
        accuracy: figure(1),
        sensitivity: figure(2),
        specificity: figure(3),
        ppv: figure(4),
        npv: figure(5),
        f1: figure(6),
        auroc: figure(7),
    })
}
