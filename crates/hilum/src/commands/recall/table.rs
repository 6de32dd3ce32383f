//! The recall list as a table: one row per run, result and destination (RFC 4180).

use hilum_store::recalls::{RecalledDelivery, RecalledResult, RecalledRun, RecalledStudy};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

const COLUMNS: &str = "accession_number,study_key,revision,deployment,ran_at,disposition,reach,result_kind,result_key,\
                       sop_instance_uid,object_digest,superseded_by,retracted_by,destination,delivery_state,attempts,\
                       delivered_at,last_error";

/// Write the list to `path`. It names patients' examinations, so only its owner may read it.
pub(super) fn write(path: &Path, studies: &[RecalledStudy]) -> io::Result<()> {
    let file = File::options().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    let mut file = BufWriter::new(file);
    rows(&mut file, studies)?;
    file.into_inner().map_err(|error| error.into_error())?.sync_all()
}

fn rows(out: &mut impl Write, studies: &[RecalledStudy]) -> io::Result<()> {
    write!(out, "{COLUMNS}\r\n")?;
    for study in studies {
        for run in &study.runs {
            if run.results.is_empty() {
                row(out, study, run, None, None)?;
            }
            for result in &run.results {
                if result.deliveries.is_empty() {
                    row(out, study, run, Some(result), None)?;
                }
                for delivery in &result.deliveries {
                    row(out, study, run, Some(result), Some(delivery))?;
                }
            }
        }
    }
    Ok(())
}

fn row(
    out: &mut impl Write,
    study: &RecalledStudy,
    run: &RecalledRun,
    result: Option<&RecalledResult>,
    delivery: Option<&RecalledDelivery>,
) -> io::Result<()> {
    fn text(value: Option<impl ToString>) -> String {
        value.map(|value| value.to_string()).unwrap_or_default()
    }
    let reach = delivery.map(RecalledDelivery::reach).or(result.map(RecalledResult::reach)).unwrap_or(run.reach());
    let cells = [
        study.accession_number.reveal().clone(),
        study.study_key.to_string(),
        run.revision.to_string(),
        run.deployment.clone(),
        run.ran_at.to_string(),
        text(run.disposition.as_ref()),
        reach.name().to_owned(),
        text(result.map(|result| result.kind.name())),
        text(result.map(|result| &result.key)),
        text(result.map(|result| result.sop_instance_uid.as_str())),
        text(result.map(|result| result.blob)),
        text(result.and_then(|result| result.superseded_by)),
        text(result.and_then(|result| result.retracted_by)),
        text(delivery.map(|delivery| &delivery.destination)),
        text(delivery.map(|delivery| delivery.state.name())),
        text(delivery.map(|delivery| delivery.attempts)),
        text(delivery.and_then(|delivery| delivery.delivered_at)),
        text(delivery.and_then(|delivery| delivery.last_error.as_ref())),
    ];
    let cells: Vec<String> = cells.iter().map(|cell| quoted(cell)).collect();
    write!(out, "{}\r\n", cells.join(","))
}

/// A cell. What a spreadsheet would take for a formula gets an apostrophe before it: an accession number is text that
/// somebody else wrote.
fn quoted(cell: &str) -> String {
    let formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let cell = if formula { format!("'{cell}") } else { cell.to_owned() };
    if cell.contains([',', '"', '\r', '\n', '\'']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_text_whatever_they_hold() {
        assert_eq!(quoted("A-17"), "A-17");
        assert_eq!(quoted("a \"b\", c"), "\"a \"\"b\"\", c\"");
        assert_eq!(quoted("=1+1"), "\"'=1+1\"");
        assert_eq!(quoted(""), "");
        assert_eq!(COLUMNS.split(',').count(), 18);
    }
}
