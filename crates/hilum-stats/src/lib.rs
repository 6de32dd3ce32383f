//! Core: the statistics that decide whether a model may be used, exact and documented like a textbook.
//!
//! Every function takes plain slices and numbers, returns a typed error where there is no answer (never NaN), and says in
//! its documentation which paper or book it follows. What is reported is an [`Estimate`]: a value is never shown without
//! its interval, its number of cases and its method (MV-12). Randomness comes in as a seed.

mod error;
mod estimate;

pub use error::StatsError;
pub use estimate::Estimate;
