//! e-detectors, their budgets and delays: definitions, guarantees by simulation, and states that survive being stored (MV-21,
//! MV-29, MV-30).

use crate::chance::Chance;
use crate::support::close;
use hilum_stats::StatsError;
use hilum_stats::sequential::*;
use proptest::prelude::*;

fn rise(rate: f64, margin: f64) -> BernoulliSettings {
    BernoulliSettings::new(rate, margin, Direction::Rise).unwrap()
}

fn percentiles(margin: f64) -> BoundedMeanSettings {
    BoundedMeanSettings::new(0.5, margin, Direction::Both).unwrap()
}

/// Mean run length of `runs` runs and its standard error.
pub(crate) fn run_length(runs: u32, mut one_run: impl FnMut(u32) -> u64) -> (f64, f64) {
    let lengths: Vec<f64> = (0..runs).map(|run| one_run(run) as f64).collect();
    let n = f64::from(runs);
    let mean = lengths.iter().sum::<f64>() / n;
    let variance = lengths.iter().map(|l| (l - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, (variance / n).sqrt())
}

#[test]
fn evidence_is_the_sum_over_all_starts_and_since_the_best_of_them() {
    let events = [false, true, true, false, true, true, true, false, true];
    let settings = rise(0.2, 0.05);
    let mut detector = BernoulliDetector::new(settings.clone()).unwrap();
    for taken in 1..=events.len() {
        detector.update(events[taken - 1]);
        let ratio = |q: f64, x: bool| if x { q / 0.25 } else { (1.0 - q) / 0.75 };
        let product = |q: f64, start: usize| events[start..taken].iter().map(|&x| ratio(q, x)).product::<f64>();
        let of = |q: f64| (0..taken).map(|start| product(q, start)).sum::<f64>();
        let slow = settings.alternatives.iter().map(|a| of(a.rate) / 5.0).sum::<f64>();
        close("evidence", detector.reading().evidence, slow, 1e-12);
        close("logarithm", detector.reading().ln_evidence, slow.ln(), 1e-12);
        let starts = settings.alternatives.iter().flat_map(|a| (0..taken).map(move |s| (product(a.rate, s), s)));
        let best = starts.max_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
        assert_eq!(detector.reading().since, best.1 as u64, "{taken} events");
    }
}

/// At the edge of the null, where it is tightest; and for events that depend on the evidence so far.
#[test]
fn the_mean_run_length_of_a_rate_detector_is_at_least_declared() {
    for (recursion, dependent) in
        [(Recursion::ShiryaevRoberts, false), (Recursion::ShiryaevRoberts, true), (Recursion::Cusum, false)]
    {
        let settings = BernoulliSettings { recursion, ..rise(0.10, 0.02) };
        let mut chance = Chance::new(5, 0);
        let (mean, error) = run_length(300, |_| {
            let mut detector = BernoulliDetector::new(settings.clone()).unwrap();
            while detector.evidence() < 200.0 {
                let rate = if dependent && detector.evidence() < 20.0 { 0.03 } else { 0.12 };
                detector.update(chance.happens(rate));
            }
            detector.n()
        });
        println!("{recursion:?}, dependent {dependent}: {mean:.0} +- {error:.0}");
        assert!(200.0 < mean + 3.0 * error, "{recursion:?}: {mean} +- {error}");
        // Not by never firing: the worst case of the default recursion is not far above the bound.
        assert!(dependent || recursion == Recursion::Cusum || mean < 1_000.0, "{mean}");
    }
}

#[test]
fn the_mean_run_length_of_a_mean_detector_is_at_least_declared() {
    // Two-valued, uniform and nearly constant values, each at the edge of the null: only the mean matters.
    type Draw = fn(&mut Chance) -> f64;
    let draws: [(&str, Draw); 3] = [
        ("two values", |chance| f64::from(u8::from(chance.happens(0.53)))),
        ("uniform", |chance| (chance.uniform() * 1.06).min(1.0)),
        ("constant", |_| 0.53),
    ];
    for (name, draw) in draws {
        let mut chance = Chance::new(6, 0);
        let (mean, error) = run_length(200, |_| {
            let mut detector = BoundedMeanDetector::new(percentiles(0.03)).unwrap();
            while detector.evidence() < 150.0 && detector.n() < 20_000 {
                detector.update(draw(&mut chance)).unwrap();
            }
            detector.n()
        });
        println!("{name}: {mean:.0} +- {error:.0}");
        assert!(150.0 < mean + 3.0 * error, "{name}: {mean} +- {error}");
    }
}

/// A portfolio keeps its budget in time, whatever the volumes of its streams: 60 days between false alarms.
#[test]
fn a_portfolio_keeps_the_budget_of_all_its_streams() {
    let budget = FalseAlarmBudget { per_year: 365.25 / 60.0 };
    let member = |name: &str, share, per_day, detector| Member {
        name: name.to_owned(),
        share,
        events: budget.events(per_day).unwrap(),
        detector,
    };
    let misses = Detector::Bernoulli(BernoulliDetector::new(rise(0.10, 0.0)).unwrap());
    let noise = Detector::BoundedMean(BoundedMeanDetector::new(percentiles(0.0)).unwrap());
    let fresh = Portfolio::new(vec![member("misses", 1.0, 2.0, misses), member("noise", 3.0, 20.0, noise)]).unwrap();
    let mut chance = Chance::new(7, 0);
    let (mean, error) = run_length(300, |_| {
        let mut portfolio = fresh.clone();
        let mut days = 0;
        while portfolio.evidence() < 1.0 {
            days += 1;
            for event in 0..20 {
                portfolio.update("noise", chance.uniform()).unwrap();
                if event % 10 == 0 {
                    portfolio.update("misses", f64::from(u8::from(chance.happens(0.10)))).unwrap();
                }
            }
        }
        days
    });
    println!("portfolio: {mean:.0} +- {error:.0} days");
    assert!(60.0 < mean + 3.0 * error && mean < 400.0, "{mean} +- {error}");
    assert_eq!(fresh.readings().len(), 2);
    assert!(fresh.clone().update("sharpness", 0.5).is_err());
}

/// Ten million events of the worst and the best kind, as nobody resets a detector of a model that is switched off.
#[test]
fn ten_million_events_neither_overflow_nor_vanish() {
    let mut detector = BernoulliDetector::new(rise(0.001, 0.0)).unwrap();
    for _ in 0..10_000_000 {
        detector.update(true);
    }
    let reading = detector.reading();
    assert_eq!((reading.evidence, reading.since, reading.n), (f64::MAX, 0, 10_000_000));
    assert!(2e7 < reading.ln_evidence && reading.ln_evidence.is_finite(), "{reading:?}");
    for _ in 0..10_000_000 {
        detector.update(false);
    }
    let falling = detector.reading();
    assert!(falling.ln_evidence < reading.ln_evidence && falling.ln_evidence.is_finite());
    let mut quiet = BernoulliDetector::new(rise(0.5, 0.4)).unwrap();
    for _ in 0..10_000_000 {
        quiet.update(false);
    }
    assert!(0.0 < quiet.evidence() && quiet.evidence() < 10.0);
    // A change is still found at once.
    for _ in 0..200 {
        quiet.update(true);
    }
    assert_eq!(quiet.reading().since, 10_000_000);
}

/// The table of the design: 0.90 to 0.80 is found in 8.5 days of ten positives (p90 16), to 0.85 in 19 (p90 50).
#[test]
fn delays_are_those_of_the_design() {
    let settings = rise(0.10, 0.0);
    let plan = DelayPlan { threshold: 3_650.0, warm_up: 1_800, horizon: 1_850, runs: 400, seed: 3 };
    for (after, median_days, p90_days) in [(0.20, 8.5, 16.0), (0.15, 19.0, 50.0)] {
        let delay = rate_delay(&settings, after, &plan).unwrap();
        let (median, p90) = (delay.median_days(10.0).unwrap(), delay.p90_events.unwrap() as f64 / 10.0);
        println!("{after}: median {median} days, p90 {p90}, found {:?}", delay.found);
        assert!((median / median_days - 1.0).abs() < 0.25, "{median} for {median_days}");
        assert!((p90 / p90_days - 1.0).abs() < 0.35, "{p90} for {p90_days}");
        assert_eq!(rate_delay(&settings, after, &plan).unwrap(), delay, "the same seed gives the same delay");
    }
    let shift = mean_delay(
        &percentiles(pit_margin(0.05).unwrap()),
        0.3,
        &DelayPlan { threshold: 730_000.0, warm_up: 5_000, horizon: 5_000, runs: 200, seed: 3 },
    );
    let median = shift.unwrap().median_days(100.0).unwrap();
    assert!((3.0..6.0).contains(&median), "0.3 standard deviations: {median} days, the design has 4");
}

#[test]
fn a_budget_becomes_a_threshold() {
    let budget = FalseAlarmBudget { per_year: 1.0 };
    assert_eq!(budget.events(10.0).unwrap(), 3_652.5);
    let share = |name: &str, share, events_per_day| BudgetShare { name: name.to_owned(), share, events_per_day };
    let streams = [share("performance", 0.5, 10.0), share("gate", 0.2, 100.0), share("score", 0.3, 100.0)];
    let thresholds = budget.thresholds(&streams).unwrap();
    // Alarms per year of all together are those of the budget.
    let per_year = thresholds.iter().zip(&streams).map(|(t, s)| 365.25 * s.events_per_day / t).sum::<f64>();
    close("alarms per year", per_year, 1.0, 1e-12);
    for wrong in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(FalseAlarmBudget { per_year: wrong }.events(10.0).is_err());
        assert!(budget.events(wrong).is_err());
        assert!(budget.thresholds(&[share("a", wrong, 10.0)]).is_err());
    }
    assert!(matches!(FalseAlarmBudget { per_year: 400.0 }.events(0.5), Err(StatsError::Undefined { .. })));
}

