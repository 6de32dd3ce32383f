//! What a fact means for a rule: nothing, something that happened or did not, or a number with its place.

use super::Fact;
use crate::{Agreement, Label, Observation, Truth};
use hilum_registry::{Limit, Metric, StopRule};
use hilum_stats::sequential::mid_rank;
use hilum_types::Independence;

/// Reason code of a run that a later revision of the study takes the place of.
const SUPERSEDED: &str = "study.reopened";

/// A label, with the study revision whose result it speaks of.
#[derive(Debug, Clone, Copy)]
pub struct Labelled<'a> {
    /// The label.
    pub label: &'a Label,
    /// What was observed of the study revision, with the version that ran.
    pub observation: &'a Observation,
    /// Classes of labels that have been counted for this finding of this study and version before: only the first label of the
    /// classes of a rule counts for it, and a correction enters figures alone. A detector cannot take an event back, and
    /// labels that are revised because the model disagreed would clear it.
    pub earlier: &'a [Independence],
}

impl Label {
    /// Whether its error is known: given by people, or by an extractor that was measured here (MV-28). Any other label is in
    /// figures, marked, and in no detector: what could not be trusted to stop a model must not be able to clear it either.
    pub fn is_validated(&self) -> bool {
        self.extractor.is_none() || self.extractor_measured
    }
}

/// What a rule counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Event {
    /// The numerator of the rate: a positive that was found, a run that failed.
    Rate(bool),
    /// Place of a number within the reference, in (0, 1).
    Place(f64),
}

impl Event {
    /// `None`: the fact is none of the rule's business.
    pub(super) fn of(rule: &StopRule, fact: &Fact<'_>) -> Option<Event> {
        match fact {
            Fact::Observed(observation) => observed(rule, observation),
            Fact::Labelled(labelled) => labelled_event(rule, labelled).map(Event::Rate),
        }
    }

    /// Whether it speaks against the version.
    pub(super) fn is_bad(self, rule: &StopRule) -> bool {
        match (self, rule.limit()) {
            (Event::Rate(happened), Some(Limit::Below(_))) => !happened,
            (Event::Rate(happened), Some(Limit::Above(_))) => happened,
            (Event::Rate(happened), None) => happened != rule.metric.needs_labels(),
            (Event::Place(place), _) => !(0.05..=0.95).contains(&place),
        }
    }
}

fn observed(rule: &StopRule, observation: &Observation) -> Option<Event> {
    // The run of a revision that a late image had overtaken by then; the later revision is observed instead.
    if observation.reason_code == SUPERSEDED {
        return None;
    }
    if rule.metric == Metric::Feature {
        let quantiles = rule.quantiles_for(&observation.attributes);
        let place = mid_rank(quantiles, number(observation, &rule.feature)?).ok()?;
        return Some(Event::Place(place));
    }
    counts_as(rule.metric, &rule.finding, observation).map(Event::Rate)
}

/// Whether an observation makes the numerator of a rate that needs no label; `None`: it is not in its denominator.
pub(crate) fn counts_as(metric: Metric, finding: &str, observation: &Observation) -> Option<bool> {
    let disposition = observation.disposition.as_str();
    let ran = matches!(disposition, "analysed" | "failed");
    match metric {
        Metric::FailureRate => ran.then_some(disposition == "failed"),
        Metric::NotEligibleRate => (ran || disposition == "not_eligible").then_some(disposition == "not_eligible"),
        Metric::OutsideEnvelope => observation.outside_envelope.as_ref().map(|outside| !outside.is_empty()),
        Metric::PositiveRate => observation.outputs.get(finding)?.present,
        _ => None,
    }
}

/// A number of an observation by name: a feature, or the score of a finding.
pub(crate) fn number(observation: &Observation, name: &str) -> Option<f64> {
    let value = match name.strip_prefix("score:") {
        Some(finding) => observation.outputs.get(finding)?.score,
        None => observation.features.get(name).copied(),
    };
    value.filter(|value| value.is_finite())
}

fn labelled_event(rule: &StopRule, labelled: &Labelled<'_>) -> Option<bool> {
    let Labelled { label, observation, earlier } = labelled;
    if !rule.metric.needs_labels() || !label.is_validated() {
        return None;
    }
    if !rule.finding.is_empty() && rule.finding != label.finding {
        return None;
    }
    let classes = rule.label_classes();
    if !classes.contains(&label.class()) || earlier.iter().any(|class| classes.contains(class)) {
        return None;
    }
    outcome(rule.metric, label, observation)
}

/// Whether a label makes the numerator of a figure; `None`: it is not in its denominator.
pub(crate) fn outcome(metric: Metric, label: &Label, observation: &Observation) -> Option<bool> {
    let said = observation.outputs.get(&label.finding).and_then(|output| output.present);
    outcome_of(metric, label.truth, said, label.agreement)
}

/// The same from what is true, what the model said, and what the reader said of it.
pub(crate) fn outcome_of(
    metric: Metric,
    truth: Truth,
    said: Option<bool>,
    agreement: Option<Agreement>,
) -> Option<bool> {
    let truth = match truth {
        Truth::Present => Some(true),
        Truth::Absent => Some(false),
        Truth::Uncertain => None,
    };
    match metric {
        // An answer that was not given, or not released, finds nothing: abstaining is no way out of being measured.
        Metric::Sensitivity => (truth == Some(true)).then(|| said == Some(true)),
        Metric::Specificity => (truth == Some(false)).then(|| said.is_none_or(|said| !said)),
        Metric::Ppv => (said == Some(true)).then_some(truth).flatten(),
        Metric::Concordance => match agreement {
            Some(agreement) => Some(agreement == Agreement::Agree),
            None => said.zip(truth).map(|(said, truth)| said == truth),
        },
        _ => None,
    }
}
