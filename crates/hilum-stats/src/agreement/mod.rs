//! How far two readers, methods or models agree: on categories (kappa), and on measurements (intraclass correlation, limits
//! of agreement).

mod bland_altman;
mod icc;
mod kappa;

pub use bland_altman::{BlandAltman, bland_altman};
pub use icc::{IccForm, icc};
pub use kappa::{AgreementTable, Kappa, KappaWeights, cohen_kappa};
