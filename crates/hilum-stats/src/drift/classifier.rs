use super::logistic::Design;
use super::points::{Points, check_pair, pooled_scale};
use super::{Comparison, Permutations};
use crate::resampling::Draws;
use crate::special::normal_sf;
use crate::{AurocInterval, Estimate, StatsError, auroc, auroc_value, check};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Sum of squared weights that one case is worth: sklearn's `C = 0.01`.
const PENALTY: f64 = 100.0;

const WHAT: &str = "classifier two-sample test";

/// How well a classifier tells a current sample from its reference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassifierTest {
    /// AUROC of cases that the classifier had not seen, with its DeLong interval: 0.5 where nothing changed.
    pub auroc: Estimate,
    /// The same AUROC with a one-sided p-value.
    pub comparison: Comparison,
}

/// Classifier two-sample test (Lopez-Paz & Oquab, ICLR 2017): a logistic regression with ridge penalty learns to tell
/// the current sample from the reference, each case being scored by the classifier of the folds it is not in. The
/// p-value is that of an AUROC of 0.5 (Mann-Whitney with ties, one-sided). It sees shifts of means in any direction,
/// not changes of spread alone.
///
/// Cases are dealt to `folds` (5 by custom) by `seed`, each sample on its own; features are standardised over both.
///
/// # Errors
/// `LengthMismatch` for points of different dimensions; `TooFew` with less points in either sample than folds; `OutOfRange` unless
/// there are 2 to 100 folds and the level is in (0, 1).
pub fn classifier_test(
    reference: Points<'_>,
    current: Points<'_>,
    folds: u32,
    seed: u64,
    level: f64,
) -> Result<ClassifierTest, StatsError> {
    let (n, m) = check_samples(reference, current, folds)?;
    let (labels, scores) = cross_scored(reference, current, folds, seed)?;
    let auroc = auroc(&labels, &scores, None, level, AurocInterval::DelongLogit)?;
    let p = one_sided_p(&scores, auroc.value, (n as f64, m as f64));
    let comparison = Comparison::test(WHAT, (auroc.value, p), (n, m), "c2st/logistic")?;
    Ok(ClassifierTest { auroc, comparison })
}

/// The same test with a p-value by dealing the points out anew and learning again each time, which is exact whatever is
/// learned: the scores of different folds hang together, so that Mann and Whitney's p-value is only near. `P` times the
/// work of [`classifier_test`].
///
/// # Errors
/// As [`classifier_test`]; `TooFew` without a permutation.
pub fn permuted_classifier_test(
    reference: Points<'_>,
    current: Points<'_>,
    folds: u32,
    permutations: Permutations,
) -> Result<Comparison, StatsError> {
    let sizes = check_samples(reference, current, folds)?;
    check::at_least(WHAT, "permutations", 1, u64::from(permutations.number))?;
    let value = cross_auroc(reference, current, folds, permutations.seed)?;
    let rows: Vec<&[f64]> = reference.rows().chain(current.rows()).collect();
    let reaches = |number: u32| -> Result<u32, StatsError> {
        let mut dealt = rows.clone();
        // Streams 0 and 1 deal the folds.
        Draws::new(permutations.seed, number.saturating_add(1)).deal(&mut dealt, reference.n());
        let (left, right) = dealt.split_at(reference.n());
        let (left, right) = (left.concat(), right.concat());
        let dimensions = reference.dimensions();
        let (left, right) = (Points::new(&left, dimensions)?, Points::new(&right, dimensions)?);
        let permuted = cross_auroc(left, right, folds, permutations.seed)?;
        // Equal AUROCs must count as equal whatever the order of their sums.
        Ok(u32::from(value - 1e-12 <= permuted))
    };
    let reached = (1..=permutations.number).into_par_iter().map(reaches).try_reduce(|| 0, |a, b| Ok(a + b))?;
    let p = (1.0 + f64::from(reached)) / (1.0 + f64::from(permutations.number));
    Comparison::test(WHAT, (value, p), sizes, "c2st/logistic-permutation")
}

fn check_samples(reference: Points<'_>, current: Points<'_>, folds: u32) -> Result<(u64, u64), StatsError> {
    check::number(WHAT, f64::from(folds), "2 to 100 folds", |folds| (2.0..=100.0).contains(&folds))?;
    check_pair(WHAT, reference, current, u64::from(folds))
}

fn cross_auroc(reference: Points<'_>, current: Points<'_>, folds: u32, seed: u64) -> Result<f64, StatsError> {
    let (labels, scores) = cross_scored(reference, current, folds, seed)?;
    auroc_value(&labels, &scores)
}

/// Whether each case is current, and its score by the classifier of the folds it is not in; the reference first.
fn cross_scored(
    reference: Points<'_>,
    current: Points<'_>,
    folds: u32,
    seed: u64,
) -> Result<(Vec<bool>, Vec<f64>), StatsError> {
    let (n, m) = (reference.n(), current.n());
    let scale = pooled_scale(reference, current)?;
    let rows = reference.rows().chain(current.rows());
    let features: Vec<f64> = rows
        .flat_map(|row| row.iter().zip(&scale).map(|(value, (mean, deviation))| (value - mean) / deviation))
        .collect();
    let labels: Vec<bool> = (0..n + m).map(|case| n <= case).collect();
    let design = Design { features: &features, dimensions: reference.dimensions(), labels: &labels };

    let fold_of_case = deal_folds(n, m, folds, seed);
    let of_fold = |fold: u32| -> Vec<(u32, f64)> {
        let cases = (0_u32..).zip(&fold_of_case);
        let (tested, trained): (Vec<_>, Vec<_>) = cases.partition(|(_, of_case)| **of_case == fold);
        let trained: Vec<u32> = trained.into_iter().map(|(case, _)| case).collect();
        let weights = design.fit(&trained, PENALTY / trained.len() as f64);
        tested.into_iter().map(|(case, _)| (case, design.predictor(case, &weights))).collect()
    };
    let scored: Vec<Vec<(u32, f64)>> = (0..folds).into_par_iter().map(of_fold).collect();
    let mut scores = vec![0.0; labels.len()];
    for (case, score) in scored.into_iter().flatten() {
        scores[case as usize] = score;
    }
    Ok((labels, scores))
}

/// The fold of each case: each sample shuffled on its own, then dealt round, so that every fold has its share of both.
fn deal_folds(n: usize, m: usize, folds: u32, seed: u64) -> Vec<u32> {
    let mut fold_of_case = vec![0; n + m];
    for (stream, (start, size)) in (0_u32..).zip([(0, n), (n, m)]) {
        let mut cases: Vec<usize> = (start..start + size).collect();
        Draws::new(seed, stream).deal(&mut cases, size);
        for (place, case) in cases.into_iter().enumerate() {
            fold_of_case[case] = (place % folds as usize) as u32;
        }
    }
    fold_of_case
}

/// Upper tail of Mann and Whitney's statistic with ties and continuity correction, where nothing changed.
fn one_sided_p(scores: &[f64], auroc: f64, (n, m): (f64, f64)) -> f64 {
    let mut sorted = scores.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let ties: f64 = sorted.chunk_by(|a, b| a == b).map(|tied| tied.len() as f64).map(|t| t * t * t - t).sum();
    let total = n + m;
    let variance = n * m / 12.0 * (total + 1.0 - ties / (total * (total - 1.0)));
    if variance <= 0.0 {
        return 1.0;
    }
    normal_sf(((auroc - 0.5) * n * m - 0.5) / variance.sqrt())
}
