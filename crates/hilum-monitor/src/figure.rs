use hilum_types::{Independence, Timestamp};
use serde::{Deserialize, Serialize};

/// A figure as people and programs get it: never without interval, number of cases, method, the classes of the labels it
/// rests on, and the time as of which it was known (MV-12, MV-25, MV-27).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// The point estimate.
    pub value: f64,
    /// Lower bound of the interval.
    pub lower: f64,
    /// Upper bound of the interval.
    pub upper: f64,
    /// Cases it rests on.
    pub n: u64,
    /// Stable name of figure and interval method.
    pub method: String,
    /// Classes of the labels it rests on; empty for a figure that needs no label.
    pub label_classes: Vec<Independence>,
    /// Everything entered until then was known.
    pub as_of: Timestamp,
}

/// A share with Wilson's interval of 95 %; with no cases it is 0 to 1 around 0, and says so by `n`.
pub(crate) fn proportion(n_with: u64, n: u64, as_of: Timestamp) -> Figure {
    let (value, lower, upper) = match hilum_stats::wilson(n_with.min(n), n, 0.95) {
        Ok(estimate) => (estimate.value, estimate.lower, estimate.upper),
        Err(_) => (0.0, 0.0, 1.0),
    };
    Figure { value, lower, upper, n, method: "proportion/wilson".to_owned(), label_classes: vec![], as_of }
}
