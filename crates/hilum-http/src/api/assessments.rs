//! What readers answer to results (AV-19).

use super::extract::ApiJson;
use super::journey::{is_hidden, output_of};
use super::labels::LabelBody;
use crate::sessions::{permitted, person_in, prove};
use crate::state::AppState;
use crate::{Problem, ProblemCode};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use hilum_monitor::assessment::{Answer, said, truths};
use hilum_monitor::{Agreement, LabelSource, Truth};
use hilum_store::StudyKey;
use hilum_store::governance::User;
use hilum_store::labels::{NewLabel, Untied, signed_in_origin};
use hilum_store::records::Journey;
use hilum_types::{Digest, Phi, Reason, Timestamp, Uid};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Roles whose answer to a result counts.
pub(crate) const READERS: [&str; 2] = ["radiologist", "clinical"];
const COMMENT_CHARS_MAX: usize = 1000;
const KEY_CHARS_MAX: usize = 200;

/// An answer to a result. The target is `result`, or `study` with `deployment`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AssessmentRequest {
    /// Study Instance UID, or the opaque key of the study.
    pub(crate) study: Option<String>,
    /// SOP Instance UID of a result object.
    pub(crate) result: Option<String>,
    /// Deployment whose result is meant; may be left out when only one analysed the study.
    pub(crate) deployment: Option<String>,
    /// Revision of the study whose result was seen; refused when the deployment has analysed a later one since. Left out:
    /// the latest.
    pub(crate) revision: Option<u32>,
    /// Finding label within the package; left out: all of them.
    pub(crate) finding: Option<String>,
    /// `agree`, `disagree` or `correct`; left out by somebody who only says what is true.
    pub(crate) agreement: Option<String>,
    /// `present`, `absent` or `uncertain`; left out: it follows from `agreement`.
    pub(crate) truth: Option<String>,
    /// The findings that are there, of all that the model looks for: the others are not. Takes the place of `finding`,
    /// `agreement` and `truth`.
    pub(crate) present: Option<Vec<String>>,
    /// Remark, at most 1000 characters.
    pub(crate) comment: Option<String>,
    /// Names this answer, so that a repetition is recognised: the header `Idempotency-Key` does the same.
    pub(crate) key: Option<String>,
    /// User name, where the request is not signed in otherwise.
    pub(crate) user: Option<String>,
    /// Their password. It is neither kept nor logged.
    pub(crate) password: Option<String>,
}

/// What became of an answer.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct AssessmentBody {
    /// The labels it became; empty when it was set aside.
    pub(crate) labels: Vec<LabelBody>,
    /// Why it became none: its target is not known here. It is kept, flagged, and in no figure.
    pub(crate) set_aside: Option<String>,
}

/// Answer a result: agree, disagree, correct, or say what is true.
///
/// Whether the reader had seen the output of a model is derived from what had left when, not taken from the request. A
/// result that is hidden from the reader cannot be agreed with: only what is true can be said of it.
#[utoipa::path(post, path = "/api/v1/assessments", tag = "labels", operation_id = "add_assessment",
    security(("session" = []), ("session_cookie" = []), ("password" = [])),
    request_body = AssessmentRequest,
    responses((status = 201, description = "Entered", body = AssessmentBody),
        (status = 202, description = "The target is not known here: kept and flagged", body = AssessmentBody),
        (status = "default", description = "Problem", body = crate::ProblemBody)))]
pub(super) async fn add_assessment(
    State(state): State<AppState>,
    headers: HeaderMap,
    ApiJson(mut request): ApiJson<AssessmentRequest>,
) -> Result<Response, Problem> {
    let reader = match (request.user.take(), request.password.take()) {
        (Some(user), Some(password)) => permitted(prove(&state, &user, &password).await?.user, &READERS)?,
        _ => person_in(&state, &headers, &READERS).await?,
    };
    if let Some(key) = headers.get("idempotency-key").and_then(|value| value.to_str().ok()) {
        request.key.get_or_insert_with(|| key.to_owned());
    }
    let body = assess(&state, &reader, &request).await?;
    let status = if body.set_aside.is_none() { StatusCode::CREATED } else { StatusCode::ACCEPTED };
    Ok((status, Json(body)).into_response())
}

