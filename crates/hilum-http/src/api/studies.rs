use super::extract::{ApiPath, ApiQuery};
use super::journey::{own_first_reads, study_journey};
use super::schema::{StudyJourney, StudyPage, StudySummary};
use super::version_here::tell_versions;
use crate::state::AppState;
use crate::{Problem, ProblemCode};
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use hilum_store::StudyKey;
use hilum_store::records::{Study, StudyFilter, StudyState};
use hilum_types::{Phi, Uid};
use serde::Deserialize;
use utoipa::IntoParams;

/// Studies on one page at most.
const LIMIT_MAX: u32 = 500;

/// Which studies to list. What is left out says nothing.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct StudyQuery {
    /// With exactly this Accession Number.
    accession_number: Option<String>,
    /// `receiving` or `complete`.
    state: Option<String>,
    /// With this Modality.
    modality: Option<String>,
    /// With this disposition for any deployment, or for `deployment`.
    disposition: Option<String>,
    /// Considered for this deployment.
    deployment: Option<String>,
    /// At most this many, 1 to 500; 100 when left out.
    limit: Option<u32>,
    /// Only studies older than the one of this key: `next` of the page before.
    before: Option<String>,
}

/// Names of the dispositions (AV-04).
pub(crate) const DISPOSITIONS: [&str; 5] = ["analysed", "not_eligible", "withheld", "failed", "expired"];

fn invalid(message: impl Into<String>) -> Problem {
    Problem::new(ProblemCode::InvalidParameter, message)
}

impl StudyQuery {
    fn filter(&self) -> Result<StudyFilter, Problem> {
        let state = self
            .state
            .as_deref()
            .map(|name| StudyState::from_name(name).ok_or_else(|| invalid("state must be receiving or complete")));
        if self.disposition.as_deref().is_some_and(|name| !DISPOSITIONS.contains(&name)) {
            return Err(invalid(format!("disposition must be one of {}", DISPOSITIONS.join(", "))));
        }
        let after = self
            .before
            .as_deref()
            .map(|key| key.parse::<StudyKey>().map_err(|_| invalid("before must be the `next` of the page before")));
        Ok(StudyFilter {
            accession_number: self.accession_number.clone().map(Phi::new),
            state: state.transpose()?,
            modality: self.modality.clone(),
            disposition: self.disposition.clone(),
            deployment: self.deployment.clone(),
            received_from: None,
            received_before: None,
            after: after.transpose()?,
        })
    }
}

/// Studies, newest first.
#[utoipa::path(get, path = "/api/v1/studies", tag = "studies", operation_id = "list_studies", params(StudyQuery),
    responses((status = 200, description = "One page of studies", body = StudyPage),
        (status = "default", description = "Problem", body = crate::ProblemBody)))]
pub(super) async fn list_studies(
    State(state): State<AppState>,
    ApiQuery(query): ApiQuery<StudyQuery>,
) -> Result<Json<StudyPage>, Problem> {
    let limit = query.limit.unwrap_or(100);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(invalid(format!("limit must be 1 to {LIMIT_MAX}")));
    }
    let mut studies = state.catalog.study_list(&query.filter()?, limit + 1).await?;
    let more = limit as usize;
    let next = (more < studies.len()).then(|| studies[more - 1].key.to_string());
    studies.truncate(more);
    Ok(Json(StudyPage { studies: studies.iter().map(StudySummary::from).collect(), next }))
}

/// A study by its opaque key or its Study Instance UID.
pub(crate) async fn find_study(state: &AppState, key_or_uid: &str) -> Result<Study, Problem> {
    let missing = || Problem::new(ProblemCode::StudyNotFound, "no study of that key or Study Instance UID is held");
    // A UID of one component only could be taken for a key; the standard has no such UID.
    let found = match (key_or_uid.parse::<StudyKey>(), key_or_uid.parse::<Uid>()) {
        (Ok(key), _) => state.catalog.study_get(&key).await?,
        (Err(_), Ok(uid)) => state.catalog.study_by_uid(&uid).await?,
        (Err(_), Err(_)) => return Err(invalid("the study must be named by its key or its Study Instance UID")),
    };
    found.ok_or_else(missing)
}

/// Everything that happened to one study: what arrived, each decision with the value that decided, what ran, and
/// where the results are.
#[utoipa::path(get, path = "/api/v1/studies/{study}", tag = "studies", operation_id = "get_study",
    params(("study" = String, Path, description = "Study Instance UID, or the opaque key of the study")),
    responses((status = 200, description = "The journey", body = StudyJourney),
        (status = "default", description = "Problem", body = crate::ProblemBody)))]
pub(super) async fn get_study(
    State(state): State<AppState>,
    headers: HeaderMap,
    ApiPath(study): ApiPath<String>,
) -> Result<Json<StudyJourney>, Problem> {
    let study = find_study(&state, &study).await?;
    state.record_access(&headers, &study.key, "journey").await?;
    let journey = state.catalog.study_journey(&study.key).await?;
    let journey = journey.ok_or_else(|| Problem::new(ProblemCode::StudyNotFound, "the study is no longer held"))?;
    let deployments = state.catalog.deployment_list().await?;
    let packages = state.catalog.package_list().await?;
    let first_reads = own_first_reads(&state, &headers, &study.key).await?;
    let mut shown = study_journey(&journey, &deployments, &first_reads);
    tell_versions(&state, &mut shown.deployments, &deployments, &packages).await?;
    Ok(Json(shown))
}
