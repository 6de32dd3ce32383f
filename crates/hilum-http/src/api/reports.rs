//! Final reports: FHIR R4 DiagnosticReport in, and the list of what belongs to no study (AV-20).

use super::extract::ApiQuery;
use super::lists::{invalid, limit};
use super::schema::List;
use crate::state::AppState;
use crate::{Problem, ProblemCode};
use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hilum_monitor::report::ReportStatus;
use hilum_store::labels::{NewReport, Report, ReportFilter, ReportSource};
use hilum_store::reports::{keep_report, read_reports};
use hilum_types::{Digest, Phi, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

/// Largest DiagnosticReport, with a document inside.
const BYTES_MAX: usize = 8 << 20;
const FHIR_JSON: &str = "application/fhir+json; charset=utf-8";

/// One version of a report; its text stays inside.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct ReportBody {
    key: String,
    /// Accession Number, empty when not stated.
    accession_number: String,
    /// `preliminary`, `final`, `corrected` or `cancelled`.
    status: String,
    /// Whether it is the version that counts.
    current: bool,
    /// `hl7` or `fhir`.
    source: String,
    /// Who sent it.
    peer: String,
    /// When it was written.
    reported_at: String,
    /// When it came in.
    received_at: String,
    /// Opaque key of the study it is about.
    study: Option<String>,
    /// Stable code of the reason why it is about none that is known here.
    code: Option<String>,
    /// That reason.
    reason: Option<String>,
}

impl From<&Report> for ReportBody {
    fn from(report: &Report) -> Self {
        ReportBody {
            key: report.key.to_string(),
            accession_number: report.accession_number.reveal().clone(),
            status: report.status.name().to_owned(),
            current: report.is_current,
            source: report.source.name().to_owned(),
            peer: report.peer.clone(),
            reported_at: report.reported_at.to_string(),
            received_at: report.received_at.to_string(),
            study: report.study_key.as_ref().map(ToString::to_string),
            code: report.reason.as_ref().map(|reason| reason.code.clone()),
            reason: report.reason.as_ref().map(|reason| reason.text.clone()),
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ReportQuery {
    /// Tied to a study, or not.
    linked: Option<bool>,
    /// Of this study: its key or Study Instance UID.
    study: Option<String>,
    /// At most this many, 1 to 1000; 100 when left out.
    limit: Option<u32>,
    /// Only those older than the one of this key.
    before: Option<String>,
}

/// Reports, newest first. What cannot be tied to a study is listed with the reason, never dropped.
#[utoipa::path(get, path = "/api/v1/reports", tag = "labels", operation_id = "list_reports", params(ReportQuery),
    responses((status = 200, description = "The latest of them", body = List<ReportBody>),
        (status = "default", description = "Problem", body = crate::ProblemBody)))]
pub(super) async fn list_reports(
    State(state): State<AppState>,
    ApiQuery(query): ApiQuery<ReportQuery>,
) -> Result<Json<List<ReportBody>>, Problem> {
    let after = query.before.as_deref().map(str::parse).transpose();
    let study_key = match &query.study {
        Some(study) => Some(super::find_study(&state, study).await?.key),
        None => None,
    };
    let after = after.map_err(|_| invalid("before must be the key of a report"))?;
    let filter = ReportFilter { linked: query.linked, study_key, after };
    Ok(Json(List::of(&state.catalog.report_list(&filter, limit(query.limit)?).await?)))
}

/// Take a DiagnosticReport (FHIR R4). Where a token is configured it must be sent as `Authorization: Bearer ...`.
///
/// It is tied by accession number (an identifier of type `ACSN`) and patient identifier. Answers are OperationOutcome.
#[utoipa::path(post, path = "/fhir/DiagnosticReport", tag = "labels", operation_id = "add_diagnostic_report",
    security((), ("report_token" = [])),
    request_body(content = serde_json::Value, content_type = "application/fhir+json"),
    responses((status = 201, description = "Kept", body = serde_json::Value, content_type = "application/fhir+json"),
        (status = 200, description = "It was kept before", body = serde_json::Value, content_type = "application/fhir+json"),
        (status = "default", description = "OperationOutcome", body = serde_json::Value, content_type = "application/fhir+json")))]
pub(super) async fn add_diagnostic_report(State(state): State<AppState>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    match take(&state, &parts.headers, body).await {
        Ok(response) => response,
        Err(problem) => refused(&problem),
    }
}

