use super::table::{Cell, Table};
use crate::report::Report;
use crate::text::minute;

/// Where everything comes from: whoever holds the same digests holds the same things.
pub(super) fn origin(report: &Report) -> Table {
    let row = |name: &str, cell: Cell| vec![Cell::heading(name), cell];
    let mut rows = vec![row(
        "Package",
        Cell::code(report.model.package.to_string())
            .with_sub(format!("{} {}", report.model.name, report.model.version)),
    )];
    if let Some(champion) = &report.champion {
        let name = format!("{} {}", champion.name, champion.version);
        rows.push(row("Champion", Cell::code(champion.package.to_string()).with_sub(name)));
    }
    let protocol = &report.protocol;
    let name = format!("{}, version {}", protocol.document.name, protocol.document.version);
    rows.push(row("Protocol record", Cell::code(protocol.record.to_string()).with_sub(name)));
    rows.push(row("Protocol content", Cell::code(protocol.content.to_string())));
    if let Some(before) = &protocol.supersedes {
        rows.push(row("Protocol before it", Cell::code(before.to_string())));
    }
    rows.push(row(
        "Reference set",
        Cell::code(report.reference_set.record.to_string()).with_sub(report.reference_set.name.clone()),
    ));
    for waiver in &report.waivers {
        rows.push(row("Waiver", Cell::code(waiver.record.to_string()).with_sub(waiver.gap.clone())));
    }
    rows.push(row("Engine", Cell::text(report.run.engine.clone())));
    rows.push(row("Software", Cell::text(format!("Hilum {}", report.run.software))));
    rows.push(row("Evaluated", Cell::text(format!("{} by {}", minute(report.run.at), report.run.by))));
    Table {
        caption: "Records and packages by digest (BLAKE3)".to_owned(),
        head: Vec::new(),
        rows,
        class: "facts",
        wide: true,
    }
}
