use super::rows::{FeatureRows, check_row};
use crate::chance::{Chance, shuffled};
use crate::check::{at_least, number};
use crate::error::StatsError;
use serde::{Deserialize, Serialize};

const WHAT: &str = "nearest-neighbour distance";

/// How a [`Neighbours`] distance is fitted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NeighbourOptions {
    /// Divide each feature by its standard deviation first: for features in units of their own, not for embeddings.
    pub standardise: bool,
    /// Which neighbour's distance counts, from 1.
    pub k: usize,
    /// Rows kept, at most 1,000: drawn by the seed where there are more.
    pub prototypes_max: usize,
    /// Seed of the drawing.
    pub seed: u64,
}

impl Default for NeighbourOptions {
    fn default() -> Self {
        NeighbourOptions { standardise: true, k: 10, prototypes_max: 1000, seed: 0 }
    }
}

/// Euclidean distance to the k-th nearest of some rows of a reference (Sun, Ming, Zhu & Li, ICML 2022).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Neighbours {
    stored: Stored,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    n: u64,
    k: usize,
    scale: Vec<f64>,
    prototypes: Vec<Vec<f64>>,
}

impl Neighbours {
    /// Keeps rows of the reference.
    ///
    /// # Errors
    /// `TooFew` with fewer rows than `k`; `OutOfRange` for a feature that is constant, where features are standardised, or for
    /// numbers of neighbours or prototypes outside their range.
    pub fn fit(rows: FeatureRows<'_>, options: &NeighbourOptions) -> Result<Neighbours, StatsError> {
        let kept = options.prototypes_max;
        number(WHAT, kept as f64, "1 to 1,000 prototypes", |n| (1.0..=1000.0).contains(&n))?;
        number(WHAT, options.k as f64, "neighbours from 1 to the number of prototypes", |k| {
            1.0 <= k && k <= kept as f64
        })?;
        at_least(WHAT, "rows", options.k as u64, rows.n() as u64)?;
        let scale = rows.scale(WHAT, options.standardise)?;
        let mut order = shuffled(rows.n(), &mut Chance::new(options.seed, 0));
        order.truncate(kept);
        let taken = rows.taken(&order);
        let scaled = |row: &[f64]| row.iter().zip(&scale).map(|(v, s)| v / s).collect();
        let prototypes = taken.chunks_exact(rows.n_features()).map(scaled).collect();
        Ok(Neighbours { stored: Stored { n: rows.n() as u64, k: options.k, scale, prototypes } })
    }

    /// Rows fitted on, kept or not.
    pub fn n(&self) -> u64 {
        self.stored.n
    }

    /// Features in each row.
    pub fn n_features(&self) -> usize {
        self.stored.scale.len()
    }

    /// Distance of one row to its k-th nearest prototype.
    ///
    /// # Errors
    /// `LengthMismatch`, or `OutOfRange` for a value that is not finite, or so large that its square is not.
    pub fn distance(&self, row: &[f64]) -> Result<f64, StatsError> {
        check_row(WHAT, row, self.n_features())?;
        let Stored { k, scale, prototypes, .. } = &self.stored;
        let row: Vec<f64> = row.iter().zip(scale).map(|(v, s)| v / s).collect();
        let squared = |prototype: &Vec<f64>| prototype.iter().zip(&row).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
        let mut distances: Vec<f64> = prototypes.iter().map(squared).collect();
        let (_, nearest, _) = distances.select_nth_unstable_by(k - 1, f64::total_cmp);
        let distance = nearest.sqrt();
        number(WHAT, distance, "the distances that double precision holds", |_| true)?;
        Ok(distance)
    }
}

impl TryFrom<Stored> for Neighbours {
    type Error = StatsError;

    fn try_from(stored: Stored) -> Result<Neighbours, StatsError> {
        let p = stored.scale.len();
        let sound = 0 < p
            && stored.scale.iter().all(|s| s.is_finite() && 0.0 < *s)
            && (1..=stored.prototypes.len()).contains(&stored.k)
            && stored.prototypes.iter().all(|row| row.len() == p && row.iter().all(|v| v.is_finite()));
        if sound {
            return Ok(Neighbours { stored });
        }
        Err(StatsError::Undefined { what: WHAT, why: "its stored form does not come from any rows" })
    }
}

impl From<Neighbours> for Stored {
    fn from(fitted: Neighbours) -> Stored {
        fitted.stored
    }
}
