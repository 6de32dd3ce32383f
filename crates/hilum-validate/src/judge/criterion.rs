use super::limits::{certainty_of, limit_phrase, limits_of, shortage, value_within};
use crate::figures::{Settings, Side};
use crate::prepared::{Prepared, Row, counts};
use crate::protocol::{Bound, Comparator, Criterion, Direction, Metric, Slice};
use crate::report::{Certainty, CriterionResult, Figure, Limits, Shown, Verdict};
use crate::text;

/// What comes of one criterion.
pub(crate) fn judge_criterion(
    criterion: &Criterion,
    prepared: &Prepared<'_>,
    settings: &Settings<'_>,
) -> CriterionResult {
    let (metric, comparator) = (criterion.metric, criterion.comparator);
    let alpha = prepared.protocol.alpha(criterion.alpha);
    let level = 1.0 - 2.0 * alpha;
    let rows = rows_for(metric, comparator, prepared.slice(&criterion.slice));
    let limits = limits(criterion);
    let judged = judged_figure(metric, comparator, criterion.method, &rows, settings, level);
    let counts = counts(&rows);
    let shortage = shortage(metric, &counts, prepared.protocol.unit, criterion.min_pos, criterion.min_neg);
    let certainty = judged.figure().map_or(Certainty::None, |figure| certainty_of(figure, &limits, comparator));
    let verdict = match (&shortage, judged.figure()) {
        (Some(_), _) | (_, None) => Verdict::Insufficient,
        (None, Some(figure)) => {
            let passes = match criterion.bound {
                Bound::Lower => certainty == Certainty::Shown,
                Bound::Point => value_within(figure, &limits),
            };
            if passes { Verdict::Pass } else { Verdict::Fail }
        }
    };
    let own = |side| {
        (comparator == Comparator::Champion)
            .then(|| shown(settings.figure(metric, criterion.method, &rows, side, level)))
    };
    let mut result = CriterionResult {
        name: criterion.name.clone(),
        metric,
        slice: criterion.slice.clone(),
        comparator,
        requirement: requirement(criterion, &limits),
        limits,
        alpha,
        bound: criterion.bound,
        challenger: own(Side::Challenger),
        champion: own(Side::Champion),
        judged,
        counts,
        verdict,
        certainty,
        waived_by: None,
        sentence: String::new(),
    };
    result.sentence = sentence(&result, shortage.as_deref());
    result
}

/// A comparison rests on the cases that both versions gave a result for; completeness on all; everything else on those
/// with a result.
pub(super) fn rows_for<'p, 'a>(metric: Metric, comparator: Comparator, rows: Vec<&'p Row<'a>>) -> Vec<&'p Row<'a>> {
    let counts = |row: &&Row<'_>| match (comparator, metric) {
        (Comparator::Champion, _) => {
            row.paired() && (!metric.is_measure() || row.measure(metric).and(row.champion_measure(metric)).is_some())
        }
        (_, Metric::Completeness) => true,
        _ => row.ran && (!metric.is_measure() || row.measure(metric).is_some()),
    };
    rows.into_iter().filter(counts).collect()
}

pub(super) fn judged_figure(
    metric: Metric,
    comparator: Comparator,
    method: crate::protocol::Method,
    rows: &[&Row<'_>],
    settings: &Settings<'_>,
    level: f64,
) -> Shown<Figure> {
    shown(match comparator {
        Comparator::Absolute => settings.figure(metric, method, rows, Side::Challenger, level),
        Comparator::Champion => settings.difference(metric, method, rows, level),
    })
}

pub(crate) fn shown(answer: crate::figures::Answer) -> Shown<Figure> {
    match answer {
        Ok(figure) => Shown::Figure(figure),
        Err(why) => Shown::Missing(why.to_string()),
    }
}

fn limits(criterion: &Criterion) -> Limits {
    match (criterion.comparator, criterion.range) {
        (Comparator::Champion, _) => {
            let margin = criterion.margin.unwrap_or(0.0);
            limits_of(criterion.metric, if criterion.metric.direction() == Direction::Down { margin } else { -margin })
        }
        (Comparator::Absolute, Some([lowest, highest])) => Limits { lowest: Some(lowest), highest: Some(highest) },
        (Comparator::Absolute, None) => limits_of(criterion.metric, criterion.threshold.unwrap_or(0.0)),
    }
}

/// The figure's name within a sentence, with its slice.
fn subject(metric: Metric, slice: &Slice) -> String {
    match slice {
        Slice::All => metric.title().to_owned(),
        slice => format!("{} in {slice}", metric.title()),
    }
}

fn requirement(criterion: &Criterion, limits: &Limits) -> String {
    let subject = subject(criterion.metric, &criterion.slice);
    match criterion.comparator {
        Comparator::Absolute => format!("{subject} {}", limit_phrase(limits)),
        Comparator::Champion => {
            format!("{subject} {}", margin_phrase(criterion.metric, criterion.margin.unwrap_or(0.0)))
        }
    }
}

/// What was asked, without naming the figure again.
pub(super) fn asked(metric: Metric, comparator: Comparator, limits: &Limits) -> String {
    match comparator {
        Comparator::Absolute => limit_phrase(limits),
        Comparator::Champion => {
            let margin = limits.highest.or(limits.lowest).unwrap_or(0.0).abs();
            margin_phrase(metric, margin).replace("the champion's", "it")
        }
    }
}

pub(super) fn margin_phrase(metric: Metric, margin: f64) -> String {
    let worse = if metric.direction() == Direction::Down { "above" } else { "below" };
    let better = if metric.direction() == Direction::Down { "below" } else { "above" };
    if margin == 0.0 {
        return format!("{better} the champion's");
    }
    format!("less than {} {worse} the champion's", text::limit(margin))
}

fn sentence(result: &CriterionResult, shortage: Option<&str>) -> String {
    let found = found(&subject(result.metric, &result.slice), result.metric, result.comparator, &result.judged);
    if let Some(shortage) = shortage {
        return format!("{found}; {shortage}, so the answer is \"insufficient\".");
    }
    if result.judged.figure().is_none() {
        return format!("{found}, so the answer is \"insufficient\".");
    }
    let asked = asked(result.metric, result.comparator, &result.limits);
    let alpha = text::percent(result.alpha);
    match (result.bound, result.verdict, result.certainty) {
        (Bound::Point, Verdict::Pass, _) => {
            format!("{found}: the estimate keeps to {asked}; only the estimate was asked for.")
        }
        (Bound::Point, ..) => format!("{found}: the estimate does not keep to {asked}."),
        (_, Verdict::Pass, _) => format!("{found}: {asked} is shown (one-sided, {alpha})."),
        (_, _, Certainty::Contrary) => format!("{found}: {asked} is missed beyond doubt (one-sided, {alpha})."),
        _ => format!(
            "{found}: {asked} is not shown, because the interval reaches beyond the limit (one-sided, {alpha})."
        ),
    }
}

/// `AUROC is 0.958 (95 % interval 0.940 to 0.977)`.
pub(super) fn found(subject: &str, metric: Metric, comparator: Comparator, judged: &Shown<Figure>) -> String {
    match (judged, comparator) {
        (Shown::Missing(why), _) => format!("{subject} has no figure: {why}"),
        (Shown::Figure(figure), Comparator::Absolute) => {
            format!("{subject} is {}", text::with_interval(metric, figure))
        }
        (Shown::Figure(figure), Comparator::Champion) => {
            format!("{subject} differs from the champion's by {}", text::with_interval(metric, figure))
        }
    }
}
