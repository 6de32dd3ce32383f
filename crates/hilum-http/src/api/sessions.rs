//! Signing in over the interface.

use super::extract::ApiJson;
use crate::Problem;
use crate::sessions::prove;
use crate::state::AppState;
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Name and password. It cannot be printed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SessionRequest {
    /// User name.
    user: String,
    /// Their password. It is neither kept nor logged.
    password: String,
}

/// A session.
#[derive(Serialize, ToSchema)]
pub(super) struct SessionBody {
    /// To be sent as `Authorization: Bearer ...`.
    token: String,
    /// Who is signed in.
    user: String,
    /// When it ends.
    until: String,
}

/// Sign in: for the next twelve hours requests may carry the token instead of the password.
#[utoipa::path(post, path = "/api/v1/sessions", tag = "labels", operation_id = "add_session", security(()),
    request_body = SessionRequest,
    responses((status = 201, description = "Signed in", body = SessionBody),
        (status = "default", description = "Problem", body = crate::ProblemBody)))]
pub(super) async fn add_session(
    State(state): State<AppState>,
    ApiJson(request): ApiJson<SessionRequest>,
) -> Result<Response, Problem> {
    let person = prove(&state, &request.user, &request.password).await?;
    let (token, until) = state.sessions.begin(&person.user, state.now());
    let body = SessionBody { token, user: person.user.name, until: until.to_string() };
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response())
}
