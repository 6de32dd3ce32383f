//! False alarms per year and delay to detection of alarm policies: `alarm_simulation [RUNS=200] [SEED=11] [TABLES=abc]`
//! prints Markdown.
//!
//! In control, each run is one year; a rate is given with the upper bound of 95 % confidence (one-sided, exact Poisson). For a
//! change, each run has 60 to 66 days in control (a year and up to a month for labels) and at least 43 days after it (180 for
//! labels); a change not found in them is missed.

mod chance;
mod inputs;
mod labels;

use hilum_stats::sequential::{BernoulliSettings, DelayPlan, Direction, FalseAlarmBudget, rate_delay};
use rayon::prelude::*;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: u64| arguments.next().map_or(default, |text| text.parse().expect("a whole number"));
    let (runs, seed) = (number(200), number(11));
    let tables = arguments.next().unwrap_or_else(|| "abc".to_owned());
    println!("{runs} runs, seed {seed}\n");
    for (name, table) in [('a', table_a as fn(u64, u64)), ('b', table_b), ('c', table_c)] {
        if tables.contains(name) {
            table(runs, seed);
        }
    }
}

fn table_a(runs: u64, seed: u64) {
    use inputs::{Policy, Scenario, alarm_days};
    let year = Scenario { weekend: 0.0, shift: 0.0, shifted: 0, change: 365, days: 365 };
    let moved = Scenario { change: 60, days: 110, shifted: 1, ..year };
    let calm = [year, Scenario { weekend: 0.3, ..year }];
    let changes = [
        Scenario { shift: 0.3, ..moved },
        Scenario { shift: 0.5, ..moved },
        Scenario { shift: 0.3, weekend: 0.3, ..moved },
        Scenario { shift: 0.3, shifted: inputs::FEATURES, ..moved },
    ];
    let all = |scenario: &Scenario, seed: u64| -> Vec<Run> {
        let one = |run: u64| {
            // Changes fall on every day of the week alike, or weekly tests would be judged by one of them.
            let later = if scenario.change < 365 { run as usize % 7 } else { 0 };
            let scenario = Scenario { change: scenario.change + later, ..*scenario };
            Run { change: scenario.change, alarms: alarm_days(&scenario, &Policy::ALL, seed, run) }
        };
        (0..runs).into_par_iter().map(one).collect()
    };
    let calm: Vec<_> = calm.iter().enumerate().map(|(i, scenario)| all(scenario, seed + i as u64)).collect();
    let found: Vec<_> = changes.iter().enumerate().map(|(i, scenario)| all(scenario, seed + 10 + i as u64)).collect();
    println!("A: {} features, {} studies a day", inputs::FEATURES, inputs::STUDIES_PER_DAY);
    println!();
    println!(
        "| policy | alarm days a year | with weekends 0.3 SD apart | 0.3 SD on 1 of 20 | 0.5 SD on 1 of 20 | 0.3 SD on 1, weekends apart | 0.3 SD on all 20 |"
    );
    println!("|---|---|---|---|---|---|---|");
    for (place, policy) in Policy::ALL.iter().enumerate() {
        let rates: Vec<String> = calm.iter().map(|runs| rate(runs, place)).collect();
        let delays: Vec<String> = found.iter().map(|runs| delay(runs, place)).collect();
        println!("| {} | {} | {} |", policy.name(), rates.join(" | "), delays.join(" | "));
    }
    println!();
}

