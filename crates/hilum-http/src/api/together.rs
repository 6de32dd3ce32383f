//! All numbers of a period beside those of the reference, compared together (MV-21).

use super::extract::{ApiPath, ApiQuery};
use super::inputs::{reference, version};
use super::lists::invalid;
use super::timeline::span;
use crate::error::or_missing;
use crate::state::AppState;
use crate::{Problem, ProblemCode};
use axum::Json;
use axum::extract::State;
use hilum_monitor::together::{Compared, DESCRIBES, LeftOut, Method, TogetherError};
use hilum_store::together_report::{TogetherQuery, TogetherReport, TogetherSide, TogetherState, together_report};
use serde::{Deserialize, Serialize};
use std::error::Error;
use utoipa::{IntoParams, ToSchema};

/// What is drawn and dealt when nobody says otherwise.
pub(crate) const SEED: u32 = 1;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct TogetherParameters {
    /// `mmd` (the default): maximum mean discrepancy, which also sees numbers that hang together otherwise; `c2st`: a
    /// linear classifier, which sees small moves of many numbers.
    method: Option<String>,
    /// Begin of the period, inclusive: a moment in RFC 3339, or a UTC day; 28 days before the end, or the end of the
    /// reference when that is later, when left out.
    from: Option<String>,
    /// End, exclusive; a day is meant to its end; now when left out.
    until: Option<String>,
    /// Key of an acquisition group: its studies alone are compared, on both sides; `-`: those that state none.
    group: Option<String>,
    /// Digest of a version, or its beginning (12 digits or more); the version in use when left out.
    package: Option<String>,
    /// Begin of the reference; the first day of the version when left out.
    reference_from: Option<String>,
    /// End of the reference; 28 days after its begin when left out.
    reference_until: Option<String>,
    /// What is drawn and dealt by lot follows from it; 1 when left out.
    seed: Option<u32>,
}

/// One side of a comparison.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct TogetherSideBody {
    /// Begin, inclusive.
    pub from: String,
    /// End, exclusive.
    pub until: String,
    /// Studies that something was measured of.
    pub n_studies: u64,
    /// Those of them that were drawn by lot and compared; at most 2,000.
    pub n_drawn: u64,
}

impl From<&TogetherSide> for TogetherSideBody {
    fn from(side: &TogetherSide) -> Self {
        TogetherSideBody {
            from: side.span.from.to_string(),
            until: side.span.until.to_string(),
            n_studies: side.n_studies,
            n_drawn: side.n_drawn,
        }
    }
}

/// A number that was not compared.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct LeftOutBody {
    /// Its name.
    pub name: String,
    /// Why.
    pub why: &'static str,
}

/// One comparison, or why there is none.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub(crate) struct ComparedBody {
    /// Squared maximum mean discrepancy without bias, which can be slightly negative; or the AUROC of studies that the
    /// classifier had not seen, 0.5 where nothing changed.
    pub value: Option<f64>,
    /// Chance of such a value or a larger one where nothing changed, by dealing the studies out anew.
    pub p: Option<f64>,
    /// The same, corrected after Holm for the comparisons of this answer.
    pub p_adjusted: Option<f64>,
    /// Studies of both sides.
    pub n: Option<u64>,
    /// Studies of the reference.
    pub n_reference: Option<u64>,
    /// Studies of the period.
    pub n_current: Option<u64>,
    /// Stable name of the statistic and of how its p-value is found.
    pub method: Option<String>,
    /// What was compared: features; `score:<finding>`, and `positive:<finding>`, which is 1 or 0.
    pub names: Vec<String>,
    /// Those that some study lacks: it counts as in the middle there, and that it lacks them is a number of its own.
    pub incomplete: Vec<String>,
    /// What was not compared.
    pub left_out: Vec<LeftOutBody>,
    /// Why there is no comparison.
    pub not_compared: Option<String>,
}