async fn take(state: &AppState, headers: &HeaderMap, body: Body) -> Result<Response, Problem> {
    allowed(state, headers)?;
    let bytes = to_bytes(body, BYTES_MAX).await;
    let bytes = bytes.map_err(|_| Problem::new(ProblemCode::BodyTooLarge, "the resource is larger than 8 MiB"))?;
    let resource: Value = serde_json::from_slice(&bytes).map_err(|_| bad("the body is not JSON"))?;
    let now = state.now();
    let Some((report, text)) = report_of(&resource, now)? else {
        return Ok(outcome(StatusCode::OK, None, "information", "informational", "there is nothing to read yet"));
    };
    let added = keep_report(&*state.catalog, &*state.blobs, report, &text, now).await?;
    if let Err(error) = read_reports(&*state.catalog, &*state.blobs, now).await {
        tracing::warn!(error = &error as &dyn std::error::Error, "reports are read later");
    }
    let status = if added.is_new { StatusCode::CREATED } else { StatusCode::OK };
    let location = format!("/fhir/DiagnosticReport/{}", added.report.key);
    Ok(match &added.report.reason {
        None => outcome(status, Some(location), "information", "informational", "kept and tied to its study"),
        Some(reason) => outcome(status, Some(location), "warning", "not-found", &reason.text),
    })
}

fn allowed(state: &AppState, headers: &HeaderMap) -> Result<(), Problem> {
    let Some(wanted) = &state.report_token else { return Ok(()) };
    let sent = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let sent = sent.and_then(|value| value.strip_prefix("Bearer ")).filter(|sent| !sent.is_empty());
    // Digests are compared, so that the time it takes says nothing of the token.
    if sent.is_some_and(|sent| Digest::of(sent.as_bytes()) == *wanted) {
        return Ok(());
    }
    Err(Problem::new(ProblemCode::NotSignedIn, "the token for reports is missing or wrong"))
}

fn bad(message: &str) -> Problem {
    Problem::new(ProblemCode::InvalidBody, message)
}

fn outcome(status: StatusCode, location: Option<String>, severity: &str, code: &str, text: &str) -> Response {
    let body = json!({
        "resourceType": "OperationOutcome",
        "issue": [{ "severity": severity, "code": code, "diagnostics": text }],
    });
    let mut response = (status, [(header::CONTENT_TYPE, FHIR_JSON)], body.to_string()).into_response();
    if let Some(value) = location.and_then(|location| location.parse().ok()) {
        response.headers_mut().insert(header::LOCATION, value);
    }
    response
}

/// A problem as FHIR tells it (R4, value set issue-type).
fn refused(problem: &Problem) -> Response {
    let code = match problem.code {
        ProblemCode::InvalidBody => "invalid",
        ProblemCode::BodyTooLarge => "too-long",
        ProblemCode::NotSignedIn => "login",
        ProblemCode::Conflict => "conflict",
        ProblemCode::Unavailable | ProblemCode::OutOfSpace => "transient",
        _ => "exception",
    };
    let status =
        if problem.code == ProblemCode::NotSignedIn { StatusCode::UNAUTHORIZED } else { problem.code.status() };
    outcome(status, None, "error", code, &format!("{}. {}", problem.message, problem.code.remedy()))
}

fn text_of<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn items<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn is_accession(identifier: &Value) -> bool {
    items(&identifier["type"], "coding").iter().any(|coding| text_of(coding, "/code") == "ACSN")
}

/// The report and its text; `None` when the resource only says that one was registered.
fn report_of(resource: &Value, now: Timestamp) -> Result<Option<(NewReport, String)>, Problem> {
    if text_of(resource, "/resourceType") != "DiagnosticReport" {
        return Err(bad("resourceType must be DiagnosticReport"));
    }
    let status = match text_of(resource, "/status") {
        "registered" | "unknown" => return Ok(None),
        other => ReportStatus::from_fhir(other).ok_or_else(|| bad("status must be one of DiagnosticReport R4"))?,
    };
    let (accession, name) = (accession(resource), name(resource));
    let series = format!("fhir|{}", if name.is_empty() { &accession } else { &name });
    let content = Digest::of(resource.to_string().as_bytes());
    let version = match text_of(resource, "/meta/versionId") {
        "" => content.to_string(),
        stated => stated.to_owned(),
    };
    let issued = text_of(resource, "/issued").parse::<Timestamp>().ok().filter(|at| *at <= now);
    let report = NewReport {
        origin: Phi::new(format!("{series}|{version}")),
        content,
        series: Phi::new(series),
        accession_number: Phi::new(accession),
        patient_ids: Phi::new(patients(resource)),
        study_instance_uid: study(resource),
        status,
        codes: codes(resource),
        blob: Digest::of(&[]),
        size: 0,
        peer: "fhir".to_owned(),
        source: ReportSource::Fhir,
        reported_at: issued.unwrap_or(now),
    };
    Ok(Some((report, text(resource)?)))
}

