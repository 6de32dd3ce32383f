use super::Section;
use super::table::{Cell, Table};
use crate::protocol::{Multiplicity, OperatingPoint, ProportionInterval, Unit};
use crate::report::Report;
use crate::text;

/// What was asked, by whom, and before or after results were seen.
pub(super) fn asked(report: &Report) -> Section {
    let shown = &report.protocol;
    let protocol = &shown.document;
    let row = |name: &str, cell: Cell| vec![Cell::heading(name), cell];
    let frozen = format!("{} by {}", text::minute(shown.frozen_at), shown.frozen_by);
    let timing = if report.post_hoc {
        "post-hoc: after results on the same cases had been seen"
    } else {
        "before results on these cases were seen, by the records"
    };
    let point = match protocol.operating_point {
        OperatingPoint::Package => "that of the package",
        OperatingPoint::Deployment => "that of the deployment",
        OperatingPoint::Stated { .. } => "stated in the protocol",
    };
    let threshold = report.model.threshold.map_or_else(|| "none".to_owned(), text::limit);
    let unit = match protocol.unit {
        Unit::Patient => "patients: several cases of one never count as independent",
        Unit::Case => "cases: several of one patient count as independent",
    };
    let interval = match protocol.interval.proportion {
        ProportionInterval::Wilson => "Wilson",
        ProportionInterval::ClopperPearson => "Clopper-Pearson",
    };
    let multiplicity = match protocol.multiplicity {
        Multiplicity::AllMustPass => "all gates must pass, each at its full alpha",
        Multiplicity::Bonferroni => "alpha divided by the number of gates",
    };
    let labels =
        format!("present: {}; absent: {}", protocol.target.positive.join(", "), protocol.target.negative.join(", "));
    let mut rows = vec![
        row("Purpose", Cell::text(protocol.purpose.clone())),
        row("Protocol", Cell::text(format!("{}, version {}", protocol.name, protocol.version)).with_sub(timing)),
        row("Frozen", Cell::text(frozen)),
        row("Finding", Cell::text(protocol.target.finding.clone())),
    ];
    if report.classification.is_some() {
        rows.push(row("Reference labels", Cell::text(labels)));
        rows.push(row("Threshold", Cell::text(threshold).with_sub(point)));
    }
    rows.extend([
        row("Independent units", Cell::text(unit)),
        row(
            "Intervals",
            Cell::text(format!(
                "{}; shares by {interval}; {} bootstrap resamples, seed {}",
                text::percent(protocol.interval.level),
                text::thousands(u64::from(protocol.interval.bootstrap_resamples)),
                protocol.interval.bootstrap_seed
            )),
        ),
        row("Several gates", Cell::text(multiplicity)),
    ]);
    for waiver in &report.waivers {
        let text =
            format!("{:?} is answered for by {}, {}", waiver.gap, waiver.signed_by, text::minute(waiver.signed_at));
        rows.push(row("Waiver", Cell::text(text).with_sub(waiver.reason.clone())));
    }
    let caption = "The acceptance protocol in short; the report file holds it whole".to_owned();
    let table = Table { caption, head: Vec::new(), rows, class: "facts", wide: true };
    Section { id: "asked", title: "What was asked".to_owned(), tables: vec![table], ..Section::default() }
}
