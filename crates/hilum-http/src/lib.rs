//! Edge: JSON API with its OpenAPI document, STOW-RS, metrics and the server-rendered pages.
//!
//! Nothing is decided here: requests become acts on the catalog, records become JSON and pages. Nobody has to sign in to
//! read, so the server belongs on a loopback address, and guards itself against pages of other sites in the same
//! browser: foreign host names and cross-site acts are refused, nothing is executed that does not come from `/assets`.

mod access_log;
mod api;
mod assets;
mod error;
mod metrics;
mod pages;
mod security;
mod server;
mod sessions;
mod sign_ins;
mod state;
mod stow;
mod words;

pub use api::{openapi_json, recalls, schema};
pub use error::{Problem, ProblemBody, ProblemCode};
pub use metrics::named_counts;
pub use security::Hosts;
pub use server::serve;
pub use state::{AppState, Clock, HttpLimits, MetricsHook, Readiness};
pub use words::Status;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};

/// Every address of the interface and the pages.
pub fn router(state: AppState) -> Router {
    let limit = DefaultBodyLimit::max(state.limits.body_bytes_max);
    api::router()
        .merge(pages::router())
        .fallback(no_such_address)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(limit)
        .layer(from_fn(pages::problems_as_pages))
        .layer(from_fn_with_state(state.clone(), access_log::observe))
        .layer(from_fn_with_state(state.clone(), security::guard))
        .with_state(state)
}

async fn no_such_address(_: Request) -> Response {
    Problem::new(ProblemCode::NoSuchAddress, "there is nothing at this address").into_response()
}

async fn method_not_allowed(_: Request) -> Response {
    Problem::new(ProblemCode::MethodNotAllowed, "this address does not take the method").into_response()
}
