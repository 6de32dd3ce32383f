//! Tests of a whole week against a reference, as they are usually run.

use hilum_monitor::rehearsal::{Course, Fault, Happening, SimulatedStudy, World};
use std::collections::BTreeMap;

/// Rows that Evidently compares by KS at most; the other policy gets the same.
const REFERENCE: usize = 1_000;

/// A year of days that is watched.
const YEAR: u32 = 365;

/// Runs from which references are drawn, away from all others.
const REFERENCES: u64 = 1 << 48;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Policy {
    /// Any number with p < 0.05 / numbers.
    Bonferroni,
    /// Half of the numbers or more with p < 0.05.
    Evidently,
}

impl Policy {
    pub(crate) const ALL: [Policy; 2] = [Policy::Bonferroni, Policy::Evidently];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Policy::Bonferroni => "weekly KS, Bonferroni",
            Policy::Evidently => "weekly, half of the numbers KS p < 0.05 (Evidently)",
        }
    }

    fn speaks(self, reference: &Columns, week: &Columns) -> bool {
        let p_values: Vec<f64> =
            week.iter().filter_map(|(name, values)| Some(ks_p_value(reference.get(name)?, values))).collect();
        match self {
            Policy::Bonferroni => p_values.iter().any(|p| *p < 0.05 / p_values.len() as f64),
            Policy::Evidently => p_values.len() <= 2 * p_values.iter().filter(|p| **p < 0.05).count(),
        }
    }
}

type Columns = BTreeMap<String, Vec<f64>>;

fn enter(columns: &mut Columns, study: &SimulatedStudy) {
    let observation = &study.observation;
    for (name, value) in &observation.features {
        columns.entry(name.clone()).or_default().push(*value);
    }
    for (name, output) in &observation.outputs {
        columns.entry(format!("score:{name}")).or_default().extend(output.score);
    }
}

fn reference(world: &World, seed: u64, run: u64) -> Columns {
    let mut columns = Columns::new();
    let studies = Course::new(world, None, seed, REFERENCES + 7 * run).filter_map(|happening| match happening {
        Happening::Study(study) => Some(study),
        _ => None,
    });
    studies.take(REFERENCE).for_each(|study| enter(&mut columns, &study));
    columns.values_mut().for_each(|values| values.sort_by(f64::total_cmp));
    columns
}

pub(crate) fn alarms_in_year(world: &World, policy: Policy, seed: u64, run: u64) -> usize {
    let reference = reference(world, seed, run);
    let (mut week, mut days, mut alarms) = (Columns::new(), 0, 0);
    for happening in Course::new(world, None, seed, run) {
        match happening {
            Happening::Study(study) => enter(&mut week, &study),
            Happening::Label { .. } => {}
            Happening::DayOver(_) => {
                days += 1;
                if days % 7 == 0 {
                    alarms += usize::from(policy.speaks(&reference, &std::mem::take(&mut week)));
                }
                if days == YEAR {
                    return alarms;
                }
            }
        }
    }
    alarms
}

/// Days from the fault to the alarm, if there was one, and positive cases missed until then.
pub(crate) fn until_alarm(world: &World, fault: &Fault, policy: Policy, seed: u64, run: u64) -> (Option<f64>, u64) {
    let reference = reference(world, seed, run);
    let course = Course::new(world, Some(fault), seed, run);
    let begin = course.fault_at().expect("a course with a fault");
    let (mut week, mut days, mut missed) = (Columns::new(), 0, 0);
    for happening in course {
        match happening {
            Happening::Study(study) => {
                enter(&mut week, &study);
                let outputs = &study.observation.outputs;
                let told = |name: &str| outputs.get(name).and_then(|output| output.present) == Some(true);
                if study.touched {
                    missed += study.truth.iter().filter(|(name, present)| **present && !told(name)).count() as u64;
                }
            }
            Happening::Label { .. } => {}
            Happening::DayOver(at) => {
                days += 1;
                let since = at.micros_since(begin) as f64 / 86_400_000_000.0;
                if f64::from(fault.horizon_days()) < since {
                    return (None, missed);
                }
                if days % 7 == 0 {
                    let speaks = policy.speaks(&reference, &std::mem::take(&mut week));
                    if speaks && 0.0 < since {
                        return (Some(since), missed);
                    }
                }
            }
        }
    }
    (None, missed)
}

pub(crate) fn summary(runs: Vec<(Option<f64>, u64)>, fault: &Fault) -> String {
    let n = runs.len();
    let within = f64::from(fault.found_within_days);
    let found = runs.iter().filter(|run| run.0.is_some_and(|days| days <= within)).count();
    let mut days: Vec<f64> = runs.iter().map(|run| run.0.unwrap_or(f64::INFINITY)).collect();
    days.sort_by(f64::total_cmp);
    let mut missed: Vec<u64> = runs.iter().map(|run| run.1).collect();
    missed.sort_unstable();
    let median = days[n / 2];
    let median = if median.is_finite() { format!("{median:.1}") } else { "never".to_owned() };
    format!("{:.3} of {n}, {median}, {}", found as f64 / n as f64, missed[n / 2])
}

/// Two-sided p-value of Kolmogorov and Smirnov by the limiting distribution, for values without ties.
fn ks_p_value(reference: &[f64], values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let (n, m) = (values.len() as f64, reference.len() as f64);
    let mut distance = 0.0_f64;
    for (place, value) in values.iter().enumerate() {
        let share = reference.partition_point(|v| v <= value) as f64 / m;
        distance = distance.max((share - place as f64 / n).abs()).max(((place + 1) as f64 / n - share).abs());
    }
    let x = distance * (n * m / (n + m)).sqrt();
    if x < 0.2 {
        return 1.0;
    }
    let term = |k: i32| f64::from(1 - 2 * (k % 2)) * (-2.0 * f64::from(k * k) * x * x).exp();
    (-2.0 * (1..100).map(term).sum::<f64>()).clamp(0.0, 1.0)
}
