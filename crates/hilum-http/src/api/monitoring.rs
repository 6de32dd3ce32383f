//! How versions perform, and what the monitor said. Every rate comes with interval, n, method, classes of labels and the
//! time as of which it was known (MV-12, MV-25, MV-27).

use super::extract::{ApiPath, ApiQuery};
use super::label_free::{LabelFreeBody, bodies};
use super::lists::{invalid, limit};
use super::schema::{List, ReasonBody};
use crate::error::or_missing;
use crate::state::AppState;
use crate::{Problem, ProblemCode};
use axum::Json;
use axum::extract::State;
use hilum_monitor::Figure;
use hilum_monitor::figures::NamedFigure;
use hilum_registry::monitoring::CUTS;
use hilum_store::evidence_report::{EvidenceQuery, EvidenceReport, Freshness, RuleStanding, evidence_report};
use hilum_store::label_free_report::label_free_report;
use hilum_store::monitoring::StoredSignal;
use hilum_types::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct EvidenceParameters {
    /// As it was known then, RFC 3339; now when left out.
    as_of: Option<String>,
    /// Studies complete at or after this; 90 days back when left out.
    from: Option<String>,
    /// Also by the values of this attribute, such as `station` or `age_band`.
    each: Option<String>,
    /// Whether to estimate performance without labels as well, for the whole deployment. It takes hundreds of resamples and up to
    /// 20,000 studies, so it is made only when asked for.
    label_free: Option<bool>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct SignalParameters {
    /// Given at or after this.
    from: Option<String>,
    /// Given before this.
    until: Option<String>,
    /// At most so many, 1 to 1000; 100 when left out.
    limit: Option<u32>,
}

/// A figure: never without interval, n, method, classes of labels, and when it was known.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FigureBody {
    /// The point estimate.
    pub value: f64,
    /// Lower bound of the interval.
    pub lower: f64,
    /// Upper bound of the interval.
    pub upper: f64,
    /// Cases it rests on.
    pub n: u64,
    /// Stable name of figure and interval method.
    #[schema(example = "proportion/wilson")]
    pub method: String,
    /// Classes of the labels it rests on; empty for a figure that needs no label.
    pub label_classes: Vec<String>,
    /// Everything entered until then was known.
    pub as_of: String,
}

impl From<&Figure> for FigureBody {
    fn from(figure: &Figure) -> Self {
        FigureBody {
            value: figure.value,
            lower: figure.lower,
            upper: figure.upper,
            n: figure.n,
            method: figure.method.clone(),
            label_classes: figure.label_classes.iter().map(|class| class.name().to_owned()).collect(),
            as_of: figure.as_of.to_string(),
        }
    }
}

/// A figure with its name.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct EvidenceFigureBody {
    /// `sensitivity`, `specificity`, `ppv`, `concordance`, `failure_rate`, `outside_envelope`, `positive_rate` or
    /// `not_eligible_rate`.
    pub name: String,
    /// The finding it is about; empty when it is about none.
    pub finding: String,
    /// The cut it holds for, such as `station=CT2`; empty: the whole deployment.
    pub cut: String,
    /// False where the labels come from an extractor whose error was never measured (MV-28).
    pub validated: bool,
    /// True where labels that an extractor read out of reports are counted as if they never erred; where its error was
    /// measured, a figure corrected for it stands beside (`proportion/label-error-propagated`).
    pub uncorrected: bool,
    /// The figure.
    #[serde(flatten)]
    pub figure: FigureBody,
}

/// Whether there is enough fresh evidence (MV-06).
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct FreshnessBody {
    /// Code and sentence.
    pub reason: ReasonBody,
    /// Whether it is missing.
    pub missing: bool,
    /// Whether the gate withholds for it.
    pub withholds: bool,
    /// Labelled findings that count.
    pub n: u64,
    /// When the newest of their studies was complete.
    pub newest_at: Option<String>,
}

