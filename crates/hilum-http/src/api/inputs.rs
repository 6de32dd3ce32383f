//! What went into a version and came out of it, window by window or group by group, beside a reference (MV-19, MV-22).

use super::extract::{ApiPath, ApiQuery};
use super::lists::invalid;
use super::monitoring::FigureBody;
use super::timeline::{moment, span};
use crate::error::or_missing;
use crate::state::AppState;
use crate::{Problem, ProblemCode};
use axum::Json;
use axum::extract::State;
use hilum_monitor::sketch::{Distance, NumberSummary, Slice, THIN, spans};
use hilum_monitor::timeline::NamedFigure;
use hilum_store::inputs_report::{InputsQuery, InputsReport, InputsWindow, WINDOWS_MAX, inputs_report};
use hilum_types::{Digest, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct InputsParameters {
    /// Begin, inclusive: a moment in RFC 3339, or a UTC day; 16 weeks before the end when left out.
    from: Option<String>,
    /// End, exclusive; a day is meant to its end; now when left out.
    until: Option<String>,
    /// `day`, `week` (the default), `month`, or `group`: acquisition groups over the whole range.
    by: Option<String>,
    /// Digest of a version, or its beginning (12 digits or more); the version in use when left out.
    package: Option<String>,
    /// Begin of the reference; the first day of the version when left out.
    reference_from: Option<String>,
    /// End of the reference; 28 days after its begin when left out.
    reference_until: Option<String>,
}

/// A share under its name.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct ShareBody {
    /// `analysed`, `withheld`, ..., `positive:<finding>`, `abstained:<finding>`, `outside_envelope`, or what was outside it.
    pub name: String,
    /// The share.
    #[serde(flatten)]
    pub figure: FigureBody,
}

/// Why studies ended as they did, as a share of all studies of the window.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct ReasonShareBody {
    /// Disposition.
    pub disposition: String,
    /// Code of the reason.
    pub reason_code: String,
    /// The share.
    #[serde(flatten)]
    pub figure: FigureBody,
}

/// How far the distribution of a number is from that of the reference. It describes and ranks, and stops nothing.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct DistanceBody {
    /// Jensen-Shannon distance to base 2, in 0 to 1.
    pub jensen_shannon: f64,
    /// What it stays below in 95 of 100 cases where nothing changed.
    pub jensen_shannon_by_chance: f64,
    /// Population stability index.
    pub psi: f64,
    /// What it stays below in 95 of 100 cases where nothing changed.
    pub psi_by_chance: f64,
    /// Whether chance explains it.
    pub is_by_chance: bool,
    /// Numbers of the reference.
    pub n_reference: u64,
    /// Numbers of the window.
    pub n: u64,
}

/// A number over a window.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct NumberBody {
    /// A feature, `score:<finding>`, or `run:seconds`.
    pub name: String,
    /// Studies that have it.
    pub n: u64,
    /// Values that were no number.
    pub n_invalid: u64,
    /// Mean.
    pub mean: Option<f64>,
    /// Standard deviation.
    pub sd: Option<f64>,
    /// Quantile 0.05, within 1 %.
    pub p05: Option<f64>,
    /// Median, within 1 %.
    pub p50: Option<f64>,
    /// Quantile 0.95, within 1 %.
    pub p95: Option<f64>,
    /// Distance from the reference; absent where either side is too thin.
    pub distance: Option<DistanceBody>,
    /// Why there is no distance.
    pub thin: Option<String>,
}

impl From<&NumberSummary> for NumberBody {
    fn from(number: &NumberSummary) -> Self {
        let [p05, p50, p95] = number.quantiles.map_or([None; 3], |quantiles| quantiles.map(Some));
        let distance = |distance: &Distance| DistanceBody {
            jensen_shannon: distance.jensen_shannon,
            jensen_shannon_by_chance: distance.jensen_shannon_by_chance,
            psi: distance.psi,
            psi_by_chance: distance.psi_by_chance,
            is_by_chance: distance.is_by_chance(),
            n_reference: distance.n_reference,
            n: distance.n,
        };
        let thin = format!("n = {} here and {} in the reference; {THIN} are needed", number.n, number.n_reference);
        NumberBody {
            name: number.name.clone(),
            n: number.n,
            n_invalid: number.n_invalid,
            mean: number.mean,
            sd: number.sd,
            p05,
            p50,
            p95,
            distance: number.distance.as_ref().map(distance),
            thin: number.distance.is_none().then_some(thin),
        }
    }
}

/// One window, or one group over the whole range.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct InputsWindowBody {
    /// Begin, inclusive, a whole hour.
    pub from: String,
    /// End, exclusive, a whole hour.
    pub until: String,
    /// Acquisition group; empty: all of them, `-`: not stated.
    pub group: String,
    /// The group in words; empty where nothing is known of it.
    pub group_name: String,
    /// `all`: distances are from all studies of the reference; `group`: from those of the same group.
    pub reference_of: &'static str,
    /// Whether it is a part of the reference itself.
    pub in_reference: bool,
    /// Study revisions that ended.
    pub n: u64,
    /// Shares.
    pub shares: Vec<ShareBody>,
    /// Reasons.
    pub reasons: Vec<ReasonShareBody>,
    /// Studies outside the envelope by what was outside, of those that were compared.
    pub outside: Vec<ShareBody>,
    /// Numbers by name.
    pub features: Vec<NumberBody>,
    /// Whether there were more names than are kept.
    pub is_cut: bool,
}

