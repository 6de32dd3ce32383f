use crate::check::{at_least, finite, number};
use crate::error::StatsError;
use serde::{Deserialize, Serialize};

const WHAT: &str = "conformal calibration";

/// Scores of reference studies that the distance was not fitted on, against which new scores are placed.
///
/// The p-value of a score is `(1 + scores at least as large) / (1 + scores)`: never 0, and for a study like the reference at
/// most `alpha` with probability at most `alpha`, whatever the distribution of scores (split conformal: Vovk, Gammerman &
/// Shafer 2005; Bates, Candes, Lei, Romano & Sesia, Ann. Stat. 51 (2023) 149-178).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<f64>", into = "Vec<f64>")]
pub struct Calibration {
    ascending: Vec<f64>,
}

impl Calibration {
    /// Keeps these scores, larger ones further from the reference.
    ///
    /// # Errors
    /// `TooFew` without scores; `OutOfRange` for one that is not finite.
    pub fn new(mut scores: Vec<f64>) -> Result<Calibration, StatsError> {
        at_least(WHAT, "scores", 1, scores.len() as u64)?;
        finite(WHAT, &scores)?;
        scores.sort_by(f64::total_cmp);
        Ok(Calibration { ascending: scores })
    }

    /// Number of scores.
    pub fn n(&self) -> u64 {
        self.ascending.len() as u64
    }

    /// Conformal p-value of a new score, in (0, 1].
    ///
    /// # Errors
    /// `OutOfRange` for a score that is not a number; infinity is allowed and is the furthest.
    pub fn p_value(&self, score: f64) -> Result<f64, StatsError> {
        let not_nan = if score.is_nan() { score } else { 0.0 };
        number(WHAT, not_nan, "the numbers", |_| true)?;
        let below = self.ascending.partition_point(|&known| known < score) as u64;
        Ok((1 + self.n() - below) as f64 / (1 + self.n()) as f64)
    }

    /// The highest level that so few scores can say anything at: with 99 of them 0.99, because no p-value is below 0.01.
    pub fn level_max(&self) -> f64 {
        1.0 - 1.0 / (1 + self.n()) as f64
    }
}

impl TryFrom<Vec<f64>> for Calibration {
    type Error = StatsError;

    fn try_from(scores: Vec<f64>) -> Result<Calibration, StatsError> {
        Calibration::new(scores)
    }
}

impl From<Calibration> for Vec<f64> {
    fn from(calibration: Calibration) -> Vec<f64> {
        calibration.ascending
    }
}
