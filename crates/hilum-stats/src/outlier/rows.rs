use crate::check::{at_least, finite, number};
use crate::error::StatsError;

/// Features of many studies, one row each, in one slice.
#[derive(Debug, Clone, Copy)]
pub struct FeatureRows<'a> {
    values: &'a [f64],
    n_features: usize,
}

/// Wider rows make a covariance that no longer fits the time of a page; take principal components first.
const FEATURES_MAX: usize = 2048;

impl<'a> FeatureRows<'a> {
    /// `values` holds row after row, each of `n_features` finite numbers (1 to 2,048).
    ///
    /// # Errors
    /// `TooFew` without rows; `LengthMismatch` where the last row is not complete; `OutOfRange` for a value that is not finite,
    /// or a number of features outside the range.
    pub fn new(values: &'a [f64], n_features: usize) -> Result<FeatureRows<'a>, StatsError> {
        let what = "rows of features";
        number(what, n_features as f64, "1 to 2,048 features", |n| (1.0..=FEATURES_MAX as f64).contains(&n))?;
        at_least(what, "rows", 1, (values.len() / n_features) as u64)?;
        crate::check::same_length(what, values.len(), values.len() / n_features * n_features)?;
        finite(what, values)?;
        Ok(FeatureRows { values, n_features })
    }

    /// Number of features in each row.
    pub fn n_features(&self) -> usize {
        self.n_features
    }

    /// Number of rows.
    pub fn n(&self) -> usize {
        self.values.len() / self.n_features
    }

    /// The rows.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &'a [f64]> {
        self.values.chunks_exact(self.n_features)
    }

    /// The rows at these positions, one after the other.
    pub(super) fn taken(&self, positions: &[usize]) -> Vec<f64> {
        let row = |&place: &usize| &self.values[place * self.n_features..(place + 1) * self.n_features];
        positions.iter().flat_map(row).copied().collect()
    }

    /// Mean and standard deviation (with `n - 1`) of each feature.
    pub(super) fn moments(&self) -> (Vec<f64>, Vec<f64>) {
        let n = self.n() as f64;
        let mut mean = vec![0.0; self.n_features];
        for row in self.iter() {
            mean.iter_mut().zip(row).for_each(|(sum, v)| *sum += v / n);
        }
        let mut spread = vec![0.0; self.n_features];
        for row in self.iter() {
            spread.iter_mut().zip(row.iter().zip(&mean)).for_each(|(sum, (v, m))| *sum += (v - m).powi(2));
        }
        spread.iter_mut().for_each(|sum| *sum = (*sum / (n - 1.0).max(1.0)).sqrt());
        (mean, spread)
    }

    /// What each feature is divided by: its standard deviation, or 1 where rows are taken as they are.
    pub(super) fn scale(&self, what: &'static str, standardise: bool) -> Result<Vec<f64>, StatsError> {
        if !standardise {
            return Ok(vec![1.0; self.n_features]);
        }
        let (mean, spread) = self.moments();
        // The same value everywhere still leaves a rounding error of its mean.
        match (0..self.n_features).find(|&f| spread[f] <= 1e-12 * mean[f].abs() || !spread[f].is_finite()) {
            None => Ok(spread),
            Some(index) => Err(StatsError::OutOfRange {
                what,
                index,
                value: "the same in all rows".to_owned(),
                range: "the features that vary; leave it out, the envelope looks after constants",
            }),
        }
    }
}

/// One row to be judged.
pub(super) fn check_row(what: &'static str, row: &[f64], n_features: usize) -> Result<(), StatsError> {
    crate::check::same_length(what, row.len(), n_features)?;
    finite(what, row)
}
