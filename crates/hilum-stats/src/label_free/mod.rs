//! What performance would be without labels, **if** nothing had changed but the mix of scores: advisory only.
//!
//! Estimates from calibrated scores (CBPE) assume that a score still means the probability it meant in the reference. When
//! images became noisier in the simulations of the design, sensitivity fell from 0.90 to 0.80 while such an estimate rose to
//! 0.95. So they may raise concern and must never clear a stop rule; that they come as a type of their own,
//! [`LabelFreeEstimate`], keeps them out of places that ask for an [`Estimate`](crate::Estimate).

mod cbpe;
mod isotonic;
mod prevalence;
mod reference;

pub use cbpe::{Cbpe, CbpeOptions, ExpectedTable, cbpe, expected_auroc, expected_table};
pub use isotonic::IsotonicCalibration;
pub use prevalence::label_shift_prevalence;
pub use reference::LabelledScores;

use crate::estimate::Estimate;
use serde::{Deserialize, Serialize};

/// A figure computed without labels. Not an [`Estimate`], on purpose: it holds only under what it assumes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LabelFreeEstimate {
    /// The figure; its interval carries the sampling of both sides, not a failure of the assumption.
    pub advisory: Estimate,
    /// What must not have changed for it to hold.
    pub assumes: Assumption,
}

/// What a label-free figure takes for granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Assumption {
    /// A score means the same probability as in the reference (covariate shift only): wrong after changes of prevalence,
    /// acquisition or disease.
    SameProbabilityAtEachScore,
    /// Cases with the finding, and cases without, have the same scores as in the reference (label shift only): wrong after
    /// changes of acquisition or disease.
    SameScoresInEachClass,
}
