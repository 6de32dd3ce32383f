//! How well marks with scores find lesions: FROC and AFROC.

mod afroc;
mod froc;
mod marks;

pub use afroc::{LesionWeights, afroc, afroc_value};
pub use froc::{FrocPoint, froc_curve, froc_score, froc_score_value};
pub use marks::{DetectionCase, Mark};
