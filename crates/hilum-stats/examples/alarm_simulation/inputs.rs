//! Table A: 20 input features of 100 studies a day against a reference of 5,000, under several alarm policies.

use super::chance::Chance;
use hilum_stats::sequential::*;

pub(crate) const FEATURES: usize = 20;
pub(crate) const STUDIES_PER_DAY: usize = 100;
const REFERENCE: usize = 5_000;
/// Evidently takes KS up to 1,000 reference rows.
const REFERENCE_EVIDENTLY: usize = 1_000;

/// What happens in one simulated run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scenario {
    /// How far weekends differ from weekdays, in standard deviations.
    pub(crate) weekend: f64,
    /// How far the first `shifted` features move on day `change`, in standard deviations.
    pub(crate) shift: f64,
    pub(crate) shifted: usize,
    pub(crate) change: usize,
    pub(crate) days: usize,
}

/// When to raise an alarm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Policy {
    /// Every day, any feature with KS p < 0.05.
    DailyKs,
    /// Every day, any feature with KS p < 0.05 / 20.
    DailyKsBonferroni,
    /// Every week, any feature with KS p < 0.05 / 20.
    WeeklyKsBonferroni,
    /// Every week, half of the features or more with KS p < 0.05, against 1,000 reference rows.
    WeeklyEvidently,
    /// Two-sided CUSUM of daily means for one alarm a year, which tolerates a margin in standard deviations.
    Cusum { margin: f64, strata: bool },
    /// e-SR detectors of percentiles, each with a twentieth of one alarm a year.
    Detectors { margin: f64, strata: bool },
    /// All e-SR detectors in one portfolio with one alarm a year.
    Portfolio { margin: f64, strata: bool },
}

impl Policy {
    pub(crate) const ALL: [Policy; 11] = [
        Policy::DailyKs,
        Policy::DailyKsBonferroni,
        Policy::WeeklyKsBonferroni,
        Policy::WeeklyEvidently,
        Policy::Cusum { margin: 0.0, strata: false },
        Policy::Cusum { margin: 0.05, strata: false },
        Policy::Cusum { margin: 0.05, strata: true },
        Policy::Detectors { margin: 0.0, strata: false },
        Policy::Detectors { margin: 0.05, strata: false },
        Policy::Detectors { margin: 0.05, strata: true },
        Policy::Portfolio { margin: 0.05, strata: true },
    ];

    pub(crate) fn name(self) -> String {
        let with = |what: &str, margin: f64, strata: bool| {
            let margin = if margin == 0.0 { "no margin".to_owned() } else { format!("margin {margin} SD") };
            format!("{what}, {margin}{}", if strata { ", weekday strata" } else { "" })
        };
        match self {
            Policy::DailyKs => "daily KS p < 0.05, any feature".to_owned(),
            Policy::DailyKsBonferroni => "daily KS, Bonferroni".to_owned(),
            Policy::WeeklyKsBonferroni => "weekly KS, Bonferroni".to_owned(),
            Policy::WeeklyEvidently => "weekly, half of the features KS p < 0.05 (Evidently)".to_owned(),
            Policy::Cusum { margin, strata } => with("CUSUM for 1 a year", margin, strata),
            Policy::Detectors { margin, strata } => with("e-SR for 1 a year", margin, strata),
            Policy::Portfolio { margin, strata } => with("e-SR portfolio for 1 a year", margin, strata),
        }
    }
}

/// Days with an alarm, per policy, of run `run`.
pub(crate) fn alarm_days(scenario: &Scenario, policies: &[Policy], seed: u64, run: u64) -> Vec<Vec<usize>> {
    let mut chance = Chance::new(seed, run);
    let references: Vec<Reference> = (0..FEATURES).map(|_| Reference::draw(&mut chance, scenario.weekend)).collect();
    let mut watches: Vec<Watch> = policies.iter().map(|&policy| Watch::new(policy)).collect();
    let mut alarms = vec![Vec::new(); policies.len()];
    for day in 0..scenario.days {
        let today = Day::draw(&mut chance, scenario, day, &references);
        for (watch, alarms) in watches.iter_mut().zip(&mut alarms) {
            if watch.day(&today, &references) {
                alarms.push(day);
            }
        }
    }
    alarms
}

