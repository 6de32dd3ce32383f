//! Feature vectors that a package exposes (embeddings), brought down to a handful of numbers that are monitored like any other.
//!
//! The principal components of the vectors of the accepted reference set span what differs between its studies. Of every
//! study the projections onto them are kept, `embedding_1` onto that of the largest variance, and `embedding_rest`, its
//! distance from what they span: a study that is like no reference case is far off there, whatever its projections.
//!
//! Components are fitted to the cases they are then applied to, so a reference case lies closer to what they span than a
//! study that was not learned from: of few cases with long vectors by more than a standard deviation. The distances of the
//! reference cases are therefore measured from components that were learned without every tenth of them in turn; distances
//! do not depend on the sign or order of components, so they can be compared. Projections are of the common components:
//! where these were learned from noise they are spread wider than those of new studies, which errs towards inside.

mod components;
#[cfg(test)]
mod tests;

use components::principal;
use hilum_registry::monitoring::EMBEDDING_FEATURES;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Numbers in a vector at most.
pub const DIMENSIONS_MAX: usize = 1024;
/// Components at most: one for each of [`EMBEDDING_FEATURES`] but the last.
pub const COMPONENTS_MAX: usize = EMBEDDING_FEATURES.len() - 1;
/// Numbers in all vectors of a reference set at most: 256 MiB.
const VALUES_MAX: usize = 1 << 26;
/// Cases that one component needs.
const CASES_PER_COMPONENT: usize = 10;
/// Parts of the set that are left out in turn.
const FOLDS: usize = 10;
/// What varies by less than this part of the largest component, or of everything, is rounding.
const ROUNDING: f64 = 1e-9;

/// Why vectors cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EmbeddingError {
    /// There is no vector, or too few.
    #[error("{0} cases of the reference set have an embedding; at least {CASES_PER_COMPONENT} are needed")]
    TooFew(usize),
    /// A vector of more numbers than are taken.
    #[error("an embedding of {0} numbers is more than is monitored ({DIMENSIONS_MAX}); expose a pooled one")]
    TooLong(usize),
    /// More vectors than are taken.
    #[error("the embeddings of this reference set hold more than {VALUES_MAX} numbers; expose a shorter one")]
    TooMany,
    /// A vector of another length.
    #[error("the model's embedding has {found} numbers, that of the reference cases {expected}")]
    Length {
        /// Numbers it has.
        found: usize,
        /// Numbers the others have.
        expected: usize,
    },
    /// A vector with something that is no finite number.
    #[error("number {0} of the model's embedding is not finite")]
    NotFinite(usize),
    /// Vectors that are all the same.
    #[error("the model's embedding is the same for every reference case")]
    Constant,
    /// Stored components that do not fit together.
    #[error("the stored components do not fit together; fit the envelope again with `hilum monitor envelope`")]
    Stored,
}

/// The vector of a study: the mean of those of its runs, of which there are several where a package reads each image by
/// itself. `None`: there is none.
///
/// # Errors
/// [`EmbeddingError::TooLong`], [`EmbeddingError::Length`] for runs of different lengths, [`EmbeddingError::NotFinite`].
pub fn vector_of(runs: &[Vec<f32>]) -> Result<Option<Vec<f32>>, EmbeddingError> {
    let Some(first) = runs.first().filter(|first| !first.is_empty()) else { return Ok(None) };
    if DIMENSIONS_MAX < first.len() {
        return Err(EmbeddingError::TooLong(first.len()));
    }
    let mut sums = vec![0.0f64; first.len()];
    for run in runs {
        check(run, first.len())?;
        sums.iter_mut().zip(run).for_each(|(sum, value)| *sum += f64::from(*value));
    }
    Ok(Some(sums.into_iter().map(|sum| (sum / runs.len() as f64) as f32).collect()))
}

fn check(vector: &[f32], expected: usize) -> Result<(), EmbeddingError> {
    if vector.len() != expected {
        return Err(EmbeddingError::Length { found: vector.len(), expected });
    }
    match vector.iter().position(|value| !value.is_finite()) {
        Some(place) => Err(EmbeddingError::NotFinite(place + 1)),
        None => Ok(()),
    }
}

/// The vectors of the cases of a reference set, in their order.
#[derive(Debug, Clone, Default)]
pub struct ReferenceVectors {
    rows: Vec<f32>,
    dimensions: usize,
}

