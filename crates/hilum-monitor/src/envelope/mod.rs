//! The acquisition envelope: where the images of an accepted reference set lie, and whether a study lies there too (MV-04).
//!
//! A study is outside when one feature lies beyond its bounds or when its features do not go together. Both are one score:
//!
//! 1. Every feature is standardised by its median and, on either side of it, by the larger of the spread that the 10 % (90 %)
//!    quantile gives and a quarter of the largest deviation seen, so that a feature with long tails gets wide bounds; on a
//!    logarithmic scale where that makes it more symmetric.
//! 2. `single` is the largest standardised deviation, `joint` the Mahalanobis distance of the standardised features with the
//!    covariance shrunk after Ledoit and Wolf (J. Multivar. Anal. 88 (2004) 365-411). Each is divided by its own 90 % quantile
//!    over the reference set, and the score is the larger of the two.
//! 3. What score a case that was not learned from gets is found by leaving out every tenth case in turn. The limit is the
//!    conformal quantile of those scores: of `n` cases the `ceil((n + 1)(1 - rate))`-th smallest, so that a study like
//!    those of the reference set is outside with at most about that rate, whatever the distribution (Vovk, Gammerman and
//!    Shafer 2005; cross-conformal after Vovk, Ann. Math. Artif. Intell. 74 (2015) 9-28).
//!
//! The rate is for a deployment to declare; the envelope itself holds for every rate that its cases can support.

mod check;
mod fit;
mod matrix;
mod quantiles;
mod record;

pub use check::{EnvelopeCheck, Outside};
pub use matrix::ledoit_wolf;
pub use quantiles::{FeatureQuantiles, feature_quantiles, stratum_quantiles};
pub use record::{EnvelopeRecord, ReferenceGroup};

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Number of the stored form.
const FORMAT: u32 = 1;
/// Cases a fit needs whatever the rate.
pub const CASES_MIN: usize = 20;
/// Features an envelope holds at most; of an embedding those that [`crate::embedding`] makes of it.
pub const FEATURES_MAX: usize = 128;

/// Why there is no envelope, or nothing can be compared with it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum EnvelopeError {
    /// Too few cases for the declared rate.
    #[error(
        "insufficient: a false-withhold rate of {rate} needs at least {needed} measured cases in the reference set, it has {n}"
    )]
    Insufficient {
        /// Cases there are.
        n: usize,
        /// Cases the rate needs.
        needed: usize,
        /// The rate.
        rate: f64,
    },
    /// A rate that is none.
    #[error("a false-withhold rate of {0} makes no sense; declare one above 0 and at most 0.5, such as 0.01")]
    Rate(f64),
    /// No feature was measured on every case.
    #[error("no feature was measured on every case of the reference set, so there is nothing to compare")]
    NothingInCommon,
    /// More features than an envelope takes.
    #[error("{0} features are more than an envelope takes ({FEATURES_MAX})")]
    TooManyFeatures(usize),
    /// A value that is no number.
    #[error("feature {0:?} is not a finite number")]
    NotFinite(String),
    /// A stored envelope of another kind, or one whose parts do not fit together.
    #[error("the stored envelope cannot be used: {0}; fit it again with `hilum monitor envelope`")]
    Stored(&'static str),
}

/// How one feature is standardised.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeatureScale {
    /// Name of the feature.
    pub name: String,
    /// Whether it is looked at on a logarithmic scale.
    pub logarithmic: bool,
    /// Median, on that scale.
    pub centre: f64,
    /// One unit below the median.
    pub below: f64,
    /// One unit above it.
    pub above: f64,
    /// Mean of the standardised values over the reference set.
    pub mean: f64,
}

/// The envelope of a reference set, for one package.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Envelope {
    /// Number of the stored form: 1.
    pub format: u32,
    /// The features, in the order of the matrix.
    pub features: Vec<FeatureScale>,
    /// Inverse of the shrunk covariance of the standardised features, row by row.
    pub precision: Vec<f64>,
    /// What a `single` and a `joint` are divided by.
    pub units: [f64; 2],
    /// Scores of the cases, each by an envelope that was fitted without it; ascending.
    pub scores: Vec<f64>,
    /// Features that some cases have and others lack; they are not compared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
}

impl Envelope {
    /// Learn from the feature vectors of the reference cases. Their order decides which of them are left out together, so
    /// that the same cases in the same order give the same envelope.
    ///
    /// # Errors
    /// [`EnvelopeError::Insufficient`] for fewer than [`CASES_MIN`] cases; [`EnvelopeError::NothingInCommon`];
    /// [`EnvelopeError::TooManyFeatures`]; [`EnvelopeError::NotFinite`].
    pub fn fit(cases: &[BTreeMap<String, f64>]) -> Result<Envelope, EnvelopeError> {
        fit::fit(cases)
    }

    /// Cases that were learned from.
    pub fn n_cases(&self) -> usize {
        self.scores.len()
    }

    /// The score beyond which a study is outside.
    ///
    /// # Errors
    /// [`EnvelopeError::Insufficient`] when the reference set is too small for this rate; [`EnvelopeError::Rate`].
    pub fn limit(&self, rate: f64) -> Result<f64, EnvelopeError> {
        let n = self.scores.len();
        let needed = cases_needed(rate)?;
        if n < needed {
            return Err(EnvelopeError::Insufficient { n, needed, rate });
        }
        // A little is taken off, so that 99 cases at 0.01 give the 99th and not, by rounding, a 100th.
        let rank = ((n as f64 + 1.0) * (1.0 - rate) - 1e-9).ceil() as usize;
        Ok(self.scores[rank.clamp(1, n) - 1])
    }

    /// Compare a study with the envelope.
    ///
    /// # Errors
    /// As [`Envelope::limit`]; [`EnvelopeError::NotFinite`]; [`EnvelopeError::Stored`].
    pub fn check(&self, features: &BTreeMap<String, f64>, rate: f64) -> Result<EnvelopeCheck, EnvelopeError> {
        check::check(self, features, rate)
    }

    /// Bounds of every feature at this rate, in its own unit.
    ///
    /// # Errors
    /// As [`Envelope::limit`].
    pub fn bounds(&self, rate: f64) -> Result<Vec<(String, [f64; 2])>, EnvelopeError> {
        let limit = self.limit(rate)?;
        Ok(self
            .features
            .iter()
            .map(|scale| (scale.name.clone(), check::bounds(scale, limit * self.units[0])))
            .collect())
    }
}

/// Cases that a reference set needs so that a rate can be kept: `1 / rate - 1`, and [`CASES_MIN`] at least.
///
/// # Errors
/// [`EnvelopeError::Rate`] outside (0, 0.5].
pub fn cases_needed(rate: f64) -> Result<usize, EnvelopeError> {
    if !(0.0 < rate && rate <= 0.5) {
        return Err(EnvelopeError::Rate(rate));
    }
    // Beyond a billion nobody has cases, and the cast stays exact.
    Ok(((1.0 / rate - 1.0 - 1e-9).ceil().min(1e9) as usize).max(CASES_MIN))
}

#[cfg(test)]
mod tests;
