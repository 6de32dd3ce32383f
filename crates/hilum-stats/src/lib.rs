//! Core: the statistics that decide whether a model may be used, exact and documented like a textbook.
//!
//! Every function takes plain slices and numbers, returns a typed error where there is no answer (never NaN), and says in
//! its documentation which paper or book it follows. What is reported is an [`Estimate`]: a value is never shown without
//! its interval, its number of cases and its method (MV-12). Randomness comes in as a seed.

mod agreement;
mod calibration;
pub mod chance;
mod check;
mod decision;
mod detection;
mod discrimination;
pub mod drift;
mod error;
mod estimate;
pub mod imperfect_labels;
pub mod label_free;
mod multiplicity;
mod noninferiority;
pub mod outlier;
pub mod power;
mod proportion;
mod ranks;
mod resampling;
mod segmentation;
pub mod sequential;
mod special;

pub use agreement::{AgreementTable, BlandAltman, IccForm, Kappa, KappaWeights, bland_altman, cohen_kappa, icc};
pub use calibration::{
    Binning, BrierParts, CalibrationFit, ReliabilityBin, brier, brier_parts, calibration_fit, debiased_ece,
    debiased_ece_value, ece, ece_value, log_loss, mce_value, observed_expected, reliability, spiegelhalter,
};
pub use decision::{NetBenefit, decision_curve};
pub use detection::{
    DetectionCase, FrocPoint, LesionWeights, Mark, afroc, afroc_value, froc_curve, froc_score, froc_score_value,
};
pub use discrimination::{
    AurocDifference, AurocInterval, CurvePoint, RocVertex, auprc, auroc, auroc_bootstrap, auroc_difference,
    auroc_difference_bootstrap, auroc_value, average_precision, hanley_mcneil_standard_error, pr_curve, roc_curve,
    roc_vertices,
};
pub use error::StatsError;
pub use estimate::{Estimate, TestResult};
pub use multiplicity::{benjamini_hochberg, benjamini_yekutieli, e_benjamini_hochberg, holm};
pub use noninferiority::{NonInferiority, noninferiority_auroc, noninferiority_paired, noninferiority_unpaired};
pub use proportion::{
    ConfusionTable, PairedTable, ProportionInterval, agresti_coull, clopper_pearson, difference_score,
    difference_score_test, mcnemar, mcnemar_exact, newcombe_difference, poisson_bounds, proportion,
    proportion_clustered, wilson,
};
pub use resampling::{Bootstrap, BootstrapInterval, bootstrap};
pub use segmentation::{EmptyMasks, Grid, Overlap, SurfaceDistances, dice, iou, surface_distances};
pub use special::{normal_cdf, normal_quantile};
