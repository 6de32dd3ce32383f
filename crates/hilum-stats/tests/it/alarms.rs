//! The alarm simulation of the design, short: false alarms keep to what is declared, with weekdays and late labels (MV-29), and
//! changes are found. The long one is `cargo run --release -p hilum-stats --example alarm_simulation`.

#[path = "../../examples/alarm_simulation/inputs.rs"]
#[expect(dead_code, reason = "the example runs the policies that are left out here")]
mod inputs;
#[path = "../../examples/alarm_simulation/labels.rs"]
#[expect(dead_code, reason = "the example runs the policies that are left out here")]
mod labels;

use crate::chance;
use hilum_stats::poisson_bounds;
use hilum_stats::sequential::Recursion;
use inputs::Scenario;
use labels::Labels;

const YEAR: Scenario = Scenario { weekend: 0.3, shift: 0.0, shifted: 0, change: 365, days: 365 };

/// Exact upper bound, one-sided 95 %, of the mean of a count.
fn upper(count: u64) -> f64 {
    poisson_bounds(count, 0.90).unwrap().1
}

/// 200 years of ten positives a day at the very edge of the null, and of late labels that come later for misses.
#[test]
fn two_hundred_years_in_control_keep_the_declared_rate_of_false_stops() {
    let sr = Recursion::ShiryaevRoberts;
    let policies = [(0.10, 1.0, sr), (0.12, 1.0, sr), (0.12, 0.1, sr), (0.10, 1.0, Recursion::Cusum)]
        .map(|(null, per_year, recursion)| labels::Policy::Detector { null, per_year, recursion });
    for late in [Labels::AtOnce, Labels::Late] {
        let mut alarms = [0_u64; 4];
        for run in 0..200 {
            let days = labels::alarm_days((365, 365, labels::MISS_RATE), late, &policies, 11, run);
            alarms.iter_mut().zip(days).for_each(|(n, days)| *n += days.len() as u64);
        }
        for (policy, n) in policies.iter().zip(alarms) {
            let labels::Policy::Detector { per_year, .. } = policy else { unreachable!("there are only detectors") };
            let upper = upper(n) / 200.0;
            println!("{late:?}, {}: {n} in 200 years, at most {upper:.3} a year", policy.name());
            assert!(upper <= *per_year, "{late:?}, {}: {n} in 200 years", policy.name());
        }
        assert!(0 < alarms[0], "at the edge of the null there are some, or the detector is switched off");
    }
}

#[test]
fn a_weekday_pattern_raises_no_alarm_where_weekdays_are_strata() {
    let policies = [
        inputs::Policy::Detectors { margin: 0.05, strata: true },
        inputs::Policy::Portfolio { margin: 0.05, strata: true },
        inputs::Policy::Detectors { margin: 0.05, strata: false },
    ];
    let (years, mut alarms) = (4, [0_u64; 3]);
    for run in 0..years {
        let days = inputs::alarm_days(&YEAR, &policies, 11, run);
        alarms.iter_mut().zip(days).for_each(|(n, days)| *n += days.len() as u64);
    }
    println!("{alarms:?} in {years} years");
    for n in &alarms[..2] {
        assert!(upper(*n) / years as f64 <= 1.0, "{alarms:?}");
    }
    assert!(years < alarms[2], "without strata every weekend is news, and this test can fail: {alarms:?}");
}

#[test]
fn a_shift_of_one_feature_is_found_in_days_where_half_of_the_features_never_move() {
    let policies = [
        inputs::Policy::Portfolio { margin: 0.05, strata: true },
        inputs::Policy::WeeklyEvidently,
        inputs::Policy::WeeklyKsBonferroni,
    ];
    let mut delays = [Vec::new(), Vec::new(), Vec::new()];
    for run in 0..20 {
        let change = 30 + run as usize % 7;
        let moved = Scenario { shift: 0.3, shifted: 1, change, days: 60, ..YEAR };
        for (delays, days) in delays.iter_mut().zip(inputs::alarm_days(&moved, &policies, 12, run)) {
            delays.push(days.iter().find(|&&day| change <= day).map_or(usize::MAX, |day| day - change + 1));
        }
    }
    let median = |delays: &mut Vec<usize>| {
        delays.sort_unstable();
        delays[delays.len() / 2]
    };
    let [ours, evidently, weekly] = &mut delays;
    let (ours, evidently, weekly) = (median(ours), median(evidently), median(weekly));
    println!("portfolio {ours} days, weekly KS with Bonferroni {weekly}");
    assert!(ours <= 6 && ours < weekly && evidently == usize::MAX, "{ours} {evidently} {weekly}");
}
