//! `hilum monitor extractor`: how often a declared report extractor is wrong (MV-28).

use crate::ConfigFile;
use crate::config::Config;
use crate::system::{SystemClock, open_catalog};
use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use hilum_monitor::Truth;
use hilum_monitor::report::Extractor;
use hilum_registry::monitoring::ExtractorSpec;
use hilum_sign::{NewRecord, RecordKind};
use hilum_stats::{Estimate, wilson};
use hilum_store::Catalog;
use hilum_store::reports::extractor_subject;
use hilum_types::{Clock, Digest};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Args)]
pub(crate) struct ExtractorArgs {
    /// Finding whose extractor is measured.
    #[arg(long)]
    finding: String,
    /// CSV file with a header: `text,label[,codes]`; label is 1, 0, `present` or `absent`, codes are `scheme|code`
    /// separated by spaces.
    #[arg(long, value_name = "REPORTS.csv")]
    table: PathBuf,
    /// Deployment that declares it, when several do.
    #[arg(long)]
    deployment: Option<String>,
    /// Who.
    #[arg(long, env = "USER", default_value = "operator")]
    by: String,
    #[command(flatten)]
    config: ConfigFile,
}

/// What the extractor said of reports that people have read.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Counts {
    true_present: u64,
    false_absent: u64,
    undecided_present: u64,
    true_absent: u64,
    false_present: u64,
    undecided_absent: u64,
}

pub(super) async fn extractor(arguments: ExtractorArgs) -> Result<ExitCode> {
    let catalog = open_catalog(&Config::read(&arguments.config.path)?).await?;
    let spec = declared(&*catalog, &arguments).await?;
    let table =
        std::fs::read(&arguments.table).with_context(|| format!("{} cannot be read", arguments.table.display()))?;
    let extractor = Extractor::new(&spec)?;
    let counts = measure(&extractor, &table).with_context(|| arguments.table.display().to_string())?;
    let body = body(&spec, &extractor, &counts, Digest::of(&table))?;
    let author = format!("user:{}", arguments.by);
    let record = NewRecord { kind: RecordKind::ExtractorError, subject: extractor_subject(&spec), body, author };
    let added = catalog.record_add(&record, SystemClock.now()).await?;
    let mut shown = added.record.body;
    shown["record"] = json!(added.record.digest);
    println!("{}", serde_json::to_string_pretty(&shown)?);
    Ok(ExitCode::SUCCESS)
}

/// The declaration in force; every deployment that declares one for the finding must declare the same.
async fn declared(catalog: &dyn Catalog, arguments: &ExtractorArgs) -> Result<ExtractorSpec> {
    let mut found: Vec<ExtractorSpec> = Vec::new();
    for deployment in catalog.deployment_list().await? {
        if arguments.deployment.as_ref().is_some_and(|name| *name != deployment.spec.name) {
            continue;
        }
        let plan = deployment.spec.monitoring.unwrap_or_default();
        for spec in plan.labels.extractor.into_iter().filter(|spec| spec.finding == arguments.finding) {
            if !found.contains(&spec) {
                found.push(spec);
            }
        }
    }
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => bail!(
            "no deployment declares an extractor for {:?}; add [[deployment.monitoring.labels.extractor]] and run hilum apply",
            arguments.finding
        ),
        _ => bail!("several extractors are declared for {:?}; name one with --deployment", arguments.finding),
    }
}

fn measure(extractor: &Extractor, table: &[u8]) -> Result<Counts> {
    let mut reader = csv::Reader::from_reader(table);
    let header = reader.headers()?.clone();
    let column = |name: &str| header.iter().position(|title| title.trim() == name);
    let text = column("text").context("there is no column text")?;
    let label = column("label").context("there is no column label")?;
    let codes = column("codes");
    let mut counts = Counts::default();
    for (row, record) in reader.records().enumerate() {
        // The text of a report may name a patient, so that no message repeats it.
        let record = record.map_err(|_| anyhow::anyhow!("row {} is not CSV in UTF-8", row + 2))?;
        let codes: Vec<String> = codes
            .and_then(|column| record.get(column))
            .map(|codes| codes.split_whitespace().map(str::to_owned).collect())
            .unwrap_or_default();
        let said = extractor.read(record.get(text).unwrap_or_default(), &codes).truth;
        let count = match (record.get(label).unwrap_or_default().trim(), said) {
            ("1" | "present", Some(Truth::Present)) => &mut counts.true_present,
            ("1" | "present", Some(Truth::Absent)) => &mut counts.false_absent,
            ("1" | "present", _) => &mut counts.undecided_present,
            ("0" | "absent", Some(Truth::Absent)) => &mut counts.true_absent,
            ("0" | "absent", Some(Truth::Present)) => &mut counts.false_present,
            ("0" | "absent", _) => &mut counts.undecided_absent,
            _ => bail!("row {}: label must be 1, 0, present or absent", row + 2),
        };
        *count += 1;
    }
    Ok(counts)
}

/// Sensitivity and specificity of the labels that the extractor makes; how many reports it makes none of stands beside.
fn body(spec: &ExtractorSpec, extractor: &Extractor, counts: &Counts, table: Digest) -> Result<Value> {
    let n_present = counts.true_present + counts.false_absent;
    let n_absent = counts.true_absent + counts.false_present;
    ensure!(
        0 < n_present && 0 < n_absent,
        "the extractor made a label of {n_present} reports with the finding and {n_absent} without; both must be there"
    );
    let sensitivity = wilson(counts.true_present, n_present, 0.95)?;
    let specificity = wilson(counts.true_absent, n_absent, 0.95)?;
    let figure = |estimate: &Estimate| {
        json!({
            "value": estimate.value, "lower": estimate.lower, "upper": estimate.upper, "n": estimate.n,
            "method": estimate.method,
        })
    };
    Ok(json!({
        "format": 1,
        "finding": spec.finding,
        "extractor": spec.label(),
        "declaration": extractor.digest(),
        "table": table,
        "sensitivity": figure(&sensitivity),
        "specificity": figure(&specificity),
        "n_reports": n_present + n_absent + counts.undecided_present + counts.undecided_absent,
        "n_undecided_present": counts.undecided_present,
        "n_undecided_absent": counts.undecided_absent,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_counted_by_class() {
        let spec = "finding='pneumonia'\nname='pneu'\nversion='1'\npresent=['pneumonia']";
        let spec: ExtractorSpec = toml::from_str(spec).unwrap();
        let extractor = Extractor::new(&spec).unwrap();
        let table = "text,label\nPneumonia.,1\nNo pneumonia.,0\nPneumonia.,absent\n\"Heart, normal.\",present\n";
        let counts = measure(&extractor, table.as_bytes()).unwrap();
        let wanted =
            Counts { true_present: 1, undecided_present: 1, true_absent: 1, false_present: 1, ..Counts::default() };
        assert_eq!(counts, wanted);
        let body = body(&spec, &extractor, &counts, Digest::of(b"")).unwrap();
        assert_eq!((&body["specificity"]["value"], &body["specificity"]["n"]), (&json!(0.5), &json!(2)));
        assert_eq!(body["n_reports"], 4);
        let wrong = measure(&extractor, b"text,label\nsecret,maybe\n").unwrap_err().to_string();
        assert_eq!(wrong, "row 2: label must be 1, 0, present or absent");
    }
}
