//! The worklist of the random audit sample (MV-26): what is to be answered, and nothing of what the model said, before it is.

use super::view::Moment;
use super::{Shell, page};
use crate::api::assessments::{AssessmentRequest, READERS, assess};
use crate::api::extract::{ApiForm, ApiPath, ApiQuery};
use crate::sessions::{permitted, person, person_in};
use crate::state::AppState;
use crate::words::{count, duration, grouped};
use crate::{Problem, ProblemCode};
use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Redirect, Response};
use hilum_store::StudyKey;
use hilum_store::labels::{AskedFinding, OpenCase, SampleProgress};
use serde::Deserialize;
use std::collections::HashMap;

/// Cases on the page; the rest comes up as these are answered.
const CASES_SHOWN: u32 = 50;
/// Cases older than this are not asked for any more.
const DAYS: i64 = 365;

struct CaseRow {
    study: String,
    revision: u32,
    deployment: String,
    /// Accession number, or words for one that has none.
    accession: String,
    findings: Vec<AskedFinding>,
    /// Names the press.
    key: String,
    drawn: Moment,
    waits: String,
}

struct ProgressRow {
    deployment: String,
    text: String,
    n: u64,
    n_done: u64,
}

#[derive(Template)]
#[template(path = "audit_sample.html")]
struct AuditSamplePage {
    shell: Shell,
    heading: String,
    reader: String,
    progress: Vec<ProgressRow>,
    cases: Vec<CaseRow>,
    more: String,
    /// Key of the study that was answered last.
    answered: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SampleQuery {
    #[serde(default)]
    answered: String,
}

pub(super) async fn audit_sample(
    State(state): State<AppState>,
    shell: Shell,
    headers: HeaderMap,
    ApiQuery(query): ApiQuery<SampleQuery>,
) -> Result<Response, Problem> {
    let signed_in = match person(&state, &headers).await {
        Ok(user) => user,
        Err(problem) if problem.code == ProblemCode::NotSignedIn => None,
        Err(problem) => return Err(problem),
    };
    let Some(user) = signed_in else { return Ok(Redirect::to("/sign-in?back=/audit-sample").into_response()) };
    let user = permitted(user, &READERS)?;
    let now = state.now();
    let since = now.plus_seconds(-DAYS * 86_400);
    let progress = state.catalog.audit_sample_progress(since).await?;
    let open = state.catalog.audit_sample_open(since, CASES_SHOWN).await?;
    let n_open: u64 = progress.iter().map(|one| one.n - one.n_done).sum();
    let n_more = n_open.saturating_sub(open.len() as u64);
    page(&AuditSamplePage {
        shell,
        heading: match n_open {
            0 => "No case of the audit sample waits".to_owned(),
            n => format!("{} for an answer", count(n, "case waits", "cases wait")),
        },
        reader: user.display_name,
        progress: progress.iter().map(progress_row).collect(),
        cases: open.into_iter().map(|case| case_row(case, now)).collect(),
        more: if n_more == 0 {
            String::new()
        } else {
            format!("{} more come up as these are answered.", grouped(n_more))
        },
        answered: query.answered.parse::<StudyKey>().ok().map(|key| key.to_string()),
    })
}

fn progress_row(one: &SampleProgress) -> ProgressRow {
    ProgressRow {
        deployment: one.deployment.clone(),
        text: format!("{} of {} answered", grouped(one.n_done), grouped(one.n)),
        n: one.n,
        n_done: one.n_done,
    }
}

fn case_row(case: OpenCase, now: hilum_types::Timestamp) -> CaseRow {
    let accession = match case.accession_number.reveal().as_str() {
        "" => "no accession number".to_owned(),
        number => number.to_owned(),
    };
    CaseRow {
        key: format!("sample:{}:{}:{}", case.study_key, case.revision, case.deployment),
        study: case.study_key.to_string(),
        revision: case.revision,
        deployment: case.deployment,
        accession,
        findings: case.findings,
        drawn: Moment::of(case.drawn_at),
        waits: duration(now.micros_since(case.drawn_at).max(0)),
    }
}

/// What a reader says of a case: `answer` is `present`, `absent` or `uncertain`, or `ticked`: of several findings those of the
/// fields `there:LABEL` are there, and the others are not.
pub(super) async fn adjudicate(
    State(state): State<AppState>,
    headers: HeaderMap,
    ApiPath(key): ApiPath<String>,
    ApiForm(form): ApiForm<HashMap<String, String>>,
) -> Result<Response, Problem> {
    let missing = || Problem::new(ProblemCode::StudyNotFound, "no study of that key is held");
    let study: StudyKey = key.parse().map_err(|_| missing())?;
    let reader = person_in(&state, &headers, &READERS).await?;
    let field = |name: &str| form.get(name).cloned().unwrap_or_default();
    let revision = field("revision").parse().map_err(|_| bad("the form lacks the revision that was judged"))?;
    let (present, truth) = match field("answer").as_str() {
        "ticked" => {
            (Some(form.keys().filter_map(|name| name.strip_prefix("there:")).map(str::to_owned).collect()), None)
        }
        truth @ ("present" | "absent" | "uncertain") => (None, Some(truth.to_owned())),
        _ => return Err(bad("answer must be present, absent, uncertain or ticked")),
    };
    let request = AssessmentRequest {
        study: Some(study.to_string()),
        deployment: Some(field("deployment")),
        revision: Some(revision),
        truth,
        present,
        key: Some(field("key")),
        ..AssessmentRequest::default()
    };
    assess(&state, &reader, &request).await?;
    Ok(Redirect::to(&format!("/audit-sample?answered={study}")).into_response())
}

fn bad(message: &str) -> Problem {
    Problem::new(ProblemCode::InvalidBody, message)
}
