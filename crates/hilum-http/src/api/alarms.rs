//! Alarms: who is asked, until when, and what became of it (MV-31, UX-13).

use super::acts::{actor, checked};
use super::extract::{ApiJson, ApiPath, ApiQuery};
use super::lists::{invalid, limit};
use super::schema::{AlarmBody, List, NotificationBody};
use crate::error::or_missing;
use crate::state::AppState;
use crate::{Problem, ProblemCode};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use hilum_monitor::alarm::CauseCode;
use hilum_store::AlarmKey;
use hilum_store::alarms::{Alarm, AlarmFilter};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

const OWNER_CHARS_MAX: usize = 64;
const COMMENT_CHARS_MAX: usize = 500;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AlarmQuery {
    /// Whether acknowledged ones are left out; they are not when this is left out.
    open: Option<bool>,
    /// Whether closed ones are left out; they are not when this is left out.
    unclosed: Option<bool>,
    /// At most this many, 1 to 1000; 100 when left out.
    limit: Option<u32>,
}

impl AlarmQuery {
    fn filter(&self, deployment: Option<String>) -> AlarmFilter {
        AlarmFilter {
            only_open: self.open.unwrap_or(false),
            only_unclosed: self.unclosed.unwrap_or(false),
            deployment,
            ..AlarmFilter::default()
        }
    }
}

/// Alarms, newest first.
#[utoipa::path(get, path = "/api/v1/alarms", tag = "system", operation_id = "list_alarms", params(AlarmQuery),
    responses((status = 200, description = "The latest of them", body = List<AlarmBody>),
        (status = "default", description = "Problem", body = crate::ProblemBody)))]
pub(super) async fn list_alarms(
    State(state): State<AppState>,
    ApiQuery(query): ApiQuery<AlarmQuery>,
) -> Result<Json<List<AlarmBody>>, Problem> {
    let alarms = state.catalog.alarm_find(&query.filter(None), limit(query.limit)?).await?;
    Ok(Json(List::of(&alarms)))
}

/// Alarms of one deployment, newest first.
#[utoipa::path(get, path = "/api/v1/deployments/{name}/alarms", tag = "models", operation_id = "list_deployment_alarms",
    params(("name" = String, Path, description = "Name of the deployment"), AlarmQuery),
    responses((status = 200, description = "The latest of them", body = List<AlarmBody>),
        (status = "default", description = "Problem", body = crate::ProblemBody)))]
pub(super) async fn list_deployment_alarms(
    State(state): State<AppState>,
    ApiPath(name): ApiPath<String>,
    ApiQuery(query): ApiQuery<AlarmQuery>,
) -> Result<Json<List<AlarmBody>>, Problem> {
    let missing = || Problem::new(ProblemCode::DeploymentNotFound, "no deployment of that name");
    state.catalog.deployment_get(&name).await?.ok_or_else(missing)?;
    let alarms = state.catalog.alarm_find(&query.filter(Some(name)), limit(query.limit)?).await?;
    Ok(Json(List::of(&alarms)))
}

/// An alarm with the messages about it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct AlarmDetail {
    /// The alarm.
    #[serde(flatten)]
    pub alarm: AlarmBody,
    /// Messages about it, oldest first.
    pub notifications: Vec<NotificationBody>,
    /// Where the root cause of what its signals found is answered; `None` when it is not made of signals.
    #[schema(example = "/api/v1/deployments/chest-xr/root-cause")]
    pub root_cause: Option<String>,
}

/// One alarm, with the messages about it.
#[utoipa::path(get, path = "/api/v1/alarms/{key}", tag = "system", operation_id = "get_alarm",
    params(("key" = String, Path, description = "The alarm")),
    responses((status = 200, description = "It", body = AlarmDetail),
        (status = "default", description = "Problem", body = crate::ProblemBody)))]
pub(super) async fn get_alarm(
    State(state): State<AppState>,
    ApiPath(key): ApiPath<String>,
) -> Result<Json<AlarmDetail>, Problem> {
    Ok(Json(detail(&state, &parse(&key)?).await?))
}

async fn detail(state: &AppState, key: &AlarmKey) -> Result<AlarmDetail, Problem> {
    let missing = || Problem::new(ProblemCode::AlarmNotFound, "no such alarm");
    let alarm = state.catalog.alarm_get(key).await?.ok_or_else(missing)?;
    let notifications = state.catalog.notification_list(key).await?;
    let notifications = notifications.iter().map(NotificationBody::from).collect();
    Ok(AlarmDetail { alarm: AlarmBody::from(&alarm), notifications, root_cause: root_cause_address(&alarm) })
}

/// Root cause of a signal: from its estimated begin where it has one.
pub(crate) fn root_cause_address(alarm: &Alarm) -> Option<String> {
    let signal = alarm.signal.as_ref()?;
    let since = signal.since.map(|at| format!("?since={at}")).unwrap_or_default();
    Some(format!("/api/v1/deployments/{}/root-cause{since}", signal.deployment))
}

fn parse(key: &str) -> Result<AlarmKey, Problem> {
    key.parse().map_err(|_| invalid("the key of the alarm cannot be read"))
}

