/// Why there is no figure. Never NaN instead.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum StatsError {
    /// Nothing to compute from: "no data" is not "0".
    #[error("{what} needs at least {needed} {of}, there are {found}")]
    TooFew {
        /// The figure asked for.
        what: &'static str,
        /// Of what there are too few: `cases`, `positives`, `negatives`, `patients`, `pairs`, `voxels`.
        of: &'static str,
        /// How many it takes.
        needed: u64,
        /// How many there are.
        found: u64,
    },
    /// Slices that belong together differ in length.
    #[error("{what}: {left} values against {right}; each case needs both")]
    LengthMismatch {
        /// The figure asked for.
        what: &'static str,
        /// Length of the first.
        left: usize,
        /// Length of the second.
        right: usize,
    },
    /// A value is not finite, or outside the range that the figure is defined on.
    #[error("{what}: value {value} at position {index} is outside {range}")]
    OutOfRange {
        /// The figure asked for.
        what: &'static str,
        /// Position in its slice, from 0.
        index: usize,
        /// The value, as text because it may be NaN.
        value: String,
        /// What is allowed.
        range: &'static str,
    },
    /// The figure is not defined on these data although there are enough, such as a variance of 0.
    #[error("{what} is not defined: {why}")]
    Undefined {
        /// The figure asked for.
        what: &'static str,
        /// Why, in words.
        why: &'static str,
    },
    /// An iteration did not end within its limit.
    #[error("{what} did not converge")]
    NoConvergence {
        /// The figure asked for.
        what: &'static str,
    },
}
