//! Figures and signals on a terminal.

use crate::config::Config;
use crate::system::{SystemClock, open_catalog};
use anyhow::{Result, bail};
use hilum_gate::review;
use hilum_monitor::Figure;
use hilum_registry::monitoring::CUTS;
use hilum_sign::{NewRecord, RecordKind};
use hilum_store::StoreError;
use hilum_store::evidence_report::{EvidenceQuery, EvidenceReport, evidence_report};
use hilum_types::{Clock, Timestamp};
use serde_json::json;
use std::path::Path;
use std::process::ExitCode;

/// Signals that are shown.
const SIGNALS_MAX: u32 = 1000;

/// How the figures are asked for.
pub(super) struct Asked {
    pub(super) as_of: Option<Timestamp>,
    pub(super) each: Option<String>,
    pub(super) record: bool,
    pub(super) by: String,
    pub(super) json: bool,
}

/// `hilum monitor evidence NAME`.
pub(super) async fn evidence(config: &Path, name: &str, asked: Asked) -> Result<ExitCode> {
    if let Some(each) = asked.each.as_ref().filter(|each| !CUTS.contains(&each.as_str())) {
        bail!("{each:?} is no attribute of a study; there are {}", CUTS.join(", "));
    }
    let catalog = open_catalog(&Config::read(config)?).await?;
    let now = SystemClock.now();
    let query = EvidenceQuery { as_of: asked.as_of, from: None, each: asked.each };
    let report = evidence_report(&*catalog, name, &query, now).await?;
    let mut kept = None;
    if asked.record {
        let author = if asked.by.contains(':') { asked.by.clone() } else { format!("user:{}", asked.by) };
        let body = serde_json::to_value(&report)?;
        let record = NewRecord { kind: RecordKind::MonitoringEvidence, subject: name.to_owned(), body, author };
        kept = Some(catalog.record_add(&record, now).await?.record.digest);
    }
    if asked.json {
        let mut shown = serde_json::to_value(&report)?;
        shown["record"] = json!(kept);
        println!("{shown}");
        return Ok(ExitCode::SUCCESS);
    }
    show(&report);
    if let Some(deployment) = catalog.deployment_get(name).await? {
        let facts = catalog.review_facts(&deployment, now).await?;
        if let Some(found) = review(&deployment, facts.as_ref(), now) {
            println!("  review: {}", found.reason.text);
        }
    }
    if let Some(digest) = kept {
        println!("record {digest}");
    }
    Ok(ExitCode::SUCCESS)
}

fn show(report: &EvidenceReport) {
    let EvidenceReport { deployment, state, n_observations, n_labels, .. } = report;
    let package = report.package.short();
    println!("{deployment}: {state}, package {package}, as known on {}", report.as_of);
    println!("  {n_observations} studies since {}, {n_labels} labels", report.from.day());
    if !report.complete {
        println!("  there are more; figures are made from the latest");
    }
    if let Some(freshness) = &report.freshness {
        println!("  evidence: {}", freshness.reason.text);
    }
    if report.figures.is_empty() {
        println!("  no figure: nothing was observed");
    }
    for one in &report.figures {
        let of: Vec<&str> = [one.finding.as_str(), one.cut.as_str()].into_iter().filter(|t| !t.is_empty()).collect();
        let marked = match (one.validated, one.uncorrected) {
            (false, _) => "; the error of the extractor was never measured",
            (true, true) => "; not corrected for the error of the extractor",
            (true, false) => "",
        };
        println!("  {:<18} {:<28} {}{marked}", one.name.name(), of.join(" "), told(&one.figure));
    }
    for standing in &report.rules {
        let fired = standing.fired_at.map_or(String::new(), |at| format!(", fired on {at}"));
        let seen = standing.figure.as_ref().map_or_else(|| format!("n = {}", standing.n), told);
        println!("  rule {:<13} {:<28} {seen}{fired}", standing.rule, standing.cut);
    }
}

fn told(figure: &Figure) -> String {
    let classes: Vec<&str> = figure.label_classes.iter().map(|class| class.name()).collect();
    let labels = if classes.is_empty() { String::new() } else { format!(", {} labels", classes.join(" and ")) };
    let Figure { value, lower, upper, n, method, .. } = figure;
    format!("{value:.3} [{lower:.3}, {upper:.3}] n = {n}{labels} ({method})")
}

/// `hilum monitor signals NAME`.
pub(super) async fn signals(config: &Path, name: &str, json: bool) -> Result<ExitCode> {
    let catalog = open_catalog(&Config::read(config)?).await?;
    let missing = StoreError::NotFound("deployment; `hilum deployments` shows them");
    catalog.deployment_get(name).await?.ok_or(missing)?;
    let signals = catalog.signal_list(name, None, None, SIGNALS_MAX).await?;
    if json {
        for signal in &signals {
            println!("{}", serde_json::to_string(signal)?);
        }
        return Ok(ExitCode::SUCCESS);
    }
    if signals.is_empty() {
        println!("{name}: no rule has fired");
    }
    for stored in &signals {
        println!("{}  {:<16} rule {}: {}", stored.signal.at, stored.action, stored.signal.rule, stored.signal.text);
    }
    Ok(ExitCode::SUCCESS)
}