#[test]
fn percentiles_of_the_reference_itself_have_mean_one_half() {
    let mut reference: Vec<f64> = (0..200).map(|i| f64::from(i * i % 37)).collect();
    reference.sort_by(f64::total_cmp);
    let mean = reference.iter().map(|&v| mid_rank(&reference, v).unwrap()).sum::<f64>() / 200.0;
    close("mean", mean, 0.5, 1e-12);
    let mut counts = vec![0_u64; 37];
    reference.iter().for_each(|&v| counts[v as usize] += 1);
    for value in [0.0, 1.0, 12.0, 36.0] {
        let by_counts = mid_rank_of_counts(&counts, value as usize).unwrap();
        close("by counts", by_counts, mid_rank(&reference, value).unwrap(), 1e-15);
    }
    assert!(mid_rank(&[], 1.0).is_err() && mid_rank(&reference, f64::NAN).is_err());
    assert!(mid_rank_of_counts(&[0, 0], 1).is_err() && mid_rank_of_counts(&[1, 2], 2).is_err());
    close("margin", pit_margin(0.05).unwrap(), 0.0141, 1e-4);
}

/// An acquisition group accepted on 139 studies: its own uncertainty needs a margin, or one alarm a year becomes dozens.
#[test]
fn a_small_reference_needs_the_margin_of_its_own_uncertainty() {
    let threshold = FalseAlarmBudget { per_year: 1.0 }.events(20.0).unwrap();
    let alarms = |margin: f64| {
        let mut chance = Chance::new(11, 0);
        let mut n = 0;
        for _ in 0..100 {
            let mut reference: Vec<f64> = (0..139).map(|_| chance.normal()).collect();
            reference.sort_by(f64::total_cmp);
            let mut detector = BoundedMeanDetector::new(percentiles(margin)).unwrap();
            for _ in 0..365 * 20 {
                detector.update(mid_rank(&reference, chance.normal()).unwrap()).unwrap();
                if threshold <= detector.evidence() {
                    detector.reset();
                    n += 1;
                }
            }
        }
        n
    };
    let (plain, of_reference) = (alarms(pit_margin(0.05).unwrap()), alarms(reference_margin(0.05, 139).unwrap()));
    println!("in 100 years: {plain} with 0.05 SD, {of_reference} with the margin of the reference");
    assert!(100 < plain && of_reference <= 84, "{plain} {of_reference}");
    assert!(reference_margin(0.05, 0).is_err() && reference_margin(f64::NAN, 10).is_err());
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    for (rate, margin, direction) in [
        (0.0, 0.0, Direction::Rise),
        (f64::NAN, 0.0, Direction::Rise),
        (0.5, -0.1, Direction::Rise),
        (0.9, 0.1, Direction::Rise),
        (0.1, 0.1, Direction::Fall),
        (0.5, 0.1, Direction::Both),
    ] {
        assert!(BernoulliSettings::new(rate, margin, direction).is_err(), "{rate} {margin} {direction:?}");
    }
    let with =
        |alternatives: Vec<Alternative>| BernoulliDetector::new(BernoulliSettings { alternatives, ..rise(0.1, 0.05) });
    assert!(with(vec![Alternative { rate: 0.2, weight: 1.0 }]).is_ok());
    assert!(matches!(with(vec![]), Err(StatsError::TooFew { .. })));
    for (rate, weight) in [(0.15, 1.0), (0.05, 1.0), (1.0, 1.0), (0.2, 0.0), (0.2, f64::NAN), (f64::NAN, 1.0)] {
        let refused = with(vec![Alternative { rate, weight }]);
        assert!(matches!(refused, Err(StatsError::OutOfRange { .. })), "{rate} {weight}");
    }
    assert!(BoundedMeanSettings::new(0.5, 0.5, Direction::Rise).is_err());
    let mut detector = BoundedMeanDetector::new(percentiles(0.0)).unwrap();
    for wrong in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
        assert!(detector.update(wrong).is_err());
    }
    assert_eq!(detector, BoundedMeanDetector::new(percentiles(0.0)).unwrap(), "nothing has changed");
    let mut detector = Detector::Bernoulli(BernoulliDetector::new(rise(0.1, 0.0)).unwrap());
    assert!(detector.update(0.5).is_err() && detector.update(1.0).is_ok());
    let plan = DelayPlan { threshold: 10.0, warm_up: 0, horizon: 10, runs: 1, seed: 1 };
    for plan in [
        DelayPlan { threshold: f64::NAN, ..plan },
        DelayPlan { runs: 0, ..plan },
        DelayPlan { horizon: u64::MAX, ..plan },
    ] {
        assert!(rate_delay(&rise(0.1, 0.0), 0.2, &plan).is_err(), "{plan:?}");
    }
}

