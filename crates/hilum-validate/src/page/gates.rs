use super::Section;
use super::table::{Cell, Mark, Table, n_cell};
use crate::chart::{BarScale, interval_axis, interval_bar};
use crate::protocol::{Bound, Comparator, Metric};
use crate::report::{CriterionResult, Figure, Limits, Report, Shown, SubgroupResult, SubgroupRule};
use crate::text;

/// What came of each criterion.
pub(super) fn criteria(report: &Report) -> Section {
    let rows = report.criteria.iter().map(criterion_row).collect();
    let head = ["Criterion", "Asked", "Found", "", "n", "Method", "Answer"].map(str::to_owned).to_vec();
    let caption = "Bar: interval with the estimate as a diamond; upright line: the limit. Each end of an interval is a one-sided test at the alpha given".to_owned();
    Section {
        id: "criteria",
        title: "Criteria".to_owned(),
        lead:
            "Every criterion must pass. It passes when the unfavourable end of its interval keeps to the limit; it is \
               insufficient when too few cases allow no answer."
                .to_owned(),
        tables: vec![Table { caption, head, rows, class: "gates", wide: true }],
        ..Section::default()
    }
}

fn criterion_row(result: &CriterionResult) -> Vec<Cell> {
    let mark = Mark::of(result.verdict, result.waived_by.is_some());
    let alpha = match result.bound {
        Bound::Lower => format!("alpha {}, one-sided", text::percent(result.alpha)),
        Bound::Point => "by the estimate alone".to_owned(),
    };
    let mut found = judged_cell(result.metric, result.comparator, &result.judged);
    if let (Some(Shown::Figure(own)), Some(Shown::Figure(other))) = (&result.challenger, &result.champion) {
        let [own, other] = [own, other].map(|figure| text::number(result.metric, figure.value));
        found.sub.push_str(&format!("; {own} against {other}"));
    }
    vec![
        Cell::heading(result.name.clone()),
        Cell::text(result.requirement.clone()).with_sub(alpha),
        found,
        bar(result.judged.figure(), &result.limits, mark.tone),
        result.judged.figure().map_or_else(|| Cell::count(result.counts.cases), n_cell),
        Cell::code(result.judged.figure().map_or("\u{2013}", |figure| &figure.method)),
        Cell::mark(mark),
    ]
}

fn judged_cell(metric: Metric, comparator: Comparator, judged: &Shown<Figure>) -> Cell {
    match judged {
        Shown::Missing(why) => Cell::number("\u{2013}").with_sub(why.clone()),
        Shown::Figure(figure) => {
            let [value, lower, upper] = [figure.value, figure.lower, figure.upper].map(|v| text::number(metric, v));
            let sign = if comparator == Comparator::Champion && 0.0 < figure.value { "+" } else { "" };
            Cell::number(format!("{sign}{value}")).with_sub(format!("{lower} to {upper}"))
        }
    }
}

/// A bar with a scale of its own: criteria have different units.
fn bar(figure: Option<&Figure>, limits: &Limits, tone: &str) -> Cell {
    let scale = BarScale::over(std::iter::once((figure, limits)));
    Cell::drawing(scale.map_or_else(String::new, |scale| interval_bar(scale, figure, limits, tone)))
}

/// A forest plot for each figure that groups were asked for; `None` without subgroups.
pub(super) fn subgroups(report: &Report) -> Option<Section> {
    if report.subgroups.is_empty() {
        return None;
    }
    let mut kinds: Vec<(Metric, Comparator)> = Vec::new();
    for result in &report.subgroups {
        if !kinds.contains(&(result.metric, result.comparator)) {
            kinds.push((result.metric, result.comparator));
        }
    }
    let rules = &report.protocol.document.subgroup_rules;
    let lead = format!(
        "From {} of the rarer kind on, a group must keep to the limit with its whole interval; from {} on, it must show no \
         significant drop and its estimate must keep to the limit; below that nothing can be said, which is never a pass.",
        rules.non_inferiority_from, rules.drop_from
    );
    let tables = kinds.into_iter().map(|kind| forest(report, kind)).collect();
    Some(Section { id: "subgroups", title: "Subgroups".to_owned(), lead, tables, ..Section::default() })
}

