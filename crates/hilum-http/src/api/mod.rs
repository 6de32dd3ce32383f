//! The JSON interface and the OpenAPI document that is generated from it.

pub(crate) mod acts;
pub(crate) mod alarms;
pub(crate) mod assessments;
pub(crate) mod extract;
mod groups;
pub(crate) mod health;
mod inputs;
pub(crate) mod journey;
mod label_free;
mod labels;
pub(crate) mod lists;
pub(crate) mod monitoring;
mod objects;
pub mod recalls;
pub(crate) mod records;
mod reports;
pub mod schema;
mod sessions;
pub(crate) mod studies;
pub(crate) mod timeline;
pub(crate) mod together;
pub(crate) mod version_here;

use crate::sessions::COOKIE;
use crate::state::AppState;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router};
use std::sync::Arc;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) use studies::find_study;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Hilum",
        description = "Runs machine-learning models on radiology studies, and only while they perform as expected. \
                       Every refusal and failure has the shape of `ProblemBody` with a stable code.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    tags(
        (name = "studies", description = "Studies, their journeys and their bytes"),
        (name = "models", description = "Packages and deployments"),
        (name = "deliveries", description = "Results on their way"),
        (name = "labels", description = "Answers of readers, reports, and what is known to be true"),
        (name = "records", description = "Books, recalls, audit, signed records"),
        (name = "system", description = "Health, queue, alarms, quarantine, metrics"),
        (name = "dicom-web", description = "PS3.18")
    ),
    // Nobody need sign in; who does is named in the audit record.
    security((), ("session" = []), ("session_cookie" = []), ("password" = [])),
    modifiers(&SecuritySchemes)
)]
struct Document;

struct SecuritySchemes;

impl Modify for SecuritySchemes {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let bearer = |text: &str| {
            let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(text));
            SecurityScheme::Http(scheme.build())
        };
        let password = HttpBuilder::new().scheme(HttpAuthScheme::Basic).description(Some("User name and password"));
        let cookie = ApiKeyValue::with_description(COOKIE, "Token of the session that a browser began at `/sign-in`");
        let components = openapi.components.get_or_insert_default();
        components.add_security_scheme("session", bearer("Token of a session, from `POST /api/v1/sessions`"));
        components.add_security_scheme("session_cookie", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
        components.add_security_scheme("password", SecurityScheme::Http(password.build()));
        components.add_security_scheme("report_token", bearer("The configured token for senders of reports"));
    }
}

fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(health::get_live))
        .routes(routes!(health::get_ready))
        .routes(routes!(studies::list_studies))
        .routes(routes!(studies::get_study))
        .routes(routes!(objects::get_instance_file))
        .routes(routes!(objects::get_result_preview))
        .routes(routes!(lists::list_books))
        .routes(routes!(lists::list_deployments))
        .routes(routes!(lists::get_deployment))
        .routes(routes!(monitoring::get_evidence))
        .routes(routes!(monitoring::list_signals))
        .routes(routes!(inputs::get_inputs))
        .routes(routes!(together::compare_inputs_together))
        .routes(routes!(groups::list_acquisition_groups))
        .routes(routes!(acts::suspend_deployment))
        .routes(routes!(acts::resume_deployment))
        .routes(routes!(lists::list_models))
        .routes(routes!(lists::get_model))
        .routes(routes!(lists::list_deliveries))
        .routes(routes!(acts::retry_delivery))
        .routes(routes!(recalls::list_recalls))
        .routes(routes!(recalls::get_recall))
        .routes(routes!(lists::list_audit))
        .routes(routes!(lists::verify_audit))
        .routes(routes!(records::list_records))
        .routes(routes!(records::get_record))
        .routes(routes!(records::sign_record))
        .routes(routes!(lists::list_quarantine))
        .routes(routes!(alarms::list_alarms))
        .routes(routes!(alarms::list_deployment_alarms))
        .routes(routes!(alarms::get_alarm))
        .routes(routes!(timeline::get_timeline))
        .routes(routes!(timeline::get_root_cause))
        .routes(routes!(alarms::acknowledge_alarm))
        .routes(routes!(alarms::assign_alarm))
        .routes(routes!(alarms::close_alarm))
        .routes(routes!(lists::get_queue))
        .routes(routes!(assessments::add_assessment))
        .routes(routes!(labels::list_set_aside))
        .routes(routes!(labels::list_labels))
        .routes(routes!(labels::list_audit_sample))
        .routes(routes!(sessions::add_session))
        .routes(routes!(reports::list_reports))
        .routes(routes!(reports::add_diagnostic_report))
        .routes(routes!(get_openapi))
        .routes(routes!(crate::metrics::get_metrics))
        .routes(routes!(crate::stow::store_instances))
        .routes(routes!(crate::stow::store_study_instances))
}

/// The OpenAPI document of this version, as served and as kept in `api/openapi.json`.
pub fn openapi_json() -> String {
    let document = routes().into_openapi();
    // Maps and texts always serialise.
    let mut text = document.to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

#[derive(Clone)]
struct DocumentText(Arc<str>);

/// This document.
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "system", operation_id = "get_openapi",
    responses((status = 200, description = "OpenAPI 3.1 document", content_type = "application/json", body = serde_json::Value)))]
async fn get_openapi(Extension(text): Extension<DocumentText>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text.0.to_string()).into_response()
}

pub(crate) fn router() -> Router<AppState> {
    let text = DocumentText(openapi_json().into());
    let (router, _) = routes().split_for_parts();
    router.layer(Extension(text))
}
