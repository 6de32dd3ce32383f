//! How a version would perform if scores still meant what they meant in its acceptance test, without any label: for the
//! API and the page of a deployment, and only when they ask, because it is computed anew each time.
//!
//! It is a report of its own, beside [`evidence_report`](crate::evidence_report): what records, rules and the gate are
//! made of never holds an estimate.

use crate::evidence_report::EvidenceQuery;
use crate::governance::RecordFilter;
use crate::inputs_report::off_thread;
use crate::monitoring::ObservationFilter;
use crate::{Catalog, StoreError};
use hilum_monitor::label_free::{EstimatedFinding, LabelFreeReference, Period, REFERENCE_KEY, estimated};
use hilum_monitor::{MonitorError, Signal};
use hilum_registry::manifest::FindingSpec;
use hilum_registry::{Deployment, Manifest, StopRule};
use hilum_sign::RecordKind;
use hilum_types::{Digest, Timestamp};
use serde::Deserialize;
use tokio::sync::Semaphore;

/// Study revisions that estimates are made from at most; the latest count, and the report says so.
const ROWS_MAX: u32 = 20_000;
/// Acceptance tests of a version that are looked at, the newest.
const RECORDS_MAX: u32 = 20;
/// Signals that are looked at, the newest.
const SIGNALS_MAX: u32 = 1000;

/// Estimating holds [`ROWS_MAX`] observations and every processor for a moment, so that whoever asks meanwhile waits for it.
pub(crate) static ONE_AT_A_TIME: Semaphore = Semaphore::const_new(1);

/// Estimates without labels of a version, as known at a moment.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelFreeReport {
    /// The version in use then.
    pub package: Digest,
    /// The moment.
    pub as_of: Timestamp,
    /// Studies complete at or after this.
    pub from: Timestamp,
    /// Whether all study revisions of the period were read; else the latest were.
    pub complete: bool,
    /// Findings of which an acceptance test of exactly this version says what a score means, and that have a score from
    /// which on they are called.
    pub n_references: usize,
    /// Those of which a study of the period has a score, by name.
    pub findings: Vec<EstimatedFinding>,
}

/// What an acceptance test said of one finding, and where the finding is called now.
struct Reference {
    record: Digest,
    scores: LabelFreeReference,
    operating_point: f64,
}

/// Make the report, for the whole of a deployment: `each` of the query is not looked at. The same question about the
/// same past moment has the same answer (MV-27). Only one report is made at a time.
///
/// # Errors
/// [`StoreError::NotFound`] without such a deployment, or when it was not declared then.
pub async fn label_free_report(
    catalog: &dyn Catalog,
    name: &str,
    query: &EvidenceQuery,
    now: Timestamp,
) -> Result<LabelFreeReport, StoreError> {
    let as_of = query.as_of.unwrap_or(now);
    let deployment = query.deployment(catalog, name).await?;
    let (package, from) = (deployment.package_digest, query.begin(as_of));
    let references = references(catalog, &deployment, as_of).await?;
    let mut report =
        LabelFreeReport { package, as_of, from, complete: true, n_references: references.len(), findings: Vec::new() };
    if references.is_empty() {
        return Ok(report);
    }
    let filter = ObservationFilter {
        deployment: name.to_owned(),
        package: Some(package),
        from: Some(from),
        as_of: Some(as_of),
        ..ObservationFilter::default()
    };
    let turn = ONE_AT_A_TIME.acquire().await.map_err(|_| StoreError::ShuttingDown)?;
    let observations = catalog.observation_list(&filter, ROWS_MAX).await?;
    report.complete = observations.len() < ROWS_MAX as usize;
    let until = as_of.plus_micros(1);
    let stored = catalog.signal_list(name, None, Some(until), SIGNALS_MAX).await?;
    let of_version = stored.into_iter().filter(|signal| signal.package == package);
    let signals: Vec<Signal> = of_version.map(|stored| stored.signal).collect();
    let rules: Vec<StopRule> = deployment.spec.monitoring.map(|plan| plan.rules).unwrap_or_default();
    // Hundreds of resamples, which no other request shall wait for.
    let made = off_thread(move || {
        // Kept until the work is done, even when nobody waits for the answer any more.
        let _turn = turn;
        let period = Period { from, observations: &observations, signals: &signals, rules: &rules };
        let of_one = |one: &Reference| estimated(&period, &one.scores, one.record, one.operating_point).transpose();
        let made: Result<Vec<EstimatedFinding>, MonitorError> = references.iter().filter_map(of_one).collect();
        made.map_err(|error| StoreError::Misuse(format!("an estimate was not made: {error}")))
    });
    report.findings = made.await?;
    Ok(report)
}

