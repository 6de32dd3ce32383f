use super::eigen::symmetric_eigen;
use super::rows::{FeatureRows, check_row};
use crate::check::{at_least, number};
use crate::error::StatsError;
use serde::{Deserialize, Serialize};

const WHAT: &str = "Mahalanobis distance";

/// How the covariance of few rows in many dimensions is kept from being singular.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shrinkage {
    /// Towards equal variances without correlation, by the amount that Ledoit & Wolf (J. Multivar. Anal. 88 (2004) 365-411)
    /// estimate from the rows; the default.
    #[default]
    LedoitWolf,
    /// The covariance as it is, with `n - 1`.
    None,
}

/// How a [`Mahalanobis`] distance is fitted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MahalanobisOptions {
    /// Divide each feature by its standard deviation first: for features in units of their own, not for embeddings.
    pub standardise: bool,
    /// Shrinkage of the covariance.
    pub shrinkage: Shrinkage,
    /// Principal components that keep a variance of their own, 1 to 64; the directions beyond them share one.
    pub components_max: usize,
}

impl Default for MahalanobisOptions {
    fn default() -> Self {
        MahalanobisOptions { standardise: true, shrinkage: Shrinkage::LedoitWolf, components_max: 64 }
    }
}

/// Distance from the mean of a reference in standard deviations along each of its directions.
///
/// The covariance is split into at most 64 principal components with variances of their own, and the rest, whose directions
/// share the mean of their variances (probabilistic PCA: Tipping & Bishop, J. R. Stat. Soc. B 61 (1999) 611-622): a study
/// unlike the reference only in a direction without much variance is still seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Mahalanobis {
    stored: Stored,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    n: u64,
    mean: Vec<f64>,
    scale: Vec<f64>,
    shrinkage: f64,
    components: Vec<Vec<f64>>,
    variances: Vec<f64>,
    rest_variance: Option<f64>,
}

impl Mahalanobis {
    /// Fits mean and covariance of the rows.
    ///
    /// # Errors
    /// `TooFew` below two rows; `OutOfRange` for a feature that is constant, where features are standardised, or a number of
    /// components outside 1 to 64; `Undefined` for a singular covariance without shrinkage; `NoConvergence`.
    pub fn fit(rows: FeatureRows<'_>, options: &MahalanobisOptions) -> Result<Mahalanobis, StatsError> {
        at_least(WHAT, "rows", 2, rows.n() as u64)?;
        let components = options.components_max as f64;
        number(WHAT, components, "1 to 64 components", |n| (1.0..=64.0).contains(&n))?;
        let (mean, _) = rows.moments();
        let scale = rows.scale(WHAT, options.standardise)?;
        let (shrinkage, covariance) = covariance(rows, &mean, &scale, options.shrinkage);
        let n_features = rows.n_features();
        let trace: f64 = (0..n_features).map(|f| covariance[f][f]).sum();
        number(WHAT, trace, "variances whose sum is finite and above 0", |v| 0.0 < v)?;
        let eigen = symmetric_eigen(WHAT, covariance)?;
        let kept = options.components_max.min(n_features);
        let rest = &eigen.values[kept..];
        let rest_variance = (!rest.is_empty()).then(|| rest.iter().sum::<f64>() / rest.len() as f64);
        let smallest = rest_variance.unwrap_or(f64::INFINITY).min(eigen.values[kept - 1]);
        if smallest <= 1e-12 * eigen.values[0] {
            let why = "the covariance is singular: more rows, fewer features or shrinkage are needed";
            return Err(StatsError::Undefined { what: WHAT, why });
        }
        let stored = Stored {
            n: rows.n() as u64,
            mean,
            scale,
            shrinkage,
            components: eigen.vectors.into_iter().take(kept).collect(),
            variances: eigen.values[..kept].to_vec(),
            rest_variance,
        };
        Ok(Mahalanobis { stored })
    }

    /// Rows fitted on.
    pub fn n(&self) -> u64 {
        self.stored.n
    }

    /// Features in each row.
    pub fn n_features(&self) -> usize {
        self.stored.mean.len()
    }

    /// How far the covariance was shrunk, from 0 to 1.
    pub fn shrinkage(&self) -> f64 {
        self.stored.shrinkage
    }

