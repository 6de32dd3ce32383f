use crate::check::{at_least, finite, number, same_length};
use crate::error::StatsError;
use serde::{Deserialize, Serialize};

const WHAT: &str = "isotonic calibration";

/// The rising curve from scores to probabilities that fits labelled cases best (pool adjacent violators: Ayer, Brunk, Ewing, Reid
/// & Silverman, Ann. Math. Stat. 26 (1955) 641-647).
///
/// Equal scores are one point with their mean label; between points the curve is straight; beyond the ends it stays level. The
/// same as scikit-learn's `IsotonicRegression(out_of_bounds="clip")`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct IsotonicCalibration {
    scores: Vec<f64>,
    probabilities: Vec<f64>,
}

impl IsotonicCalibration {
    /// Fits the curve.
    ///
    /// # Errors
    /// `LengthMismatch`; `TooFew` without cases; `OutOfRange` for a score that is not finite.
    ///
    /// # Examples
    /// ```
    /// let labels = [false, true, false, true];
    /// let curve = hilum_stats::label_free::IsotonicCalibration::fit(&labels, &[0.1, 0.4, 0.5, 0.9]).unwrap();
    /// assert_eq!(curve.probability(0.45).unwrap(), 0.5);
    /// assert!((curve.probability(0.25).unwrap() - 0.25).abs() < 1e-15);
    /// ```
    pub fn fit(labels: &[bool], scores: &[f64]) -> Result<IsotonicCalibration, StatsError> {
        same_length(WHAT, labels.len(), scores.len())?;
        at_least(WHAT, "cases", 1, labels.len() as u64)?;
        finite(WHAT, scores)?;
        let points = Points::new(labels, scores);
        Ok(points.fit(&points.weights))
    }

    /// Probability that a case of this score has the finding.
    ///
    /// # Errors
    /// `OutOfRange` for a score that is not finite.
    pub fn probability(&self, score: f64) -> Result<f64, StatsError> {
        number(WHAT, score, "the finite numbers", |_| true)?;
        Ok(self.at(score))
    }

    pub(super) fn at(&self, score: f64) -> f64 {
        let above = self.scores.partition_point(|&s| s < score);
        let (Some(&high), Some(&p_high)) = (self.scores.get(above), self.probabilities.get(above)) else {
            return self.probabilities.last().copied().unwrap_or(0.0);
        };
        if above == 0 || score == high {
            return p_high;
        }
        let (low, p_low) = (self.scores[above - 1], self.probabilities[above - 1]);
        // Halves first, because the difference of two huge scores would not be finite.
        let along = (score / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0);
        (p_low + (p_high - p_low) * along).clamp(p_low, p_high)
    }
}

/// Labelled cases gathered at distinct scores, ascending; weights can be replaced for resamples.
pub(super) struct Points {
    scores: Vec<f64>,
    /// Negatives and positives at each score.
    pub(super) weights: Vec<[f64; 2]>,
    /// Point of each case.
    pub(super) of_case: Vec<u32>,
}

impl Points {
    /// Expects checked input.
    pub(super) fn new(labels: &[bool], scores: &[f64]) -> Points {
        let ranks = crate::ranks::distinct_ranks(scores);
        let mut points = Points {
            scores: vec![0.0; ranks.n_distinct],
            weights: vec![[0.0; 2]; ranks.n_distinct],
            of_case: ranks.of_case,
        };
        for ((&place, &label), &score) in points.of_case.iter().zip(labels).zip(scores) {
            points.scores[place as usize] = score;
            points.weights[place as usize][usize::from(label)] += 1.0;
        }
        points
    }

    /// The curve for these weights; points without weight are passed over, and at least one has some.
    pub(super) fn fit(&self, weights: &[[f64; 2]]) -> IsotonicCalibration {
        // Blocks of pooled points: first and last score, cases, positives.
        let mut blocks: Vec<(f64, f64, f64, f64)> = Vec::new();
        for (&score, &[negatives, positives]) in self.scores.iter().zip(weights) {
            if negatives + positives == 0.0 {
                continue;
            }
            let mut block = (score, score, negatives + positives, positives);
            while let Some(&(first, _, cases, found)) = blocks.last() {
                // Not `found / cases < ..`: products of counts are exact.
                if found * block.2 < block.3 * cases {
                    break;
                }
                block = (first, block.1, block.2 + cases, block.3 + found);
                blocks.pop();
            }
            blocks.push(block);
        }
        let mut curve = IsotonicCalibration { scores: Vec::new(), probabilities: Vec::new() };
        for (first, last, cases, found) in blocks {
            curve.scores.push(first);
            curve.probabilities.push(found / cases);
            if first < last {
                curve.scores.push(last);
                curve.probabilities.push(found / cases);
            }
        }
        curve
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    scores: Vec<f64>,
    probabilities: Vec<f64>,
}

impl TryFrom<Stored> for IsotonicCalibration {
    type Error = StatsError;

    fn try_from(Stored { scores, probabilities }: Stored) -> Result<IsotonicCalibration, StatsError> {
        same_length(WHAT, scores.len(), probabilities.len())?;
        at_least(WHAT, "points", 1, scores.len() as u64)?;
        finite(WHAT, &scores)?;
        crate::check::probabilities(WHAT, &probabilities)?;
        if scores.is_sorted_by(|a, b| a < b) && probabilities.is_sorted() {
            return Ok(IsotonicCalibration { scores, probabilities });
        }
        Err(StatsError::Undefined { what: WHAT, why: "its stored points do not rise" })
    }
}

impl From<IsotonicCalibration> for Stored {
    fn from(curve: IsotonicCalibration) -> Stored {
        Stored { scores: curve.scores, probabilities: curve.probabilities }
    }
}
