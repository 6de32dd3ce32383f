//! Everything known of how a version performs, as of a moment: what the API, the command line and a record show.

use crate::governance::RecordFilter;
use crate::monitoring::ObservationFilter;
use crate::reports::extractor_subject_of;
use crate::{Catalog, StoreError};
use hilum_gate::evidence;
use hilum_monitor::figures::{
    Counts, FigureInput, LabelledObservation, MeasuredExtractor, NamedFigure, figures, figures_of_counts,
};
use hilum_monitor::sketch::Level;
use hilum_monitor::{Figure, MonitorError};
use hilum_registry::{Deployment, StopRule};
use hilum_sign::{Record, RecordKind};
use hilum_stats::imperfect_labels::ExtractorError;
use hilum_stats::sequential::rate_sequence;
use hilum_types::{Digest, Reason, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;

/// Study revisions and labels that figures as of a past moment are made from at most; the latest count, and the report
/// says so. Figures of now are made from counts, and rows are read of the first day alone.
const ROWS_MAX: u32 = 50_000;

/// Days that figures look back when nothing else is asked.
const DAYS: i64 = 90;

/// What to report on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EvidenceQuery {
    /// As it was known then; `None`: now.
    pub as_of: Option<Timestamp>,
    /// Studies complete at or after this; `None`: since the beginning of the UTC day 90 days back.
    pub from: Option<Timestamp>,
    /// Also by this attribute.
    pub each: Option<String>,
}

impl EvidenceQuery {
    /// Begin of the period as of that moment.
    pub(crate) fn begin(&self, as_of: Timestamp) -> Timestamp {
        self.from.unwrap_or_else(|| Level::Day.start(as_of.plus_seconds(-DAYS * 86_400)))
    }

    /// The deployment as it was at the moment asked about.
    pub(crate) async fn deployment(&self, catalog: &dyn Catalog, name: &str) -> Result<Deployment, StoreError> {
        const MISSING: StoreError = StoreError::NotFound("deployment; `hilum deployments` shows them");
        let found = match self.as_of {
            None => catalog.deployment_get(name).await?,
            Some(at) => catalog.deployment_as_of(name, at).await?.map(|change| change.deployment),
        };
        found.ok_or(MISSING)
    }
}

/// How a version performs, as known at a moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EvidenceReport {
    /// Format of this document.
    pub format: u32,
    /// Deployment.
    pub deployment: String,
    /// Stable name of the state it was in.
    pub state: String,
    /// The version in use then.
    pub package: Digest,
    /// The moment.
    pub as_of: Timestamp,
    /// Studies complete at or after this.
    pub from: Timestamp,
    /// Study revisions of the version in the period.
    pub n_observations: u64,
    /// Labels of them.
    pub n_labels: u64,
    /// Whether all of them were read; else the latest were.
    pub complete: bool,
    /// Whether there is enough fresh evidence (MV-06); absent for a moment of the past, and without a rule about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub freshness: Option<Freshness>,
    /// The figures.
    pub figures: Vec<NamedFigure>,
    /// What each rule has seen since the version came into use; empty for a moment of the past.
    pub rules: Vec<RuleStanding>,
}

/// Whether there is enough fresh evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freshness {
    /// Code and sentence.
    pub reason: Reason,
    /// Whether it is missing.
    pub missing: bool,
    /// Whether the gate withholds for it.
    pub withholds: bool,
    /// Labelled findings that count.
    pub n: u64,
    /// When the newest of their studies was complete.
    pub newest_at: Option<Timestamp>,
}

/// What a rule has seen of one cut.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RuleStanding {
    /// The rule.
    pub rule: String,
    /// The cut; empty: the whole deployment.
    pub cut: String,
    /// Events seen.
    pub n: u64,
    /// The rate with an interval that holds at every look; none for a rule about a feature, and without events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub figure: Option<Figure>,
    /// When it fired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fired_at: Option<Timestamp>,
}

/// Make the report. The same question about the same past moment has the same answer for ever (MV-27).
///
/// # Errors
/// [`StoreError::NotFound`] without such a deployment, or when it was not declared then.
pub async fn evidence_report(
    catalog: &dyn Catalog,
    name: &str,
    query: &EvidenceQuery,
    now: Timestamp,
) -> Result<EvidenceReport, StoreError> {
    let as_of = query.as_of.unwrap_or(now);
    let deployment = query.deployment(catalog, name).await?;
    let from = query.begin(as_of);
    let filter = ObservationFilter {
        deployment: name.to_owned(),
        package: Some(deployment.package_digest),
        from: Some(from),
        as_of: Some(as_of),
        ..ObservationFilter::default()
    };
    let each = query.each.as_deref();
    let counted = match query.as_of {
        None => from_counts(catalog, &filter, from, each, as_of).await?,
        Some(_) => None,
    };
    let made = match counted {
        Some(made) => made,
        None => from_rows(catalog, &filter, each, as_of).await?,
    };
    let is_now = query.as_of.is_none();
    Ok(EvidenceReport {
        format: 1,
        deployment: name.to_owned(),
        state: deployment.state.name().to_owned(),
        package: deployment.package_digest,
        as_of,
        from,
        n_observations: made.n_observations,
        n_labels: made.n_labels,
        complete: made.complete,
        freshness: if is_now { freshness(catalog, &deployment, now).await? } else { None },
        figures: made.figures,
        rules: if is_now { standings(catalog, &deployment, as_of).await? } else { Vec::new() },
    })
}

