use crate::StatsError;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// How far a current sample is from its reference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The statistic or distance; finite.
    pub value: f64,
    /// Probability of a value at least as extreme where nothing changed, in (0, 1]: never 0, because no finite sample proves
    /// that. `None` for a distance, which is judged against a limit agreed beforehand.
    pub p_value: Option<f64>,
    /// Cases in the reference that the value rests on.
    pub n_reference: u64,
    /// Cases in the current sample that the value rests on.
    pub n_current: u64,
    /// Stable name of the statistic and of how its p-value is found, such as `ks/exact`.
    pub method: Cow<'static, str>,
}

impl Comparison {
    /// A test: value with p-value.
    pub(super) fn test(
        what: &'static str,
        (value, p_value): (f64, f64),
        (n_reference, n_current): (u64, u64),
        method: impl Into<Cow<'static, str>>,
    ) -> Result<Comparison, StatsError> {
        let distance = Comparison::distance(what, value, (n_reference, n_current), method)?;
        Ok(Comparison { p_value: Some(probability(p_value)), ..distance })
    }

    /// A distance: value without p-value.
    pub(super) fn distance(
        what: &'static str,
        value: f64,
        (n_reference, n_current): (u64, u64),
        method: impl Into<Cow<'static, str>>,
    ) -> Result<Comparison, StatsError> {
        if !value.is_finite() {
            return Err(StatsError::Undefined { what, why: "the values are too far apart to compute with" });
        }
        Ok(Comparison { value, p_value: None, n_reference, n_current, method: method.into() })
    }
}

/// A computed tail as a p-value: rounding can carry it out of (0, 1], and what is not a number counts as no evidence.
fn probability(p: f64) -> f64 {
    if p.is_nan() { 1.0 } else { p.clamp(f64::MIN_POSITIVE, 1.0) }
}