fn bad(message: impl Into<String>) -> Problem {
    Problem::new(ProblemCode::InvalidBody, message)
}

fn member<T: serde::de::DeserializeOwned>(text: Option<&str>, names: &str) -> Result<Option<T>, Problem> {
    let read = |text: &str| serde_json::from_value(serde_json::Value::String(text.to_owned()));
    text.filter(|text| !text.is_empty()).map(read).transpose().map_err(|_| bad(format!("it must be one of {names}")))
}

/// Enter an answer of a reader.
pub(crate) async fn assess(
    state: &AppState,
    reader: &User,
    request: &AssessmentRequest,
) -> Result<AssessmentBody, Problem> {
    let answer = Answer {
        finding: request.finding.clone().filter(|finding| !finding.is_empty()),
        agreement: member::<Agreement>(request.agreement.as_deref(), "agree, disagree, correct")?,
        truth: member::<Truth>(request.truth.as_deref(), "present, absent, uncertain")?,
        present: request.present.clone(),
    };
    let comment = comment(request.comment.as_deref())?;
    let (by, now) = (format!("user:{}", reader.name), state.now());
    let origin = origin(request, &by, now)?;
    let Target { key, deployment, journey, revision } = match target(state, request).await? {
        Ok(found) => found,
        Err(reason) => {
            let kept = Untied {
                origin,
                target: request.result.as_deref().or(request.study.as_deref()).and_then(|uid| uid.parse().ok()),
                deployment: request.deployment.clone(),
                finding: answer.finding,
                agreement: answer.agreement,
                truth: answer.truth,
                comment,
                by,
                reason,
            };
            let kept = state.catalog.label_set_aside(&kept, now).await?;
            return Ok(AssessmentBody { labels: Vec::new(), set_aside: Some(kept.told.reason.text) });
        }
    };
    let output = |revision| {
        let run = journey.inferences.iter().find(|i| i.deployment == deployment && i.revision == revision);
        let output = run.and_then(output_of).map(|output| said(&output)).filter(|said| !said.is_empty());
        output.ok_or_else(|| bad("that result holds no findings to answer"))
    };
    let finding = match &answer.finding {
        Some(finding) => finding.clone(),
        None => output(revision)?.swap_remove(0).0,
    };
    // A repetition is about the revision that was answered, whatever was analysed since.
    let earlier = state.catalog.label_of_origin(&format!("{origin}:{finding}")).await?;
    let earlier = earlier.filter(|label| label.study_key == key.as_str() && label.deployment == deployment);
    let newest = journey.inferences.iter().filter(|i| i.deployment == deployment).map(|i| i.revision).max();
    let revision = match &earlier {
        Some(label) => label.revision,
        None if request.revision.is_some_and(|asked| Some(asked) != newest) => return Err(outdated()),
        None => revision,
    };
    let reads = state.catalog.first_read_list(&key).await?;
    let revealed =
        reads.iter().any(|read| read.reader == by && read.deployment == deployment && read.revision <= revision);
    let hidden = is_hidden(&journey, &state.catalog.deployment_list().await?, &deployment, revision, revealed);
    let repeated = earlier.is_some_and(|label| label.agreement == answer.agreement);
    if hidden && answer.agreement.is_some() && !repeated {
        return Err(Problem::new(
            ProblemCode::Conflict,
            "the result is not shown to you, so that it cannot be agreed with; say what is true instead",
        ));
    }
    let told = truths(&output(revision)?, &answer).map_err(|error| bad(error.to_string()))?;
    let labels: Vec<NewLabel> = told
        .into_iter()
        .map(|one| NewLabel {
            origin: format!("{origin}:{}", one.finding),
            study_key: key.clone(),
            revision: Some(revision),
            deployment: deployment.clone(),
            finding: one.finding,
            truth: one.truth,
            agreement: answer.agreement,
            source: LabelSource::Assessment,
            extractor: None,
            extractor_measured: false,
            decided_at: now,
            report: None,
            comment: comment.clone(),
            by: by.clone(),
        })
        .collect();
    let added = state.catalog.labels_add(&labels, now).await?;
    let mut labels: Vec<LabelBody> = added.iter().map(LabelBody::from).collect();
    if hidden {
        // The probability is that of a stratum, and the stratum is what the model said.
        labels.iter_mut().for_each(LabelBody::forget_probability);
    }
    Ok(AssessmentBody { labels, set_aside: None })
}

