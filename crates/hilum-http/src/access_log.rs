//! One log line and one sample per request: method, route template, status, duration; never the address as asked,
//! which may name a study.

use crate::state::AppState;
use crate::{Problem, ProblemCode};
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hilum_telemetry::{Attribute, Name, Span, TraceId};
use hilum_types::Timestamp;
use std::time::Instant;

/// Routes that move objects: they have their own idle timers instead of a deadline.
fn is_transfer(route: &str) -> bool {
    route.starts_with("/dicom-web/") || route.ends_with("/file")
}

pub(crate) async fn observe(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let (started, begun_at) = (Instant::now(), state.now());
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
    trace(&state, method, route, status, begun_at);
    tracing::info!(
        http.method = method,
        http.route = route,
        http.status = status,
        duration_ms = elapsed.as_secs_f64() * 1e3,
        "answered"
    );
    response
}

/// A trace of its own: what a client says of traces is not taken over.
fn trace(state: &AppState, method: &'static str, route: &str, status: u16, begun_at: Timestamp) {
    if !state.spans.is_on() {
        return;
    }
    let trace = TraceId::random();
    state.spans.add(Span {
        trace,
        id: trace.span(Name::Request, ""),
        parent: None,
        name: Name::Request,
        begun_at,
        ended_at: state.now(),
        failed: 500 <= status,
        attributes: vec![Attribute::Method(method), Attribute::Route(route.to_owned()), Attribute::Status(status)],
    });
}

/// Methods are text that a client chooses, so unknown ones are not repeated.
fn known_method(method: &str) -> &'static str {
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
        .into_iter()
        .find(|known| *known == method)
        .unwrap_or("other")
}
