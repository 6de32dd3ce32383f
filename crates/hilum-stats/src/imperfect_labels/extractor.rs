use crate::chance::Chance;
use crate::check::{at_least, number};
use crate::error::StatsError;
use crate::estimate::Estimate;
use crate::proportion::ConfusionTable;
use crate::special::z_of_level;
use serde::{Deserialize, Serialize};

/// Measured error of a label source, from adjudicated cases: how often it was right on those with the finding, and on those
/// without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExtractorError {
    /// Cases with the finding that the source labelled positive.
    pub true_positives: u64,
    /// Cases with the finding.
    pub positives: u64,
    /// Cases without the finding that the source labelled negative.
    pub true_negatives: u64,
    /// Cases without the finding.
    pub negatives: u64,
}

impl ExtractorError {
    fn check(&self, what: &'static str) -> Result<(f64, f64), StatsError> {
        at_least(what, "adjudicated positives", 1, self.positives)?;
        at_least(what, "adjudicated negatives", 1, self.negatives)?;
        for (right, all) in [(self.true_positives, self.positives), (self.true_negatives, self.negatives)] {
            if all < right {
                let (value, range) = (format!("{right} of {all}"), "at most as many right labels as cases");
                return Err(StatsError::OutOfRange { what, index: 0, value, range });
            }
        }
        let sensitivity = self.true_positives as f64 / self.positives as f64;
        let specificity = self.true_negatives as f64 / self.negatives as f64;
        if sensitivity + specificity <= 1.0 {
            let why = "the label source was no better than chance on the adjudicated cases";
            return Err(StatsError::Undefined { what, why });
        }
        Ok((sensitivity, specificity))
    }
}

/// True rate behind a rate of labels that are wrong at times (Rogan & Gladen, Am. J. Epidemiol. 107 (1978) 71-76):
/// `(labelled + specificity - 1) / (sensitivity + specificity - 1)`, cut to [0, 1].
///
/// The interval carries the uncertainty of the rate and of both errors (Lang & Reiczigel, Prev. Vet. Med. 113 (2014)
/// 13-22). With the model's calls in place of labels, and its acceptance figures in place of the extractor's, this is
/// black-box shift estimation of the prevalence (BBSE: Lipton, Wang & Smola, ICML 2018).
///
/// # Errors
/// `TooFew` without cases or adjudicated cases; `OutOfRange` for contradictory counts or a level outside (0, 1); `Undefined` for
/// a source no better than chance.
///
/// # Examples
/// ```
/// use hilum_stats::imperfect_labels::{ExtractorError, corrected_rate};
/// let error = ExtractorError { true_positives: 45, positives: 50, true_negatives: 95, negatives: 100 };
/// let rate = corrected_rate(220, 1000, &error, 0.95).unwrap();
/// assert!((rate.value - 0.2).abs() < 1e-12 && rate.lower < 0.16 && 0.24 < rate.upper);
/// ```
pub fn corrected_rate(
    labelled_positive: u64,
    n: u64,
    error: &ExtractorError,
    level: f64,
) -> Result<Estimate, StatsError> {
    let what = "rate corrected for label error";
    let (sensitivity, specificity) = error.check(what)?;
    let z = crate::proportion::check_counts(what, labelled_positive, n, level)?;
    let n_cases = n as f64;
    let share = labelled_positive as f64 / n_cases;
    let value = ((share + specificity - 1.0) / (sensitivity + specificity - 1.0)).clamp(0.0, 1.0);
    let (positives, negatives) = (error.positives as f64 + 2.0, error.negatives as f64 + 2.0);
    let sensitivity = (error.true_positives as f64 + 1.0) / positives;
    let specificity = (error.true_negatives as f64 + 1.0) / negatives;
    let n_more = n_cases + z * z;
    let share = (labelled_positive as f64 + z * z / 2.0) / n_more;
    let youden = sensitivity + specificity - 1.0;
    if youden <= 0.0 {
        let why = "too few adjudicated cases: the label source may be no better than chance";
        return Err(StatsError::Undefined { what, why });
    }
    let centre = (share + specificity - 1.0) / youden;
    let of_sensitivity = sensitivity * (1.0 - sensitivity) / positives;
    let of_specificity = specificity * (1.0 - specificity) / negatives;
    let shift = 2.0 * z * z * (centre * of_sensitivity - (1.0 - centre) * of_specificity);
    let variance = share * (1.0 - share) / n_more
        + centre * centre * of_sensitivity
        + (1.0 - centre) * (1.0 - centre) * of_specificity;
    let half = z * variance.sqrt() / youden;
    let lower = (centre + shift - half).clamp(0.0, value);
    let upper = (centre + shift + half).clamp(value, 1.0);
    Ok(Estimate { value, lower, upper, level, n, method: "proportion/rogan-gladen".into() })
}