#[test]
fn stored_states_that_no_events_lead_to_are_refused() {
    let mut detector = Detector::Bernoulli(BernoulliDetector::new(rise(0.1, 0.02)).unwrap());
    detector.update(1.0).unwrap();
    let text = serde_json::to_string(&detector).unwrap();
    assert!(serde_json::from_str::<Detector>(&text).is_ok());
    for (from, to) in [
        (r#""n":1"#, r#""n":-1"#),
        (r#""n":1"#, r#""m":1"#),
        (r#""rate":0.1"#, r#""rate":1.5"#),
        (r#""exponent":0"#, r#""exponent":3"#),
        (r#""start":0"#, r#""start":9"#),
        (r#""mantissa":"#, r#""mantissa":-"#),
        (r#""weight":1.0},"#, r#""weight":1.0},{"rate":0.6,"weight":1.0},"#),
    ] {
        let hostile = text.replacen(from, to, 1);
        assert_ne!(text, hostile, "{from} is in {text}");
        assert!(serde_json::from_str::<Detector>(&hostile).is_err(), "{from} as {to}");
    }
    assert!(serde_json::from_str::<Portfolio>("[]").is_err());
    assert!(
        serde_json::from_str::<CusumChart>(
            r#"{"reference_value":0.5,"limit":5,"n":3,"up":-1,"down":0,"up_start":0,"down_start":0}"#
        )
        .is_err()
    );
}

fn any_value() -> impl Strategy<Value = f64> {
    prop_oneof![4 => 0.0_f64..=1.0, 1 => prop::sample::select(vec![0.0, 1.0, 0.5, f64::NAN, -1.0, 1e300, 5e-324])]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    /// A checkpoint in the middle changes no byte of what follows.
    #[test]
    fn a_stored_detector_goes_on_as_if_it_had_not_been_stored(
        values in prop::collection::vec(any_value(), 0..200), cut in 0_usize..200, rate in 0.01_f64..0.5,
    ) {
        let fresh = [
            Detector::Bernoulli(BernoulliDetector::new(rise(rate, 0.02)).unwrap()),
            Detector::BoundedMean(BoundedMeanDetector::new(percentiles(0.01)).unwrap()),
        ];
        for fresh in fresh {
            let (mut through, mut stored) = (fresh.clone(), fresh.clone());
            let (mut sequence, mut again) = (MeanSequence::new(0.95).unwrap(), MeanSequence::new(0.95).unwrap());
            for (place, &value) in values.iter().enumerate() {
                if place == cut {
                    stored = serde_json::from_str(&serde_json::to_string(&stored).unwrap()).unwrap();
                    again = serde_json::from_str(&serde_json::to_string(&again).unwrap()).unwrap();
                }
                let before = through.clone();
                let kept = through.update(value).is_ok();
                prop_assert_eq!(kept, stored.update(value).is_ok());
                prop_assert!(kept || through == before, "a refused event leaves no trace");
                let _ = (sequence.update(value), again.update(value));
            }
            prop_assert_eq!(serde_json::to_string(&through).unwrap(), serde_json::to_string(&stored).unwrap());
            prop_assert_eq!(serde_json::to_string(&sequence).unwrap(), serde_json::to_string(&again).unwrap());
            let reading = through.reading();
            prop_assert!(reading.evidence.is_finite() && 0.0 <= reading.evidence && reading.since <= reading.n);
            through.reset();
            prop_assert_eq!(through, fresh);
        }
    }
}
