use crate::StatsError;
use crate::check;

/// A sample in ascending order: sorted once, compared often.
#[derive(Debug, Clone, PartialEq)]
pub struct SortedSample(Vec<f64>);

impl SortedSample {
    /// Sorts a sample in place.
    ///
    /// # Errors
    /// `TooFew` without a value; `OutOfRange` for one that is not finite (what is missing or broken is counted, not
    /// compared: see [`CellCounts`](super::CellCounts)).
    pub fn new(mut values: Vec<f64>) -> Result<SortedSample, StatsError> {
        let what = "comparison of samples";
        check::at_least(what, "values", 1, values.len() as u64)?;
        check::finite(what, &values)?;
        values.sort_unstable_by(f64::total_cmp);
        Ok(SortedSample(values))
    }

    /// The values, smallest first.
    pub fn values(&self) -> &[f64] {
        &self.0
    }

    /// Number of values; at least 1.
    pub fn n(&self) -> u64 {
        self.0.len() as u64
    }

    /// Quantile for `share` in [0, 1], linear between neighbours (Hyndman & Fan's type 7, as numpy and R do). Shares outside
    /// count as the nearer end.
    pub fn quantile(&self, share: f64) -> f64 {
        crate::resampling::quantile(&self.0, share)
    }
}
