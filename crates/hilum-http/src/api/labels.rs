//! What is known to be true, what could not be tied to anything, and which cases are to be adjudicated (MV-24 to MV-27).

use super::extract::{ApiPath, ApiQuery};
use super::lists::{invalid, limit};
use super::schema::List;
use crate::sessions::person;
use crate::state::AppState;
use crate::{Problem, ProblemCode};
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use hilum_monitor::Label;
use hilum_store::governance::User;
use hilum_store::labels::{AuditCase, LabelFilter, SetAside, ToldTo};
use hilum_types::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// A label: what somebody or something said is true of one finding of one study revision.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct LabelBody {
    key: String,
    /// Opaque key of the study.
    study: String,
    revision: u32,
    deployment: String,
    finding: String,
    /// `present`, `absent` or `uncertain`.
    truth: String,
    /// `agree`, `disagree`, `correct`, or nothing.
    agreement: Option<String>,
    /// `assessment`, `report`, `adjudication` or `follow_up`.
    source: String,
    /// Name and version of the program that read it out of a report.
    extractor: Option<String>,
    /// Whether the error of that program was measured here; when not, the label clears no stop rule.
    extractor_measured: bool,
    /// `unexposed`, `exposed` or `unknown`: whether the labeller had seen the output of a model.
    exposure: String,
    /// The class that decides what the label may be used for.
    class: String,
    /// Probability with which the case was drawn for the audit sample.
    inclusion_probability: Option<f64>,
    /// When the study was complete.
    event_at: String,
    /// When the label was entered.
    recorded_at: String,
    /// When the labeller had made up their mind; nothing for labels of earlier versions.
    decided_at: Option<String>,
    by: String,
}

impl LabelBody {
    /// For whom it would tell what the model said.
    pub(super) fn forget_probability(&mut self) {
        self.inclusion_probability = None;
    }
}

fn name_of(value: impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

impl From<&Label> for LabelBody {
    fn from(label: &Label) -> Self {
        LabelBody {
            key: label.key.clone(),
            study: label.study_key.clone(),
            revision: label.revision,
            deployment: label.deployment.clone(),
            finding: label.finding.clone(),
            truth: name_of(label.truth),
            agreement: label.agreement.map(name_of),
            source: name_of(label.source),
            extractor: label.extractor.clone(),
            extractor_measured: label.extractor_measured,
            exposure: name_of(label.exposure),
            class: label.class().name().to_owned(),
            inclusion_probability: label.inclusion_probability,
            event_at: label.event_at.to_string(),
            recorded_at: label.recorded_at.to_string(),
            decided_at: label.decided_at.map(|at| at.to_string()),
            by: label.by.clone(),
        }
    }
}

/// An answer whose target is not known here.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct SetAsideBody {
    key: String,
    /// UID it spoke of.
    target: Option<String>,
    deployment: Option<String>,
    finding: Option<String>,
    /// `agree`, `disagree` or `correct`.
    agreement: Option<String>,
    /// Stable code of the reason.
    code: String,
    reason: String,
    by: String,
    recorded_at: String,
}

