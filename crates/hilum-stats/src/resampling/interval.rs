use super::draws::Draws;
use crate::check;
use crate::error::StatsError;
use crate::estimate::Estimate;
use crate::ranks::clusters;
use crate::special::{normal_cdf, normal_quantile, z_of_level};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Groups of patients left out in turn for the acceleration of BCa. With at most so many patients each is left out alone;
/// with more, they are left out in this many groups, which estimates the same number.
const JACKKNIFE_GROUPS_MAX: usize = 1000;

/// Share of resamples that must have a value, else the figure is not defined often enough to have an interval.
const DEFINED_SHARE_MIN: f64 = 0.9;

/// How many resamples are drawn, from which seed, and how they become an interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Bootstrap {
    /// Number of resamples, at least 100; 2,000 or more for a figure that decides.
    pub resamples: u32,
    /// Same seed, same interval, on any machine and number of threads.
    pub seed: u64,
    /// Confidence level, such as 0.95.
    pub level: f64,
    /// Which interval.
    pub interval: BootstrapInterval,
}

impl Default for Bootstrap {
    fn default() -> Bootstrap {
        Bootstrap { resamples: 2000, seed: 1, level: 0.95, interval: BootstrapInterval::Bca }
    }
}

/// How resamples become an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BootstrapInterval {
    /// Quantiles of the resamples (linear between order statistics).
    Percentile,
    /// Bias-corrected and accelerated (Efron, J. Am. Stat. Assoc. 82 (1987) 171-185); acceleration by jackknife.
    Bca,
    /// Value +- z times the standard deviation of the resamples: for figures that resampling itself shifts, such as ECE.
    Normal,
}

impl BootstrapInterval {
    fn name(self) -> &'static str {
        match self {
            BootstrapInterval::Percentile => "bootstrap-percentile",
            BootstrapInterval::Bca => "bootstrap-bca",
            BootstrapInterval::Normal => "bootstrap-normal",
        }
    }
}

/// Bootstrap interval for any figure, drawing whole patients.
///
/// `figure` names it (`dice`, say; the method becomes `dice/bootstrap-bca`). `statistic` gets positions of cases, some
/// several times, and computes the figure from those; without `patients` every case is drawn alone. Resamples on which it
/// fails are left out while at least nine in ten have a value. The value is the statistic on all cases.
///
/// # Errors
/// Whatever `statistic` says about all cases; `TooFew` with less than 2 patients or 100 resamples; `LengthMismatch`;
/// `Undefined` when every resample gives the same value, when more than a tenth fail, or when BCa has no answer because
/// the value lies outside all resamples; `OutOfRange` for a bad level.
///
/// # Examples
/// ```
/// use hilum_stats::{Bootstrap, bootstrap};
/// let dice = [0.91, 0.84, 0.88, 0.79, 0.93, 0.90, 0.62, 0.87];
/// let mean = |cases: &[u32]| Ok(cases.iter().map(|&c| dice[c as usize]).sum::<f64>() / cases.len() as f64);
/// let figure = bootstrap("mean-dice", dice.len(), None, &Bootstrap::default(), mean).unwrap();
/// assert!(figure.lower < figure.value && figure.value < figure.upper && figure.method == "mean-dice/bootstrap-bca");
/// ```
pub fn bootstrap(
    figure: &'static str,
    n_cases: usize,
    patients: Option<&[u64]>,
    options: &Bootstrap,
    statistic: impl Fn(&[u32]) -> Result<f64, StatsError> + Sync,
) -> Result<Estimate, StatsError> {
    if let Some(patients) = patients {
        check::same_length(figure, n_cases, patients.len())?;
    }
    let members = Members::new(n_cases, patients);
    options.check(figure, members.n())?;
    let all: Vec<u32> = (0..n_cases as u32).collect();
    let value = statistic(&all)?;
    let draw = |cases: &mut Vec<u32>, resample: u32| {
        let mut draws = Draws::new(options.seed, resample);
        cases.clear();
        for _ in 0..members.n() {
            cases.extend_from_slice(members.of(draws.below(members.n() as u32) as usize));
        }
        statistic(cases).ok()
    };
    let resamples = (0..options.resamples).into_par_iter().map_init(Vec::new, draw).collect();
    let left_out = |group: usize, n_groups: usize| {
        let kept: Vec<u32> = (0..members.n())
            .filter(|patient| patient % n_groups != group)
            .flat_map(|p| members.of(p))
            .copied()
            .collect();
        statistic(&kept).ok()
    };
    options.estimate(figure, value, members.n(), resamples, left_out)
}

/// Cases of each patient.
pub(super) struct Members {
    starts: Vec<u32>,
    cases: Vec<u32>,
}

impl Members {
    pub(super) fn new(n_cases: usize, patients: Option<&[u64]>) -> Members {
        let clusters = clusters(n_cases, patients);
        let mut starts = vec![0_u32; clusters.n + 1];
        for &patient in &clusters.of_case {
            starts[patient as usize + 1] += 1;
        }
        for patient in 0..clusters.n {
            starts[patient + 1] += starts[patient];
        }
        let (mut next, mut cases) = (starts.clone(), vec![0; n_cases]);
        for (case, &patient) in (0_u32..).zip(&clusters.of_case) {
            cases[next[patient as usize] as usize] = case;
            next[patient as usize] += 1;
        }
        Members { starts, cases }
    }

