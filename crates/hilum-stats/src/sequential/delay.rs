use super::{BernoulliDetector, BernoulliSettings, BoundedMeanDetector, BoundedMeanSettings};
use crate::chance::Chance;
use crate::check::number;
use crate::error::StatsError;
use crate::estimate::Estimate;
use crate::proportion::{clopper_pearson, wilson};
use crate::special::normal_cdf;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

const WHAT: &str = "delay to detection";

/// Work of one call, in events, that a page may wait for.
const EVENTS_MAX: f64 = 2e9;

/// How a delay is simulated.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DelayPlan {
    /// Evidence at which the alarm is raised, from 1: `1 / alpha`.
    pub threshold: f64,
    /// Events in control before the change; evidence gathered in them stays, alarms in them reset the detector.
    pub warm_up: u64,
    /// Events after the change within which it must be found.
    pub horizon: u64,
    /// Simulated runs, from 1.
    pub runs: u32,
    /// Seed of all draws.
    pub seed: u64,
}

/// How long a change goes unnoticed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DetectionDelay {
    /// Share of runs in which it was found within the horizon.
    pub found: Estimate,
    /// Events from the change to the alarm, the alarm's own included: in half of the runs it is at most this. `None` where
    /// the horizon came first.
    pub median_events: Option<u64>,
    /// Bounds of 95 % confidence of the median, by order statistics.
    pub median_between: Option<(u64, u64)>,
    /// In nine tenths of the runs it is at most this.
    pub p90_events: Option<u64>,
    /// Alarms before the change, over all runs: false ones.
    pub n_false_alarms: u64,
    /// Simulated runs.
    pub runs: u32,
}

impl DetectionDelay {
    /// The same in days, for a stream of this volume.
    pub fn median_days(&self, events_per_day: f64) -> Option<f64> {
        self.median_events.map(|events| events as f64 / events_per_day)
    }
}

/// How long it takes a detector of a rate to find that the rate has become `rate_after`, by simulation of independent events:
/// for the page that says, before going live, what a monitor of this volume can and cannot see.
///
/// # Errors
/// As [`BernoulliDetector::new`]; `OutOfRange` for a rate outside [0, 1] or a plan that is not sound.
///
/// # Examples
/// A miss rate of 0.10 that becomes 0.20 takes about 85 positives: a week and a half at ten a day, three months at one.
/// ```
/// use hilum_stats::sequential::{BernoulliSettings, DelayPlan, Direction, rate_delay};
/// let settings = BernoulliSettings::new(0.10, 0.0, Direction::Rise).unwrap();
/// let plan = DelayPlan { threshold: 3_650.0, warm_up: 500, horizon: 2_000, runs: 200, seed: 1 };
/// let delay = rate_delay(&settings, 0.20, &plan).unwrap();
/// assert!((60..110).contains(&delay.median_events.unwrap()));
/// ```
pub fn rate_delay(
    settings: &BernoulliSettings,
    rate_after: f64,
    plan: &DelayPlan,
) -> Result<DetectionDelay, StatsError> {
    number(WHAT, rate_after, "[0, 1] for the rate after the change", |v| (0.0..=1.0).contains(&v))?;
    let fresh = BernoulliDetector::new(settings.clone())?;
    simulate(plan, |chance, stage| {
        let mut detector = fresh.clone();
        run(plan, stage, || {
            detector.update(chance.happens(settings.rate));
            let alarm = plan.threshold <= detector.evidence();
            if alarm {
                detector.reset();
            }
            alarm
        });
        run_after(plan, stage, || {
            detector.update(chance.happens(rate_after));
            plan.threshold <= detector.evidence()
        });
    })
}

/// The same for a detector of percentiles within a normally distributed reference, whose mean moves by `shift_sd` standard
/// deviations.
///
/// # Errors
/// As [`BoundedMeanDetector::new`]; `OutOfRange` for a shift beyond 100 standard deviations or a plan that is not sound.
pub fn mean_delay(
    settings: &BoundedMeanSettings,
    shift_sd: f64,
    plan: &DelayPlan,
) -> Result<DetectionDelay, StatsError> {
    number(WHAT, shift_sd, "[-100, 100] for the shift", |v| v.abs() <= 100.0)?;
    let fresh = BoundedMeanDetector::new(settings.clone())?;
    simulate(plan, |chance, stage| {
        let mut detector = fresh.clone();
        run(plan, stage, || {
            // Uniform draws are in range.
            let _ = detector.update(chance.uniform());
            let alarm = plan.threshold <= detector.evidence();
            if alarm {
                detector.reset();
            }
            alarm
        });
        run_after(plan, stage, || {
            // A distribution function is in range.
            let _ = detector.update(normal_cdf(chance.normal() + shift_sd).min(1.0));
            plan.threshold <= detector.evidence()
        });
    })
}

/// What one run has seen.
#[derive(Default)]
struct Stage {
    n_false_alarms: u64,
    delay: Option<u64>,
}

fn run(plan: &DelayPlan, stage: &mut Stage, mut alarm_after_event: impl FnMut() -> bool) {
    for _ in 0..plan.warm_up {
        stage.n_false_alarms += u64::from(alarm_after_event());
    }
}

fn run_after(plan: &DelayPlan, stage: &mut Stage, mut alarm_after_event: impl FnMut() -> bool) {
    stage.delay = (1..=plan.horizon).find(|_| alarm_after_event());
}

fn simulate(plan: &DelayPlan, one_run: impl Fn(&mut Chance, &mut Stage) + Sync) -> Result<DetectionDelay, StatsError> {
    number(WHAT, plan.threshold, "the numbers from 1 for the threshold", |v| 1.0 <= v)?;
    number(WHAT, f64::from(plan.runs), "1 or more runs", |v| 1.0 <= v)?;
    let events = f64::from(plan.runs) * (plan.warm_up as f64 + plan.horizon as f64);
    number(WHAT, events, "1 to 2e9 events in all runs", |v| (1.0..=EVENTS_MAX).contains(&v))?;
    let of_run = |number: u32| {
        let mut stage = Stage::default();
        one_run(&mut Chance::new(plan.seed, u64::from(number)), &mut stage);
        stage
    };
    let stages: Vec<Stage> = (0..plan.runs).into_par_iter().map(of_run).collect();
    let mut delays: Vec<u64> = stages.iter().map(|stage| stage.delay.unwrap_or(u64::MAX)).collect();
    delays.sort_unstable();
    let runs = u64::from(plan.runs);
    let n_found = delays.partition_point(|&delay| delay < u64::MAX) as u64;
    // The smallest number that at least this share of the runs keep to.
    let quantile = |share: f64| {
        let place = ((share * runs as f64).ceil() as usize).clamp(1, delays.len()) - 1;
        delays.get(place).copied().filter(|&delay| delay < u64::MAX)
    };
    // The bounds of a share of one half hold, of all order statistics, those between which the median lies.
    let half = clopper_pearson(runs / 2, runs, 0.95)?;
    let between = quantile(half.lower).zip(quantile(half.upper));
    Ok(DetectionDelay {
        found: wilson(n_found, runs, 0.95)?,
        median_events: quantile(0.5),
        median_between: between,
        p90_events: quantile(0.9),
        n_false_alarms: stages.iter().map(|stage| stage.n_false_alarms).sum(),
        runs: plan.runs,
    })
}