struct Made {
    figures: Vec<NamedFigure>,
    n_observations: u64,
    n_labels: u64,
    complete: bool,
}

fn not_made(error: MonitorError) -> StoreError {
    StoreError::Misuse(format!("a figure was not made: {error}"))
}

/// As known at any moment.
async fn from_rows(
    catalog: &dyn Catalog,
    filter: &ObservationFilter,
    each: Option<&str>,
    as_of: Timestamp,
) -> Result<Made, StoreError> {
    let observations = catalog.observation_list(filter, ROWS_MAX).await?;
    let labelled = catalog.labelled_list(filter, ROWS_MAX).await?;
    let extractors = measured_extractors(catalog, read_by_extractors(&labelled), as_of).await?;
    let input = FigureInput { observations: &observations, labelled: &labelled, extractors: &extractors, as_of };
    Ok(Made {
        figures: figures(&input, each).map_err(not_made)?,
        n_observations: observations.len() as u64,
        n_labels: labelled.len() as u64,
        complete: observations.len() < ROWS_MAX as usize && labelled.len() < ROWS_MAX as usize,
    })
}

/// As known now: whole UTC days from their counts, and the rest of the first one from its rows. `None` where there are
/// no counts yet, or more than are kept.
async fn from_counts(
    catalog: &dyn Catalog,
    filter: &ObservationFilter,
    from: Timestamp,
    each: Option<&str>,
    as_of: Timestamp,
) -> Result<Option<Made>, StoreError> {
    let Some(package) = filter.package else { return Ok(None) };
    let is_edge = Level::Day.start(from) != from;
    let days_from = if is_edge { Level::Day.next(from) } else { from };
    let Some(mut tally) = catalog.tally(&filter.deployment, &package, days_from, each).await? else { return Ok(None) };
    if is_edge {
        let edge = ObservationFilter { until: Some(days_from), as_of: None, ..filter.clone() };
        let observations = catalog.observation_list(&edge, ROWS_MAX).await?;
        let labelled = catalog.labelled_list(&edge, ROWS_MAX).await?;
        tally.complete &= observations.len() < ROWS_MAX as usize && labelled.len() < ROWS_MAX as usize;
        tally.whole.add(&Counts::of_rows(&observations, &labelled), 1);
        if let Some(name) = each {
            let rows = FigureInput { observations: &observations, labelled: &labelled, extractors: &[], as_of };
            for (value, counts) in rows.counts_by(name) {
                tally.values.entry(value).or_default().add(&counts, 1);
            }
        }
    }
    if tally.whole.is_cut() || tally.values.values().any(Counts::is_cut) {
        return Ok(None);
    }
    let extractors = measured_extractors(catalog, tally.whole.extractors(), as_of).await?;
    let by_value = each.map(|name| (name, &tally.values));
    Ok(Some(Made {
        figures: figures_of_counts(&tally.whole, by_value, &extractors, as_of).map_err(not_made)?,
        n_observations: tally.whole.n_observations(),
        n_labels: tally.whole.n_labels(),
        complete: tally.complete,
    }))
}

/// How one version performs here, for whoever reads its results: what labels of the last 90 days say, as of now.
#[derive(Debug, Clone, PartialEq)]
pub struct VersionRecord {
    /// Studies complete at or after this.
    pub from: Timestamp,
    /// Everything entered until then was known.
    pub as_of: Timestamp,
    /// Labels of studies of the period, those included that carry no figure.
    pub n_labels: u64,
    /// Whether all of them were read; else the latest were.
    pub complete: bool,
    /// Figures of the whole deployment that rest on labels whose error is known and reckoned with; a reader must not trust
    /// others.
    pub figures: Vec<NamedFigure>,
}

/// Make the record of a version, which may be another than the one in use.
///
/// # Errors
/// When the catalog cannot be read.
pub async fn version_record(
    catalog: &dyn Catalog,
    deployment: &str,
    package: &Digest,
    now: Timestamp,
) -> Result<VersionRecord, StoreError> {
    let from = Level::Day.start(now.plus_seconds(-DAYS * 86_400));
    let filter = ObservationFilter {
        deployment: deployment.to_owned(),
        package: Some(*package),
        from: Some(from),
        as_of: Some(now),
        ..ObservationFilter::default()
    };
    let mut made = match from_counts(catalog, &filter, from, None, now).await? {
        Some(made) => made,
        None => from_rows(catalog, &filter, None, now).await?,
    };
    made.figures.retain(|one| one.validated && !one.uncorrected && !one.figure.label_classes.is_empty());
    Ok(VersionRecord { from, as_of: now, n_labels: made.n_labels, complete: made.complete, figures: made.figures })
}