/// Of the report itself, or of the order it is based on.
fn accession(resource: &Value) -> String {
    let own = items(resource, "identifier").iter().find(|identifier| is_accession(identifier));
    let mut ordered = items(resource, "basedOn").iter().map(|order| &order["identifier"]);
    let found = own.or_else(|| ordered.clone().find(|identifier| is_accession(identifier))).or_else(|| ordered.next());
    found.map(|identifier| text_of(identifier, "/value").trim().to_owned()).unwrap_or_default()
}

/// What stays the same over the versions of a report.
fn name(resource: &Value) -> String {
    let own = items(resource, "identifier").iter().find(|identifier| !is_accession(identifier));
    match own {
        Some(identifier) => format!("{}|{}", text_of(identifier, "/system"), text_of(identifier, "/value")),
        None => text_of(resource, "/id").to_owned(),
    }
}

/// Of the logical reference, or of the patient that is contained.
fn patients(resource: &Value) -> Vec<String> {
    let mut all = vec![text_of(resource, "/subject/identifier/value").trim().to_owned()];
    let reference = text_of(resource, "/subject/reference").strip_prefix('#').unwrap_or_default();
    for contained in items(resource, "contained") {
        if !reference.is_empty() && text_of(contained, "/id") == reference {
            all.extend(items(contained, "identifier").iter().map(|id| text_of(id, "/value").trim().to_owned()));
        }
    }
    all.retain(|id| !id.is_empty());
    all
}

fn study(resource: &Value) -> Option<hilum_types::Uid> {
    let mut named = items(resource, "imagingStudy").iter().map(|study| text_of(study, "/identifier/value"));
    named.find_map(|uid| uid.strip_prefix("urn:oid:")?.parse().ok())
}

fn codes(resource: &Value) -> Vec<String> {
    let codings = items(resource, "conclusionCode").iter().flat_map(|concept| items(concept, "coding"));
    codings
        .filter(|coding| !text_of(coding, "/code").is_empty())
        .map(|coding| match text_of(coding, "/system") {
            "http://snomed.info/sct" => format!("SCT|{}", text_of(coding, "/code")),
            system => format!("{system}|{}", text_of(coding, "/code")),
        })
        .collect()
}

/// Conclusion and plain-text forms; the narrative only where there is neither.
fn text(resource: &Value) -> Result<String, Problem> {
    let mut parts = vec![text_of(resource, "/conclusion").to_owned()];
    for form in items(resource, "presentedForm") {
        if text_of(form, "/contentType").starts_with("text/plain") {
            // A base64Binary may hold white space (FHIR R4 section 2.24.0.1).
            let data: String = text_of(form, "/data").split_ascii_whitespace().collect();
            let bytes = STANDARD.decode(data).map_err(|_| bad("presentedForm.data is not base64"))?;
            parts.push(String::from_utf8_lossy(&bytes).into_owned());
        }
    }
    parts.retain(|part| !part.trim().is_empty());
    if parts.is_empty() {
        parts.push(without_marks(text_of(resource, "/text/div")));
    }
    Ok(parts.join("\n\n"))
}

/// The words of a narrative. Marks become line breaks, so that no words of two elements run together.
fn without_marks(div: &str) -> String {
    let (mut out, mut inside) = (String::with_capacity(div.len()), false);
    for c in div.chars() {
        match c {
            '<' => inside = true,
            '>' => {
                inside = false;
                out.push('\n');
            }
            c if !inside => out.push(c),
            _ => {}
        }
    }
    [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&nbsp;", " "), ("&amp;", "&")]
        .into_iter()
        .fold(out, |text, (mark, plain)| text.replace(mark, plain))
}
