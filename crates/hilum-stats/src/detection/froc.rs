use super::marks::{DetectionCase, Ratings, times_drawn};
use crate::check;
use crate::error::StatsError;
use crate::estimate::Estimate;
use crate::resampling::{Bootstrap, bootstrap};
use serde::{Deserialize, Serialize};

/// One corner of a free-response ROC curve: what showing marks with `score >= threshold` does.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct FrocPoint {
    /// Threshold on the score; the first corner has none, because nothing is shown there.
    pub threshold: Option<f64>,
    /// Marks that hit no lesion, per case.
    pub false_positives_per_case: f64,
    /// Share of all lesions that are found; in [0, 1].
    pub sensitivity: f64,
}

/// All corners of the FROC curve (Bunch et al., Proc. SPIE 127 (1977) 124-135), highest threshold first, one per distinct
/// score.
///
/// MONAI's `compute_froc_curve_data` gives the same corners less that of the lowest score, which it leaves out.
///
/// # Errors
/// `TooFew` without cases or lesions; `OutOfRange` for a score that is not finite or a mark on a lesion that its case does
/// not have (the position is that of the case).
///
/// # Examples
/// ```
/// use hilum_stats::{DetectionCase, Mark, froc_curve};
/// let marks = vec![Mark { score: 0.9, lesion: Some(0) }, Mark { score: 0.4, lesion: None }];
/// let curve = froc_curve(&[DetectionCase { n_lesions: 2, marks }, DetectionCase::default()]).unwrap();
/// let last = curve.last().unwrap();
/// assert_eq!((last.false_positives_per_case, last.sensitivity), (0.5, 0.5));
/// ```
pub fn froc_curve(cases: &[DetectionCase]) -> Result<Vec<FrocPoint>, StatsError> {
    Sorted::of("FROC curve", cases)?.curve(&vec![1; cases.len()])
}

/// FROC score: the mean of the sensitivities at the numbers of false positives per case in `at`, straight between corners
/// and, beyond the last corner, as there (CAMELYON16 and LUNA16; MONAI's `compute_froc_score`). Where the curve rises
/// straight up, its top.
///
/// # Errors
/// As [`froc_curve`]; `TooFew` when `at` is empty, `OutOfRange` for one that is negative or not finite.
pub fn froc_score_value(cases: &[DetectionCase], at: &[f64]) -> Result<f64, StatsError> {
    let what = "FROC score";
    check_places(what, at)?;
    let curve = Sorted::of(what, cases)?.curve(&vec![1; cases.len()])?;
    Ok(score(&curve, at))
}

/// [`froc_score_value`] with a bootstrap interval over patients, who are drawn with all their cases, marks and lesions. With
/// one place in `at` it is the sensitivity per lesion there.
///
/// # Errors
/// As [`froc_score_value`] and [`bootstrap`].
pub fn froc_score(
    cases: &[DetectionCase],
    at: &[f64],
    patients: Option<&[u64]>,
    options: &Bootstrap,
) -> Result<Estimate, StatsError> {
    let what = "froc-score";
    check_places(what, at)?;
    let sorted = Sorted::of(what, cases)?;
    let statistic = |drawn: &[u32]| Ok(score(&sorted.curve(&times_drawn(cases.len(), drawn))?, at));
    bootstrap(what, cases.len(), patients, options, statistic)
}

fn check_places(what: &'static str, at: &[f64]) -> Result<(), StatsError> {
    check::at_least(what, "places on the axis", 1, at.len() as u64)?;
    match at.iter().position(|&x| !(x.is_finite() && 0.0 <= x)) {
        None => Ok(()),
        Some(index) => {
            let range = "0 false positives per case and more";
            Err(StatsError::OutOfRange { what, index, value: at[index].to_string(), range })
        }
    }
}

/// Marks of all cases, highest score first, so that a resample needs no sort.
struct Sorted {
    what: &'static str,
    /// Score, case, and whether a lesion is hit.
    marks: Vec<(f64, u32, bool)>,
    n_lesions: Vec<u32>,
}

impl Sorted {
    fn of(what: &'static str, cases: &[DetectionCase]) -> Result<Sorted, StatsError> {
        let ratings = Ratings::of(what, cases)?;
        let false_marks = ratings.false_marks.iter().map(|&(score, case)| (score, case, false));
        let found = ratings.found.iter().map(|&(score, case)| (score, case, true));
        let mut marks: Vec<(f64, u32, bool)> = false_marks.chain(found).collect();
        marks.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
        let n_lesions: Vec<u32> = cases.iter().map(|case| case.n_lesions).collect();
        let sorted = Sorted { what, marks, n_lesions };
        sorted.curve(&vec![1; cases.len()])?;
        Ok(sorted)
    }

    /// The curve when case `i` counts `times[i]` times.
    fn curve(&self, times: &[u32]) -> Result<Vec<FrocPoint>, StatsError> {
        let n_cases: u64 = times.iter().map(|&t| u64::from(t)).sum();
        let n_lesions: u64 = times.iter().zip(&self.n_lesions).map(|(&t, &n)| u64::from(t) * u64::from(n)).sum();
        check::at_least(self.what, "lesions", 1, n_lesions)?;
        let mut curve = vec![FrocPoint { threshold: None, false_positives_per_case: 0.0, sensitivity: 0.0 }];
        let (mut n_false, mut n_found) = (0_u64, 0_u64);
        for (place, &(score, case, hit)) in self.marks.iter().enumerate() {
            let times = u64::from(times[case as usize]);
            if hit {
                n_found += times
            } else {
                n_false += times
            }
            // `==` and not the bits: 0.0 and -0.0 are one score.
            if self.marks.get(place + 1).is_some_and(|next| next.0 == score) {
                continue;
            }
            curve.push(FrocPoint {
                threshold: Some(score),
                false_positives_per_case: n_false as f64 / n_cases as f64,
                sensitivity: n_found as f64 / n_lesions as f64,
            });
        }
        Ok(curve)
    }
}

fn score(curve: &[FrocPoint], at: &[f64]) -> f64 {
    at.iter().map(|&x| sensitivity_at(curve, x)).sum::<f64>() / at.len() as f64
}

fn sensitivity_at(curve: &[FrocPoint], x: f64) -> f64 {
    let after = curve.partition_point(|point| point.false_positives_per_case <= x);
    // The first corner is at 0, so there is always one before.
    let before = &curve[after - 1];
    let Some(next) = curve.get(after) else { return before.sensitivity };
    let share =
        (x - before.false_positives_per_case) / (next.false_positives_per_case - before.false_positives_per_case);
    before.sensitivity + share * (next.sensitivity - before.sensitivity)
}
