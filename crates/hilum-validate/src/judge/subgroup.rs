use super::criterion::{asked, found, judged_figure, margin_phrase, rows_for};
use super::groups::Group;
use super::limits::{certainty_of, deciding, limit_phrase, limits_of, value_within, worse_by};
use crate::figures::Settings;
use crate::prepared::{Prepared, counts};
use crate::protocol::{AcceptanceProtocol, Comparator, Direction, Method, Metric, Subgroup, Unit};
use crate::report::{Certainty, Counts, Figure, Limits, SubgroupResult, SubgroupRule, Verdict};
use crate::text;

/// `sex=F sensitivity`: unique, because a protocol asks once for a column and metric.
pub(crate) fn subgroup_key(subgroup: &Subgroup, group: &str) -> String {
    format!("{}={group} {}", subgroup.attribute, subgroup.metric)
}

/// The test that a group of so many cases takes.
pub(crate) fn subgroup_rule(
    protocol: &AcceptanceProtocol,
    metric: Metric,
    counts: &Counts,
    judged: bool,
) -> (SubgroupRule, u64) {
    let n = deciding(metric, counts, protocol.unit);
    let rule = if !judged {
        SubgroupRule::NotJudged
    } else if protocol.subgroup_rules.non_inferiority_from <= n {
        SubgroupRule::NonInferiority
    } else if protocol.subgroup_rules.drop_from <= n {
        SubgroupRule::NoDrop
    } else {
        SubgroupRule::TooFew
    };
    (rule, n)
}

/// What comes of one group.
pub(crate) fn judge_subgroup(
    subgroup: &Subgroup,
    group: Group<'_, '_>,
    prepared: &Prepared<'_>,
    settings: &Settings<'_>,
) -> SubgroupResult {
    let (metric, comparator) = (subgroup.metric, subgroup.comparator);
    let alpha = prepared.protocol.alpha(subgroup.alpha);
    let rows = rows_for(metric, comparator, group.rows);
    let counts = counts(&rows);
    let (rule, n_deciding) = subgroup_rule(prepared.protocol, metric, &counts, group.judged);
    let reference = subgroup.threshold.filter(|_| comparator == Comparator::Absolute).unwrap_or(0.0);
    let limits = limits_of(metric, worse_by(metric, reference, subgroup.margin));
    let judged = judged_figure(metric, comparator, Method::Auto, &rows, settings, 1.0 - 2.0 * alpha);
    let (verdict, certainty) = match (rule, judged.figure()) {
        (SubgroupRule::TooFew | SubgroupRule::NotJudged, _) | (_, None) => (Verdict::Insufficient, Certainty::None),
        (SubgroupRule::NonInferiority, Some(figure)) => {
            let certainty = certainty_of(figure, &limits, comparator);
            (if certainty == Certainty::Shown { Verdict::Pass } else { Verdict::Fail }, certainty)
        }
        (SubgroupRule::NoDrop, Some(figure)) => {
            let dropped = dropped(metric, figure, reference);
            let passes = !dropped && value_within(figure, &limits);
            let certainty = if dropped { Certainty::Contrary } else { certainty_of(figure, &limits, comparator) };
            (if passes { Verdict::Pass } else { Verdict::Fail }, certainty)
        }
    };
    let mut result = SubgroupResult {
        key: subgroup_key(subgroup, &group.name),
        attribute: subgroup.attribute.clone(),
        group: group.name,
        metric,
        comparator,
        requirement: requirement(subgroup, &limits),
        limits,
        reference,
        alpha,
        rule,
        n_deciding,
        judged,
        counts,
        verdict,
        certainty,
        waived_by: None,
        sentence: String::new(),
    };
    result.sentence = sentence(&result, prepared.protocol.unit);
    result
}

/// Whether the whole interval lies on the bad side of the floor, or of the champion.
fn dropped(metric: Metric, figure: &Figure, reference: f64) -> bool {
    match metric.direction() {
        Direction::Down => reference < figure.lower,
        _ => figure.upper < reference,
    }
}

fn requirement(subgroup: &Subgroup, limits: &Limits) -> String {
    let title = subgroup.metric.title();
    match subgroup.comparator {
        Comparator::Absolute => format!("{title} {}", limit_phrase(limits)),
        Comparator::Champion => format!("{title} {}", margin_phrase(subgroup.metric, subgroup.margin)),
    }
}

fn sentence(result: &SubgroupResult, unit: Unit) -> String {
    let subject = format!("{} in {} {}", result.metric.title(), result.attribute, result.group);
    let found = found(&subject, result.metric, result.comparator, &result.judged);
    let asked = asked(result.metric, result.comparator, &result.limits);
    let kind = match super::needs(result.metric) {
        super::Needs::Positives => " with the finding",
        super::Needs::Negatives => " without the finding",
        super::Needs::Both => " of the rarer kind",
        super::Needs::Cases => "",
    };
    let of = if unit == Unit::Patient { "patient" } else { "case" };
    let few = format!("{}{kind}", text::counted(result.n_deciding, of));
    match (result.rule, result.verdict, result.certainty) {
        (SubgroupRule::NotJudged, ..) => {
            format!("{found}; shown only, because it is no group that the protocol asks for.")
        }
        (SubgroupRule::TooFew, ..) => {
            format!("{found}; with {few} nothing can be said, so the answer is \"insufficient\".")
        }
        (_, Verdict::Insufficient, _) => format!("{found}, so the answer is \"insufficient\"."),
        (SubgroupRule::NonInferiority, Verdict::Pass, _) => format!("{found}: {asked} is shown."),
        (SubgroupRule::NonInferiority, _, Certainty::Contrary) => {
            format!("{found}: {asked} is missed beyond doubt.")
        }
        (SubgroupRule::NonInferiority, ..) => {
            format!("{found}: {asked} is not shown, because the interval reaches beyond the limit.")
        }
        (SubgroupRule::NoDrop, Verdict::Pass, _) => {
            format!(
                "{found}: the estimate keeps to {asked} and no significant drop is seen; {few} do not allow more to be asked."
            )
        }
        (SubgroupRule::NoDrop, _, Certainty::Contrary) => format!("{found}: a significant drop."),
        (SubgroupRule::NoDrop, ..) => format!("{found}: the estimate does not keep to {asked}."),
    }
}
