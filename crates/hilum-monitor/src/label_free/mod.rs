//! What performance would be if a score still meant what it meant in the acceptance test: estimates without labels.
//!
//! They describe, and nothing follows from them. In a simulation with noisier images such an estimate of sensitivity
//! rose to 0.95 while the truth fell from 0.90 to 0.80, so it may raise a question and never answer one. That is kept
//! by what is absent: an [`EstimatedFigure`] is no [`Figure`](crate::Figure), has no stored form, and no rule, no count
//! of evidence and no record takes one.

mod doubt;

use crate::Observation;
use crate::error::MonitorError;
use crate::fold::number_of;
use hilum_stats::Estimate;
use hilum_stats::label_free::{CbpeOptions, LabelFreeEstimate, LabelledScores};
use hilum_types::Digest;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub use doubt::{OUTSIDE_MAX, Period};

/// The member of a validation record that holds a [`LabelFreeReference`]. Records of earlier versions lack it.
pub const REFERENCE_KEY: &str = "label_free_reference";

/// What estimates without labels take for granted, in words; it belongs beside every one of them.
pub const ASSUMES: &str = "it holds only if a score still means the same probability of the finding as in the acceptance \
                           test, which nothing shows without labels: it is wrong where the finding is rarer or more \
                           frequent than among the cases of that test, and where images became noisier such an estimate \
                           rose while sensitivity fell; it clears no stop rule and is no evidence";

/// What a score meant in an acceptance test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelFreeReference {
    /// The finding.
    pub finding: String,
    /// Calibrated scores, as [`OutputFact::score`](crate::OutputFact::score) holds them in production, by truth.
    pub scores: LabelledScores,
}

/// Which figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EstimatedName {
    /// Of the studies with the finding, the share that is called.
    Sensitivity,
    /// Of the studies without it, the share that is not called.
    Specificity,
    /// Of the studies that are called, the share with the finding.
    Ppv,
    /// Area under the ROC curve.
    Auroc,
}

impl EstimatedName {
    /// Stable name: `sensitivity`, `specificity`, `ppv`, `auroc`.
    pub fn name(self) -> &'static str {
        match self {
            EstimatedName::Sensitivity => "sensitivity",
            EstimatedName::Specificity => "specificity",
            EstimatedName::Ppv => "ppv",
            EstimatedName::Auroc => "auroc",
        }
    }
}

/// An estimate without labels. Its interval of 95 % carries the sampling of both sides and nothing of what is taken for
/// granted.
#[derive(Debug, Clone, PartialEq)]
pub struct EstimatedFigure {
    /// Which figure.
    pub name: EstimatedName,
    /// The estimate.
    pub value: f64,
    /// Lower bound of the interval.
    pub lower: f64,
    /// Upper bound of the interval.
    pub upper: f64,
    /// Studies with a score that it rests on.
    pub n: u64,
    /// Stable name of the method.
    pub method: String,
}

/// Estimates of one finding.
#[derive(Debug, Clone, PartialEq)]
pub struct EstimatedFinding {
    /// The finding.
    pub finding: String,
    /// At or above it the finding is called; scores for which the model abstains are below it.
    pub operating_point: f64,
    /// The record of the acceptance test that says what a score means.
    pub record: Digest,
    /// Cases of it with the finding.
    pub n_with: u64,
    /// Cases of it without.
    pub n_without: u64,
    /// The estimates; one that divides by nothing is left out.
    pub figures: Vec<EstimatedFigure>,
    /// Why they are not to be relied on even as far as such estimates can be, a clause each; empty: no reason is known.
    pub doubts: Vec<String>,
}

/// Estimate what the labels of a period would say of one finding, each study counting once, by the latest of its
/// revisions that has a score. `None` where no study has one.
///
/// The draws behind the intervals are seeded, so that the same studies give the same estimates. They take time: 500
/// resamples of both sides.
///
/// # Errors
/// [`MonitorError::LabelFree`] for an operating point that is no number.
pub fn estimated(
    period: &Period<'_>,
    reference: &LabelFreeReference,
    record: Digest,
    operating_point: f64,
) -> Result<Option<EstimatedFinding>, MonitorError> {
    let LabelFreeReference { finding, scores } = reference;
    let scored = scored_studies(period.observations, finding);
    if scored.is_empty() {
        return Ok(None);
    }
    let observed: Vec<f64> = scored.iter().map(|(score, _)| *score).collect();
    let expected = scores
        .expected(&observed, operating_point, &CbpeOptions::default())
        .map_err(|source| MonitorError::LabelFree { finding: finding.clone(), source })?;
    let named = [
        (EstimatedName::Sensitivity, expected.sensitivity),
        (EstimatedName::Specificity, expected.specificity),
        (EstimatedName::Ppv, expected.ppv),
        (EstimatedName::Auroc, expected.auroc),
    ];
    let figure = |(name, estimate): (EstimatedName, Option<LabelFreeEstimate>)| {
        let Estimate { value, lower, upper, n, method, .. } = estimate?.advisory;
        Some(EstimatedFigure { name, value, lower, upper, n, method: method.into_owned() })
    };
    let (n_with, n_without) = (scores.n_with(), scores.n_without());
    let mut doubts = doubt::of_numbers(observed.len() as u64, n_with, n_without);
    let studies: Vec<&Observation> = scored.iter().map(|(_, study)| *study).collect();
    doubts.extend(doubt::of_inputs(period, &studies));
    Ok(Some(EstimatedFinding {
        finding: finding.clone(),
        operating_point,
        record,
        n_with,
        n_without,
        figures: named.into_iter().filter_map(figure).collect(),
        doubts,
    }))
}

/// Each study with its score, in the order of their keys, so that the order of reading decides nothing.
fn scored_studies<'a>(observations: &'a [Observation], finding: &str) -> Vec<(f64, &'a Observation)> {
    let name = format!("score:{finding}");
    let mut latest: BTreeMap<&str, (f64, &Observation)> = BTreeMap::new();
    for one in observations {
        let Some(score) = number_of(one, &name) else { continue };
        let is_newer = latest.get(one.study_key.as_str()).is_none_or(|(_, known)| known.revision < one.revision);
        if is_newer {
            latest.insert(&one.study_key, (score, one));
        }
    }
    latest.into_values().collect()
}

#[cfg(test)]
mod tests;
