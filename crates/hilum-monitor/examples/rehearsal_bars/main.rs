//! The bars "False alarms" and "Detection" of monitoring: `rehearsal_bars [RUNS=200] [SEED=17]` prints Markdown.
//!
//! A site of about twenty studies a day with weekdays, two scanners whose shares differ on Mondays, labels that come late
//! and later where the model was wrong, and a reference of 2,000 studies with its own error. In control, each run is a year
//! in use; the bound of a rate is one-sided, 95 %, exact Poisson. With a fault, runs begin on each day of the week in turn.
//! Beside the rules: weekly KS of every number with Bonferroni, and Evidently's default rule (half of the numbers with KS
//! p < 0.05 against at most 1,000 reference rows), on the same simulated studies.

mod weekly;

use hilum_monitor::rehearsal::*;
use hilum_registry::{MonitoringPlan, StopRule};
use hilum_types::Timestamp;
use rayon::prelude::*;

const SITE: &str = include_str!("site.toml");

#[derive(serde::Deserialize)]
struct Site {
    scenario: Scenario,
    monitoring: MonitoringPlan,
    fault: Vec<Fault>,
}

fn main() {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<u32>().expect("a whole number"));
    let (runs, seed) = (arguments.next().unwrap_or(200), u64::from(arguments.next().unwrap_or(17)));
    let site: Site = toml::from_str(SITE).expect("the site of this example");
    let rules: Vec<StopRule> = site.monitoring.rules.iter().map(with_quantiles).collect();
    let declared = Declared { deployment: "bars".to_owned(), rules, evidence: site.monitoring.evidence.clone() };
    let now = Timestamp::from_micros(0);
    let world = |faults: Vec<Fault>| World::new(site.scenario.clone(), declared.clone(), faults).expect("a sound site");
    println!("{runs} runs, seed {seed}, {:.1} studies a day\n", site.scenario.studies_per_day_mean());
    let sound = world(Vec::new());
    let report = rehearse(&sound, runs, seed, now).expect("a rehearsal");
    let calm = &report.in_control;
    println!("In control: {:.1} years, {} studies, {} labels", calm.years, calm.n_studies, calm.n_labels);
    println!("\n| rule | fired | per year, upper bound | declared | |\n|---|---|---|---|---|");
    for rule in &calm.rules {
        let declared = rule.declared_per_year.map_or("-".to_owned(), |rate| format!("{rate}"));
        let verdict = rule.verdict.map_or("", Verdict::words);
        let per_year = &rule.per_year;
        println!(
            "| {} | {} | {:.3}, {:.3} | {declared} | {verdict} |",
            rule.rule, per_year.n, per_year.value, per_year.upper
        );
    }
    let stops = &calm.false_stops_per_year;
    println!("| all stops | {} | {:.3}, {:.3} | | |", stops.n, stops.value, stops.upper);
    let alarms = &calm.false_alarms_per_year;
    println!("| all alarms | {} | {:.3}, {:.3} | | |", alarms.n, alarms.value, alarms.upper);
    for policy in weekly::Policy::ALL {
        let one = |run: u64| weekly::alarms_in_year(&sound, policy, seed, run);
        let n: usize = (0..u64::from(runs)).into_par_iter().map(one).sum();
        println!("| {} | {n} | {:.3} | - | |", policy.name(), n as f64 / calm.years);
    }
    println!("\nEvidence calculator");
    println!(
        "\n| rule | events a day | change | median (95 %) events | p90 | median days |\n|---|---|---|---|---|---|"
    );
    for expected in &report.evidence {
        for change in &expected.changes {
            let number = |n: Option<u64>| n.map_or("beyond the horizon".to_owned(), |n| n.to_string());
            let between =
                change.median_events_between.map_or(String::new(), |(low, high)| format!(" ({low} to {high})"));
            let days = change.median_days.map_or("-".to_owned(), |days| format!("{days:.1}"));
            println!(
                "| {} | {:.2} | {} | {}{between} | {} | {days} |",
                expected.rule,
                expected.events_per_day,
                change.what,
                number(change.median_events),
                number(change.p90_events)
            );
        }
    }
    println!(
        "\nFaults: share found within the declared delay, median / p90 days, missed cases (median, and what would have"
    );
    println!("been missed anyway) until the version was stopped or three times the delay were over\n");
    println!(
        "| fault | size | declared days | found (95 %) | stopped | days to signal | studies | labels | days to stop | missed until signal | missed until stop (anyway) | first rule | weekly KS, Bonferroni: found, days, missed | Evidently: found, days, missed |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|---|---|");
    for fault in &site.fault {
        let world = world(vec![fault.clone()]);
        row(&world, runs, seed, now);
    }
}

fn row(world: &World, runs: u32, seed: u64, now: Timestamp) {
    let report = rehearse_faults(world, runs, seed, now).expect("a rehearsal").remove(0);
    let fault = &report.fault;
    let both = |quantiles: &Quantiles, digits: usize| {
        let median = quantiles.median.as_ref().map_or("never".to_owned(), |median| {
            let upper =
                if median.upper < BEYOND_HORIZON { format!("{:.digits$}", median.upper) } else { "never".to_owned() };
            format!("{:.digits$} ({:.digits$} to {upper})", median.value, median.lower)
        });
        let p90 = quantiles.p90.map_or("never".to_owned(), |p90| format!("{p90:.digits$}"));
        format!("{median} / {p90}")
    };
    // The bar is about the share that was found; the verdict of a rehearsal asks for its whole interval.
    let bar = if 0.95 <= report.found.value { "met" } else { "missed" };
    let first = report.first.iter().take(2).map(|first| format!("{} {}", first.rule, first.n_runs));
    let rivals: Vec<String> = weekly::Policy::ALL
        .iter()
        .map(|policy| {
            let one = |run: u64| weekly::until_alarm(world, fault, *policy, seed, 7_000_000 + run);
            weekly::summary((0..u64::from(runs)).into_par_iter().map(one).collect(), fault)
        })
        .collect();
    println!(
        "| {} | {} | {} | {:.3} ({:.3} to {:.3}) {} | {:.3} | {} | {} | {} | {} | {} | {} ({:.1}) | {} | {} |",
        fault.name,
        report.size,
        fault.found_within_days,
        report.found.value,
        report.found.lower,
        report.found.upper,
        bar,
        report.stopped.value,
        both(&report.delay.days, 1),
        both(&report.delay.studies, 0),
        both(&report.delay.labels, 0),
        both(&report.delay_to_stop.days, 1),
        both(&report.missed_until_signal, 0),
        both(&report.missed_until_stop.cases, 0),
        report.missed_until_stop.without_fault_mean,
        first.collect::<Vec<_>>().join(", "),
        rivals.join(" | ")
    );
}

/// A rule about a number, with nineteen quantiles of a standard normal reference.
fn with_quantiles(rule: &StopRule) -> StopRule {
    let mut rule = rule.clone();
    if !rule.feature.is_empty() {
        rule.quantiles = (1..20).map(|place| hilum_stats::normal_quantile(f64::from(place) / 20.0)).collect();
    }
    rule
}
