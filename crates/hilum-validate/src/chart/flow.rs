use super::svg::{Anchor, Svg};
use crate::report::Flow;
use crate::text::counted;

const WIDTH: f64 = 400.0;
const BOX: (f64, f64) = (290.0, 46.0);
const STEP: f64 = 84.0;
const ASIDE: f64 = 250.0;

/// A stage that cases reach, and what left before the next.
struct Stage<'a> {
    name: &'a str,
    n: u64,
    left: Vec<(&'a str, u64)>,
}

/// Where every listed case went.
pub(crate) fn flow_chart(flow: &Flow) -> String {
    let stages = [
        Stage { name: "listed", n: flow.listed, left: vec![("without a usable label", flow.no_usable_label)] },
        Stage {
            name: "labelled",
            n: flow.labelled,
            left: vec![("labeller had seen a model", flow.exposed), ("outside the intended use", flow.not_eligible)],
        },
        Stage {
            name: "eligible",
            n: flow.eligible,
            left: vec![("held back by the gate", flow.withheld), ("started and failed", flow.failed)],
        },
        Stage { name: "analysed", n: flow.analysed, left: Vec::new() },
    ];
    let mut svg = Svg::new(WIDTH, STEP * (stages.len() - 1) as f64 + BOX.1 + 2.0);
    let mut told = Vec::new();
    for (place, stage) in (0_u32..).zip(&stages) {
        let top = 1.0 + STEP * f64::from(place);
        let last = stage.left.is_empty();
        svg.rect(if last { "c-box c-strong" } else { "c-box" }, (1.0, top), BOX, 5.0);
        svg.text("c-count", Anchor::Start, (14.0, top + 20.0), &counted(stage.n, "case"));
        let below = if last {
            format!("{}: {} with, {} without", stage.name, flow.positives, flow.negatives)
        } else {
            stage.name.to_owned()
        };
        svg.text("c-tick", Anchor::Start, (14.0, top + 37.0), &below);
        told.push(format!("{} {}", counted(stage.n, "case"), stage.name));
        if last {
            continue;
        }
        let (x, bottom) = (30.0, top + BOX.1);
        svg.line("c-axis", (x, bottom), (x, top + STEP - 5.0));
        svg.polygon("c-arrow", &[(x - 4.0, top + STEP - 7.0), (x + 4.0, top + STEP - 7.0), (x, top + STEP)]);
        let left: Vec<_> = stage.left.iter().filter(|(_, n)| 0 < *n).collect();
        for (line, (why, n)) in (0_u32..).zip(&left) {
            let y = bottom + 14.0 + 16.0 * f64::from(line) - if left.len() == 2 { 3.0 } else { -9.0 };
            svg.line("c-grid", (x, y), (ASIDE - 160.0, y));
            svg.text("c-label", Anchor::Start, (ASIDE - 152.0, y + 4.5), &format!("\u{2212}{n} {why}"));
            told.push(format!("{n} {why}"));
        }
        if left.is_empty() {
            svg.text("c-tick", Anchor::Start, (x + 14.0, bottom + 24.0), "none left out");
        }
    }
    svg.finish("chart-flow", "Flow of cases", &format!("{}.", told.join(", ")))
}
