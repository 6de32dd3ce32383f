use super::cbpe::{Cbpe, CbpeOptions, cbpe};
use crate::check::{at_least, finite, same_length};
use crate::error::StatsError;
use serde::{Deserialize, Serialize};

const WHAT: &str = "labelled reference scores";

/// Scores of labelled cases, apart by truth: all that [`cbpe`] takes of a reference, and nothing that names a case.
///
/// Scores are rounded to six significant digits and stored in ascending order, so that their order tells nothing of the
/// cases. Of more than [`LabelledScores::CASES_MAX`] cases an even choice along the scores of each class is kept, in
/// the shares of both classes: prevalence and the meaning of a score stay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct LabelledScores {
    with: Vec<f64>,
    without: Vec<f64>,
    n_cases: u64,
}

impl LabelledScores {
    /// Cases that are kept at most.
    pub const CASES_MAX: usize = 20_000;

    /// Of cases in any order; a label says whether the finding is there.
    ///
    /// # Errors
    /// `LengthMismatch`; `TooFew` without cases; `OutOfRange` for a score that is not finite.
    ///
    /// # Examples
    /// ```
    /// let scores = hilum_stats::label_free::LabelledScores::new(&[true, false, true], &[0.9, 0.1, 0.7]).unwrap();
    /// assert_eq!((scores.n_with(), scores.n_without()), (2, 1));
    /// ```
    pub fn new(labels: &[bool], scores: &[f64]) -> Result<LabelledScores, StatsError> {
        same_length(WHAT, labels.len(), scores.len())?;
        at_least(WHAT, "cases", 1, scores.len() as u64)?;
        finite(WHAT, scores)?;
        let of_class = |wanted: bool| {
            let cases = labels.iter().zip(scores).filter(|(label, _)| **label == wanted);
            let mut kept: Vec<f64> = cases.map(|(_, &score)| rounded(score)).collect();
            kept.sort_by(f64::total_cmp);
            kept
        };
        let (mut with, mut without) = (of_class(true), of_class(false));
        let n = scores.len();
        if Self::CASES_MAX < n {
            let share = (with.len() * Self::CASES_MAX + n / 2) / n;
            // A class that there is stays.
            let n_with = share.clamp(with.len().min(1), Self::CASES_MAX - without.len().min(1));
            with = thinned(&with, n_with);
            without = thinned(&without, Self::CASES_MAX - n_with);
        }
        Ok(LabelledScores { with, without, n_cases: n as u64 })
    }

    /// Kept cases with the finding.
    pub fn n_with(&self) -> u64 {
        self.with.len() as u64
    }

    /// Kept cases without it.
    pub fn n_without(&self) -> u64 {
        self.without.len() as u64
    }

    /// Cases there were, those included that are not kept.
    pub fn n_cases(&self) -> u64 {
        self.n_cases
    }

    /// Performance to be expected on unlabelled `scores`, with these cases as the reference: see [`cbpe`].
    ///
    /// # Errors
    /// As [`cbpe`].
    pub fn expected(&self, scores: &[f64], threshold: f64, options: &CbpeOptions) -> Result<Cbpe, StatsError> {
        let labels = [vec![true; self.with.len()], vec![false; self.without.len()]].concat();
        let reference = [self.with.as_slice(), self.without.as_slice()].concat();
        cbpe((&labels, &reference), scores, threshold, options)
    }
}

/// To six significant digits; greater scores stay greater or become equal.
fn rounded(score: f64) -> f64 {
    format!("{score:.5e}").parse().unwrap_or(score)
}

/// The middles of `n` equal stretches.
fn thinned(sorted: &[f64], n: usize) -> Vec<f64> {
    (0..n).filter_map(|place| sorted.get((2 * place + 1) * sorted.len() / (2 * n)).copied()).collect()
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    with: Vec<f64>,
    without: Vec<f64>,
    n_cases: u64,
}

impl TryFrom<Stored> for LabelledScores {
    type Error = StatsError;

    fn try_from(Stored { with, without, n_cases }: Stored) -> Result<LabelledScores, StatsError> {
        let n_kept = with.len().saturating_add(without.len());
        at_least(WHAT, "cases", 1, n_kept as u64)?;
        finite(WHAT, &with)?;
        finite(WHAT, &without)?;
        if n_kept <= Self::CASES_MAX && n_kept as u64 <= n_cases {
            return Ok(LabelledScores { with, without, n_cases });
        }
        Err(StatsError::Undefined { what: WHAT, why: "more cases are stored than there were, or than are kept" })
    }
}

impl From<LabelledScores> for Stored {
    fn from(LabelledScores { with, without, n_cases }: LabelledScores) -> Stored {
        Stored { with, without, n_cases }
    }
}
