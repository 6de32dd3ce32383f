use crate::check;
use crate::error::StatsError;
use serde::{Deserialize, Serialize};

/// One mark that a model or reader set.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    /// Higher speaks more for a lesion; finite.
    pub score: f64,
    /// The lesion of its case that it hits, numbered from 0; `None` for a mark that hits none. What counts as a hit is
    /// decided before, and belongs to the protocol.
    pub lesion: Option<u32>,
}

/// One case with its lesions and the marks on it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct DetectionCase {
    /// True lesions; 0 for a normal case.
    pub n_lesions: u32,
    /// Marks, in any order. Of several on one lesion the highest counts and the others are neither hit nor false.
    pub marks: Vec<Mark>,
}

/// What the figures need of all cases: false marks and rated lesions, each with its case.
pub(super) struct Ratings {
    /// Score and case of every false mark.
    pub(super) false_marks: Vec<(f64, u32)>,
    /// Highest score on each lesion that was marked at all, and its case.
    pub(super) found: Vec<(f64, u32)>,
}

impl Ratings {
    pub(super) fn of(what: &'static str, cases: &[DetectionCase]) -> Result<Ratings, StatsError> {
        check::at_least(what, "cases", 1, cases.len() as u64)?;
        if u32::try_from(cases.len()).is_err() {
            let value = cases.len().to_string();
            return Err(StatsError::OutOfRange { what, index: 0, value, range: "at most 4,294,967,295 cases" });
        }
        let mut ratings = Ratings { false_marks: Vec::new(), found: Vec::new() };
        for (index, (number, case)) in (0_u32..).zip(cases).enumerate() {
            // Only lesions that are marked take memory, whatever number a case claims to have.
            let mut best = std::collections::BTreeMap::new();
            for mark in &case.marks {
                if !mark.score.is_finite() {
                    let (value, range) = (mark.score.to_string(), "the finite numbers");
                    return Err(StatsError::OutOfRange { what, index, value, range });
                }
                match mark.lesion {
                    None => ratings.false_marks.push((mark.score, number)),
                    Some(lesion) if lesion < case.n_lesions => {
                        let score = best.entry(lesion).or_insert(mark.score);
                        *score = mark.score.max(*score);
                    }
                    Some(lesion) => {
                        let (value, range) = (format!("lesion {lesion}"), "the lesions of its case");
                        return Err(StatsError::OutOfRange { what, index, value, range });
                    }
                }
            }
            ratings.found.extend(best.into_values().map(|score| (score, number)));
        }
        Ok(ratings)
    }
}

/// How often each case was drawn.
pub(super) fn times_drawn(n_cases: usize, drawn: &[u32]) -> Vec<u32> {
    let mut times = vec![0; n_cases];
    for &case in drawn {
        times[case as usize] += 1;
    }
    times
}
