//! The bounds that stop a version while it is tried: failed runs and run time (lifecycle section 3).

use hilum_registry::RolloutSpec;
use hilum_types::Reason;

/// One finished run, the most recent first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RunFact {
    /// Whether it failed; a study that was not eligible or withheld is no run.
    pub failed: bool,
    /// How long the model ran, in seconds, when it came that far.
    pub seconds: Option<f64>,
}

/// The first declared bound that the recent runs exceed, if any.
///
/// Only the last `runs_window` runs count, and nothing is said before `runs_min` of them are there.
pub fn exceeded_bound(rollout: &RolloutSpec, recent: &[RunFact]) -> Option<Reason> {
    let window = &recent[..recent.len().min(rollout.runs_window as usize)];
    if window.len() < rollout.runs_min as usize {
        return None;
    }
    let n_failed = window.iter().filter(|run| run.failed).count();
    let rate = n_failed as f64 / window.len() as f64;
    if let Some(bound) = rollout.error_rate_max.filter(|bound| *bound < rate) {
        let text = format!("{n_failed} of the last {} runs failed; the bound is a rate of {bound}", window.len());
        return Some(Reason::about("rollout.error-rate", text, "error_rate", format!("{rate:.4}")));
    }
    let mut seconds: Vec<f64> = window.iter().filter_map(|run| run.seconds).collect();
    seconds.sort_by(f64::total_cmp);
    // Nearest rank: the smallest value that at least 95 % of the runs do not exceed.
    let rank = (seconds.len() * 95).div_ceil(100);
    let p95 = seconds.get(rank.checked_sub(1)?)?;
    let bound = rollout.run_seconds_p95_max.filter(|bound| bound < p95)?;
    let text = format!("95 % of the last {} runs took up to {p95:.3} s; the bound is {bound} s", seconds.len());
    Some(Reason::about("rollout.run-seconds", text, "run_seconds_p95", format!("{p95:.3}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(toml_text: &str, runs: &[(bool, f64)]) -> String {
        let runs: Vec<RunFact> =
            runs.iter().map(|(failed, s)| RunFact { failed: *failed, seconds: (!failed).then_some(*s) }).collect();
        let rollout: RolloutSpec = toml::from_str(toml_text).unwrap();
        exceeded_bound(&rollout, &runs).map_or("within".to_owned(), |reason| reason.text)
    }

    #[test]
    fn bounds_speak_after_enough_runs_only() {
        let bound = "error_rate_max=0.2\nruns_min=5\nruns_window=5";
        assert_eq!(ask(bound, &[(true, 0.0); 4]), "within");
        insta::assert_snapshot!(ask(bound, &[(true, 0.0), (true, 0.0), (false, 1.0), (false, 1.0), (false, 1.0)]), @"2 of the last 5 runs failed; the bound is a rate of 0.2");
        assert_eq!(
            ask(bound, &[(false, 1.0), (true, 0.0), (false, 1.0), (false, 1.0), (false, 1.0), (true, 0.0)]),
            "within"
        );
        let slow = "run_seconds_p95_max=2\nruns_min=2";
        assert_eq!(ask(slow, &[(false, 2.0), (false, 1.0)]), "within");
        insta::assert_snapshot!(ask(slow, &[(false, 2.5), (false, 1.0)]), @"95 % of the last 2 runs took up to 2.500 s; the bound is 2 s");
        assert_eq!(ask(slow, &[(true, 0.0), (true, 0.0)]), "within", "no run, no time");
        assert_eq!(ask("", &[(true, 0.0); 50]), "within", "no bound is declared");
    }

    /// Nearest rank of 100 values: the 95th.
    #[test]
    fn the_percentile_is_the_nearest_rank() {
        let runs: Vec<(bool, f64)> = (1..=100).rev().map(|n| (false, f64::from(n))).collect();
        assert_eq!(ask("run_seconds_p95_max=95\nruns_window=100", &runs), "within");
        assert!(ask("run_seconds_p95_max=94.5\nruns_window=100", &runs).contains("95.000 s"));
    }
}