    /// Squared distance of one row.
    ///
    /// # Errors
    /// `LengthMismatch`, or `OutOfRange` for a value that is not finite, or so large that its square is not.
    pub fn distance_squared(&self, row: &[f64]) -> Result<f64, StatsError> {
        check_row(WHAT, row, self.n_features())?;
        let Stored { mean, scale, components, variances, rest_variance, .. } = &self.stored;
        let centred: Vec<f64> = row.iter().zip(mean).zip(scale).map(|((v, m), s)| (v - m) / s).collect();
        let (mut distance, mut along) = (0.0, 0.0);
        for (component, variance) in components.iter().zip(variances) {
            let projected: f64 = component.iter().zip(&centred).map(|(a, b)| a * b).sum();
            distance += projected * projected / variance;
            along += projected * projected;
        }
        if let Some(variance) = rest_variance {
            let beyond = centred.iter().map(|v| v * v).sum::<f64>() - along;
            distance += beyond.max(0.0) / variance;
        }
        number(WHAT, distance, "the distances that double precision holds", |_| true)?;
        Ok(distance)
    }
}

/// Covariance of the scaled features, with how far it was shrunk.
fn covariance(rows: FeatureRows<'_>, mean: &[f64], scale: &[f64], shrinkage: Shrinkage) -> (f64, Vec<Vec<f64>>) {
    let (n, p) = (rows.n() as f64, rows.n_features());
    let mut sums = vec![vec![0.0; p]; p];
    let mut fourth = 0.0;
    let mut centred = vec![0.0; p];
    for row in rows.iter() {
        for (place, c) in centred.iter_mut().enumerate() {
            *c = (row[place] - mean[place]) / scale[place];
        }
        for (i, of_row) in sums.iter_mut().enumerate() {
            let factor = centred[i];
            of_row[i..].iter_mut().zip(&centred[i..]).for_each(|(sum, v)| *sum += factor * v);
        }
        fourth += centred.iter().map(|v| v * v).sum::<f64>().powi(2);
    }
    let divisor = if shrinkage == Shrinkage::None { n - 1.0 } else { n };
    sums.iter_mut().flatten().for_each(|sum| *sum /= divisor);
    for row in 1..p {
        let (above, below) = sums.split_at_mut(row);
        below[0][..row].iter_mut().zip(above).for_each(|(mirrored, above)| *mirrored = above[row]);
    }
    if shrinkage == Shrinkage::None {
        return (0.0, sums);
    }
    let dimensions = p as f64;
    let middle = (0..p).map(|i| sums[i][i]).sum::<f64>() / dimensions;
    let squares: f64 = sums.iter().flatten().map(|v| v * v).sum();
    let spread = (squares - dimensions * middle * middle) / dimensions;
    let noise = ((fourth / n - squares) / (dimensions * n)).clamp(0.0, spread.max(0.0));
    let amount = if 0.0 < spread { noise / spread } else { 0.0 };
    for (i, row) in sums.iter_mut().enumerate() {
        row.iter_mut().for_each(|v| *v *= 1.0 - amount);
        row[i] += amount * middle;
    }
    (amount, sums)
}

impl TryFrom<Stored> for Mahalanobis {
    type Error = StatsError;

    fn try_from(stored: Stored) -> Result<Mahalanobis, StatsError> {
        let p = stored.mean.len();
        let positive = |values: &[f64]| values.iter().all(|v| v.is_finite() && 0.0 < *v);
        let finite = |values: &[f64]| values.iter().all(|v| v.is_finite());
        let sound = 0 < p
            && stored.scale.len() == p
            && positive(&stored.scale)
            && finite(&stored.mean)
            && stored.components.len() == stored.variances.len()
            && (1..=p).contains(&stored.components.len())
            && stored.components.iter().all(|c| c.len() == p && finite(c))
            && positive(&stored.variances)
            && stored.rest_variance.is_none_or(|v| v.is_finite() && 0.0 < v);
        if sound {
            return Ok(Mahalanobis { stored });
        }
        Err(StatsError::Undefined { what: WHAT, why: "its stored form does not come from any rows" })
    }
}

impl From<Mahalanobis> for Stored {
    fn from(fitted: Mahalanobis) -> Stored {
        fitted.stored
    }
}
