use super::extract::{ApiPath, ApiQuery};
use super::schema::{
    AuditEntryBody, AuditVerification, Books, BooksLineBody, DeliveryBody, DeploymentBody, JobBody, List, ModelBody,
    QuarantinedBody, QueueBody, QueueDepthBody,
};
use crate::error::or_missing;
use crate::state::AppState;
use crate::{Problem, ProblemCode};
use axum::Json;
use axum::extract::State;
use hilum_store::records::{DeliveryFilter, DeliveryState};
use hilum_store::{DeliveryKey, JobFilter, JobState, StoreError};
use hilum_types::Timestamp;
use serde::Deserialize;
use utoipa::IntoParams;

/// Items of one list at most.
const LIMIT_MAX: u32 = 1000;

pub(super) fn invalid(message: impl Into<String>) -> Problem {
    Problem::new(ProblemCode::InvalidParameter, message)
}

pub(super) fn limit(asked: Option<u32>) -> Result<u32, Problem> {
    match asked.unwrap_or(100) {
        limit @ 1..=LIMIT_MAX => Ok(limit),
        _ => Err(invalid(format!("limit must be 1 to {LIMIT_MAX}"))),
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct BooksQuery {
    /// First UTC day, `2026-11-23`; `to` when left out.
    from: Option<String>,
    /// Last UTC day, inclusive; today when left out.
    to: Option<String>,
}

/// A calendar day that exists.
fn day(text: &str) -> Result<String, Problem> {
    let parsed = format!("{text}T00:00:00Z").parse::<Timestamp>().ok().map(Timestamp::day);
    parsed.filter(|day| day == text).ok_or_else(|| invalid("from and to must be days such as 2026-11-23"))
}

/// How many study revisions arrived and how they ended, by UTC day and deployment (MV-20).
#[utoipa::path(get, path = "/api/v1/books", tag = "records", operation_id = "list_books", params(BooksQuery),
    responses((status = 200, description = "The books", body = Books),
        (status = "default", description = "Problem", body = crate::ProblemBody)))]
pub(super) async fn list_books(
    State(state): State<AppState>,
    ApiQuery(query): ApiQuery<BooksQuery>,
) -> Result<Json<Books>, Problem> {
    let to = query.to.as_deref().map(day).transpose()?.unwrap_or_else(|| state.now().day());
    let from = query.from.as_deref().map(day).transpose()?.unwrap_or_else(|| to.clone());
    if to < from {
        return Err(invalid("from must not be later than to"));
    }
    let lines = state.catalog.books(&from, &to).await?;
    let balanced = lines.iter().all(|line| line.balanced);
    Ok(Json(Books { from, to, balanced, books: lines.iter().map(BooksLineBody::from).collect() }))
}

/// Deployments by name.
#[utoipa::path(get, path = "/api/v1/deployments", tag = "models", operation_id = "list_deployments",
    responses((status = 200, description = "All of them", body = List<DeploymentBody>),
        (status = "default", description = "Problem", body = crate::ProblemBody)))]
pub(super) async fn list_deployments(State(state): State<AppState>) -> Result<Json<List<DeploymentBody>>, Problem> {
    Ok(Json(List::of(&state.catalog.deployment_list().await?)))
}

/// One deployment.
#[utoipa::path(get, path = "/api/v1/deployments/{name}", tag = "models", operation_id = "get_deployment",
    params(("name" = String, Path, description = "Name of the deployment")),
    responses((status = 200, description = "It", body = DeploymentBody),
        (status = "default", description = "Problem", body = crate::ProblemBody)))]
pub(super) async fn get_deployment(
    State(state): State<AppState>,
    ApiPath(name): ApiPath<String>,
) -> Result<Json<DeploymentBody>, Problem> {
    let missing = || Problem::new(ProblemCode::DeploymentNotFound, "no deployment of that name");
    let deployment = state.catalog.deployment_get(&name).await?.ok_or_else(missing)?;
    Ok(Json(DeploymentBody::from(&deployment)))
}

/// Model packages, newest first.
#[utoipa::path(get, path = "/api/v1/models", tag = "models", operation_id = "list_models",
    responses((status = 200, description = "All of them", body = List<ModelBody>),
        (status = "default", description = "Problem", body = crate::ProblemBody)))]
pub(super) async fn list_models(State(state): State<AppState>) -> Result<Json<List<ModelBody>>, Problem> {
    Ok(Json(List::of(&state.catalog.package_list().await?)))
}

/// One model package.
#[utoipa::path(get, path = "/api/v1/models/{digest}", tag = "models", operation_id = "get_model",
    params(("digest" = String, Path, description = "Its digest, or the first 12 digits of it or more")),
    responses((status = 200, description = "It", body = ModelBody),
        (status = "default", description = "Problem", body = crate::ProblemBody)))]
