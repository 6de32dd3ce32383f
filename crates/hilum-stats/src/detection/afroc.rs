use super::marks::{DetectionCase, Ratings, times_drawn};
use crate::check;
use crate::error::StatsError;
use crate::estimate::Estimate;
use crate::resampling::{Bootstrap, bootstrap};
use serde::{Deserialize, Serialize};

/// How much each lesion counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LesionWeights {
    /// Every lesion alike (AFROC): a case with many lesions counts more.
    Equal,
    /// Every case with lesions alike, its lesions sharing one (wAFROC).
    PerCase,
}

impl LesionWeights {
    fn name(self) -> &'static str {
        match self {
            LesionWeights::Equal => "afroc",
            LesionWeights::PerCase => "wafroc",
        }
    }
}

/// Area under the alternative free-response ROC curve (Chakraborty & Winter, Radiology 174 (1990) 873-881; weighted:
/// Chakraborty & Zhai, Acad. Radiol. 23 (2016) 1545-1553): the chance that a lesion is marked higher than the highest
/// mark on a **normal** case, ties counting one half. A lesion or normal case without a mark stands below all marks.
///
/// False marks on cases with lesions do not enter, as in RJafroc's `AFROC` and `wAFROC`.
///
/// # Errors
/// `TooFew` without a lesion or without a normal case; `OutOfRange` as for [`froc_curve`](crate::froc_curve).
///
/// # Examples
/// ```
/// use hilum_stats::{DetectionCase, LesionWeights, Mark, afroc_value};
/// let found = DetectionCase { n_lesions: 2, marks: vec![Mark { score: 0.9, lesion: Some(0) }] };
/// let normal = DetectionCase { n_lesions: 0, marks: vec![Mark { score: 0.3, lesion: None }] };
/// assert_eq!(afroc_value(&[found, normal], LesionWeights::Equal).unwrap(), 0.5);
/// ```
pub fn afroc_value(cases: &[DetectionCase], weights: LesionWeights) -> Result<f64, StatsError> {
    Rated::of("AFROC", cases, weights)?.area(&vec![1; cases.len()])
}

/// [`afroc_value`] with a bootstrap interval over patients. Method such as `wafroc/bootstrap-bca`.
///
/// # Errors
/// As [`afroc_value`] and [`bootstrap`].
pub fn afroc(
    cases: &[DetectionCase],
    weights: LesionWeights,
    patients: Option<&[u64]>,
    options: &Bootstrap,
) -> Result<Estimate, StatsError> {
    let what = weights.name();
    let rated = Rated::of(what, cases, weights)?;
    bootstrap(what, cases.len(), patients, options, |drawn| rated.area(&times_drawn(cases.len(), drawn)))
}

/// Lesions and normal cases by score, lowest first; what has no mark has minus infinity.
struct Rated {
    what: &'static str,
    /// Score, case, and the weight of a lesion or `None` for a normal case.
    ratings: Vec<(f64, u32, Option<f64>)>,
}

impl Rated {
    fn of(what: &'static str, cases: &[DetectionCase], weights: LesionWeights) -> Result<Rated, StatsError> {
        let known = Ratings::of(what, cases)?;
        let mut highest_false = vec![f64::NEG_INFINITY; cases.len()];
        for &(score, case) in &known.false_marks {
            highest_false[case as usize] = highest_false[case as usize].max(score);
        }
        let weight = |case: u32| match weights {
            LesionWeights::Equal => 1.0,
            LesionWeights::PerCase => 1.0 / f64::from(cases[case as usize].n_lesions),
        };
        let mut missed: Vec<u32> = cases.iter().map(|case| case.n_lesions).collect();
        let mut ratings = Vec::new();
        for &(score, case) in &known.found {
            missed[case as usize] -= 1;
            ratings.push((score, case, Some(weight(case))));
        }
        for (case, (&n_missed, &highest)) in (0_u32..).zip(missed.iter().zip(&highest_false)) {
            if 0 < n_missed {
                // All lesions of a case that were missed stand together, so they may be one entry.
                ratings.push((f64::NEG_INFINITY, case, Some(weight(case) * f64::from(n_missed))));
            }
            if cases[case as usize].n_lesions == 0 {
                ratings.push((highest, case, None));
            }
        }
        ratings.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let rated = Rated { what, ratings };
        rated.area(&vec![1; cases.len()])?;
        Ok(rated)
    }

    /// The area when case `i` counts `times[i]` times.
    fn area(&self, times: &[u32]) -> Result<f64, StatsError> {
        let (mut below, mut lesions, mut sum) = (0.0, 0.0, 0.0);
        let mut start = 0;
        while start < self.ratings.len() {
            let score = self.ratings[start].0;
            let end = start + self.ratings[start..].iter().take_while(|rating| rating.0 == score).count();
            let (mut normal_here, mut lesions_here) = (0.0, 0.0);
            for &(_, case, weight) in &self.ratings[start..end] {
                let times = f64::from(times[case as usize]);
                match weight {
                    None => normal_here += times,
                    Some(weight) => lesions_here += weight * times,
                }
            }
            sum += lesions_here * (below + normal_here / 2.0);
            below += normal_here;
            lesions += lesions_here;
            start = end;
        }
        check::at_least(self.what, "lesions", 1, u64::from(0.0 < lesions))?;
        check::at_least(self.what, "normal cases", 1, u64::from(0.0 < below))?;
        Ok((sum / (lesions * below)).clamp(0.0, 1.0))
    }
}