/// The newest acceptance test of each finding that kept its scores, of exactly the version in use, by finding.
async fn references(
    catalog: &dyn Catalog,
    deployment: &Deployment,
    as_of: Timestamp,
) -> Result<Vec<Reference>, StoreError> {
    let package = deployment.package_digest.to_string();
    let filter =
        RecordFilter { kind: Some(RecordKind::Validation), subject: Some(package.clone()), until: Some(as_of) };
    let records = catalog.record_list(&filter, RECORDS_MAX).await?;
    // What is said by a product alone has the operating points that are declared, or none that is known.
    let manifest = serde_json::from_value::<Manifest>(catalog.package_get(&package).await?.manifest).ok();
    let mut found: Vec<Reference> = Vec::new();
    for record in records.iter().filter(|record| record.is_intact() && record.body["package"] == package.as_str()) {
        // Records of earlier versions hold none, and one of a later version may hold what this one cannot read.
        let Some(scores) = LabelFreeReference::deserialize(&record.body[REFERENCE_KEY]).ok() else { continue };
        let Some(operating_point) = operating_point(deployment, manifest.as_ref(), &scores.finding) else { continue };
        if found.iter().all(|newer| newer.scores.finding != scores.finding) {
            found.push(Reference { record: record.digest, scores, operating_point });
        }
    }
    found.sort_by(|a, b| a.scores.finding.cmp(&b.scores.finding));
    Ok(found)
}

/// From which score on a finding is called: as the deployment declares it, else as the package does (MV-32), and above
/// the scores for which it abstains (MV-33), because an answer that was not given finds nothing. `None` where that is not
/// known, or where it is called below these scores as well.
fn operating_point(deployment: &Deployment, manifest: Option<&Manifest>, finding: &str) -> Option<f64> {
    let declared = deployment.spec.operating_points.get(finding).copied();
    let spec = manifest.and_then(|manifest| manifest.findings().find(|known| known.label == finding));
    let point = declared.or_else(|| Some(spec?.operating_point))?;
    called_from(point, spec)
}

fn called_from(operating_point: f64, spec: Option<&FindingSpec>) -> Option<f64> {
    match spec.and_then(|spec| spec.indeterminate) {
        Some(band) if operating_point < band.low => None,
        Some(band) => Some(operating_point.max(band.high)),
        None => Some(operating_point),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// MV-33: as figures count, whoever abstains finds nothing.
    #[test]
    fn a_score_for_which_a_model_abstains_is_not_called() {
        let spec = |band: serde_json::Value| -> FindingSpec {
            let concept = json!({ "value": "1", "scheme": "99X", "meaning": "Nodule" });
            let mut declared = json!({ "label": "nodule", "concept": concept, "operating_point": 0.5 });
            declared["indeterminate"] = band;
            serde_json::from_value(declared).unwrap()
        };
        let banded = spec(json!({ "low": 0.375, "high": 0.625 }));
        assert_eq!(called_from(0.5, Some(&banded)), Some(0.625));
        assert_eq!(called_from(0.75, Some(&banded)), Some(0.75));
        assert_eq!(called_from(0.25, Some(&banded)), None, "called on both sides of the band");
        assert_eq!(called_from(0.5, Some(&spec(json!(null)))), Some(0.5));
        assert_eq!(called_from(0.5, None), Some(0.5));
    }
}
