use super::table::{Cell, Table};
use super::{Chart, Section};
use crate::case::NotRunEnd;
use crate::chart::flow_chart;
use crate::report::Report;

/// Where every case went.
pub(super) fn cases(report: &Report) -> Section {
    let flow = &report.flow;
    let row = |name: &str, n: u64| vec![Cell::heading(name), Cell::count(n)];
    let mut rows = vec![
        row("Listed", flow.listed),
        row("Without a usable label", flow.no_usable_label),
        row("Labeller had seen a model's output", flow.exposed),
        row("Outside the intended use", flow.not_eligible),
        row("Held back by the gate", flow.withheld),
        row("Started and failed", flow.failed),
        row("Analysed", flow.analysed),
    ];
    if report.classification.is_some() {
        rows.push(row("of them with the finding", flow.positives));
        rows.push(row("of them without", flow.negatives));
    }
    rows.push(row("of them of unknown exposure", flow.exposure_unknown));
    rows.push(row("Patients of the analysed cases", flow.patients));
    if report.champion.is_some() {
        rows.push(row("Analysed without the champion's result", flow.without_champion));
    }
    let head = vec!["Cases".to_owned(), "n".to_owned()];
    let mut tables = vec![Table { caption: "The same in numbers".to_owned(), head, rows, class: "", wide: false }];
    if !flow.reasons.is_empty() {
        let end = |end: NotRunEnd| match end {
            NotRunEnd::NotEligible => "outside the intended use",
            NotRunEnd::Withheld => "held back",
            NotRunEnd::Failed => "failed",
        };
        let rows = flow
            .reasons
            .iter()
            .map(|reason| {
                vec![Cell::heading(reason.reason.clone()), Cell::text(end(reason.end)), Cell::count(reason.n)]
            })
            .collect();
        let head = ["Reason", "End", "n"].map(str::to_owned).to_vec();
        tables.push(Table {
            caption: "Why cases ended without a result".to_owned(),
            head,
            rows,
            class: "",
            wide: false,
        });
    }
    let set = &report.reference_set;
    Section {
        id: "cases",
        title: "Cases".to_owned(),
        lead: format!("Reference set \u{201c}{}\u{201d}. Labels: {}.", set.name, set.label_source),
        charts: vec![Chart { drawing: flow_chart(flow), caption: "Flow of cases: what left at each step".to_owned() }],
        tables,
    }
}
