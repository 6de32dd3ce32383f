//! Whether a score of 0.8 means eight in ten: bins, errors, Brier score, regression on the logit.
//!
//! Scores here are probabilities in [0, 1].

mod brier;
mod error;
mod fit;
mod log_loss;
mod reliability;
mod spiegelhalter;

pub use brier::{BrierParts, brier, brier_parts};
pub use error::{debiased_ece, debiased_ece_value, ece, ece_value, mce_value};
pub use fit::{CalibrationFit, calibration_fit, observed_expected};
pub use log_loss::log_loss;
pub use reliability::{Binning, ReliabilityBin, reliability};
pub use spiegelhalter::spiegelhalter;
