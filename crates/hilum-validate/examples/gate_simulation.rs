//! How honest the gates are: equal, slightly worse and clearly worse challengers through the real gate code.
//!
//! `cargo run --release -p hilum-validate --example gate_simulation [REPETITIONS]` (300 by default) prints the tables of
//! `docs/measurements.md`, section "Gates", with the power that was promised beside each rate.

#[path = "../tests/it/simulated.rs"]
mod simulated;

use hilum_stats::power::{AurocPair, power_noninferiority_auroc};
use simulated::{Versions, group_rates, pass_rate};

fn main() {
    let repetitions: u32 = std::env::args().nth(1).map_or(Ok(300), |n| n.parse()).expect("a number of repetitions");
    println!("margin 0.02, one-sided 2.5 %, champion AUROC 0.92; {repetitions} repetitions each");
    println!("| pos/neg | correlation | equal: power promised | equal passes | truly -0.02 passes | -0.04 passes |");
    println!("|---|---|---|---|---|---|");
    for (positives, negatives) in [(50, 450), (100, 900), (200, 1800), (400, 3600)] {
        for correlation in [0.80, 0.95] {
            let rate = |challenger: f64| {
                let versions = Versions { champion: 0.92, challenger, correlation };
                let seed = u64::from(positives) * 1000 + (correlation * 100.0) as u64 + (challenger * 1e6) as u64;
                pass_rate(seed, versions, positives, negatives, repetitions)
            };
            let equal = AurocPair { challenger: 0.92, champion: 0.92, correlation };
            let power = power_noninferiority_auroc(&equal, 0.02, u64::from(positives), u64::from(negatives), 0.025);
            println!(
                "| {positives}/{negatives} | {correlation:.2} | {:.3} | {:.3} | {:.3} | {:.3} |",
                power.expect("the question is in order"),
                rate(0.92),
                rate(0.90),
                rate(0.88)
            );
        }
    }
    println!("\ntwelve groups, margin 0.05, correlation 0.9, champion AUROC 0.92");
    println!(
        "| pos/neg a group | proves non-inferiority | all 12 do | true -0.08: significant drop seen | estimate below margin | the rule passes, equal | the rule passes, -0.08 | insufficient |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for (positives, negatives) in [(10, 90), (25, 225), (50, 450)] {
        let rates = |challenger: f64| {
            let versions = Versions { champion: 0.92, challenger, correlation: 0.9 };
            group_rates(u64::from(positives), versions, positives, negatives, repetitions)
        };
        let (equal, worse) = (rates(0.92), rates(0.84));
        println!(
            "| {positives}/{negatives} | {:.3} | {:.3} | {:.3} | {:.3} | {:.3} | {:.3} | {:.3} |",
            equal.non_inferior,
            equal.all_non_inferior,
            worse.dropped,
            worse.below_margin,
            equal.rule_passes,
            worse.rule_passes,
            equal.insufficient
        );
    }
}
