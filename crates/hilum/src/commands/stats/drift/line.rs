//! One line of the answer.

use hilum_stats::drift::Comparison;
use hilum_stats::{Estimate, StatsError};
use serde::Serialize;

/// What is said of a column, or of all columns together. Fields that do not apply are left out.
#[derive(Default, Serialize)]
pub(super) struct Line {
    /// The column; absent where several are compared together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) column: Option<String>,
    /// The columns compared together.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) columns: Vec<String>,
    /// Columns that were left out of a comparison of numbers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) left_out: Vec<String>,
    /// `numeric` or `categorical`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub(super) kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) method: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) value: Option<f64>,
    /// Bounds of the value where it has an interval.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lower: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) upper: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) level: Option<f64>,
    /// The value in standard deviations of the reference, which is what a threshold in these applies to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) standardised: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) p_adjusted: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) alpha: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) correction: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) threshold: Option<f64>,
    /// Squared scale of the kernel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) squared_scale: Option<f64>,
    /// Whether columns were scaled by the reference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) scaled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) permutations: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) seed: Option<u64>,
    /// Cases that the value rests on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) n_ref: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) n_cur: Option<u64>,
    /// Rows that the files have, where a sample of them was drawn or some lack a number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rows_ref: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rows_cur: Option<u64>,
    /// Cells without a value; rows without one, where columns are compared together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) missing_ref: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) missing_cur: Option<u64>,
    /// Cells of a numeric column that are no finite number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) invalid_ref: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) invalid_cur: Option<u64>,
    /// Number of categories that the reference does not have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) new_categories: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) drift: Option<bool>,
    /// Why there is no figure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<String>,
}

impl Line {
    pub(super) fn of_column(column: &str) -> Line {
        Line { column: Some(column.to_owned()), ..Line::default() }
    }

    pub(super) fn failed(self, error: impl Into<String>) -> Line {
        Line { error: Some(error.into()), ..self }
    }

    /// Takes over the result of a test, or why there is none.
    pub(super) fn with(mut self, result: Result<Comparison, StatsError>) -> Line {
        match result {
            Ok(comparison) => {
                self.value = Some(comparison.value);
                self.p = comparison.p_value;
                self.n_ref = Some(comparison.n_reference);
                self.n_cur = Some(comparison.n_current);
                self.method = Some(comparison.method.into_owned());
                self
            }
            Err(error) => self.failed(error.to_string()),
        }
    }

    /// Takes over a distance, which is drift from the threshold on.
    pub(super) fn with_distance(self, result: Result<Comparison, StatsError>, threshold: f64) -> Line {
        let line = self.with(result);
        Line { threshold: line.value.map(|_| threshold), drift: line.value.map(|value| threshold <= value), ..line }
    }

    /// Adds the interval of the value.
    pub(super) fn within(self, estimate: &Estimate) -> Line {
        Line { lower: Some(estimate.lower), upper: Some(estimate.upper), level: Some(estimate.level), ..self }
    }
}