impl From<&Result<Compared, TogetherError>> for ComparedBody {
    fn from(compared: &Result<Compared, TogetherError>) -> Self {
        let left_out = |one: &LeftOut| LeftOutBody { name: one.name.clone(), why: one.why.words() };
        match compared {
            Ok(found) => ComparedBody {
                value: Some(found.value),
                p: Some(found.p),
                p_adjusted: Some(found.p_adjusted),
                n: Some(found.n_reference + found.n_current),
                n_reference: Some(found.n_reference),
                n_current: Some(found.n_current),
                method: Some(found.method.clone()),
                names: found.names.clone(),
                incomplete: found.incomplete.clone(),
                left_out: found.left_out.iter().map(left_out).collect(),
                not_compared: None,
            },
            Err(error) => ComparedBody { not_compared: Some(in_words(error)), ..ComparedBody::default() },
        }
    }
}

/// With its cause.
pub(crate) fn in_words(error: &TogetherError) -> String {
    error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

/// All numbers of a period beside those of the reference.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct TogetherBody {
    /// Deployment.
    pub deployment: String,
    /// Version, by digest.
    pub package: String,
    /// Acquisition group, when only one was looked at.
    pub group: Option<String>,
    /// `mmd` or `c2st`.
    pub method: &'static str,
    /// What was drawn and dealt by lot follows from it.
    pub seed: u64,
    /// Times P that the studies were dealt out anew; a p-value is `(1 + b) / (1 + P)`.
    pub permutations: u32,
    /// Everything entered until then is in it.
    pub as_of: String,
    /// What is compared with.
    pub reference: TogetherSideBody,
    /// What is compared.
    pub current: TogetherSideBody,
    /// Of what went in.
    pub inputs: ComparedBody,
    /// Of what came out.
    pub outputs: ComparedBody,
    /// What a comparison is and is not.
    pub note: &'static str,
}

impl From<&TogetherReport> for TogetherBody {
    fn from(report: &TogetherReport) -> Self {
        TogetherBody {
            deployment: report.deployment.clone(),
            package: report.package.to_string(),
            group: report.group.clone(),
            method: report.options.method.name(),
            seed: report.options.seed,
            permutations: report.options.permutations,
            as_of: report.as_of.to_string(),
            reference: TogetherSideBody::from(&report.reference),
            current: TogetherSideBody::from(&report.current),
            inputs: ComparedBody::from(&report.together.inputs),
            outputs: ComparedBody::from(&report.together.outputs),
            note: DESCRIBES,
        }
    }
}

/// All numbers of a period beside those of the reference, compared together: what went in, and apart from it what came
/// out. It takes seconds, and one comparison is made at a time. It describes and ranks, and stops nothing.
#[utoipa::path(get, path = "/api/v1/deployments/{name}/inputs/together", tag = "models",
    operation_id = "compare_inputs_together",
    params(("name" = String, Path, description = "Name of the deployment"), TogetherParameters),
    responses((status = 200, description = "The comparison", body = TogetherBody),
        (status = "default", description = "Problem", body = crate::ProblemBody)))]
pub(super) async fn compare_inputs_together(
    State(state): State<AppState>,
    ApiPath(name): ApiPath<String>,
    ApiQuery(asked): ApiQuery<TogetherParameters>,
) -> Result<Json<TogetherBody>, Problem> {
    let is_from_given = asked.from.is_some();
    let (from, until) = span(asked.from, asked.until, state.now())?;
    let query = TogetherQuery {
        from: is_from_given.then_some(from),
        until,
        package: version(&state, asked.package.as_deref()).await?,
        group: asked.group.filter(|group| !group.is_empty()),
        reference: reference(asked.reference_from.as_deref(), asked.reference_until.as_deref())?,
        method: method(asked.method.as_deref().unwrap_or(Method::Mmd.name()))?,
        seed: u64::from(asked.seed.unwrap_or(SEED)),
    };
    let compared = together_report(&*state.catalog, &name, &query, state.now()).await;
    match compared.map_err(or_missing(ProblemCode::DeploymentNotFound))? {
        TogetherState::Compared(report) => Ok(Json(TogetherBody::from(&*report))),
        TogetherState::TooLittle(why) => Err(Problem::new(ProblemCode::NotEnoughStudies, why)),
    }
}

/// The method of that name.
pub(crate) fn method(name: &str) -> Result<Method, Problem> {
    Method::from_name(name).ok_or_else(|| {
        invalid(format!("the method is {name:?}; it must be one of {}", Method::ALL.map(Method::name).join(", ")))
    })
}
