use super::PlannedGate;
use super::power::{Power, Question};
use crate::case::Outcome;
use crate::figures::{Settings, Side};
use crate::judge::{groups, in_unit, shortage, subgroup_key, subgroup_rule, worse_by};
use crate::prepared::{Prepared, Row, counts};
use crate::protocol::{Bound, Comparator, Criterion, Method, Metric, OperatingPoint, Slice, Subgroup};
use crate::report::{Counts, SubgroupRule};

/// Fewest cases of each class that the champion's value is taken from instead of an assumption.
const CHAMPION_CASES_MIN: u64 = 10;

/// Every criterion and every judged group, in the order of the protocol.
pub(super) fn planned(prepared: &Prepared<'_>, champion_threshold: Option<f64>) -> Vec<PlannedGate> {
    let stated = match prepared.protocol.operating_point {
        OperatingPoint::Stated { threshold } => Some(threshold),
        _ => None,
    };
    let champion_threshold = champion_threshold.or(stated);
    let settings = Settings { protocol: prepared.protocol, threshold: None, champion_threshold };
    let mut gates = Vec::new();
    for criterion in &prepared.protocol.criteria {
        gates.push(planned_criterion(criterion, prepared, &settings));
    }
    for subgroup in &prepared.protocol.subgroups {
        for group in groups(subgroup, prepared).into_iter().filter(|group| group.judged) {
            gates.push(planned_group(subgroup, &group.name, &group.rows, prepared, &settings));
        }
    }
    gates
}

fn planned_criterion(criterion: &Criterion, prepared: &Prepared<'_>, settings: &Settings<'_>) -> PlannedGate {
    let rows = runnable(prepared.slice(&criterion.slice), criterion.comparator);
    let counts = counts(&rows);
    let unit = prepared.protocol.unit;
    let insufficient = shortage(criterion.metric, &counts, unit, criterion.min_pos, criterion.min_neg);
    let question = Question {
        metric: criterion.metric,
        comparator: criterion.comparator,
        reference: criterion.threshold.unwrap_or(0.0),
        margin: criterion.margin.unwrap_or(0.0),
        alpha: prepared.protocol.alpha(criterion.alpha),
        expected: criterion.expected,
        champion: champion_value(criterion.metric, &rows, settings),
        rule: SubgroupRule::NonInferiority,
    };
    let power = if criterion.bound == Bound::Point {
        Power::unknown("only the estimate is asked for, which shows nothing; no power is computed")
    } else {
        question.power(in_unit(&counts, unit), settings)
    };
    gate(criterion.name.clone(), criterion.metric, counts, insufficient, power, prepared)
}

fn planned_group(
    subgroup: &Subgroup,
    group: &str,
    rows: &[&Row<'_>],
    prepared: &Prepared<'_>,
    settings: &Settings<'_>,
) -> PlannedGate {
    let rows = runnable(rows.to_vec(), subgroup.comparator);
    let counts = counts(&rows);
    let (rule, n) = subgroup_rule(prepared.protocol, subgroup.metric, &counts, true);
    let least = prepared.protocol.subgroup_rules.drop_from;
    let insufficient = (rule == SubgroupRule::TooFew)
        .then(|| format!("it rests on {n} of the rarer kind, at least {least} are needed to say anything"));
    let floor = subgroup.threshold.unwrap_or(0.0);
    let question = Question {
        metric: subgroup.metric,
        comparator: subgroup.comparator,
        // With enough cases the margin is part of the floor; with few the rule needs both.
        reference: if rule == SubgroupRule::NonInferiority && subgroup.comparator == Comparator::Absolute {
            worse_by(subgroup.metric, floor, subgroup.margin)
        } else {
            floor
        },
        margin: subgroup.margin,
        alpha: prepared.protocol.alpha(subgroup.alpha),
        expected: expected_overall(subgroup, prepared),
        champion: champion_value(subgroup.metric, &prepared.rows.iter().collect::<Vec<_>>(), settings),
        rule,
    };
    let power = question.power(in_unit(&counts, prepared.protocol.unit), settings);
    gate(subgroup_key(subgroup, group), subgroup.metric, counts, insufficient, power, prepared)
}

fn gate(
    key: String,
    metric: Metric,
    counts: Counts,
    insufficient: Option<String>,
    power: Power,
    prepared: &Prepared<'_>,
) -> PlannedGate {
    let at_least = prepared.protocol.power.at_least;
    let known = power.value.filter(|_| insufficient.is_none());
    let underpowered = known.is_some_and(|value| value < at_least);
    PlannedGate {
        key,
        metric,
        counts,
        insufficient,
        power: known,
        assumption: power.assumption,
        needed: power.needed,
        underpowered,
    }
}

/// Cases that may yet get a result, of both versions where both are asked.
fn runnable<'p, 'a>(rows: Vec<&'p Row<'a>>, comparator: Comparator) -> Vec<&'p Row<'a>> {
    let may_run = |row: &&Row<'_>| {
        row.ran && (comparator == Comparator::Absolute || !matches!(row.case.champion, Some(Outcome::NotRun { .. })))
    };
    rows.into_iter().filter(may_run).collect()
}

/// What the champion reaches on these cases, if it has been run on enough of them.
fn champion_value(metric: Metric, rows: &[&Row<'_>], settings: &Settings<'_>) -> Option<f64> {
    let scored: Vec<&Row<'_>> = rows.iter().filter(|row| row.champion_score.is_some()).copied().collect();
    let counts = counts(&scored);
    if metric.is_measure() || counts.positives.min(counts.negatives) < CHAMPION_CASES_MIN {
        return None;
    }
    settings.figure(metric, Method::Auto, &scored, Side::Champion, 0.95).ok().map(|figure| figure.value)
}

/// What a good model is expected to reach overall is expected of it in each group.
fn expected_overall(subgroup: &Subgroup, prepared: &Prepared<'_>) -> Option<f64> {
    let same = |criterion: &&Criterion| {
        criterion.metric == subgroup.metric
            && criterion.comparator == subgroup.comparator
            && criterion.slice == Slice::All
            && criterion.expected.is_some()
    };
    prepared.protocol.criteria.iter().find(same)?.expected
}