/// Accuracy figures behind labels that are wrong at times.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CorrectedAccuracy {
    /// Share of the cases with the finding that the model called.
    pub sensitivity: Estimate,
    /// Share of the cases without the finding that the model left.
    pub specificity: Estimate,
    /// Share of the calls that had the finding.
    pub ppv: Estimate,
    /// Share of the cases left that had not.
    pub npv: Estimate,
    /// Share of the cases that had the finding.
    pub prevalence: Estimate,
}

/// Draws for the intervals of [`corrected_accuracy`].
const DRAWS: usize = 4_000;

/// Sensitivity and its like of a model, from labels whose source errs as measured (MV-28).
///
/// `table` crosses the model's calls with the labels of the source. Among calls, and among cases left, the true share of
/// findings is that of Rogan & Gladen; all figures follow from the two. This holds where the source errs independently of the
/// model given the truth: **not** for reports written with the model's output in view. Intervals are percentiles over
/// 4,000 seeded draws of both errors, both shares and the share of calls from their Jeffreys posteriors.
///
/// # Errors
/// As [`corrected_rate`]; `TooFew` where the model called nothing or everything; `Undefined` where, corrected, there is no case
/// with the finding, or none without.
pub fn corrected_accuracy(
    table: &ConfusionTable,
    error: &ExtractorError,
    level: f64,
    seed: u64,
) -> Result<CorrectedAccuracy, StatsError> {
    let what = "accuracy corrected for label error";
    let (sensitivity, specificity) = error.check(what)?;
    z_of_level(what, level)?;
    let called = table.true_positives + table.false_positives;
    let left = table.false_negatives + table.true_negatives;
    at_least(what, "cases called by the model", 1, called)?;
    at_least(what, "cases not called by the model", 1, left)?;
    number(what, (called + left) as f64, "at most 1e12 cases", |n| n <= 1e12)?;
    let share = |part: u64, all: u64| part as f64 / all as f64;
    let [of_called, of_left] = [share(table.true_positives, called), share(table.false_negatives, left)];
    // `rate` is the share of cases that the model calls: it too is known from these cases only.
    let figures = |rate: f64, of_called: f64, of_left: f64, sensitivity: f64, specificity: f64| -> [Option<f64>; 5] {
        let truly =
            |labelled: f64| ((labelled + specificity - 1.0) / (sensitivity + specificity - 1.0)).clamp(0.0, 1.0);
        let (ppv, missed) = (truly(of_called), truly(of_left));
        let (found, lost) = (rate * ppv, (1.0 - rate) * missed);
        let (wrong, right) = (rate * (1.0 - ppv), (1.0 - rate) * (1.0 - missed));
        let ratio = |part: f64, other: f64| (0.0 < part + other).then(|| part / (part + other));
        [ratio(found, lost), ratio(right, wrong), Some(ppv), Some(1.0 - missed), ratio(found + lost, wrong + right)]
    };
    let values = figures(share(called, called + left), of_called, of_left, sensitivity, specificity);
    let mut chance = Chance::new(seed, 0);
    let mut draws: [Vec<f64>; 5] = Default::default();
    let mut posterior = |right: u64, all: u64| chance.beta(right as f64 + 0.5, (all - right) as f64 + 0.5);
    for _ in 0..DRAWS {
        let sensitivity = posterior(error.true_positives, error.positives);
        let specificity = posterior(error.true_negatives, error.negatives);
        let rate = posterior(called, called + left);
        let (of_called, of_left) = (posterior(table.true_positives, called), posterior(table.false_negatives, left));
        // A source that may be no better than chance says nothing in that draw.
        if 0.0 < sensitivity + specificity - 1.0 {
            let drawn = figures(rate, of_called, of_left, sensitivity, specificity);
            draws.iter_mut().zip(drawn).for_each(|(draws, value)| draws.extend(value));
        }
    }
    let mut draws = draws.into_iter();
    let mut estimates = values.into_iter().map(|value| {
        let why = "corrected for label error no case has the finding, or all have it";
        let value = value.ok_or(StatsError::Undefined { what, why })?;
        let mut draws = draws.next().unwrap_or_default();
        at_least(what, "draws in which the label source is better than chance", 1_000, draws.len() as u64)?;
        draws.sort_by(f64::total_cmp);
        let at = |p: f64| draws[((p * draws.len() as f64) as usize).min(draws.len() - 1)];
        let (lower, upper) = (at((1.0 - level) / 2.0).min(value), at((1.0 + level) / 2.0).max(value));
        let method = "proportion/label-error-propagated".into();
        Ok(Estimate { value, lower, upper, level, n: called + left, method })
    });
    let mut next = || estimates.next().unwrap_or(Err(StatsError::NoConvergence { what }));
    let (sensitivity, specificity, ppv, npv, prevalence) = (next()?, next()?, next()?, next()?, next()?);
    Ok(CorrectedAccuracy { sensitivity, specificity, ppv, npv, prevalence })
}