impl From<&SetAside> for SetAsideBody {
    fn from(kept: &SetAside) -> Self {
        let told = &kept.told;
        SetAsideBody {
            key: kept.key.to_string(),
            target: told.target.as_ref().map(ToString::to_string),
            deployment: told.deployment.clone(),
            finding: told.finding.clone(),
            agreement: told.agreement.map(name_of),
            code: told.reason.code.clone(),
            reason: told.reason.text.clone(),
            by: told.by.clone(),
            recorded_at: kept.recorded_at.to_string(),
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct LabelQuery {
    /// Of this study: its key or Study Instance UID.
    study: Option<String>,
    /// Of this deployment.
    deployment: Option<String>,
    /// What was known at this time, RFC 3339.
    as_of: Option<String>,
    /// At most this many, 1 to 1000; 100 when left out.
    limit: Option<u32>,
    /// Only those older than the one of this key.
    before: Option<String>,
}

/// Who may read what everybody said, also of results that are still to be judged by others.
const OVERSEERS: [&str; 2] = ["governance", "auditor"];

/// Labels, newest first, as they were known at any time.
///
/// What others said of cases of the audit sample and of results that are hidden from readers is left out, unless the
/// request is signed in by somebody with the role governance or auditor: it would make the next answer depend on it.
#[utoipa::path(get, path = "/api/v1/labels", tag = "labels", operation_id = "list_labels", params(LabelQuery),
    responses((status = 200, description = "The latest of them", body = List<LabelBody>),
        (status = "default", description = "Problem", body = crate::ProblemBody)))]
pub(super) async fn list_labels(
    State(state): State<AppState>,
    headers: HeaderMap,
    ApiQuery(query): ApiQuery<LabelQuery>,
) -> Result<Json<List<LabelBody>>, Problem> {
    let told_to = told_to(&state, &headers).await?;
    let oversees = told_to == ToldTo::Overseer;
    let until = query.as_of.as_deref().map(str::parse::<Timestamp>).transpose();
    let after = query.before.as_deref().map(str::parse).transpose();
    let study = match &query.study {
        Some(study) => Some(super::find_study(&state, study).await?.key),
        None => None,
    };
    let filter = LabelFilter {
        study_key: study,
        deployment: query.deployment,
        until: until.map_err(|_| invalid("as_of must be a time such as 2026-11-23T09:12:41Z"))?,
        after: after.map_err(|_| invalid("before must be the key of a label"))?,
        told_to,
    };
    let mut labels: List<LabelBody> = List::of(&state.catalog.label_list(&filter, limit(query.limit)?).await?);
    if !oversees {
        labels.items.iter_mut().for_each(LabelBody::forget_probability);
    }
    Ok(Json(labels))
}

/// As whom the request asks.
async fn told_to(state: &AppState, headers: &HeaderMap) -> Result<ToldTo, Problem> {
    let oversees = |user: &User| user.roles.iter().any(|role| OVERSEERS.contains(&role.as_str()));
    Ok(match person(state, headers).await? {
        Some(user) if oversees(&user) => ToldTo::Overseer,
        Some(user) => ToldTo::Reader(format!("user:{}", user.name)),
        None => ToldTo::Anybody,
    })
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct LimitQuery {
    /// At most this many, 1 to 1000; 100 when left out.
    limit: Option<u32>,
}

/// Answers whose target is not known here, newest first.
#[utoipa::path(get, path = "/api/v1/assessments/set-aside", tag = "labels", operation_id = "list_set_aside",
    params(LimitQuery),
    responses((status = 200, description = "The latest of them", body = List<SetAsideBody>),
        (status = "default", description = "Problem", body = crate::ProblemBody)))]
pub(super) async fn list_set_aside(
    State(state): State<AppState>,
    ApiQuery(query): ApiQuery<LimitQuery>,
) -> Result<Json<List<SetAsideBody>>, Problem> {
    Ok(Json(List::of(&state.catalog.label_set_aside_list(limit(query.limit)?).await?)))
}

/// A case drawn by lot for adjudication.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct AuditCaseBody {
    /// Opaque key of the study.
    study: String,
    revision: u32,
    /// `positive`, `negative` or `indeterminate`: what the model had said of the study. Only for who oversees (governance,
    /// auditor): other findings and other readers of a case may still be to come.
    stratum: Option<String>,
    /// Probability with which it was drawn, which is that of the stratum. Only for who oversees.
    probability: Option<f64>,
    /// Digest of the seed.
    seed: String,
    drawn_at: String,
    /// When a person first said what is true of it.
    adjudicated_at: Option<String>,
}

impl From<&AuditCase> for AuditCaseBody {
    fn from(case: &AuditCase) -> Self {
        AuditCaseBody {
            study: case.study_key.to_string(),
            revision: case.revision,
            stratum: case.adjudicated_at.map(|_| case.stratum.name().to_owned()),
            probability: case.adjudicated_at.map(|_| case.probability),
            seed: case.seed.to_string(),
            drawn_at: case.drawn_at.to_string(),
            adjudicated_at: case.adjudicated_at.map(|at| at.to_string()),
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct SampleQuery {
    /// Only cases nobody has said anything of.
    open: Option<bool>,
    /// At most this many, 1 to 1000; 100 when left out.
    limit: Option<u32>,
}

/// The random audit sample of a deployment, oldest first: the worklist of whoever adjudicates (MV-26).
#[utoipa::path(get, path = "/api/v1/deployments/{name}/audit-sample", tag = "labels",
    operation_id = "list_audit_sample", params(("name" = String, Path, description = "The deployment"), SampleQuery),
    responses((status = 200, description = "The cases", body = List<AuditCaseBody>),
        (status = "default", description = "Problem", body = crate::ProblemBody)))]
pub(super) async fn list_audit_sample(
    State(state): State<AppState>,
    headers: HeaderMap,
    ApiPath(name): ApiPath<String>,
    ApiQuery(query): ApiQuery<SampleQuery>,
) -> Result<Json<List<AuditCaseBody>>, Problem> {
    let missing = || Problem::new(ProblemCode::DeploymentNotFound, "there is no deployment of that name");
    state.catalog.deployment_get(&name).await?.ok_or_else(missing)?;
    let limit = limit(query.limit)?;
    let cases = state.catalog.audit_sample_list(&name, query.open.unwrap_or(false), limit).await?;
    let mut cases: List<AuditCaseBody> = List::of(&cases);
    if told_to(&state, &headers).await? != ToldTo::Overseer {
        for case in &mut cases.items {
            (case.stratum, case.probability) = (None, None);
        }
    }
    Ok(Json(cases))
}