    /// Number of patients.
    pub(super) fn n(&self) -> usize {
        self.starts.len() - 1
    }

    pub(super) fn of(&self, patient: usize) -> &[u32] {
        &self.cases[self.starts[patient] as usize..self.starts[patient + 1] as usize]
    }

    /// Whether every patient has one case.
    pub(super) fn single(&self) -> bool {
        self.n() == self.cases.len()
    }
}

impl Bootstrap {
    pub(super) fn check(&self, what: &'static str, n_patients: usize) -> Result<(), StatsError> {
        z_of_level(what, self.level)?;
        check::at_least(what, "resamples", 100, u64::from(self.resamples))?;
        check::at_least(what, "patients", 2, n_patients as u64)
    }

    /// Turns resamples into an estimate. `left_out(group, n_groups)` is the figure without the patients whose number is
    /// `group` modulo `n_groups`; only BCa asks for it.
    pub(super) fn estimate(
        &self,
        figure: &'static str,
        value: f64,
        n_patients: usize,
        resamples: Vec<Option<f64>>,
        left_out: impl Fn(usize, usize) -> Option<f64> + Sync,
    ) -> Result<Estimate, StatsError> {
        let mut sorted: Vec<f64> = resamples.into_iter().flatten().filter(|v| v.is_finite()).collect();
        if (sorted.len() as f64) < DEFINED_SHARE_MIN * f64::from(self.resamples) {
            return Err(StatsError::Undefined {
                what: figure,
                why: "more than a tenth of the resamples have no value",
            });
        }
        sorted.sort_unstable_by(f64::total_cmp);
        if sorted.first() == sorted.last() {
            return Err(StatsError::Undefined { what: figure, why: "every resample gives the same value" });
        }
        let tail = (1.0 - self.level) / 2.0;
        let (lower, upper) = match self.interval {
            BootstrapInterval::Percentile => (quantile(&sorted, tail), quantile(&sorted, 1.0 - tail)),
            BootstrapInterval::Normal => {
                let half = z_of_level(figure, self.level)? * standard_deviation(&sorted);
                (value - half, value + half)
            }
            BootstrapInterval::Bca => {
                let n_groups = n_patients.min(JACKKNIFE_GROUPS_MAX);
                let left_out: Option<Vec<f64>> =
                    (0..n_groups).into_par_iter().map(|group| left_out(group, n_groups)).collect();
                let why = "without one of the patients it has no value; use the percentile interval";
                let left_out = left_out.ok_or(StatsError::Undefined { what: figure, why })?;
                bca(figure, value, &sorted, &left_out, tail)?
            }
        };
        let method = format!("{figure}/{}", self.interval.name()).into();
        Ok(Estimate { value, lower, upper, level: self.level, n: n_patients as u64, method })
    }
}

fn bca(
    figure: &'static str,
    value: f64,
    sorted: &[f64],
    left_out: &[f64],
    tail: f64,
) -> Result<(f64, f64), StatsError> {
    let below = sorted.partition_point(|&v| v < value);
    let not_above = sorted.partition_point(|&v| v <= value);
    let share = (below + not_above) as f64 / 2.0 / sorted.len() as f64;
    if share <= 0.0 || 1.0 <= share {
        let why = "its value lies outside all resamples, so BCa has no answer; use the percentile interval";
        return Err(StatsError::Undefined { what: figure, why });
    }
    let bias = normal_quantile(share);
    let mean = left_out.iter().sum::<f64>() / left_out.len() as f64;
    let (mut squares, mut cubes) = (0.0, 0.0);
    for v in left_out {
        squares += (mean - v).powi(2);
        cubes += (mean - v).powi(3);
    }
    let acceleration = if 0.0 < squares { cubes / (6.0 * squares.powf(1.5)) } else { 0.0 };
    let adjusted = |p: f64| {
        let shifted = bias + normal_quantile(p);
        normal_cdf(bias + shifted / (1.0 - acceleration * shifted))
    };
    Ok((quantile(sorted, adjusted(tail)), quantile(sorted, adjusted(1.0 - tail))))
}

/// Quantile of ascending values for `share` in [0, 1], linear between neighbours (Hyndman & Fan's type 7, as numpy and R do). Shares
/// outside count as the nearer end.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share.clamp(0.0, 1.0) * (sorted.len() - 1) as f64;
    let below = place.floor() as usize;
    let (low, high) = (sorted[below], sorted[(below + 1).min(sorted.len() - 1)]);
    // Weighted and not `low + (high - low) * part`, which overflows for values of opposite extremes.
    let part = place - below as f64;
    // Rounding must not leave the two.
    (low * (1.0 - part) + high * part).clamp(low, high)
}

fn standard_deviation(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt()
}
