use super::calibration::Calibration;
use super::mahalanobis::{Mahalanobis, MahalanobisOptions};
use super::neighbours::{NeighbourOptions, Neighbours};
use super::rows::FeatureRows;
use crate::chance::{Chance, shuffled};
use crate::check::{at_least, number};
use crate::error::StatsError;
use crate::ranks::clusters;
use serde::{Deserialize, Serialize};

const WHAT: &str = "outlier model";

/// Which distance, and how it is fitted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "method")]
pub enum OutlierMethod {
    /// [`Mahalanobis`], squared.
    Mahalanobis(MahalanobisOptions),
    /// [`Neighbours`].
    Neighbours(NeighbourOptions),
}

/// A fitted distance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "method")]
pub enum Distance {
    /// [`Mahalanobis`], squared.
    Mahalanobis(Mahalanobis),
    /// [`Neighbours`].
    Neighbours(Neighbours),
}

impl Distance {
    /// The distance of one row; larger is further from the reference.
    ///
    /// # Errors
    /// As [`Mahalanobis::distance_squared`] and [`Neighbours::distance`].
    pub fn of(&self, row: &[f64]) -> Result<f64, StatsError> {
        match self {
            Distance::Mahalanobis(fitted) => fitted.distance_squared(row),
            Distance::Neighbours(fitted) => fitted.distance(row),
        }
    }
}

/// How unlike the reference one study is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Outlyingness {
    /// The distance: squared for Mahalanobis.
    pub distance: f64,
    /// Conformal p-value, in (0, 1].
    pub p_value: f64,
    /// Percentile among studies like the reference, in [0, 100).
    pub percentile: f64,
    /// Whether it is beyond the level of the model.
    pub outside: bool,
}

/// A distance fitted on one half of a reference and calibrated on the other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct OutlierModel {
    distance: Distance,
    calibration: Calibration,
    level: f64,
}

impl OutlierModel {
    /// Fits on half of the rows, drawn by the seed, and calibrates on the rest. Rows of one `group` (a patient) stay together, or
    /// the halves would know each other; without groups every row is its own.
    ///
    /// A study is outside when its p-value is at most `1 - level`: at 0.99, of studies like the reference one in a hundred.
    ///
    /// # Errors
    /// `LengthMismatch` for groups; `OutOfRange` for a level outside [0.5, 1); `TooFew` where the calibrating half is too
    /// small to speak at this level (99 rows for 0.99); otherwise as the distances' fits.
    pub fn fit(
        rows: FeatureRows<'_>,
        groups: Option<&[u64]>,
        method: &OutlierMethod,
        level: f64,
        seed: u64,
    ) -> Result<OutlierModel, StatsError> {
        number(WHAT, level, "a level in [0.5, 1)", |v| (0.5..1.0).contains(&v))?;
        if let Some(groups) = groups {
            crate::check::same_length(WHAT, groups.len(), rows.n())?;
        }
        let groups = clusters(rows.n(), groups);
        let mut place_of = vec![0; groups.n];
        for (place, group) in shuffled(groups.n, &mut Chance::new(seed, 1)).into_iter().enumerate() {
            place_of[group] = place;
        }
        let to_fit = |&row: &usize| place_of[groups.of_case[row] as usize] < groups.n / 2;
        let (fitted, held): (Vec<usize>, Vec<usize>) = (0..rows.n()).partition(to_fit);
        at_least(WHAT, "rows to fit on", 2, fitted.len() as u64)?;
        // One more than 1 / (1 - level) makes the smallest p-value, but for rounding.
        let needed = (1.0 / (1.0 - level) - 1.0 - 1e-9).ceil() as u64;
        at_least(WHAT, "rows to calibrate on", needed.max(1), held.len() as u64)?;
        let values = rows.taken(&fitted);
        let to_fit = FeatureRows::new(&values, rows.n_features())?;
        let distance = match method {
            OutlierMethod::Mahalanobis(options) => Distance::Mahalanobis(Mahalanobis::fit(to_fit, options)?),
            OutlierMethod::Neighbours(options) => Distance::Neighbours(Neighbours::fit(to_fit, options)?),
        };
        let values = rows.taken(&held);
        let scores: Result<Vec<f64>, _> = values.chunks_exact(rows.n_features()).map(|row| distance.of(row)).collect();
        Ok(OutlierModel { distance, calibration: Calibration::new(scores?)?, level })
    }

    /// The distance.
    pub fn distance(&self) -> &Distance {
        &self.distance
    }

    /// The calibrating half.
    pub fn calibration(&self) -> &Calibration {
        &self.calibration
    }

    /// The level beyond which a study is outside.
    pub fn level(&self) -> f64 {
        self.level
    }

    /// Places one study.
    ///
    /// # Errors
    /// As [`Distance::of`].
    pub fn judge(&self, row: &[f64]) -> Result<Outlyingness, StatsError> {
        let distance = self.distance.of(row)?;
        let p_value = self.calibration.p_value(distance)?;
        let outside = p_value <= 1.0 - self.level + 1e-12;
        Ok(Outlyingness { distance, p_value, percentile: 100.0 * (1.0 - p_value), outside })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    distance: Distance,
    calibration: Calibration,
    level: f64,
}

impl TryFrom<Stored> for OutlierModel {
    type Error = StatsError;

    fn try_from(Stored { distance, calibration, level }: Stored) -> Result<OutlierModel, StatsError> {
        number(WHAT, level, "a level in [0.5, 1)", |v| (0.5..1.0).contains(&v))?;
        Ok(OutlierModel { distance, calibration, level })
    }
}