/// The studies of one day, feature by feature.
struct Day {
    number: usize,
    values: Vec<Vec<f64>>,
    /// Percentiles within all of the reference, and within that of the stratum.
    percentiles: [Vec<Vec<f64>>; 2],
}

impl Day {
    fn draw(chance: &mut Chance, scenario: &Scenario, number: usize, references: &[Reference]) -> Day {
        let weekend = is_weekend(number);
        let feature = |feature: usize| -> Vec<f64> {
            let moved = scenario.change <= number && feature < scenario.shifted;
            let mean = if weekend { scenario.weekend } else { 0.0 } + if moved { scenario.shift } else { 0.0 };
            (0..STUDIES_PER_DAY).map(|_| mean + chance.normal()).collect()
        };
        let values: Vec<Vec<f64>> = (0..FEATURES).map(feature).collect();
        let percentiles = [false, true].map(|strata| {
            let within = |(reference, values): (&Reference, &Vec<f64>)| -> Vec<f64> {
                let sorted = &reference.of(strata, weekend).sorted;
                values.iter().map(|&value| mid_rank(sorted, value).expect("a reference")).collect()
            };
            references.iter().zip(&values).map(within).collect()
        });
        Day { number, values, percentiles }
    }
}

fn is_weekend(day: usize) -> bool {
    5 <= day % 7
}

/// Sorted values with their moments.
struct Sorted {
    sorted: Vec<f64>,
    mean: f64,
    spread: f64,
}

impl Sorted {
    fn new(mut values: Vec<f64>) -> Sorted {
        values.sort_by(f64::total_cmp);
        let mean = mean(&values);
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64;
        Sorted { sorted: values, mean, spread: variance.sqrt() }
    }
}

/// Reference values of one feature.
struct Reference {
    all: Sorted,
    for_evidently: Sorted,
    /// Weekdays, weekends.
    strata: [Sorted; 2],
}

impl Reference {
    fn draw(chance: &mut Chance, weekend: f64) -> Reference {
        let draw = |row: usize| chance.normal() + if is_weekend(row) { weekend } else { 0.0 };
        let rows: Vec<f64> = (0..REFERENCE).map(draw).collect();
        let stratum = |wanted| {
            let of_stratum = rows.iter().enumerate().filter(|row| is_weekend(row.0) == wanted);
            Sorted::new(of_stratum.map(|row| *row.1).collect())
        };
        let strata = [stratum(false), stratum(true)];
        Reference { for_evidently: Sorted::new(rows[..REFERENCE_EVIDENTLY].to_vec()), strata, all: Sorted::new(rows) }
    }

