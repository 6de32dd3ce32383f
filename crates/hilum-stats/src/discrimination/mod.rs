//! How well scores separate cases with the finding from cases without: AUROC, average precision, curves.
//!
//! Throughout, a label is `true` where the finding is present, and a higher score speaks for it.

mod auroc;
mod bootstrapped;
mod curve;
mod paired;
mod placement;
mod precision;

pub use auroc::{AurocInterval, auroc, auroc_value, hanley_mcneil_standard_error};
pub use bootstrapped::{auroc_bootstrap, auroc_difference_bootstrap};
pub use curve::{CurvePoint, RocVertex, pr_curve, roc_curve, roc_vertices};
pub use paired::{AurocDifference, auroc_difference};
pub use precision::{auprc, average_precision};
