use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// A figure with what is needed to judge it: interval, number of cases, method (MV-12).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The point estimate; finite.
    pub value: f64,
    /// Lower bound of the interval, finite and not above `value`, except where the method says otherwise.
    pub lower: f64,
    /// Upper bound of the interval.
    pub upper: f64,
    /// Confidence level of the interval, such as 0.95.
    pub level: f64,
    /// Cases (or patients, where the method clusters) the figure rests on.
    pub n: u64,
    /// Stable name of figure and interval method, such as `auroc/delong` or `proportion/wilson`.
    pub method: Cow<'static, str>,
}

/// What a test says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TestResult {
    /// The test statistic; finite.
    pub statistic: f64,
    /// In (0, 1]: never 0, because no finite sample proves that.
    pub p_value: f64,
    /// Cases the test rests on.
    pub n: u64,
    /// Stable name of the test.
    pub method: Cow<'static, str>,
}