    fn of(&self, strata: bool, weekend: bool) -> &Sorted {
        if strata { &self.strata[usize::from(weekend)] } else { &self.all }
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// A policy at work.
enum Watch {
    /// Days in a window, the p-value of a feature, features needed; values of the window so far.
    Ks {
        days: usize,
        p: f64,
        features: usize,
        evidently: bool,
        window: Vec<Vec<f64>>,
    },
    Cusum {
        strata: bool,
        charts: Vec<CusumChart>,
    },
    Detectors {
        strata: bool,
        threshold: f64,
        detectors: Vec<BoundedMeanDetector>,
    },
    Portfolio {
        strata: bool,
        names: Vec<String>,
        portfolio: Portfolio,
    },
}

impl Watch {
    fn new(policy: Policy) -> Watch {
        let ks = |days, p, features, evidently| {
            let window = vec![Vec::new(); FEATURES];
            Watch::Ks { days, p, features, evidently, window }
        };
        let budget = FalseAlarmBudget { per_year: 1.0 };
        let detector = |margin| {
            let margin = pit_margin(margin).expect("a margin in range");
            let settings = BoundedMeanSettings::new(0.5, margin, Direction::Both).expect("settings in range");
            BoundedMeanDetector::new(settings).expect("settings in range")
        };
        match policy {
            Policy::DailyKs => ks(1, 0.05, 1, false),
            Policy::DailyKsBonferroni => ks(1, 0.05 / FEATURES as f64, 1, false),
            Policy::WeeklyKsBonferroni => ks(7, 0.05 / FEATURES as f64, 1, false),
            Policy::WeeklyEvidently => ks(7, 0.05, FEATURES / 2, true),
            Policy::Cusum { margin, strata } => {
                // A margin is tolerated as a larger reference value, in standard errors of daily means.
                let k = 0.5 + margin * (STUDIES_PER_DAY as f64).sqrt();
                let charts = vec![CusumChart::new(k, 7.75).expect("a chart in range"); FEATURES];
                Watch::Cusum { strata, charts }
            }
            Policy::Detectors { margin, strata } => {
                let stream = |feature: usize| BudgetShare {
                    name: feature.to_string(),
                    share: 1.0,
                    events_per_day: STUDIES_PER_DAY as f64,
                };
                let streams: Vec<BudgetShare> = (0..FEATURES).map(stream).collect();
                let threshold = budget.thresholds(&streams).expect("a budget in range")[0];
                Watch::Detectors { strata, threshold, detectors: vec![detector(margin); FEATURES] }
            }
            Policy::Portfolio { margin, strata } => {
                let member = |feature: usize| Member {
                    name: feature.to_string(),
                    share: 1.0,
                    events: budget.events(STUDIES_PER_DAY as f64).expect("a budget in range"),
                    detector: Detector::BoundedMean(detector(margin)),
                };
                let portfolio = Portfolio::new((0..FEATURES).map(member).collect()).expect("members in range");
                let names = (0..FEATURES).map(|feature| feature.to_string()).collect();
                Watch::Portfolio { strata, names, portfolio }
            }
        }
    }

    /// Whether this day raises an alarm; whatever fired starts anew.
    fn day(&mut self, today: &Day, references: &[Reference]) -> bool {
        match self {
            Watch::Ks { days, p, features, evidently, window } => {
                window.iter_mut().zip(&today.values).for_each(|(window, values)| window.extend(values));
                if !(today.number + 1).is_multiple_of(*days) {
                    return false;
                }
                let drifted = window.iter_mut().zip(references).filter_map(|(window, reference)| {
                    let reference = if *evidently { &reference.for_evidently } else { &reference.all };
                    let p_value = ks_p_value(&reference.sorted, window);
                    window.clear();
                    (p_value < *p).then_some(())
                });
                *features <= drifted.count()
            }
            Watch::Cusum { strata, charts } => {
                let mut fired = false;
                for ((chart, reference), values) in charts.iter_mut().zip(references).zip(&today.values) {
                    let reference = reference.of(*strata, is_weekend(today.number));
                    let error = reference.spread / (STUDIES_PER_DAY as f64).sqrt();
                    chart.update((mean(values) - reference.mean) / error).expect("a finite value");
                    if chart.alarm() {
                        chart.reset();
                        fired = true;
                    }
                }
                fired
            }
            Watch::Detectors { strata, threshold, detectors } => {
                let mut fired = false;
                for (detector, percentiles) in detectors.iter_mut().zip(&today.percentiles[usize::from(*strata)]) {
                    for &percentile in percentiles {
                        detector.update(percentile).expect("a percentile");
                        if *threshold <= detector.evidence() {
                            detector.reset();
                            fired = true;
                        }
                    }
                }
                fired
            }
            Watch::Portfolio { strata, names, portfolio } => {
                let mut fired = false;
                for study in 0..STUDIES_PER_DAY {
                    for (name, percentiles) in names.iter().zip(&today.percentiles[usize::from(*strata)]) {
                        portfolio.update(name, percentiles[study]).expect("a member");
                    }
                    if 1.0 <= portfolio.evidence() {
                        portfolio.reset();
                        fired = true;
                    }
                }
                fired
            }
        }
    }
}

/// Two-sided p-value of Kolmogorov and Smirnov by the limiting distribution, for values without ties.
fn ks_p_value(reference: &[f64], values: &mut [f64]) -> f64 {
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