impl From<&InputsWindow> for InputsWindowBody {
    fn from(window: &InputsWindow) -> Self {
        let share = |one: &NamedFigure| ShareBody { name: one.name.clone(), figure: FigureBody::from(&one.figure) };
        let summary = &window.summary;
        let reason = |one: &hilum_monitor::sketch::ReasonShare| ReasonShareBody {
            disposition: one.disposition.clone(),
            reason_code: one.reason_code.clone(),
            figure: FigureBody::from(&one.figure),
        };
        InputsWindowBody {
            from: window.span.from.to_string(),
            until: window.span.until.to_string(),
            group: window.group.clone(),
            group_name: window.group_name.clone(),
            reference_of: if window.is_own_reference { "group" } else { "all" },
            in_reference: window.in_reference,
            n: summary.n,
            shares: summary.shares.iter().map(share).collect(),
            reasons: summary.reasons.iter().map(reason).collect(),
            outside: summary.outside.iter().map(share).collect(),
            features: summary.numbers.iter().map(NumberBody::from).collect(),
            is_cut: summary.is_cut,
        }
    }
}

/// What distances are from.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct ReferenceBody {
    /// Begin, inclusive.
    pub from: String,
    /// End, exclusive.
    pub until: String,
    /// Studies in it.
    pub n: u64,
}

/// What went in and came out.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct InputsBody {
    /// Deployment.
    pub deployment: String,
    /// Version, by digest.
    pub package: String,
    /// The cut: `day`, `week`, `month` or `group`.
    pub by: &'static str,
    /// Everything entered until then is in it.
    pub as_of: String,
    /// What distances are from; absent: nothing was observed of the version.
    pub reference: Option<ReferenceBody>,
    /// Windows in the order of time, or groups by studies.
    pub windows: Vec<InputsWindowBody>,
    /// Groups that are left out, the smallest.
    pub n_groups_left_out: u64,
    /// Whether all of it was read, and everything observed is counted.
    pub complete: bool,
}

impl From<&InputsReport> for InputsBody {
    fn from(report: &InputsReport) -> Self {
        InputsBody {
            deployment: report.deployment.clone(),
            package: report.package.to_string(),
            by: report.slice.name(),
            as_of: report.as_of.to_string(),
            reference: report.reference.map(|reference| ReferenceBody {
                from: reference.span.from.to_string(),
                until: reference.span.until.to_string(),
                n: reference.n,
            }),
            windows: report.windows.iter().map(InputsWindowBody::from).collect(),
            n_groups_left_out: report.n_groups_left_out,
            complete: report.complete,
        }
    }
}

/// Numbers, calls and dispositions per window or acquisition group, and how far they are from a reference.
#[utoipa::path(get, path = "/api/v1/deployments/{name}/inputs", tag = "models", operation_id = "get_inputs",
    params(("name" = String, Path, description = "Name of the deployment"), InputsParameters),
    responses((status = 200, description = "Them", body = InputsBody),
        (status = "default", description = "Problem", body = crate::ProblemBody)))]
pub(super) async fn get_inputs(
    State(state): State<AppState>,
    ApiPath(name): ApiPath<String>,
    ApiQuery(asked): ApiQuery<InputsParameters>,
) -> Result<Json<InputsBody>, Problem> {
    let (from, until) = span(asked.from, asked.until, state.now())?;
    let by = asked.by.as_deref().unwrap_or(Slice::Week.name());
    let slice = Slice::from_name(by).ok_or_else(|| {
        invalid(format!("by is {by:?}; it must be one of {}", Slice::ALL.map(Slice::name).join(", ")))
    })?;
    if WINDOWS_MAX < spans(from, until, slice, WINDOWS_MAX + 1).len() {
        return Err(invalid(format!(
            "that is more than {WINDOWS_MAX} windows; ask for a shorter range or longer windows"
        )));
    }
    let reference = reference(asked.reference_from.as_deref(), asked.reference_until.as_deref())?;
    let package = version(&state, asked.package.as_deref()).await?;
    let query = InputsQuery { from, until, slice, package, reference };
    let report = inputs_report(&*state.catalog, &name, &query, state.now()).await;
    Ok(Json(InputsBody::from(&report.map_err(or_missing(ProblemCode::DeploymentNotFound))?)))
}

/// Begin and end of the reference, as far as they are given.
pub(super) fn reference(
    from: Option<&str>,
    until: Option<&str>,
) -> Result<(Option<Timestamp>, Option<Timestamp>), Problem> {
    let from = from.map(|text| moment(text, "reference_from")).transpose()?;
    let until = until.map(|text| moment(text, "reference_until")).transpose()?;
    match (from, until) {
        (Some(from), Some(until)) if until <= from => {
            Err(invalid("reference_from must be earlier than reference_until"))
        }
        given => Ok(given),
    }
}

/// The version that is asked about, by digest; `None`: the one in use.
pub(super) async fn version(state: &AppState, package: Option<&str>) -> Result<Option<Digest>, Problem> {
    let Some(package) = package.filter(|package| !package.is_empty()) else { return Ok(None) };
    let found = state.catalog.package_get(package).await;
    Ok(Some(found.map_err(or_missing(ProblemCode::ModelNotFound))?.digest))
}
