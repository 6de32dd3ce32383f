//! Which attribute of the studies explains a change, since when, and which studies are typical of it (MV-22; monitoring
//! section 6.8).
//!
//! A value such as `station=CT2` explains a shift as far as the shift goes away when its studies are left out of both
//! periods. Values are ordered by how far beyond chance that is for so many studies, so that the smallest group that
//! holds the cause comes first; a permutation of the measured values within each period keeps out what chance explains as
//! well. A value that all studies have since the change cannot be told from the change itself; it is listed apart.

mod change_point;
mod explain;
mod find;
mod quantity;
mod table;
#[cfg(test)]
mod tests;

pub use change_point::{ChangePoint, change_point};
pub use explain::{Cause, Coincidence, Explanation, explain, most_moved};
pub use find::{RootCause, find_root_cause};
pub use quantity::{InvalidQuantity, Quantity};

use hilum_types::Timestamp;

/// How to look.
#[derive(Debug, Clone, PartialEq)]
pub struct RootCauseOptions {
    /// What is random in permutations and resamples follows from it.
    pub seed: u64,
    /// Permutations and resamples.
    pub n_draws: u32,
    /// Fewest studies of a value, and fewest others, for it to be looked at.
    pub n_min: u32,
    /// Chance of naming any cause when none of the attributes is one.
    pub significance: f64,
    /// Smallest part of the shift that is worth naming, in 0 to 1.
    pub explained_min: f64,
    /// Everything entered until then is known.
    pub as_of: Timestamp,
}

impl RootCauseOptions {
    /// The usual ones.
    pub fn new(seed: u64, as_of: Timestamp) -> RootCauseOptions {
        RootCauseOptions { seed, n_draws: 199, n_min: 10, significance: 0.05, explained_min: 0.2, as_of }
    }
}

/// Why nothing can be said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RootCauseError {
    /// There is too little on one side of the change.
    #[error("{n_reference} studies before and {n_current} after have {quantity}; {n_min} are needed on either side")]
    TooFew {
        /// Name of the quantity.
        quantity: String,
        /// Studies before.
        n_reference: usize,
        /// Studies after.
        n_current: usize,
        /// Needed.
        n_min: u32,
    },
    /// No begin was given, and none was found.
    #[error("nothing changed beyond chance in these studies; give since to compare two periods all the same")]
    NoChange,
    /// It does not differ between studies.
    #[error("{0} is the same for every study, so nothing explains it")]
    Constant(String),
    /// No study has anything that could be compared.
    #[error("no study has a score, a feature or an outcome that could be compared")]
    NothingMeasured,
}