impl ReferenceVectors {
    /// Take the vector of the next case.
    ///
    /// # Errors
    /// [`EmbeddingError::TooLong`], [`EmbeddingError::Length`], [`EmbeddingError::NotFinite`], [`EmbeddingError::TooMany`].
    pub fn add(&mut self, vector: &[f32]) -> Result<(), EmbeddingError> {
        if self.rows.is_empty() {
            self.dimensions = vector.len();
        }
        if DIMENSIONS_MAX < vector.len() {
            return Err(EmbeddingError::TooLong(vector.len()));
        }
        check(vector, self.dimensions)?;
        if VALUES_MAX < self.rows.len() + vector.len() {
            return Err(EmbeddingError::TooMany);
        }
        self.rows.extend_from_slice(vector);
        Ok(())
    }

    fn n_cases(&self) -> usize {
        self.rows.len() / self.dimensions.max(1)
    }
}

/// Mean and principal components of the vectors of a reference set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Embedding {
    /// Mean of every number.
    pub mean: Vec<f32>,
    /// The components, that of the largest variance first, one after the other, each of length 1. The largest of its numbers
    /// by amount is positive.
    pub components: Vec<f32>,
    /// Variance along each component, of `n - 1`.
    pub variances: Vec<f64>,
    /// Variance of all numbers together.
    pub total_variance: f64,
    /// Whether anything is left beside the components, so that there is an `embedding_rest`.
    pub has_rest: bool,
}

impl Embedding {
    /// Learn from the vectors of the reference cases; with it what each of them has as features, in their order.
    ///
    /// At most [`COMPONENTS_MAX`] components, and one for every ten cases. The same vectors give the same components.
    ///
    /// # Errors
    /// [`EmbeddingError::TooFew`], [`EmbeddingError::Constant`].
    pub fn fit(vectors: &ReferenceVectors) -> Result<(Embedding, Vec<BTreeMap<String, f64>>), EmbeddingError> {
        let (n, d) = (vectors.n_cases(), vectors.dimensions);
        let k = (n / CASES_PER_COMPONENT).min(COMPONENTS_MAX).min(d);
        if k == 0 {
            return Err(EmbeddingError::TooFew(n));
        }
        let rows = || vectors.rows.chunks_exact(d);
        let mut mean = vec![0.0f64; d];
        for row in rows() {
            mean.iter_mut().zip(row).for_each(|(mean, value)| *mean += f64::from(*value) / n as f64);
        }
        // The mean as it is stored, so that reference cases and later studies are centred by the same one.
        let mean: Vec<f32> = mean.into_iter().map(|mean| mean as f32).collect();
        let folds: Vec<Sums> = (0..FOLDS).map(|fold| Sums::of(rows().skip(fold).step_by(FOLDS), &mean)).collect();
        let mut all = Sums::zero(d);
        folds.iter().for_each(|fold| all.add(fold, 1.0));
        let covariance = all.covariance();
        let total_variance: f64 = (0..d).map(|place| covariance[place * d + place]).sum();
        let found = principal(&covariance, d, k);
        let largest = found.first().map_or(0.0, |(variance, _)| *variance);
        let kept: Vec<_> = found.into_iter().filter(|(variance, _)| ROUNDING * largest < *variance).collect();
        if kept.is_empty() || !total_variance.is_finite() {
            return Err(EmbeddingError::Constant);
        }
        let explained: f64 = kept.iter().map(|(variance, _)| variance).sum();
        let embedding = Embedding {
            has_rest: kept.len() < d && ROUNDING * total_variance < total_variance - explained,
            variances: kept.iter().map(|(variance, _)| *variance).collect(),
            components: kept.iter().flat_map(|(_, component)| component).map(|value| *value as f32).collect(),
            mean,
            total_variance,
        };
        let mut features: Vec<BTreeMap<String, f64>> = rows().map(|row| embedding.named(row)).collect();
        if embedding.has_rest {
            let rest = EMBEDDING_FEATURES[COMPONENTS_MAX];
            for (fold, left_out) in folds.iter().enumerate() {
                let mut others = all.clone();
                others.add(left_out, -1.0);
                let without = principal(&others.covariance(), d, embedding.variances.len());
                let centre = others.mean();
                let in_fold = (fold..n).step_by(FOLDS);
                for (place, row) in in_fold.zip(rows().skip(fold).step_by(FOLDS)) {
                    let centred = embedding.mean.iter().zip(&centre).zip(row);
                    let centred: Vec<f64> =
                        centred.map(|((mean, centre), value)| f64::from(*value) - f64::from(*mean) - centre).collect();
                    let components = without.iter().map(|(_, component)| component.iter().copied());
                    features[place].insert(rest.to_owned(), split(centred, components).1);
                }
            }
        }
        Ok((embedding, features))
    }

