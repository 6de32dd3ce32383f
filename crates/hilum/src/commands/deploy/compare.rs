//! Two deployments on the same studies.

use super::{Output, moment, open};
use crate::system::SystemClock;
use anyhow::{Result, bail};
use hilum_stats::Estimate;
use hilum_types::{Clock, Timestamp};
use hilum_worker::{FindingComparison, Pairwise, SideFigures, compare_runs};
use std::process::ExitCode;

/// Study revisions that are looked at; the oldest of the window come first.
const PAIRS_MAX: u32 = 100_000;

pub(super) async fn compare(
    first: &str,
    second: &str,
    from: Option<&str>,
    to: Option<&str>,
    output: &Output,
) -> Result<ExitCode> {
    let from = from.map(moment).transpose()?.unwrap_or(Timestamp::from_micros(i64::MIN));
    let until = to.map(moment).transpose()?.unwrap_or_else(|| SystemClock.now().plus_seconds(1));
    let catalog = open(&output.config.path).await?;
    for name in [first, second] {
        if catalog.deployment_get(name).await?.is_none() {
            bail!("no deployment is named {name:?}; `hilum deployments` shows them");
        }
    }
    let runs = catalog.runs_paired(first, second, from, until, PAIRS_MAX).await?;
    let report = compare_runs(first, second, &runs)?;
    if output.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        show(&report);
    }
    Ok(ExitCode::SUCCESS)
}

fn show(report: &Pairwise) {
    println!("{} study revisions that both analysed", report.n_pairs);
    if 0 < report.n_other_versions {
        println!("  {} left out, because another version had run", report.n_other_versions);
    }
    report.sides.iter().for_each(show_side);
    report.findings.iter().for_each(|finding| show_finding(report, finding));
    println!("No labels are known for these studies, so this says where the two differ, not which of them is right.");
}

fn show_side(side: &SideFigures) {
    let package = side.package.map_or_else(|| "never ran".to_owned(), |digest| format!("package {}", digest.short()));
    let ends: Vec<String> =
        side.dispositions.iter().map(|(name, n)| format!("{n} {}", name.replace('_', " "))).collect();
    println!("{}: {package}; {}", side.deployment, ends.join(", "));
    if let Some(rate) = &side.failure_rate {
        println!("  failed runs {}", percent(rate));
    }
    if let (Some(median), Some(p95)) = (side.run_seconds_median, side.run_seconds_p95) {
        println!("  run time {median:.3} s median, {p95:.3} s at the 95th percentile");
    }
}

fn percent(estimate: &Estimate) -> String {
    let Estimate { value, lower, upper, n, method, .. } = estimate;
    format!("{:.1} % ({:.1} to {:.1} %, n = {n}, {method})", value * 100.0, lower * 100.0, upper * 100.0)
}

fn show_finding(report: &Pairwise, finding: &FindingComparison) {
    let [first, second] = [&report.sides[0].deployment, &report.sides[1].deployment];
    let table = finding.table;
    println!("finding {}", finding.label);
    println!(
        "  both present {}, only {first} {}, only {second} {}, both absent {}, undecided {}",
        table.both, table.first_only, table.second_only, table.neither, finding.n_undecided
    );
    println!("  agreement {}", percent(&finding.agreement));
    println!("  rate of positives, {first} minus {second}, {}", percent(&finding.positive_rate_difference));
    println!("  McNemar exact p = {:.4}", finding.mcnemar_p);
    if let (Some(mean), Some(max)) = (finding.score_difference_mean, finding.score_difference_max) {
        println!("  score, {second} minus {first}: mean {mean:+.4}, largest difference {max:.4}");
    }
    for flip in finding.flips.iter().take(20) {
        let score = |score: Option<f64>| score.map_or_else(|| "-".to_owned(), |score| format!("{score:.3}"));
        println!("    {} {}  {} -> {}", flip.study_key, flip.flip, score(flip.first_score), score(flip.second_score));
    }
    if 20 < finding.flips.len() {
        println!("    and {} more; --json lists all", finding.flips.len() - 20);
    }
}