pub(super) async fn get_model(
    State(state): State<AppState>,
    ApiPath(digest): ApiPath<String>,
) -> Result<Json<ModelBody>, Problem> {
    let digits = (12..=64).contains(&digest.len()) && digest.bytes().all(|b| b.is_ascii_hexdigit());
    if !digits {
        return Err(invalid("the digest must be 12 to 64 hexadecimal digits"));
    }
    let package = state.catalog.package_get(&digest).await.map_err(or_missing(ProblemCode::ModelNotFound))?;
    Ok(Json(ModelBody::from(&package)))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct DeliveryQuery {
    /// `queued`, `delivered`, `dead`, `withheld` or `superseded`.
    state: Option<String>,
    /// To this destination.
    destination: Option<String>,
    /// At most this many, 1 to 1000; 100 when left out.
    limit: Option<u32>,
    /// Only those older than the one of this id.
    before: Option<String>,
}

/// Results on their way, newest first; `state=dead` is the dead-letter list.
#[utoipa::path(get, path = "/api/v1/deliveries", tag = "deliveries", operation_id = "list_deliveries", params(DeliveryQuery),
    responses((status = 200, description = "One page of them", body = List<DeliveryBody>),
        (status = "default", description = "Problem", body = crate::ProblemBody)))]
pub(super) async fn list_deliveries(
    State(state): State<AppState>,
    ApiQuery(query): ApiQuery<DeliveryQuery>,
) -> Result<Json<List<DeliveryBody>>, Problem> {
    let wanted = query.state.as_deref().map(|name| {
        let names = DeliveryState::ALL.map(DeliveryState::name).join(", ");
        DeliveryState::from_name(name).ok_or_else(|| invalid(format!("state must be one of {names}")))
    });
    let after = query
        .before
        .as_deref()
        .map(|id| id.parse::<DeliveryKey>().map_err(|_| invalid("before must be the id of a delivery")));
    let filter = DeliveryFilter {
        state: wanted.transpose()?,
        destination: query.destination,
        study_key: None,
        after: after.transpose()?,
    };
    Ok(Json(List::of(&state.catalog.delivery_list(&filter, limit(query.limit)?).await?)))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AuditQuery {
    /// Only entries after this position; from the first when left out.
    after: Option<u64>,
    /// At most this many, 1 to 1000; 100 when left out.
    limit: Option<u32>,
}

/// The audit record, oldest first.
#[utoipa::path(get, path = "/api/v1/audit", tag = "records", operation_id = "list_audit", params(AuditQuery),
    responses((status = 200, description = "One page of it", body = List<AuditEntryBody>),
        (status = "default", description = "Problem", body = crate::ProblemBody)))]
pub(super) async fn list_audit(
    State(state): State<AppState>,
    ApiQuery(query): ApiQuery<AuditQuery>,
) -> Result<Json<List<AuditEntryBody>>, Problem> {
    let entries = state.catalog.audit_page(query.after.unwrap_or(0), limit(query.limit)?).await?;
    Ok(Json(List::of(&entries)))
}

/// Read the whole audit chain and check it.
#[utoipa::path(get, path = "/api/v1/audit/verify", tag = "records", operation_id = "verify_audit",
    responses((status = 200, description = "Whether it holds together", body = AuditVerification),
        (status = "default", description = "Problem", body = crate::ProblemBody)))]
pub(super) async fn verify_audit(State(state): State<AppState>) -> Result<Json<AuditVerification>, Problem> {
    Ok(Json(verification(&state).await?))
}

pub(crate) async fn verification(state: &AppState) -> Result<AuditVerification, StoreError> {
    Ok(match state.catalog.audit_verify(&[]).await? {
        Ok(verified) => AuditVerification {
            intact: true,
            count: Some(verified.count),
            head_seq: Some(verified.head.seq),
            head_hash: Some(verified.head.hash.to_string()),
            first_bad_seq: None,
            problem: None,
        },
        Err(tampering) => AuditVerification {
            intact: false,
            count: None,
            head_seq: None,
            head_hash: None,
            first_bad_seq: Some(tampering.seq),
            problem: Some(tampering.to_string()),
        },
    })
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct LimitQuery {
    /// At most this many, 1 to 1000; 100 when left out.
    limit: Option<u32>,
}

/// Objects that could not be taken as instances, newest first.
#[utoipa::path(get, path = "/api/v1/quarantine", tag = "system", operation_id = "list_quarantine", params(LimitQuery),
    responses((status = 200, description = "The latest of them", body = List<QuarantinedBody>),
        (status = "default", description = "Problem", body = crate::ProblemBody)))]
pub(super) async fn list_quarantine(
    State(state): State<AppState>,
    ApiQuery(query): ApiQuery<LimitQuery>,
) -> Result<Json<List<QuarantinedBody>>, Problem> {
    Ok(Json(List::of(&state.catalog.quarantine_list(limit(query.limit)?).await?)))
}

/// Jobs by kind and state, and those given up.
#[utoipa::path(get, path = "/api/v1/queue", tag = "system", operation_id = "get_queue",
    responses((status = 200, description = "The queue", body = QueueBody),
        (status = "default", description = "Problem", body = crate::ProblemBody)))]
pub(super) async fn get_queue(State(state): State<AppState>) -> Result<Json<QueueBody>, Problem> {
    let depths = state.catalog.queue_depth().await?;
    let dead = JobFilter { states: vec![JobState::Dead], ..JobFilter::default() };
    let dead = state.catalog.job_list(&dead, 100).await?;
    Ok(Json(QueueBody {
        depths: depths.iter().map(QueueDepthBody::from).collect(),
        dead: dead.iter().map(JobBody::from).collect(),
    }))
}