impl From<&Freshness> for FreshnessBody {
    fn from(freshness: &Freshness) -> Self {
        FreshnessBody {
            reason: ReasonBody::from(&freshness.reason),
            missing: freshness.missing,
            withholds: freshness.withholds,
            n: freshness.n,
            newest_at: freshness.newest_at.map(|at| at.to_string()),
        }
    }
}

/// What a stop rule has seen of one cut since the version came into use.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct RuleStandingBody {
    /// Name of the rule.
    pub rule: String,
    /// The cut; empty: the whole deployment.
    pub cut: String,
    /// Events seen.
    pub n: u64,
    /// The rate with an interval that holds at every look; none for a rule about a feature.
    pub figure: Option<FigureBody>,
    /// When it fired.
    pub fired_at: Option<String>,
}

impl From<&RuleStanding> for RuleStandingBody {
    fn from(standing: &RuleStanding) -> Self {
        RuleStandingBody {
            rule: standing.rule.clone(),
            cut: standing.cut.clone(),
            n: standing.n,
            figure: standing.figure.as_ref().map(FigureBody::from),
            fired_at: standing.fired_at.map(|at| at.to_string()),
        }
    }
}

/// How a version performs, as known at a moment.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct EvidenceBody {
    /// Deployment.
    pub deployment: String,
    /// State it was in.
    pub state: String,
    /// The version in use then, by digest.
    pub package: String,
    /// The moment.
    pub as_of: String,
    /// Studies complete at or after this.
    pub from: String,
    /// Study revisions of the version in the period.
    pub n_observations: u64,
    /// Labels of them.
    pub n_labels: u64,
    /// Whether all of them were read; else the latest were.
    pub complete: bool,
    /// Whether there is enough fresh evidence; absent for a moment of the past, and without a rule about it.
    pub freshness: Option<FreshnessBody>,
    /// The figures.
    pub figures: Vec<EvidenceFigureBody>,
    /// What each stop rule has seen; empty for a moment of the past.
    pub rules: Vec<RuleStandingBody>,
    /// Estimates without labels; absent unless asked for with `label_free=true`. Nothing follows from them.
    pub label_free: Option<Vec<LabelFreeBody>>,
}

impl From<&NamedFigure> for EvidenceFigureBody {
    fn from(one: &NamedFigure) -> Self {
        EvidenceFigureBody {
            name: one.name.name().to_owned(),
            finding: one.finding.clone(),
            cut: one.cut.clone(),
            validated: one.validated,
            uncorrected: one.uncorrected,
            figure: FigureBody::from(&one.figure),
        }
    }
}

impl From<&EvidenceReport> for EvidenceBody {
    fn from(report: &EvidenceReport) -> Self {
        EvidenceBody {
            deployment: report.deployment.clone(),
            state: report.state.clone(),
            package: report.package.to_string(),
            as_of: report.as_of.to_string(),
            from: report.from.to_string(),
            n_observations: report.n_observations,
            n_labels: report.n_labels,
            complete: report.complete,
            freshness: report.freshness.as_ref().map(FreshnessBody::from),
            figures: report.figures.iter().map(EvidenceFigureBody::from).collect(),
            rules: report.rules.iter().map(RuleStandingBody::from).collect(),
            label_free: None,
        }
    }
}

/// Something left what was accepted, and what was done about it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct SignalBody {
    /// Position among all signals.
    pub seq: u64,
    /// Deployment it is about.
    pub deployment: String,
    /// Version it is about, by digest.
    pub package: String,
    /// The rule or chart that spoke.
    pub rule: String,
    /// `watch`, `review` or `stop`.
    pub severity: String,
    /// What was done in the same act: `suspended`, `rolled_back`, `stopped_already` or `alarm`.
    pub action: String,
    /// The cut it holds for; empty: the whole deployment.
    pub cut: String,
    /// When it spoke.
    pub at: String,
    /// Estimated begin of the change, where the method gives one.
    pub since: Option<String>,
    /// The statistic; it is evidence or a bound, and no rate.
    pub value: f64,
    /// What it had to reach.
    pub threshold: f64,
    /// Events it rests on.
    pub n: u64,
    /// Stable name of the method.
    pub method: String,
    /// Plain sentence with counts and limit.
    pub text: String,
    /// Some of the studies behind it, by key.
    pub studies: Vec<String>,
}

