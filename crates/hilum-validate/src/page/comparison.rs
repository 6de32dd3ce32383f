use super::Section;
use super::table::{Cell, Table};
use crate::report::{Agreement, Comparison, Report, Shown, Test};
use crate::text::{counted, fixed, limit, thousands};

/// Against the champion, on the same cases.
pub(super) fn comparison(report: &Report) -> Option<Section> {
    let (comparison, champion) = (report.comparison.as_ref()?, report.champion.as_ref()?);
    let mut tables = vec![differences(comparison)];
    if let Some(agreement) = &comparison.agreement {
        tables.extend([agreement_table(agreement), agreement_figures(agreement)]);
        tables.extend(flips(comparison));
    }
    let threshold = champion.threshold.map_or_else(String::new, |t| format!(" at its own threshold of {}", limit(t)));
    let lead = format!(
        "{} {} on the same {}{threshold}. {} newly wrong, {} newly right.",
        champion.name,
        champion.version,
        counted(comparison.n_cases, "case"),
        counted(comparison.negative_flips.len() as u64, "case"),
        thousands(comparison.n_positive_flips)
    );
    Some(Section { id: "comparison", title: "Against the champion".to_owned(), lead, tables, ..Section::default() })
}

fn differences(comparison: &Comparison) -> Table {
    let row = |difference: &crate::report::Difference| {
        let method = difference.difference.figure().map_or("\u{2013}", |figure| &figure.method);
        let n = difference.difference.figure().map_or_else(|| Cell::number("\u{2013}"), super::table::n_cell);
        vec![
            Cell::heading(difference.metric.title()),
            Cell::figure(&difference.challenger, 3),
            Cell::figure(&difference.champion, 3),
            Cell::figure(&difference.difference, 3),
            n,
            Cell::code(method),
        ]
    };
    let head = ["", "This model", "Champion", "Difference", "n", "Method"].map(str::to_owned).to_vec();
    let rows = comparison.differences.iter().map(row).collect();
    Table {
        caption: "Figures of both on the same cases, and their paired difference".to_owned(),
        head,
        rows,
        class: "figures",
        wide: true,
    }
}

fn agreement_table(agreement: &Agreement) -> Table {
    Table {
        caption: "Calls of both".to_owned(),
        head: ["", "Champion: present", "Champion: absent"].map(str::to_owned).to_vec(),
        rows: vec![
            vec![
                Cell::heading("This model: present"),
                Cell::count(agreement.both_present),
                Cell::count(agreement.challenger_only),
            ],
            vec![
                Cell::heading("This model: absent"),
                Cell::count(agreement.champion_only),
                Cell::count(agreement.neither),
            ],
        ],
        class: "confusion",
        wide: false,
    }
}

fn agreement_figures(agreement: &Agreement) -> Table {
    let [value, n, method] = super::table::figure_cells(&agreement.agreement, 3);
    let mut rows = vec![vec![Cell::heading("Same call"), value, n, method]];
    let tests = [
        ("Right equally often, finding present", &agreement.mcnemar_positives),
        ("Right equally often, finding absent", &agreement.mcnemar_negatives),
    ];
    for (name, test) in tests {
        rows.push(match test {
            Shown::Missing(why) => {
                vec![
                    Cell::heading(name),
                    Cell::number("\u{2013}").with_sub(why.clone()),
                    Cell::number("\u{2013}"),
                    Cell::text("\u{2013}"),
                ]
            }
            Shown::Figure(Test { p_value, n, method, .. }) => {
                let p = if *p_value < 0.001 { "p < 0.001".to_owned() } else { format!("p = {}", fixed(*p_value, 3)) };
                vec![Cell::heading(name), Cell::number(p), Cell::count(*n), Cell::code(method.clone())]
            }
        });
    }
    let head = ["", "Value, interval", "n", "Method"].map(str::to_owned).to_vec();
    Table { caption: "Agreement".to_owned(), head, rows, class: "figures", wide: true }
}

fn flips(comparison: &Comparison) -> Option<Table> {
    if comparison.negative_flips.is_empty() {
        return None;
    }
    let row = |flip: &crate::report::Flip| {
        vec![
            Cell::heading(flip.case.clone()),
            Cell::text(flip.label.clone()),
            Cell::text(if flip.present { "now missed" } else { "now a false alarm" }),
            Cell::number(fixed(flip.champion_score, 3)),
            Cell::number(fixed(flip.score, 3)),
        ]
    };
    let head = ["Case", "Label", "What changed", "Champion's score", "Score"].map(str::to_owned).to_vec();
    let caption = "Newly wrong cases, to be read and signed by a radiologist".to_owned();
    Some(Table { caption, head, rows: comparison.negative_flips.iter().map(row).collect(), class: "", wide: false })
}
