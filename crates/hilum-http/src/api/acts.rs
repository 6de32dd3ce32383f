//! Acts of people. Who is signed in acts under that name. Anybody who reaches the address may stop a deployment, so that
//! nobody has to look for a password first; the name that they type is marked as unproven in the audit record.

use super::extract::{ApiJson, ApiPath};
use super::schema::{ActRequest, DeliveryBody, DeploymentBody};
use crate::error::or_missing;
use crate::sessions::{person, proven, unproven};
use crate::state::AppState;
use crate::{Problem, ProblemCode};
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use hilum_registry::Deployment;
use hilum_store::DeliveryKey;
use hilum_store::records::Delivery;
use serde::Deserialize;
use utoipa::ToSchema;

const REASON_CHARS_MAX: usize = 500;
const NAME_CHARS_MAX: usize = 64;

/// Who acts.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ByRequest {
    /// Name of the person, in 1 to 64 characters; who is signed in acts under their own name instead.
    by: String,
}

/// One line of text, trimmed, of 1 to `chars_max` characters.
pub(crate) fn checked(text: &str, what: &str, chars_max: usize) -> Result<String, Problem> {
    let text = text.trim();
    let invalid = |message| Problem::new(ProblemCode::InvalidBody, message);
    if text.is_empty() || chars_max < text.chars().count() {
        return Err(invalid(format!("{what} must have 1 to {chars_max} characters")));
    }
    if text.chars().any(char::is_control) {
        return Err(invalid(format!("{what} must be one line of text")));
    }
    Ok(text.to_owned())
}

/// The actor of the audit record: the person who is signed in, or else the name that was typed, marked as unproven.
pub(crate) async fn actor(state: &AppState, headers: &HeaderMap, by: &str) -> Result<String, Problem> {
    let typed = checked(by, "the name of the person", NAME_CHARS_MAX)?;
    Ok(person(state, headers).await?.map_or_else(|| unproven(&typed), |user| proven(&user)))
}

/// Stop a deployment: no further study is analysed, queued work is cancelled, and every study says so.
#[utoipa::path(post, path = "/api/v1/deployments/{name}/suspend", tag = "models", operation_id = "suspend_deployment",
    params(("name" = String, Path, description = "Name of the deployment")), request_body = ActRequest,
    responses((status = 200, description = "Suspended", body = DeploymentBody),
        (status = "default", description = "Problem", body = crate::ProblemBody)))]
pub(super) async fn suspend_deployment(
    State(state): State<AppState>,
    headers: HeaderMap,
    ApiPath(name): ApiPath<String>,
    ApiJson(act): ApiJson<ActRequest>,
) -> Result<Json<DeploymentBody>, Problem> {
    Ok(Json(DeploymentBody::from(&suspend(&state, &headers, &name, &act).await?)))
}

pub(crate) async fn suspend(
    state: &AppState,
    headers: &HeaderMap,
    name: &str,
    act: &ActRequest,
) -> Result<Deployment, Problem> {
    let reason = checked(&act.reason, "the reason", REASON_CHARS_MAX)?;
    let by = actor(state, headers, &act.by).await?;
    let done = state.catalog.deployment_suspend(name, &by, &reason, state.now()).await;
    done.map_err(or_missing(ProblemCode::DeploymentNotFound))
}

/// Lift a suspension: the deployment returns to the state it was suspended in.
#[utoipa::path(post, path = "/api/v1/deployments/{name}/resume", tag = "models", operation_id = "resume_deployment",
    params(("name" = String, Path, description = "Name of the deployment")), request_body = ActRequest,
    responses((status = 200, description = "Resumed", body = DeploymentBody),
        (status = "default", description = "Problem", body = crate::ProblemBody)))]
pub(super) async fn resume_deployment(
    State(state): State<AppState>,
    headers: HeaderMap,
    ApiPath(name): ApiPath<String>,
    ApiJson(act): ApiJson<ActRequest>,
) -> Result<Json<DeploymentBody>, Problem> {
    Ok(Json(DeploymentBody::from(&resume(&state, &headers, &name, &act).await?)))
}

pub(crate) async fn resume(
    state: &AppState,
    headers: &HeaderMap,
    name: &str,
    act: &ActRequest,
) -> Result<Deployment, Problem> {
    let reason = checked(&act.reason, "the reason", REASON_CHARS_MAX)?;
    let by = actor(state, headers, &act.by).await?;
    let done = state.catalog.deployment_resume(name, &by, &reason, state.now()).await;
    done.map_err(or_missing(ProblemCode::DeploymentNotFound))
}

/// Try a dead delivery again, at once and under the same SOP Instance UID.
#[utoipa::path(post, path = "/api/v1/deliveries/{id}/retry", tag = "deliveries", operation_id = "retry_delivery",
    params(("id" = String, Path, description = "The delivery")), request_body = ByRequest,
    responses((status = 200, description = "Queued again", body = DeliveryBody),
        (status = "default", description = "Problem", body = crate::ProblemBody)))]
pub(super) async fn retry_delivery(
    State(state): State<AppState>,
    headers: HeaderMap,
    ApiPath(id): ApiPath<String>,
    ApiJson(act): ApiJson<ByRequest>,
) -> Result<Json<DeliveryBody>, Problem> {
    Ok(Json(DeliveryBody::from(&retry(&state, &headers, &id, &act.by).await?)))
}

pub(crate) async fn retry(state: &AppState, headers: &HeaderMap, id: &str, by: &str) -> Result<Delivery, Problem> {
    let key = id.parse::<DeliveryKey>();
    let key = key.map_err(|_| Problem::new(ProblemCode::InvalidParameter, "the id of the delivery cannot be read"))?;
    let missing = or_missing(ProblemCode::DeliveryNotFound);
    let by = actor(state, headers, by).await?;
    state.catalog.delivery_retry(&key, &by, state.now()).await.map_err(&missing)?;
    let delivery = state.catalog.delivery_get(&key).await?;
    delivery.ok_or_else(|| Problem::new(ProblemCode::DeliveryNotFound, "no such delivery"))
}
