//! What a figure must keep to, and what it rests on.

use crate::protocol::{Comparator, Direction, Metric, Unit};
use crate::report::{Certainty, Counts, Figure, Limits};
use crate::text;

/// Limits of a figure that may be as bad as `worst` (a comparison: as bad as `worst` away from 0).
pub(crate) fn limits_of(metric: Metric, worst: f64) -> Limits {
    match metric.direction() {
        Direction::Down => Limits { lowest: None, highest: Some(worst) },
        _ => Limits { lowest: Some(worst), highest: None },
    }
}

/// `worst`, moved by `margin` to the bad side.
pub(crate) fn worse_by(metric: Metric, worst: f64, margin: f64) -> f64 {
    if metric.direction() == Direction::Down { worst + margin } else { worst - margin }
}

/// Where an interval lies. A floor may be met exactly; a margin of a comparison must be cleared, as non-inferiority is
/// defined.
pub(crate) fn certainty_of(figure: &Figure, limits: &Limits, comparator: Comparator) -> Certainty {
    let clears = |gap: f64| if comparator == Comparator::Champion { 0.0 < gap } else { 0.0 <= gap };
    let below = |bound: f64| limits.lowest.is_none_or(|lowest| clears(bound - lowest));
    let above = |bound: f64| limits.highest.is_none_or(|highest| clears(highest - bound));
    if below(figure.lower) && above(figure.upper) {
        Certainty::Shown
    } else if !below(figure.upper) || !above(figure.lower) {
        Certainty::Contrary
    } else {
        Certainty::Open
    }
}

/// Whether the estimate itself keeps to the limits.
pub(crate) fn value_within(figure: &Figure, limits: &Limits) -> bool {
    limits.lowest.is_none_or(|lowest| lowest <= figure.value)
        && limits.highest.is_none_or(|highest| figure.value <= highest)
}

/// `at least 0.9`, `at most 0.05`, `between 0.8 and 1.2`.
pub(crate) fn limit_phrase(limits: &Limits) -> String {
    match (limits.lowest, limits.highest) {
        (Some(lowest), Some(highest)) => format!("between {} and {}", text::limit(lowest), text::limit(highest)),
        (Some(lowest), None) => format!("at least {}", text::limit(lowest)),
        (None, Some(highest)) => format!("at most {}", text::limit(highest)),
        (None, None) => "anything".to_owned(),
    }
}

/// Which cases a metric rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    Positives,
    Negatives,
    Both,
    Cases,
}

pub(crate) fn needs(metric: Metric) -> Needs {
    match metric {
        Metric::Sensitivity => Needs::Positives,
        Metric::Specificity => Needs::Negatives,
        Metric::Completeness => Needs::Cases,
        _ if metric.is_measure() => Needs::Cases,
        _ => Needs::Both,
    }
}

/// Positives and negatives in the protocol's unit: patients who have such a case, or cases.
pub(crate) fn in_unit(counts: &Counts, unit: Unit) -> (u64, u64, u64) {
    match unit {
        Unit::Patient => (counts.patients, counts.positive_patients, counts.negative_patients),
        Unit::Case => (counts.cases, counts.positives, counts.negatives),
    }
}

/// Why there are too few cases; `None` when there are enough.
pub(crate) fn shortage(metric: Metric, counts: &Counts, unit: Unit, min_pos: u64, min_neg: u64) -> Option<String> {
    let (all, positives, negatives) = in_unit(counts, unit);
    let of = if unit == Unit::Patient { "patient" } else { "case" };
    let kinds = [
        (positives, min_pos, " with the finding", matches!(needs(metric), Needs::Positives | Needs::Both)),
        (negatives, min_neg, " without the finding", matches!(needs(metric), Needs::Negatives | Needs::Both)),
        (all, min_pos, "", needs(metric) == Needs::Cases),
    ];
    let short: Vec<String> = kinds
        .into_iter()
        .filter(|&(found, least, _, rests)| rests && found < least)
        .map(|(found, least, which, _)| format!("{}{which}, at least {least} are asked for", text::counted(found, of)))
        .collect();
    (!short.is_empty()).then(|| format!("it rests on {}", short.join(", and ")))
}

/// The rarer kind that a metric rests on, in the protocol's unit: what chooses the rule of a subgroup.
pub(crate) fn deciding(metric: Metric, counts: &Counts, unit: Unit) -> u64 {
    let (all, positives, negatives) = in_unit(counts, unit);
    match needs(metric) {
        Needs::Positives => positives,
        Needs::Negatives => negatives,
        Needs::Both => positives.min(negatives),
        Needs::Cases => all,
    }
}
