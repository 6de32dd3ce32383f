//! Everything known of how a version performs, as of a moment: what the API, the command line and a record show.

use crate::monitoring::ObservationFilter;
use crate::{Catalog, StoreError};
use hilum_gate::evidence;
use hilum_monitor::Figure;
use hilum_monitor::figures::{FigureInput, NamedFigure, figures};
use hilum_registry::{Deployment, StopRule};
use hilum_stats::sequential::rate_sequence;
use hilum_types::{Digest, Reason, Timestamp};
use serde::{Deserialize, Serialize};

/// Study revisions and labels that figures are made from at most; the latest count, and the report says so.
const ROWS_MAX: u32 = 50_000;

/// Days that figures look back when nothing else is asked.
const DAYS: i64 = 90;

/// What to report on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EvidenceQuery {
    /// As it was known then; `None`: now.
    pub as_of: Option<Timestamp>,
    /// Studies complete at or after this; `None`: 90 days back.
    pub from: Option<Timestamp>,
    /// Also by this attribute.
    pub each: Option<String>,
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
    const MISSING: StoreError = StoreError::NotFound("deployment; `hilum deployments` shows them");
    let as_of = query.as_of.unwrap_or(now);
    let deployment = match query.as_of {
        None => catalog.deployment_get(name).await?,
        Some(at) => catalog.deployment_as_of(name, at).await?.map(|change| change.deployment),
    };
    let deployment = deployment.ok_or(MISSING)?;
    let from = query.from.unwrap_or_else(|| as_of.plus_seconds(-DAYS * 86_400));
    let filter = ObservationFilter {
        deployment: name.to_owned(),
        package: Some(deployment.package_digest),
        from: Some(from),
        as_of: Some(as_of),
        ..ObservationFilter::default()
    };
    let observations = catalog.observation_list(&filter, ROWS_MAX).await?;
    let labelled = catalog.labelled_list(&filter, ROWS_MAX).await?;
    let input = FigureInput { observations: &observations, labelled: &labelled, as_of };
    let made = figures(&input, query.each.as_deref());
    let figures = made.map_err(|error| StoreError::Misuse(format!("a figure was not made: {error}")))?;
    let is_now = query.as_of.is_none();
    Ok(EvidenceReport {
        format: 1,
        deployment: name.to_owned(),
        state: deployment.state.name().to_owned(),
        package: deployment.package_digest,
        as_of,
        from,
        n_observations: observations.len() as u64,
        n_labels: labelled.len() as u64,
        complete: observations.len() < ROWS_MAX as usize && labelled.len() < ROWS_MAX as usize,
        freshness: if is_now { freshness(catalog, &deployment, now).await? } else { None },
        figures,
        rules: if is_now { standings(catalog, &deployment, as_of).await? } else { Vec::new() },
    })
}

/// Labels that the record of a version is made from at most; the latest count, and the record says so.
const RECORD_LABELS_MAX: u32 = 20_000;

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
    /// Figures of the whole deployment that rest on labels whose error is known; a reader must not trust others.
    pub figures: Vec<NamedFigure>,
}

/// Make the record of a version, which may be another than the one in use. It reads every label of the period: whoever shows
/// it often keeps it for a while.
///
/// # Errors
/// When the catalog cannot be read.
pub async fn version_record(
    catalog: &dyn Catalog,
    deployment: &str,
    package: &Digest,
    now: Timestamp,
) -> Result<VersionRecord, StoreError> {
    let from = now.plus_seconds(-DAYS * 86_400);
    let filter = ObservationFilter {
        deployment: deployment.to_owned(),
        package: Some(*package),
        from: Some(from),
        as_of: Some(now),
        ..ObservationFilter::default()
    };
    let labelled = catalog.labelled_list(&filter, RECORD_LABELS_MAX).await?;
    let made = figures(&FigureInput { observations: &[], labelled: &labelled, as_of: now }, None);
    let mut figures = made.map_err(|error| StoreError::Misuse(format!("a figure was not made: {error}")))?;
    figures.retain(|one| one.validated);
    Ok(VersionRecord {
        from,
        as_of: now,
        n_labels: labelled.len() as u64,
        complete: labelled.len() < RECORD_LABELS_MAX as usize,
        figures,
    })
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
