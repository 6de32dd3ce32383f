use super::schema::Health;
use crate::state::AppState;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

/// Free bytes above the reserve below which intake will soon be refused.
const DISK_WARNING_BYTES: u64 = 2 << 30;

/// Whether the process answers at all.
#[utoipa::path(get, path = "/api/v1/health/live", tag = "system", operation_id = "get_live",
    responses((status = 200, description = "It does", body = Health)))]
pub(super) async fn get_live() -> Json<Health> {
    Json(Health { status: "live".to_owned(), reasons: Vec::new(), warnings: Vec::new() })
}

/// Whether this process serves: the catalog can be written and every part runs.
#[utoipa::path(get, path = "/api/v1/health/ready", tag = "system", operation_id = "get_ready",
    responses((status = 200, description = "It serves", body = Health),
        (status = 503, description = "It does not; the reasons say why", body = Health)))]
pub(super) async fn get_ready(State(state): State<AppState>) -> (StatusCode, Json<Health>) {
    let health = health(&state).await;
    let status = if health.reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(health))
}

pub(crate) async fn health(state: &AppState) -> Health {
    let mut reasons = state.readiness.reasons();
    if let Err(error) = state.catalog.ping().await {
        reasons.push(format!("catalog: {error}"));
    }
    let mut warnings = Vec::new();
    match state.committer.blobs().bytes_free() {
        Ok(0) => warnings.push("disk: the reserve is reached, new objects are refused".to_owned()),
        Ok(free) if free < DISK_WARNING_BYTES => {
            warnings.push(format!("disk: {} left above the reserve", crate::words::size(free)));
        }
        Ok(_) => {}
        Err(error) => reasons.push(format!("disk: {error}")),
    }
    let status = if reasons.is_empty() { "ready" } else { "not_ready" };
    Health { status: status.to_owned(), reasons, warnings }
}
