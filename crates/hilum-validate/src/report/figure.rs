use hilum_stats::{Estimate, TestResult};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An estimate with everything that is needed to judge it. The report has no other way to hold one (MV-12).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Figure {
    /// The point estimate; finite.
    pub value: f64,
    /// Lower bound of the interval. A DeLong interval is not cut at 0 and 1.
    pub lower: f64,
    /// Upper bound of the interval.
    pub upper: f64,
    /// Confidence level of the interval, such as 0.95.
    pub level: f64,
    /// Independent units the interval rests on: patients where one has several cases, else cases.
    pub n: u64,
    /// Cases the value is computed from.
    pub n_cases: u64,
    /// Stable name of figure and interval method, such as `auroc/delong`; `methods` of the report explains it.
    pub method: String,
}

impl Figure {
    /// From an estimate over `n_cases` cases.
    pub fn new(estimate: Estimate, n_cases: u64) -> Figure {
        let Estimate { value, lower, upper, level, n, method } = estimate;
        Figure { value, lower, upper, level, n, n_cases, method: method.into_owned() }
    }
}

/// A figure, or why there is none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Shown<T> {
    /// It could be computed.
    Figure(T),
    /// It could not; the text says why.
    Missing(String),
}

impl<T> Shown<T> {
    /// The figure, if there is one.
    pub fn figure(&self) -> Option<&T> {
        match self {
            Shown::Figure(figure) => Some(figure),
            Shown::Missing(_) => None,
        }
    }
}

/// What a test says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Test {
    /// The test statistic; finite.
    pub statistic: f64,
    /// In (0, 1].
    pub p_value: f64,
    /// Cases the test rests on.
    pub n: u64,
    /// Stable name of the test.
    pub method: String,
}

impl From<TestResult> for Test {
    fn from(result: TestResult) -> Test {
        let TestResult { statistic, p_value, n, method } = result;
        Test { statistic, p_value, n, method: method.into_owned() }
    }
}

/// How many cases and patients something rests on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Cases.
    pub cases: u64,
    /// Patients they are of.
    pub patients: u64,
    /// Cases with the finding; 0 where no label is needed.
    pub positives: u64,
    /// Cases without the finding; 0 where no label is needed.
    pub negatives: u64,
    /// Patients with at least one positive case.
    pub positive_patients: u64,
    /// Patients with at least one negative case.
    pub negative_patients: u64,
}
