//! One log line and one sample per request: method, route template, status, duration; never the address as asked,
//! which may name a study.

use crate::state::AppState;
use crate::{Problem, ProblemCode};
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::time::Instant;

/// Routes that move objects: they have their own idle timers instead of a deadline.
fn is_transfer(route: &str) -> bool {
    route.starts_with("/dicom-web/") || route.ends_with("/file")
}

pub(crate) async fn observe(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("unmatched", MatchedPath::as_str);
    let method = known_method(request.method().as_str());
    let response = if is_transfer(route) {
        next.run(request).await
    } else {
        let answered = tokio::time::timeout(state.limits.answer, next.run(request)).await;
        answered.unwrap_or_else(|_| Problem::new(ProblemCode::Timeout, "the answer took too long").into_response())
    };
    let (status, elapsed) = (response.status().as_u16(), started.elapsed());
    state.metrics.answered(method, route, status, elapsed);
    tracing::info!(
        http.method = method,
        http.route = route,
        http.status = status,
        duration_ms = elapsed.as_secs_f64() * 1e3,
        "answered"
    );
    response
}

/// Methods are text that a client chooses, so unknown ones are not repeated.
fn known_method(method: &str) -> &'static str {
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
        .into_iter()
        .find(|known| *known == method)
        .unwrap_or("other")
}