impl From<&StoredSignal> for SignalBody {
    fn from(stored: &StoredSignal) -> Self {
        let signal = &stored.signal;
        let severity = match signal.severity {
            hilum_monitor::Severity::Watch => "watch",
            hilum_monitor::Severity::Review => "review",
            hilum_monitor::Severity::Stop => "stop",
        };
        SignalBody {
            seq: stored.seq,
            deployment: signal.deployment.clone(),
            package: stored.package.to_string(),
            rule: signal.rule.clone(),
            severity: severity.to_owned(),
            action: stored.action.clone(),
            cut: signal.cut.clone(),
            at: signal.at.to_string(),
            since: signal.since.map(|at| at.to_string()),
            value: signal.value,
            threshold: signal.threshold,
            n: signal.n,
            method: signal.method.clone(),
            text: signal.text.clone(),
            studies: signal.studies.clone(),
        }
    }
}

fn moment(text: &Option<String>, what: &str) -> Result<Option<Timestamp>, Problem> {
    let parsed = text.as_deref().map(str::parse::<Timestamp>).transpose();
    parsed.map_err(|_| invalid(format!("{what} must be a time such as 2026-11-23T09:12:41Z")))
}

/// How the version in use performs, as known at a moment.
#[utoipa::path(get, path = "/api/v1/deployments/{name}/evidence", tag = "models", operation_id = "get_evidence",
    params(("name" = String, Path, description = "Name of the deployment"), EvidenceParameters),
    responses((status = 200, description = "Figures, freshness, and what the rules have seen", body = EvidenceBody),
        (status = "default", description = "Problem", body = crate::ProblemBody)))]
pub(super) async fn get_evidence(
    State(state): State<AppState>,
    ApiPath(name): ApiPath<String>,
    ApiQuery(asked): ApiQuery<EvidenceParameters>,
) -> Result<Json<EvidenceBody>, Problem> {
    let each = asked.each.filter(|each| !each.is_empty());
    if let Some(each) = each.as_ref().filter(|each| !CUTS.contains(&each.as_str())) {
        return Err(invalid(format!("each is {each:?}; it must be one of {}", CUTS.join(", "))));
    }
    let query = EvidenceQuery { as_of: moment(&asked.as_of, "as_of")?, from: moment(&asked.from, "from")?, each };
    let (now, missing) = (state.now(), or_missing(ProblemCode::DeploymentNotFound));
    let report = evidence_report(&*state.catalog, &name, &query, now).await;
    let mut body = EvidenceBody::from(&report.map_err(&missing)?);
    if asked.label_free == Some(true) {
        let estimates = label_free_report(&*state.catalog, &name, &query, now).await;
        body.label_free = Some(bodies(&estimates.map_err(&missing)?));
    }
    Ok(Json(body))
}

/// What the monitor said of a deployment, newest first.
#[utoipa::path(get, path = "/api/v1/deployments/{name}/signals", tag = "models", operation_id = "list_signals",
    params(("name" = String, Path, description = "Name of the deployment"), SignalParameters),
    responses((status = 200, description = "Signals", body = List<SignalBody>),
        (status = "default", description = "Problem", body = crate::ProblemBody)))]
pub(super) async fn list_signals(
    State(state): State<AppState>,
    ApiPath(name): ApiPath<String>,
    ApiQuery(asked): ApiQuery<SignalParameters>,
) -> Result<Json<List<SignalBody>>, Problem> {
    let missing = || Problem::new(ProblemCode::DeploymentNotFound, "no deployment of that name");
    state.catalog.deployment_get(&name).await?.ok_or_else(missing)?;
    let (from, until) = (moment(&asked.from, "from")?, moment(&asked.until, "until")?);
    let signals = state.catalog.signal_list(&name, from, until, limit(asked.limit)?).await?;
    Ok(Json(List::of(&signals)))
}
