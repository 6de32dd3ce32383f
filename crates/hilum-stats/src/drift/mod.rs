//! Whether what arrives now differs from what was accepted: tests and distances between a reference and a current sample.
//!
//! - **Samples** of one number: [`SortedSample`] is sorted once and then serves [`kolmogorov_smirnov`], [`wasserstein`],
//!   [`energy_distance`], [`cramer_von_mises`], [`mann_whitney`], [`welch`], [`anderson_darling`], [`epps_singleton`].
//! - **Streams** of one number or category: [`ReferenceBins`] is the frozen layout of a reference, [`CellCounts`] what was
//!   counted into it. Counts merge exactly, so any window and any cut is a sum, and one corrupt value is one count.
//! - **Shares**: [`chi_squared`], [`g_test`], [`psi`], [`jensen_shannon`], [`hellinger`], [`total_variation`],
//!   [`kullback_leibler`].
//! - **Points** of many numbers (embeddings): [`mmd`], [`energy_test`], [`RandomFeatures`], [`classifier_test`],
//!   [`permuted_classifier_test`].
//!
//! Every answer is a [`Comparison`]: a value with both sample sizes and its method, and a p-value where the method has one.
//! p-values are never 0. Drift says that something changed, not that a model fails.

mod chi_squared;
mod classifier;
mod comparison;
mod counts;
mod distance;
mod divergence;
mod epps_singleton;
mod features;
mod gram;
mod kernel_test;
mod kolmogorov;
mod logistic;
mod means;
mod moments;
mod ordered;
mod points;
mod ranked;
mod reference_bins;
mod smirnov;
mod steps;
mod tails;

pub use chi_squared::{LowCounts, chi_squared, g_test};
pub use classifier::{ClassifierTest, classifier_test, permuted_classifier_test};
pub use comparison::Comparison;
pub use counts::CellCounts;
pub use distance::{energy_distance, wasserstein};
pub use divergence::{
    JensenShannonBase, PSI_FLOOR, hellinger, jensen_shannon, kullback_leibler, largest_difference, psi, total_variation,
};
pub use epps_singleton::epps_singleton;
pub use features::{FeatureSums, RandomFeatures, feature_mmd, feature_mmd_test};
pub use kernel_test::{Permutations, energy_test, median_squared_distance, mmd};
pub use kolmogorov::{KolmogorovP, kolmogorov_smirnov};
pub use means::welch;
pub use moments::Moments;
pub use ordered::SortedSample;
pub use points::Points;
pub use ranked::{anderson_darling, cramer_von_mises, mann_whitney};
pub use reference_bins::{Cell, ReferenceBins};