fn outdated() -> Problem {
    let message = "a late image came, and the study was analysed again since you saw it; look at it again";
    Problem::new(ProblemCode::Conflict, message)
}

fn comment(text: Option<&str>) -> Result<Option<Phi<String>>, Problem> {
    let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else { return Ok(None) };
    if COMMENT_CHARS_MAX < text.chars().count() {
        return Err(bad(format!("the comment has more than {COMMENT_CHARS_MAX} characters")));
    }
    if text.chars().any(|c| c.is_control() && c != '\n' && c != '\r' && c != '\t') {
        return Err(bad("the comment holds control characters"));
    }
    Ok(Some(Phi::new(text.to_owned())))
}

/// Without a key the same answer at another moment is another answer.
fn origin(request: &AssessmentRequest, by: &str, now: Timestamp) -> Result<String, Problem> {
    let Some(key) = request.key.as_deref().filter(|key| !key.is_empty()) else {
        let said = format!(
            "{:?}{:?}{:?}{:?}{:?}{:?}{:?}",
            request.study,
            request.result,
            request.deployment,
            request.finding,
            request.agreement,
            request.truth,
            request.present
        );
        return Ok(format!("{}{now}:{}", signed_in_origin(by), Digest::of(said.as_bytes()).short()));
    };
    if KEY_CHARS_MAX < key.len() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(bad(format!(
            "the idempotency key must be 1 to {KEY_CHARS_MAX} printable characters without spaces"
        )));
    }
    Ok(format!("{}key:{key}", signed_in_origin(by)))
}

/// A result that is answered.
struct Target {
    key: StudyKey,
    deployment: String,
    journey: Journey,
    revision: u32,
}

/// What is answered; a reason when it is not known here.
async fn target(state: &AppState, request: &AssessmentRequest) -> Result<Result<Target, Reason>, Problem> {
    let unknown = |text: &str| Ok(Err(Reason::new("assessment.unknown-target", text)));
    let (key, deployment, revision) = match (&request.result, &request.study) {
        (Some(uid), _) => {
            let uid: Uid = uid.parse().map_err(|_| bad("result must be a SOP Instance UID"))?;
            match state.catalog.result_by_uid(&uid).await? {
                Some(result) if !result.deployment.is_empty() => {
                    (result.study_key, Some(result.deployment), Some(result.revision))
                }
                _ => return unknown("an answer speaks of a result that is not known here"),
            }
        }
        (None, Some(study)) => match super::find_study(state, study).await {
            Ok(study) => (study.key, request.deployment.clone(), request.revision),
            Err(problem) if problem.code == ProblemCode::StudyNotFound => {
                return unknown("an answer speaks of a study that is not held here");
            }
            Err(problem) => return Err(bad(problem.message)),
        },
        (None, None) => return Err(bad("name the study, or the SOP Instance UID of the result")),
    };
    let Some(journey) = state.catalog.study_journey(&key).await? else {
        return unknown("an answer speaks of a study that is not held here");
    };
    let of = |name: &str| journey.inferences.iter().filter(|i| i.deployment == name).map(|i| i.revision).max();
    let mut ran: Vec<&str> = journey.inferences.iter().map(|inference| inference.deployment.as_str()).collect();
    ran.sort_unstable();
    ran.dedup();
    let deployment = match (deployment, ran.as_slice()) {
        (Some(name), _) => name,
        (None, [only]) => (*only).to_owned(),
        (None, []) => return unknown("an answer speaks of a study that no model has analysed"),
        (None, _) => return Err(bad(format!("several models analysed the study; name one of {}", ran.join(", ")))),
    };
    match of(&deployment).map(|newest| revision.unwrap_or(newest)) {
        Some(revision) => Ok(Ok(Target { key, deployment, journey, revision })),
        None => unknown("an answer speaks of a model that has not analysed the study"),
    }
}
