//! Table B: sensitivity from labels that come late, ten positives a day with few at weekends.

use super::chance::Chance;
use hilum_stats::sequential::*;

/// Positives on a weekday and on a day of a weekend: ten a day in the mean.
const POSITIVES: [usize; 2] = [12, 5];
pub(crate) const POSITIVES_PER_DAY: f64 = (5 * POSITIVES[0] + 2 * POSITIVES[1]) as f64 / 7.0;
/// Miss rate while in control.
pub(crate) const MISS_RATE: f64 = 0.10;

/// How labels arrive.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Labels {
    /// On the day of the study.
    AtOnce,
    /// Two days and an exponential time later: mean 5 days for a finding that the model found, 14 for one it missed, because
    /// that takes a second reading or a follow-up.
    Late,
}

/// When to raise an alarm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Policy {
    /// Every day, a one-sided test at 0.05 of the last 30 days.
    Rolling,
    /// The same every 30 days.
    Monthly,
    /// Seven days running beyond 95 % of the last 60 days.
    SevenDays,
    /// e-detector with null `miss rate <= null` and so many false alarms per year.
    Detector { null: f64, per_year: f64, recursion: Recursion },
}

impl Policy {
    pub(crate) const ALL: [Policy; 7] = [
        Policy::Rolling,
        Policy::Monthly,
        Policy::SevenDays,
        Policy::Detector { null: 0.10, per_year: 1.0, recursion: Recursion::ShiryaevRoberts },
        Policy::Detector { null: 0.12, per_year: 1.0, recursion: Recursion::ShiryaevRoberts },
        Policy::Detector { null: 0.12, per_year: 0.1, recursion: Recursion::ShiryaevRoberts },
        Policy::Detector { null: 0.10, per_year: 1.0, recursion: Recursion::Cusum },
    ];

    pub(crate) fn name(self) -> String {
        match self {
            Policy::Rolling => "last 30 days, p < 0.05, every day".to_owned(),
            Policy::Monthly => "30 days, p < 0.05, every 30 days".to_owned(),
            Policy::SevenDays => "7 days beyond 95 % of the last 60".to_owned(),
            Policy::Detector { null, per_year, recursion } => {
                let kind = if recursion == Recursion::Cusum { "e-CUSUM" } else { "e-SR" };
                let margin = (null - MISS_RATE) * 100.0;
                format!("{kind} for {per_year} a year, margin {margin:.0} points")
            }
        }
    }
}

/// Days with an alarm, per policy, of one run in which the miss rate is `after` from day `change` on (`days` for never).
pub(crate) fn alarm_days(
    (days, change, after): (usize, usize, f64),
    labels: Labels,
    policies: &[Policy],
    seed: u64,
    run: u64,
) -> Vec<Vec<usize>> {
    let mut chance = Chance::new(seed, run);
    let mut events: Vec<(f64, bool)> = Vec::new();
    for day in 0..days {
        for positive in 0..POSITIVES[usize::from(5 <= day % 7)] {
            let missed = chance.happens(if day < change { MISS_RATE } else { after });
            let delay = match labels {
                Labels::AtOnce => 0.0,
                Labels::Late => 2.0 - (1.0 - chance.uniform()).ln() * if missed { 14.0 } else { 5.0 },
            };
            events.push((day as f64 + positive as f64 / 20.0 + delay, missed));
        }
    }
    events.sort_by(|a, b| a.0.total_cmp(&b.0));
    let arrived = events.iter().map(|&(at, missed)| (at as usize, missed)).filter(|event| event.0 < days);
    let arrived: Vec<(usize, bool)> = arrived.collect();
    policies.iter().map(|&policy| fired(policy, &arrived, days)).collect()
}

fn fired(policy: Policy, events: &[(usize, bool)], days: usize) -> Vec<usize> {
    if let Policy::Detector { null, per_year, recursion } = policy {
        let settings = BernoulliSettings::new(MISS_RATE, null - MISS_RATE, Direction::Rise).expect("settings in range");
        let mut detector =
            BernoulliDetector::new(BernoulliSettings { recursion, ..settings }).expect("settings in range");
        let threshold = FalseAlarmBudget { per_year }.events(POSITIVES_PER_DAY).expect("a budget in range");
        let mut alarms = Vec::new();
        for &(day, missed) in events {
            detector.update(missed);
            if threshold <= detector.evidence() {
                detector.reset();
                alarms.push(day);
            }
        }
        alarms.dedup();
        return alarms;
    }
    // Cases and misses up to the end of each day.
    let mut sums = vec![(0_u64, 0_u64); days + 1];
    for &(day, missed) in events {
        sums[day + 1].0 += 1;
        sums[day + 1].1 += u64::from(missed);
    }
    for day in 1..=days {
        sums[day] = (sums[day].0 + sums[day - 1].0, sums[day].1 + sums[day - 1].1);
    }
    let last = |day: usize, window: usize| {
        let (now, then) = (sums[day + 1], sums[day + 1 - window]);
        (now.0 - then.0, now.1 - then.1)
    };
    let significant = |day: &usize| {
        let (n, misses) = last(*day, 30);
        0 < n && hilum_stats::outlier::binomial_upper_test(misses, n, MISS_RATE).expect("counts").p_value < 0.05
    };
    match policy {
        Policy::Rolling => (29..days).filter(significant).collect(),
        Policy::Monthly => (29..days).step_by(30).filter(significant).collect(),
        _ => {
            let beyond = |day: usize| {
                let (n, misses) = last(day, 60);
                let n = n as f64;
                MISS_RATE + 1.96 * (MISS_RATE * (1.0 - MISS_RATE) / n).sqrt() < misses as f64 / n
            };
            (66..days).filter(|&day| (day - 6..=day).all(beyond)).collect()
        }
    }
}
