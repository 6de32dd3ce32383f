//! What strata are for: `strata [YEARS=200] [SEED=11]` prints Markdown for `docs/measurements.md`.
//!
//! Scenario A of the alarm simulation (`strata.toml`) through the fold of the catalog's acts, with and without strata.

use hilum_monitor::rehearsal::*;
use hilum_registry::MonitoringPlan;
use hilum_types::Timestamp;

#[derive(serde::Deserialize)]
struct Site {
    scenario: Scenario,
    fault: Vec<Fault>,
    monitoring: MonitoringPlan,
}

fn main() {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<u32>().expect("a whole number"));
    let (runs, seed) = (arguments.next().unwrap_or(200), u64::from(arguments.next().unwrap_or(11)));
    let site: Site = toml::from_str(include_str!("strata.toml")).expect("the site of this example");
    println!("{runs} runs, seed {seed}; alarms of {} features\n", site.monitoring.rules.len());
    println!("| strata | margin | alarms | a year (90 %) | 0.3 SD on one: median days, p90 | found within 7 days |");
    println!("|---|---|---|---|---|---|");
    for strata in [false, true] {
        for margin in [0.02, 0.05] {
            let mut rules = site.monitoring.rules.clone();
            for rule in &mut rules {
                rule.margin = Some(margin);
                if !strata {
                    (rule.strata, rule.quantiles_of) = Default::default();
                }
            }
            let declared = Declared { deployment: "strata".to_owned(), rules, evidence: None };
            let world = World::new(site.scenario.clone(), declared, site.fault.clone()).expect("a sound site");
            let told = rehearse(&world, runs, seed, Timestamp::from_micros(0)).expect("a rehearsal");
            let calm = &told.in_control.false_alarms_per_year;
            let shift = &told.faults[0];
            let median = shift.delay.days.median.as_ref().map_or("-".to_owned(), |days| format!("{:.1}", days.value));
            let p90 = shift.delay.days.p90.map_or("-".to_owned(), |days| format!("{days:.1}"));
            let part = if strata { "weekpart" } else { "none" };
            println!(
                "| {part} | {margin} | {} | {:.3} ({:.3} to {:.3}) | {median}, {p90} | {:.3} |",
                calm.n, calm.value, calm.lower, calm.upper, shift.found.value
            );
        }
    }
}