    /// The features of a study with this vector: `embedding_1`, ..., and `embedding_rest`; all finite.
    ///
    /// # Errors
    /// [`EmbeddingError::Length`], [`EmbeddingError::NotFinite`]; [`EmbeddingError::Stored`].
    pub fn features(&self, vector: &[f32]) -> Result<BTreeMap<String, f64>, EmbeddingError> {
        let (d, k) = (self.mean.len(), self.variances.len());
        let numbers = self.mean.iter().chain(&self.components);
        if d == 0 || COMPONENTS_MAX < k || self.components.len() != k * d || !numbers.into_iter().all(|v| v.is_finite())
        {
            return Err(EmbeddingError::Stored);
        }
        check(vector, d)?;
        Ok(self.named(vector))
    }

    fn named(&self, vector: &[f32]) -> BTreeMap<String, f64> {
        let d = self.mean.len();
        let centred = self.mean.iter().zip(vector).map(|(mean, value)| f64::from(*value) - f64::from(*mean)).collect();
        let components = self.components.chunks_exact(d).map(|row| row.iter().map(|value| f64::from(*value)));
        let (projections, rest) = split(centred, components);
        let names = EMBEDDING_FEATURES.iter().map(|name| (*name).to_owned());
        let mut features: BTreeMap<String, f64> = names.zip(projections).collect();
        if self.has_rest {
            features.insert(EMBEDDING_FEATURES[COMPONENTS_MAX].to_owned(), rest);
        }
        features
    }
}

/// Projections of a centred vector onto components, and the length of what is left of it.
fn split<C: Iterator<Item = f64> + Clone>(mut left: Vec<f64>, components: impl Iterator<Item = C>) -> (Vec<f64>, f64) {
    let mut projections = Vec::new();
    for component in components {
        let projection: f64 = left.iter().zip(component.clone()).map(|(value, weight)| value * weight).sum();
        left.iter_mut().zip(component).for_each(|(value, weight)| *value -= projection * weight);
        projections.push(projection);
    }
    (projections, left.iter().map(|value| value * value).sum::<f64>().sqrt())
}

/// Count, sums and sums of products of centred vectors; those of a part can be taken off again.
#[derive(Debug, Clone)]
struct Sums {
    n: f64,
    sums: Vec<f64>,
    /// Row by row; only on and above the diagonal.
    products: Vec<f64>,
}

impl Sums {
    fn zero(d: usize) -> Sums {
        Sums { n: 0.0, sums: vec![0.0; d], products: vec![0.0; d * d] }
    }

    fn of<'a>(rows: impl Iterator<Item = &'a [f32]>, mean: &[f32]) -> Sums {
        let d = mean.len();
        let mut sums = Sums::zero(d);
        let mut centred = vec![0.0; d];
        for row in rows {
            for (place, centred) in centred.iter_mut().enumerate() {
                *centred = f64::from(row[place]) - f64::from(mean[place]);
            }
            sums.n += 1.0;
            sums.sums.iter_mut().zip(&centred).for_each(|(sum, value)| *sum += value);
            for (i, value) in centred.iter().enumerate() {
                let products = &mut sums.products[i * d + i..(i + 1) * d];
                products.iter_mut().zip(&centred[i..]).for_each(|(product, other)| *product += value * other);
            }
        }
        sums
    }

    fn add(&mut self, other: &Sums, times: f64) {
        self.n += times * other.n;
        self.sums.iter_mut().zip(&other.sums).for_each(|(sum, other)| *sum += times * other);
        self.products.iter_mut().zip(&other.products).for_each(|(sum, other)| *sum += times * other);
    }

    fn mean(&self) -> Vec<f64> {
        self.sums.iter().map(|sum| sum / self.n).collect()
    }

    /// The covariance of `n - 1`, row by row.
    fn covariance(&self) -> Vec<f64> {
        let (d, mean) = (self.sums.len(), self.mean());
        let mut covariance = vec![0.0; d * d];
        for i in 0..d {
            for j in i..d {
                let value = (self.products[i * d + j] - self.n * mean[i] * mean[j]) / (self.n - 1.0).max(1.0);
                (covariance[i * d + j], covariance[j * d + i]) = (value, value);
            }
        }
        covariance
    }
}
