//! Performance from labels that are wrong at times, or known for a sample only (MV-26, MV-28).
//!
//! A report-label extractor with a measured error makes a figure less certain, and biased unless corrected
//! ([`corrected_rate`], [`corrected_accuracy`]). A sample drawn with unequal probabilities counts each study by the inverse of
//! its own ([`audit_rate`], [`audit_total`]), so that findings missed by the model, which nobody would have looked for, are
//! seen. Both kinds of figure carry these uncertainties in their intervals.

mod audit;
mod extractor;

pub use audit::{audit_rate, audit_total};
pub use extractor::{CorrectedAccuracy, ExtractorError, corrected_accuracy, corrected_rate};
