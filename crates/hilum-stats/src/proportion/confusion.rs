use super::interval::{ProportionInterval, proportion};
use crate::check;
use crate::error::StatsError;
use crate::estimate::Estimate;
use crate::special::z_of_level;
use serde::{Deserialize, Serialize};

/// Cases by truth and by what was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ConfusionTable {
    /// Finding present, called positive.
    pub true_positives: u64,
    /// Finding absent, called positive.
    pub false_positives: u64,
    /// Finding present, called negative.
    pub false_negatives: u64,
    /// Finding absent, called negative.
    pub true_negatives: u64,
}

impl ConfusionTable {
    /// Calls every case with `score >= threshold` positive.
    ///
    /// # Errors
    /// `LengthMismatch`; `OutOfRange` for a score or threshold that is not finite.
    pub fn at_threshold(labels: &[bool], scores: &[f64], threshold: f64) -> Result<ConfusionTable, StatsError> {
        let what = "confusion table";
        check::same_length(what, labels.len(), scores.len())?;
        check::finite(what, scores)?;
        check::number(what, threshold, "the finite numbers", |_| true)?;
        Ok(ConfusionTable::tally(labels.iter().zip(scores).map(|(&label, &score)| (label, threshold <= score))))
    }

    /// Counts calls that were already made.
    ///
    /// # Errors
    /// `LengthMismatch`.
    pub fn of_calls(labels: &[bool], calls: &[bool]) -> Result<ConfusionTable, StatsError> {
        check::same_length("confusion table", labels.len(), calls.len())?;
        Ok(ConfusionTable::tally(labels.iter().copied().zip(calls.iter().copied())))
    }

    fn tally(cases: impl Iterator<Item = (bool, bool)>) -> ConfusionTable {
        let mut table = ConfusionTable::default();
        for case in cases {
            match case {
                (true, true) => table.true_positives += 1,
                (false, true) => table.false_positives += 1,
                (true, false) => table.false_negatives += 1,
                (false, false) => table.true_negatives += 1,
            }
        }
        table
    }

    /// Number of cases.
    pub fn n(&self) -> u64 {
        self.true_positives + self.false_positives + self.false_negatives + self.true_negatives
    }

    /// Share of cases with the finding that were called positive; `n` is the number of those cases.
    ///
    /// # Errors
    /// `TooFew` without a positive case; `OutOfRange` for a bad level. The same holds for its sisters below.
    pub fn sensitivity(&self, level: f64, interval: ProportionInterval) -> Result<Estimate, StatsError> {
        share("sensitivity", self.true_positives, self.false_negatives, "positives", level, interval)
    }

    /// Share of cases without the finding that were called negative.
    ///
    /// # Errors
    /// As [`sensitivity`](Self::sensitivity), without a negative case.
    pub fn specificity(&self, level: f64, interval: ProportionInterval) -> Result<Estimate, StatsError> {
        share("specificity", self.true_negatives, self.false_positives, "negatives", level, interval)
    }

    /// Positive predictive value at the prevalence of these cases: share of positive calls that are right.
    ///
    /// # Errors
    /// As [`sensitivity`](Self::sensitivity), without a positive call.
    pub fn ppv(&self, level: f64, interval: ProportionInterval) -> Result<Estimate, StatsError> {
        share("ppv", self.true_positives, self.false_positives, "positive calls", level, interval)
    }

    /// Negative predictive value at the prevalence of these cases: share of negative calls that are right.
    ///
    /// # Errors
    /// As [`sensitivity`](Self::sensitivity), without a negative call.
    pub fn npv(&self, level: f64, interval: ProportionInterval) -> Result<Estimate, StatsError> {
        share("npv", self.true_negatives, self.false_negatives, "negative calls", level, interval)
    }

    /// Share of cases with the finding.
    ///
    /// # Errors
    /// As [`sensitivity`](Self::sensitivity), without cases.
    pub fn prevalence(&self, level: f64, interval: ProportionInterval) -> Result<Estimate, StatsError> {
        let positives = self.true_positives + self.false_negatives;
        share("prevalence", positives, self.n() - positives, "cases", level, interval)
    }

    /// Share of right calls; misleading where one class is rare.
    ///
    /// # Errors
    /// As [`sensitivity`](Self::sensitivity), without cases.
    pub fn accuracy(&self, level: f64, interval: ProportionInterval) -> Result<Estimate, StatsError> {
        let right = self.true_positives + self.true_negatives;
        share("accuracy", right, self.n() - right, "cases", level, interval)
    }

    /// Positive likelihood ratio, sensitivity / (1 - specificity), with the log interval of Simel, Samsa & Matchar
    /// (J. Clin. Epidemiol. 44 (1991) 763-770).
    ///
    /// # Errors
    /// `TooFew` when a class is empty; `Undefined` without a true or a false positive.
    pub fn positive_likelihood_ratio(&self, level: f64) -> Result<Estimate, StatsError> {
        self.likelihood_ratio("positive-likelihood-ratio", self.true_positives, self.false_positives, level)
    }

    /// Negative likelihood ratio, (1 - sensitivity) / specificity, with the same interval.
    ///
    /// # Errors
    /// `TooFew` when a class is empty; `Undefined` without a false or a true negative.
    pub fn negative_likelihood_ratio(&self, level: f64) -> Result<Estimate, StatsError> {
        self.likelihood_ratio("negative-likelihood-ratio", self.false_negatives, self.true_negatives, level)
    }

    /// Ratio of the share of `with` among positives to the share of `without` among negatives.
    fn likelihood_ratio(
        &self,
        what: &'static str,
        with: u64,
        without: u64,
        level: f64,
    ) -> Result<Estimate, StatsError> {
        let z = z_of_level(what, level)?;
        let n_positive = self.true_positives + self.false_negatives;
        let n_negative = self.true_negatives + self.false_positives;
        check::at_least(what, "positives", 1, n_positive)?;
        check::at_least(what, "negatives", 1, n_negative)?;
        if with == 0 || without == 0 {
            return Err(StatsError::Undefined { what, why: "one of its two shares is 0" });
        }
        let (a, b, m, n) = (with as f64, without as f64, n_positive as f64, n_negative as f64);
        let value = (a / m) / (b / n);
        let spread = (z * (1.0 / a - 1.0 / m + 1.0 / b - 1.0 / n).max(0.0).sqrt()).exp();
        let method = format!("{what}/log").into();
        Ok(Estimate { value, lower: value / spread, upper: value * spread, level, n: self.n(), method })
    }
}

fn share(
    what: &'static str,
    with: u64,
    without: u64,
    of: &'static str,
    level: f64,
    interval: ProportionInterval,
) -> Result<Estimate, StatsError> {
    check::at_least(what, of, 1, with + without)?;
    let estimate = proportion(with, with + without, level, interval)?;
    Ok(Estimate { method: format!("{what}/{}", interval.name()).into(), ..estimate })
}
