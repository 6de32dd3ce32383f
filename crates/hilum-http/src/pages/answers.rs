//! Signing in, and the one or two presses by which a reader answers a result.

use super::{Shell, local, page};
use crate::api::assessments::{AssessmentRequest, READERS, assess};
use crate::api::extract::{ApiForm, ApiPath};
use crate::sessions::{COOKIE, person_in, prove, token};
use crate::state::AppState;
use crate::{Problem, ProblemCode};
use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header;
use axum::response::{IntoResponse, Redirect, Response};
use hilum_store::StudyKey;
use serde::Deserialize;

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    shell: Shell,
    back: String,
}

#[derive(Deserialize)]
pub(super) struct BackQuery {
    #[serde(default)]
    back: String,
}

pub(super) async fn sign_in_page(
    shell: Shell,
    crate::api::extract::ApiQuery(query): crate::api::extract::ApiQuery<BackQuery>,
) -> Result<Response, Problem> {
    page(&SignInPage { shell, back: local(&query.back).to_owned() })
}

/// It cannot be printed: it holds a password.
#[derive(Deserialize)]
pub(super) struct SignInForm {
    user: String,
    password: String,
    #[serde(default)]
    back: String,
}

pub(super) async fn sign_in(
    State(state): State<AppState>,
    ApiForm(form): ApiForm<SignInForm>,
) -> Result<Response, Problem> {
    let person = prove(&state, form.user.trim(), &form.password).await?;
    let (token, _) = state.sessions.begin(&person.user, state.now());
    let cookie = format!("{COOKIE}={token}; Path=/; SameSite=Strict; HttpOnly");
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to(local(&form.back))).into_response())
}

pub(super) async fn sign_out(
    State(state): State<AppState>,
    headers: HeaderMap,
    ApiForm(form): ApiForm<BackQuery>,
) -> Response {
    if let Some(token) = token(&headers) {
        state.sessions.end(token);
    }
    let cookie = format!("{COOKIE}=; Path=/; Max-Age=0; SameSite=Strict; HttpOnly");
    ([(header::SET_COOKIE, cookie)], Redirect::to(local(&form.back))).into_response()
}

#[derive(Deserialize)]
pub(super) struct AnswerForm {
    deployment: String,
    /// Revision whose result was on the page.
    revision: u32,
    finding: String,
    /// `agree`, `disagree`, or `correct-` or `see-` with what is true.
    answer: String,
    #[serde(default)]
    comment: String,
    /// Names this press, so that a double one is one answer.
    key: String,
}

pub(super) async fn answer(
    State(state): State<AppState>,
    headers: HeaderMap,
    ApiPath(key): ApiPath<String>,
    ApiForm(form): ApiForm<AnswerForm>,
) -> Result<Response, Problem> {
    let missing = || Problem::new(ProblemCode::StudyNotFound, "no study of that key is held");
    let study: StudyKey = key.parse().map_err(|_| missing())?;
    let reader = person_in(&state, &headers, &READERS).await?;
    let (agreement, truth) = match form.answer.split_once('-') {
        Some(("correct", truth)) => (Some("correct".to_owned()), Some(truth.to_owned())),
        Some(("see", truth)) => (None, Some(truth.to_owned())),
        _ => (Some(form.answer.clone()), None),
    };
    let request = AssessmentRequest {
        study: Some(study.to_string()),
        deployment: Some(form.deployment),
        revision: Some(form.revision),
        finding: Some(form.finding),
        agreement,
        truth,
        comment: Some(form.comment),
        key: Some(form.key),
        ..AssessmentRequest::default()
    };
    assess(&state, &reader, &request).await?;
    Ok(Redirect::to(&format!("/studies/{study}")).into_response())
}
