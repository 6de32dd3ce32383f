//! How unlike the reference one study is, as a distance with a calibrated percentile, and whether too many are (MV-04, MV-21).
//!
//! Two complementary distances: [`Mahalanobis`] sees changes along the directions in which the reference varies, with the
//! rest of the directions pooled; [`Neighbours`] asks how far the nearest known studies are and needs no shape. Both are
//! turned into p-values by the **other half** of the reference ([`Calibration`]): fitting and calibrating on the same
//! studies makes the reference look too close to itself. An [`OutlierModel`] does both and is what a reference freezes.

mod calibration;
mod eigen;
mod mahalanobis;
mod model;
mod neighbours;
mod rate;
mod rows;

pub use calibration::Calibration;
pub use mahalanobis::{Mahalanobis, MahalanobisOptions, Shrinkage};
pub use model::{Distance, OutlierMethod, OutlierModel, Outlyingness};
pub use neighbours::{NeighbourOptions, Neighbours};
pub use rate::{binomial_upper_test, energy, outside_rate_test};
pub use rows::FeatureRows;
