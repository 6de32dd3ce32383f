use crate::Severity;

/// What an alarm code means for whoever gets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeFacts {
    /// The code, or the beginning of a family of codes.
    pub code: &'static str,
    /// How severe it is when it is raised.
    pub severity: Severity,
    /// What to do first, in plain words.
    pub next_step: &'static str,
}

const fn facts(code: &'static str, severity: Severity, next_step: &'static str) -> CodeFacts {
    CodeFacts { code, severity, next_step }
}

use Severity::{Review, Stop, Watch};

/// Every code and family, the more special ones first; documented in `docs/guides/alarms.md`.
pub const KNOWN_CODES: &[CodeFacts] = &[
    facts(
        "stop-rule",
        Stop,
        "Use has stopped. Look at the root cause and the studies behind it; resume only on new evidence.",
    ),
    facts(
        "monitor-rule",
        Review,
        "Look at the root cause and the studies it lists; suspend, or close it with a cause.",
    ),
    facts(
        "alarm-budget",
        Review,
        "Too many alarms to be answered well: find what they have in common, or change the rules that speak.",
    ),
    facts(
        "books-gap",
        Review,
        "Find the studies that have no outcome: compare the books with the archive, look at dead jobs, repeat them.",
    ),
    facts("evidence-stale", Review, "Get labels: reports, assessments or the audit sample; without them use stops."),
    facts(
        "review-overdue",
        Review,
        "Look at the figures: hilum monitor evidence NAME --record, then sign the record with meaning reviewed.",
    ),
    facts("rollout-bound", Stop, "The version on trial is suspended; read its failed runs before it is tried again."),
    facts(
        "remote-version",
        Stop,
        "The server runs another version than the one accepted; put the accepted one back, or validate the new one.",
    ),
    facts(
        "canary-changed",
        Review,
        "The product answers its fixed cases differently; ask its maker what changed, validate before use goes on.",
    ),
    facts("canary-no-answer", Watch, "Check that the product runs and can be reached; then hilum canary run."),
    facts(
        "canary-unusable",
        Review,
        "Repair the list of fixed cases that the deployment names; then hilum canary run.",
    ),
    facts(
        "canary-unsigned",
        Review,
        "Sign the latest baseline, or make one with hilum canary run --baseline; until then a change suspends nothing.",
    ),
    facts("rollback-target", Watch, "A rollback would fail: repair or import the earlier package again."),
    facts("delivery-dead", Review, "Check that the destination runs and takes the object; then retry the delivery."),
    facts(
        "inference-failed",
        Watch,
        "Read why the run failed; when several do, suspend and look at package and engine.",
    ),
    facts("job-dead", Review, "Read the reason in the queue; repair its cause and complete the study again."),
    facts(
        "recall-failed",
        Review,
        "Repair what the text names, then carry out the recall again; it goes on where it was.",
    ),
    facts(
        "instance-conflict",
        Watch,
        "Ask the sender why it sent other bytes under a known identifier; both are kept, the first is used.",
    ),
    facts(
        "report-unlinked",
        Watch,
        "A report came that belongs to no study here for certain: compare accession number and patient with its sender.",
    ),
    facts(
        "report-unreadable",
        Review,
        "The stored text of a report is damaged: check the disk, then have the report sent again.",
    ),
    facts(
        "assessment-untied",
        Watch,
        "An answer could not be tied to a result or finding; have it given again on the page of the study.",
    ),
    facts(
        "assessment-unsent",
        Watch,
        "What a reader answered could not be written as a report; repair what the text names, and have it answered again.",
    ),
    facts(
        "quarantine",
        Watch,
        "Look at the quarantine list and at the sender; send the study again once it is repaired.",
    ),
    facts("unregistered-ai", Review, "Find out who uses this algorithm; import and register it, or have it stopped."),
    facts("notification-dead", Review, "Check mail server and webhook of the contact; meanwhile look at the page."),
    facts(
        "counts-damaged",
        Watch,
        "Check the disk below the catalog; figures come from the rows until everything is counted again by itself.",
    ),
    facts("product", Review, "Compare what the product sent with what it was asked; ask its maker."),
];

/// What any other code means.
const OTHER: CodeFacts = facts("", Watch, "Read the text, find the cause, and close the alarm with it.");

/// Code of an alarm that is made of signals.
pub fn signal_code(severity: Severity) -> &'static str {
    match severity {
        Severity::Stop => "stop-rule",
        Severity::Watch | Severity::Review => "monitor-rule",
    }
}

/// What a code means. A family is known by its beginning: `unregistered-ai.0123...` is `unregistered-ai`.
pub fn code_facts(code: &str) -> CodeFacts {
    let belongs = |family: &CodeFacts| match code.strip_prefix(family.code) {
        Some(rest) => rest.is_empty() || rest.starts_with(['.', '-', ':']),
        None => false,
    };
    KNOWN_CODES.iter().copied().find(belongs).unwrap_or(OTHER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_known_by_their_beginning() {
        assert_eq!(code_facts("unregistered-ai.0123456789ab").code, "unregistered-ai");
        assert_eq!(code_facts("product-identity").code, "product");
        assert_eq!(code_facts("productive").code, "");
        assert_eq!(code_facts("rollout-bound").severity, Severity::Stop);
    }

    /// MV-31: every alarm has an action.
    #[test]
    fn every_code_has_a_next_step() {
        for family in KNOWN_CODES {
            assert!(family.next_step.ends_with('.') && 20 < family.next_step.len(), "{}", family.code);
        }
    }
}