fn forest(report: &Report, (metric, comparator): (Metric, Comparator)) -> Table {
    let results: Vec<&SubgroupResult> =
        report.subgroups.iter().filter(|r| r.metric == metric && r.comparator == comparator).collect();
    // A wide interval of a handful of cases would press all others together.
    let drawn = |result: &&&SubgroupResult| !matches!(result.rule, SubgroupRule::TooFew | SubgroupRule::NotJudged);
    let scaled: Vec<_> = results.iter().filter(drawn).map(|r| (r.judged.figure(), &r.limits)).collect();
    let scale = if scaled.is_empty() {
        BarScale::over(results.iter().map(|r| (r.judged.figure(), &r.limits)))
    } else {
        BarScale::over(scaled.into_iter())
    };
    let mut rows: Vec<Vec<Cell>> = results.iter().map(|result| forest_row(result, scale)).collect();
    if let Some(scale) = scale {
        let empty = || Cell::text("");
        rows.push(vec![empty(), empty(), Cell::drawing(interval_axis(scale)), empty(), empty(), empty()]);
    }
    let what = match comparator {
        Comparator::Absolute => metric.title().to_owned(),
        Comparator::Champion => format!("{}, challenger minus champion", metric.title()),
    };
    let head = ["Group", "n", "", "Found", "Test", "Answer"].map(str::to_owned).to_vec();
    Table { caption: format!("Forest plot: {what}"), head, rows, class: "forest", wide: true }
}

fn forest_row(result: &SubgroupResult, scale: Option<BarScale>) -> Vec<Cell> {
    let mark = match result.rule {
        SubgroupRule::NotJudged => Mark::shown_only(),
        _ => Mark::of(result.verdict, result.waived_by.is_some()),
    };
    let rule = match result.rule {
        SubgroupRule::NonInferiority => "whole interval",
        SubgroupRule::NoDrop => "no drop",
        SubgroupRule::TooFew => "too few",
        SubgroupRule::NotJudged => "not asked for",
    };
    let drawing =
        scale.map_or_else(String::new, |scale| interval_bar(scale, result.judged.figure(), &result.limits, mark.tone));
    let counts = &result.counts;
    let kinds = if result.metric.is_measure() {
        text::counted(counts.patients, "patient")
    } else {
        format!("{} + / {} \u{2212}", counts.positives, counts.negatives)
    };
    let method = result.judged.figure().map_or_else(String::new, |figure| figure.method.clone());
    vec![
        Cell::heading(format!("{} {}", result.attribute, result.group)),
        Cell::count(counts.cases).with_sub(kinds),
        Cell::drawing(drawing),
        judged_cell(result.metric, result.comparator, &result.judged),
        Cell::text(rule).with_sub(method),
        Cell::mark(mark),
    ]
}

/// What the cases could show, as it stood before the run.
pub(super) fn power(report: &Report) -> Section {
    let rows = report.plan.gates.iter().map(|gate| {
        let power = gate.power.map_or_else(|| "\u{2013}".to_owned(), |power| format!("{:.0} %", 100.0 * power));
        let assumed = match &gate.insufficient {
            Some(why) => Cell::text(why.clone()),
            None => Cell::text(gate.assumption.clone()),
        };
        let needed = gate.needed.map_or_else(
            || "\u{2013}".to_owned(),
            |needed| match (needed.positives, needed.negatives) {
                (positives, 0) => format!("{} +", text::thousands(positives)),
                (0, negatives) => format!("{} \u{2212}", text::thousands(negatives)),
                (positives, negatives) => {
                    format!("{} + / {} \u{2212}", text::thousands(positives), text::thousands(negatives))
                }
            },
        );
        let counts = &gate.counts;
        let kinds = format!("{} + / {} \u{2212}", counts.positives, counts.negatives);
        vec![
            Cell::heading(gate.key.clone()),
            Cell::count(counts.cases).with_sub(kinds),
            Cell::number(power),
            assumed,
            Cell::number(needed),
        ]
    });
    let at_least = text::percent(report.protocol.document.power.at_least);
    let head =
        ["Gate", "n", "Power", "For a model with", &format!("Takes, for {at_least}")].map(str::to_owned).to_vec();
    Section {
        id: "power",
        title: "Power check".to_owned(),
        lead: format!(
            "As it stood before the run: how likely a good model passes each gate on these cases. The protocol asks for {at_least}."
        ),
        tables: vec![Table {
            caption: "Power of each gate; + with, \u{2212} without the finding".to_owned(),
            head,
            rows: rows.collect(),
            class: "",
            wide: true,
        }],
        ..Section::default()
    }
}
