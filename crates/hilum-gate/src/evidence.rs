//! Whether there is evidence at all that a version performs as expected: silence is not health (MV-06).

use hilum_registry::{Deployment, EvidenceRule, WhenStale};
use hilum_types::{Reason, Timestamp};
use serde::{Deserialize, Serialize};

/// What is known of the evidence about the version in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceFacts {
    /// Since when evidence could be gathered: the version came into use, or a stop was lifted.
    pub since: Timestamp,
    /// Labelled findings of studies within the window of the rule that are of a class it takes.
    pub n: u64,
    /// When the newest of these studies was complete.
    pub newest_at: Option<Timestamp>,
}

/// How the evidence stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvidenceFound {
    /// Code and sentence: `evidence.fresh`, `evidence.gathering`, `evidence.inside`, `evidence.stale`,
    /// `evidence.insufficient`, `evidence.unknown`.
    pub reason: Reason,
    /// Whether it is missing.
    pub missing: bool,
    /// Whether the gate withholds for it.
    pub withholds: bool,
}

/// How the evidence about a deployment stands at `now`.
///
/// A version has one window to gather its first evidence in. What runs without being seen needs none: it is how evidence is
/// gathered after a stop. Without `facts` nobody knows, and that is no evidence either.
pub fn evidence(
    deployment: &Deployment,
    rule: &EvidenceRule,
    facts: Option<&EvidenceFacts>,
    now: Timestamp,
) -> EvidenceFound {
    let EvidenceRule { window_days, n_min, .. } = rule;
    let n = facts.map_or(0, |facts| facts.n);
    let found = |code, text: String, missing: bool| EvidenceFound {
        reason: Reason::about(code, text, "evidence", n.to_string()),
        missing,
        withholds: missing && rule.when_stale == WhenStale::Suspend,
    };
    if u64::from(*n_min) <= n {
        let text = format!("{n} labelled findings of the last {window_days} days, at least {n_min} are needed");
        return found("evidence.fresh", text, false);
    }
    if !deployment.state.reaches_readers() {
        let text = format!("results stay inside, so that the {n} labelled findings of {n_min} can become enough");
        return found("evidence.inside", text, false);
    }
    let Some(facts) = facts else {
        let text =
            format!("it is not known whether {n_min} labelled findings of the last {window_days} days are there");
        return found("evidence.unknown", text, true);
    };
    let grace_ends = facts.since.plus_seconds(i64::from(*window_days) * 86_400);
    if now < grace_ends {
        let text = format!(
            "{n} labelled findings of the {n_min} that are needed until {}, {window_days} days after it came into use",
            grace_ends.day()
        );
        return found("evidence.gathering", text, false);
    }
    let name = &deployment.spec.name;
    match facts.newest_at {
        None => {
            let text = format!(
                "no labelled finding of the last {window_days} days says that {name} performs as expected; silence is not health"
            );
            found("evidence.stale", text, true)
        }
        Some(newest) => {
            let text = format!(
                "only {n} labelled findings of the last {window_days} days say how {name} performs, {n_min} are needed; the newest \
                 is of {}",
                newest.day()
            );
            found("evidence.insufficient", text, true)
        }
    }
}