/// Who acts.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AcknowledgeRequest {
    /// Name of the person, in 1 to 64 characters; who is signed in acts under their own name instead.
    by: String,
}

/// Say that a person has seen an alarm: it no longer escalates.
#[utoipa::path(post, path = "/api/v1/alarms/{key}/acknowledge", tag = "system", operation_id = "acknowledge_alarm",
    params(("key" = String, Path, description = "The alarm")), request_body = AcknowledgeRequest,
    responses((status = 204, description = "Acknowledged"),
        (status = "default", description = "Problem", body = crate::ProblemBody)))]
pub(super) async fn acknowledge_alarm(
    State(state): State<AppState>,
    headers: HeaderMap,
    ApiPath(key): ApiPath<String>,
    ApiJson(act): ApiJson<AcknowledgeRequest>,
) -> Result<StatusCode, Problem> {
    acknowledge(&state, &headers, &key, &act.by).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn acknowledge(state: &AppState, headers: &HeaderMap, key: &str, by: &str) -> Result<(), Problem> {
    let missing = or_missing(ProblemCode::AlarmNotFound);
    let by = actor(state, headers, by).await?;
    state.catalog.alarm_acknowledge(&parse(key)?, &by, state.now()).await.map_err(missing)
}

/// To whom an alarm is given.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AssignRequest {
    /// Person or role that answers for it from now on, in 1 to 64 characters.
    owner: String,
    /// Name of the person who acts, in 1 to 64 characters; who is signed in acts under their own name instead.
    by: String,
}

/// Give an alarm to somebody.
#[utoipa::path(post, path = "/api/v1/alarms/{key}/assign", tag = "system", operation_id = "assign_alarm",
    params(("key" = String, Path, description = "The alarm")), request_body = AssignRequest,
    responses((status = 200, description = "As it stands now", body = AlarmDetail),
        (status = "default", description = "Problem", body = crate::ProblemBody)))]
pub(super) async fn assign_alarm(
    State(state): State<AppState>,
    headers: HeaderMap,
    ApiPath(key): ApiPath<String>,
    ApiJson(act): ApiJson<AssignRequest>,
) -> Result<Json<AlarmDetail>, Problem> {
    assign(&state, &headers, &key, &act.owner, &act.by).await?;
    Ok(Json(detail(&state, &parse(&key)?).await?))
}

pub(crate) async fn assign(
    state: &AppState,
    headers: &HeaderMap,
    key: &str,
    owner: &str,
    by: &str,
) -> Result<(), Problem> {
    let owner = checked(owner, "the name of the owner", OWNER_CHARS_MAX)?;
    let missing = or_missing(ProblemCode::AlarmNotFound);
    let by = actor(state, headers, by).await?;
    state.catalog.alarm_assign(&parse(key)?, &owner, &by, state.now()).await.map_err(missing)
}

/// How an alarm ends.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CloseRequest {
    /// Why it happened, one of a closed list: `acquisition_change`, `population_change`, `model_fault`, `model_change`,
    /// `label_fault`, `infrastructure`, `handling`, `planned`, `false_alarm`, `not_found`.
    cause: String,
    /// What was found, in at most 500 characters; no patient data.
    #[serde(default)]
    comment: String,
    /// Name of the person, in 1 to 64 characters; who is signed in acts under their own name instead.
    by: String,
}

/// Close an alarm with a cause.
#[utoipa::path(post, path = "/api/v1/alarms/{key}/close", tag = "system", operation_id = "close_alarm",
    params(("key" = String, Path, description = "The alarm")), request_body = CloseRequest,
    responses((status = 200, description = "As it ended", body = AlarmDetail),
        (status = "default", description = "Problem", body = crate::ProblemBody)))]
pub(super) async fn close_alarm(
    State(state): State<AppState>,
    headers: HeaderMap,
    ApiPath(key): ApiPath<String>,
    ApiJson(act): ApiJson<CloseRequest>,
) -> Result<Json<AlarmDetail>, Problem> {
    close(&state, &headers, &key, &act.cause, &act.comment, &act.by).await?;
    Ok(Json(detail(&state, &parse(&key)?).await?))
}

pub(crate) async fn close(
    state: &AppState,
    headers: &HeaderMap,
    key: &str,
    cause: &str,
    comment: &str,
    by: &str,
) -> Result<(), Problem> {
    let Some(cause) = CauseCode::from_name(cause) else {
        let names: Vec<&str> = CauseCode::ALL.iter().map(|cause| cause.name()).collect();
        return Err(Problem::new(ProblemCode::InvalidBody, format!("cause must be one of {}", names.join(", "))));
    };
    let comment = match comment.trim() {
        "" => String::new(),
        text => checked(text, "the comment", COMMENT_CHARS_MAX)?,
    };
    let missing = or_missing(ProblemCode::AlarmNotFound);
    let by = actor(state, headers, by).await?;
    state.catalog.alarm_close(&parse(key)?, cause, &comment, &by, state.now()).await.map_err(missing)
}