fn table_b(runs: u64, seed: u64) {
    use labels::{Labels, Policy, alarm_days};
    println!("B: {:.0} positives a day, fewer at weekends, miss rate {}", labels::POSITIVES_PER_DAY, labels::MISS_RATE);
    println!();
    println!(
        "| policy | alarm days a year, labels at once | labels late | 0.90 to 0.80, at once | late | 0.90 to 0.85, at once | late |"
    );
    println!("|---|---|---|---|---|---|---|");
    let all = |(days, change, after): (usize, usize, f64), labels, seed: u64| -> Vec<Run> {
        let one = |run: u64| {
            let change = if change < days { change + run as usize % 30 } else { change };
            Run { change, alarms: alarm_days((days, change, after), labels, &Policy::ALL, seed, run) }
        };
        (0..runs).into_par_iter().map(one).collect()
    };
    let mut columns = Vec::new();
    for (place, scenario) in [(365, 365, 0.10), (575, 365, 0.20), (575, 365, 0.15)].into_iter().enumerate() {
        for labels in [Labels::AtOnce, Labels::Late] {
            columns.push((scenario.1 < scenario.0, all(scenario, labels, seed + 20 + place as u64)));
        }
    }
    for (place, policy) in Policy::ALL.iter().enumerate() {
        let cell = |(changes, runs): &(bool, Vec<Run>)| if *changes { delay(runs, place) } else { rate(runs, place) };
        println!("| {} | {} |", policy.name(), columns.iter().map(cell).collect::<Vec<_>>().join(" | "));
    }
}

/// What `rate_delay` says before going live.
fn table_c(runs: u64, seed: u64) {
    println!("\nC: days to find a miss rate that was 0.10 (2 points tolerated), median / 90th percentile");
    println!();
    println!("| positives a day | false alarms a year | to 0.15 | to 0.20 | to 0.30 |");
    println!("|---|---|---|---|---|");
    let settings = BernoulliSettings::new(0.10, 0.02, Direction::Rise).expect("settings in range");
    for per_day in [1.0, 3.0, 10.0] {
        for per_year in [1.0, 0.1] {
            let cell = |after: f64| {
                let threshold = FalseAlarmBudget { per_year }.events(per_day).expect("a budget in range");
                let horizon = (5.0 * 365.0 * per_day) as u64;
                let plan = DelayPlan { threshold, warm_up: 1_000, horizon, runs: runs as u32, seed };
                let delay = rate_delay(&settings, after, &plan).expect("a plan in range");
                let days = |events: Option<u64>| {
                    events.map_or("never".to_owned(), |events| format!("{:.0}", (events as f64 / per_day).ceil()))
                };
                format!("{} / {}", days(delay.median_events), days(delay.p90_events))
            };
            let cells = [0.15, 0.20, 0.30].map(cell);
            println!("| {per_day} | {per_year} | {} |", cells.join(" | "));
        }
    }
}

/// The day of the change, and per policy the days with an alarm.
struct Run {
    change: usize,
    alarms: Vec<Vec<usize>>,
}

/// Alarm days per run, with the upper bound of their rate.
fn rate(runs: &[Run], policy: usize) -> String {
    let n: usize = runs.iter().map(|run| run.alarms[policy].len()).sum();
    let years = runs.len() as f64;
    let (_, upper) = hilum_stats::poisson_bounds(n as u64, 0.90).expect("a count of days");
    format!("{:.3} (at most {:.3})", n as f64 / years, upper / years)
}

/// Median and 90th percentile of the days from the change to the first alarm after it, and the share missed.
fn delay(runs: &[Run], policy: usize) -> String {
    let after = |run: &Run, day: usize| day.checked_sub(run.change).map(|days| days + 1);
    let first = |run: &Run| run.alarms[policy].iter().find_map(|&day| after(run, day));
    let mut delays: Vec<usize> = runs.iter().map(|run| first(run).unwrap_or(usize::MAX)).collect();
    delays.sort_unstable();
    let missed = delays.iter().filter(|&&delay| delay == usize::MAX).count();
    let at = |share: f64| match delays[((share * delays.len() as f64).ceil() as usize).max(1) - 1] {
        usize::MAX => "never".to_owned(),
        days => format!("{days} d"),
    };
    let missed = if missed == 0 { String::new() } else { format!(", missed {missed}") };
    format!("{} / {}{missed}", at(0.5), at(0.9))
}