/// How fresh the evidence about a deployment is; `None` when it declares no rule about it.
///
/// # Errors
/// When the catalog cannot be read.
pub async fn freshness(
    catalog: &dyn Catalog,
    deployment: &Deployment,
    now: Timestamp,
) -> Result<Option<Freshness>, StoreError> {
    let rule = deployment.spec.monitoring.as_ref().and_then(|plan| plan.evidence.as_ref());
    let (Some(rule), Some(facts)) = (rule, catalog.evidence_facts(deployment, now).await?) else { return Ok(None) };
    let found = evidence(deployment, rule, Some(&facts), now);
    Ok(Some(Freshness {
        reason: found.reason,
        missing: found.missing,
        withholds: found.withholds,
        n: facts.n,
        newest_at: facts.newest_at,
    }))
}

/// Finding and extractor of the labels that were read out of reports by one whose error was measured.
fn read_by_extractors(labelled: &[LabelledObservation]) -> BTreeSet<(String, String)> {
    let read = labelled.iter().filter(|one| one.label.extractor_measured);
    read.filter_map(|one| Some((one.label.finding.clone(), one.label.extractor.clone()?))).collect()
}

/// The measured errors of the extractors of these names, as known then.
async fn measured_extractors(
    catalog: &dyn Catalog,
    named: BTreeSet<(String, String)>,
    as_of: Timestamp,
) -> Result<Vec<MeasuredExtractor>, StoreError> {
    let mut measured = Vec::new();
    for (finding, extractor) in named {
        let filter = RecordFilter {
            kind: Some(RecordKind::ExtractorError),
            subject: Some(extractor_subject_of(&finding, &extractor)),
            until: Some(as_of),
        };
        let records: Vec<Record> =
            catalog.record_list(&filter, 100).await?.into_iter().filter(Record::is_intact).collect();
        let declarations: BTreeSet<Option<&str>> =
            records.iter().map(|record| record.body.get("declaration").and_then(Value::as_str)).collect();
        // A declaration that changed under the same name and version: nobody can say which labels are of which.
        if 1 < declarations.len() {
            continue;
        }
        // The newest counts, the more so when more reports were read for it.
        let error = records.first().and_then(|record| error_of(&record.body));
        measured.extend(error.map(|error| MeasuredExtractor { finding, extractor, error }));
    }
    Ok(measured)
}

/// Counts of a record of `hilum monitor extractor`, which holds them as shares of n.
fn error_of(body: &Value) -> Option<ExtractorError> {
    let counts = |side: &str| {
        let n = body.get(side)?.get("n")?.as_u64()?;
        let share = body.get(side)?.get("value")?.as_f64().filter(|share| (0.0..=1.0).contains(share))?;
        Some(((share * n as f64).round() as u64, n))
    };
    let ((true_positives, positives), (true_negatives, negatives)) = (counts("sensitivity")?, counts("specificity")?);
    Some(ExtractorError { true_positives, positives, true_negatives, negatives })
}

async fn standings(
    catalog: &dyn Catalog,
    deployment: &Deployment,
    as_of: Timestamp,
) -> Result<Vec<RuleStanding>, StoreError> {
    let rules: &[StopRule] = deployment.spec.monitoring.as_ref().map_or(&[], |plan| &plan.rules);
    let mut standings = Vec::new();
    for (key, cell) in catalog.cell_list(deployment).await? {
        let Some(rule) = rules.iter().find(|rule| rule.name == key.rule) else { continue };
        let (n, happened) = cell.counts();
        let is_rate = rule.quantiles.is_empty();
        let sequence = rate_sequence(happened, n, 0.95).ok().filter(|_| is_rate);
        let figure = sequence.map(|estimate| Figure {
            value: estimate.value,
            lower: estimate.lower,
            upper: estimate.upper,
            n: estimate.n,
            method: estimate.method.to_string(),
            label_classes: rule.label_classes().to_vec(),
            as_of,
        });
        standings.push(RuleStanding { rule: key.rule, cut: key.cut, n, figure, fired_at: cell.fired_at() });
    }
    Ok(standings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn counts_are_read_back_from_shares() {
        let body = json!({ "sensitivity": { "value": 45.0 / 49.0, "n": 49 }, "specificity": { "value": 1.0, "n": 3 } });
        let error = ExtractorError { true_positives: 45, positives: 49, true_negatives: 3, negatives: 3 };
        assert_eq!(error_of(&body), Some(error));
        assert_eq!(
            error_of(&json!({ "sensitivity": { "value": 2.0, "n": 3 }, "specificity": { "value": 1.0, "n": 3 } })),
            None
        );
        assert_eq!(error_of(&json!({})), None);
    }
}
