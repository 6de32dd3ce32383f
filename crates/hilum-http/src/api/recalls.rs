//! Recalls: what two people approved to be retracted, and which archive took it (AV-11).

use super::extract::{ApiPath, ApiQuery};
use super::schema::List;
use crate::error::or_missing;
use crate::state::AppState;
use crate::{Problem, ProblemCode};
use axum::Json;
use axum::extract::State;
use hilum_sign::{RecordKind, approvals};
use hilum_store::governance::RecordFilter;
use hilum_store::recalls::{Answer, RecallPlan, RecallStatus, RecallStudyStatus, Retraction};
use hilum_store::records::Journey;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Recalls of one list at most.
const LIMIT_MAX: u32 = 1000;

/// A retraction on the journey of a study.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RetractionBody {
    /// Digest of the recall record.
    pub record: String,
    /// `quality`, `patient_safety`, `wrong_worklist_entry` or `retention_expired`.
    pub ground: String,
    /// Why, in words.
    pub reason: String,
    /// `retracted` (the note is to come), `noted`, `inside` (nothing had left) or `failed`.
    pub step: String,
    /// Since when it stands there.
    pub changed_at: String,
    /// SOP Instance UID of the rejection note.
    pub note: Option<String>,
    /// What each destination said to the note: the state of its delivery.
    pub deliveries: Vec<super::schema::DeliveryBody>,
}

impl RetractionBody {
    /// With the note and its deliveries, which the journey holds among the results.
    pub(crate) fn of(retraction: &Retraction, journey: &Journey) -> RetractionBody {
        let note = journey.results.iter().find(|result| Some(&result.key) == retraction.note.as_ref());
        let sent = journey.deliveries.iter().filter(|d| Some(&d.result.key) == retraction.note.as_ref());
        RetractionBody {
            record: retraction.record.to_string(),
            ground: retraction.ground.name().to_owned(),
            reason: retraction.reason.clone(),
            step: retraction.step.name().to_owned(),
            changed_at: retraction.changed_at.to_string(),
            note: note.map(|note| note.sop_instance_uid.to_string()),
            deliveries: sent.map(super::schema::DeliveryBody::from).collect(),
        }
    }
}

/// One recall record.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct RecallBody {
    /// Digest of the record: its name.
    pub record: String,
    /// Model name.
    pub model: String,
    /// Model version.
    pub version: String,
    /// Digest of the package.
    pub package_digest: String,
    /// Runs that ended at or after this.
    pub from: String,
    /// And before this.
    pub to: String,
    /// `quality`, `patient_safety`, `wrong_worklist_entry` or `retention_expired`.
    pub ground: String,
    /// Why, in words.
    pub reason: String,
    /// Who proposed it.
    pub author: String,
    /// When.
    pub proposed_at: String,
    /// Who approved it clinically.
    pub approved_clinical: Option<String>,
    /// Who approved it technically.
    pub approved_technical: Option<String>,
    /// What is missing before it may be carried out; empty when nothing is.
    pub missing: Vec<String>,
    /// Studies listed.
    pub n_studies: u64,
}

/// What one destination said about one study.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct RecallDestinationBody {
    /// Declared name.
    pub destination: String,
    /// `delivered`, `possible` (sent and never acknowledged) or `never`.
    pub held: String,
    /// `nothing_to_retract`, `not_yet`, `waiting`, `accepted` or `refused`.
    pub answer: String,
    /// When it took the note.
    pub accepted_at: Option<String>,
    /// Attempts to send the note that failed.
    pub attempts: u32,
    /// Why the last one failed.
    pub error: Option<String>,
    /// The delivery that was given up, for a retry.
    pub delivery: Option<String>,
}

/// One study of a recall.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct RecallStudyBody {
    /// Study, by its opaque key.
    pub study_key: String,
    /// Results listed.
    pub n_results: u32,
    /// Of these, how many an earlier recall has retracted.
    pub n_retracted_before: u32,
    /// `planned`, `retracted`, `noted`, `inside` or `failed`.
    pub step: String,
    /// Why the note could not be made.
    pub failure: Option<String>,
    /// SOP Instance UID of the rejection note.
    pub note: Option<String>,
    /// By destination.
    pub destinations: Vec<RecallDestinationBody>,
}

/// A recall with where it stands.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct RecallStatusBody {
    /// The record.
    #[serde(flatten)]
    pub recall: RecallBody,
    /// Who began to carry it out.
    pub begun_by: Option<String>,
    /// When.
    pub begun_at: Option<String>,
    /// Whether every destination that holds a result took its note.
    pub complete: bool,
    /// Destinations of studies that took the note.
    pub n_accepted: u64,
    /// Destinations of studies whose note waits.
    pub n_waiting: u64,
    /// Destinations of studies whose note was given up.
    pub n_refused: u64,
    /// Studies with something left to do by `hilum recall --carry-out`.
    pub n_open: u64,
    /// Every study of the record.
    pub studies: Vec<RecallStudyBody>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct RecallQuery {
    /// At most this many, 1 to 1000; 100 when left out.
    limit: Option<u32>,
}

/// Recall records, newest first.
#[utoipa::path(get, path = "/api/v1/recalls", tag = "records", operation_id = "list_recalls", params(RecallQuery),
    responses((status = 200, description = "They", body = List<RecallBody>),
        (status = "default", description = "Problem", body = crate::ProblemBody)))]
pub(super) async fn list_recalls(
    State(state): State<AppState>,
    ApiQuery(query): ApiQuery<RecallQuery>,
) -> Result<Json<List<RecallBody>>, Problem> {
    let limit = query.limit.unwrap_or(100);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(Problem::new(ProblemCode::InvalidParameter, format!("limit must be 1 to {LIMIT_MAX}")));
    }
    let filter = RecordFilter { kind: Some(RecordKind::Recall), ..RecordFilter::default() };
    let records = state.catalog.record_list(&filter, limit).await?;
    // A record that somebody has changed by hand has no plan any more; `hilum audit verify` names it.
    let bodies = records.iter().filter_map(|record| Some(recall_body(record, &RecallPlan::read(record).ok()?)));
    Ok(Json(List { items: bodies.collect() }))
}

/// One recall, and per study and destination whether the archive took the retraction.
#[utoipa::path(get, path = "/api/v1/recalls/{record}", tag = "records", operation_id = "get_recall",
    params(("record" = String, Path, description = "Digest of the record, or the first 12 digits of it or more")),
    responses((status = 200, description = "It", body = RecallStatusBody),
        (status = "default", description = "Problem", body = crate::ProblemBody)))]
pub(super) async fn get_recall(
    State(state): State<AppState>,
    ApiPath(record): ApiPath<String>,
) -> Result<Json<RecallStatusBody>, Problem> {
    let digits = (12..=64).contains(&record.len()) && record.bytes().all(|b| b.is_ascii_hexdigit());
    if !digits {
        let message = "the record must be named by 12 to 64 hexadecimal digits";
        return Err(Problem::new(ProblemCode::InvalidParameter, message));
    }
    let missing = or_missing(ProblemCode::RecallNotFound);
    let record = state.catalog.record_get(&record).await.map_err(&missing)?;
    if record.kind != RecordKind::Recall {
        return Err(Problem::new(ProblemCode::RecallNotFound, "the record of that digest is no recall"));
    }
    let status = state.catalog.recall_status(&record.digest).await.map_err(&missing)?;
    let counts = status.counts();
    Ok(Json(RecallStatusBody {
        recall: recall_body(&record, &status.plan),
        begun_by: status.begun.as_ref().map(|(by, _)| by.clone()),
        begun_at: status.begun.as_ref().map(|(_, at)| at.to_string()),
        complete: status.is_complete(),
        n_accepted: counts.n_accepted,
        n_waiting: counts.n_waiting,
        n_refused: counts.n_refused,
        n_open: counts.n_open,
        studies: study_bodies(&status),
    }))
}

fn recall_body(record: &hilum_sign::Record, plan: &RecallPlan) -> RecallBody {
    let approved = approvals(record);
    RecallBody {
        record: record.digest.to_string(),
        model: plan.model.clone(),
        version: plan.version.clone(),
        package_digest: plan.package.to_string(),
        from: plan.from.to_string(),
        to: plan.to.to_string(),
        ground: plan.ground.name().to_owned(),
        reason: plan.reason.clone(),
        author: record.author.clone(),
        proposed_at: record.created_at.to_string(),
        approved_clinical: approved.clinical,
        approved_technical: approved.technical,
        missing: approved.missing,
        n_studies: plan.studies.len() as u64,
    }
}

fn study_bodies(status: &RecallStatus) -> Vec<RecallStudyBody> {
    let one = |study: &RecallStudyStatus| RecallStudyBody {
        study_key: study.study_key.to_string(),
        n_results: study.n_results,
        n_retracted_before: study.n_retracted_before,
        step: study.step.name().to_owned(),
        failure: study.failure.clone(),
        note: study.note.as_ref().map(ToString::to_string),
        destinations: study.destinations.iter().map(destination_body).collect(),
    };
    status.studies.iter().map(one).collect()
}

fn destination_body(destination: &hilum_store::recalls::DestinationStatus) -> RecallDestinationBody {
    let mut body = RecallDestinationBody {
        destination: destination.destination.clone(),
        held: destination.held.name().to_owned(),
        answer: destination.answer.name().to_owned(),
        accepted_at: None,
        attempts: 0,
        error: None,
        delivery: None,
    };
    match &destination.answer {
        Answer::NothingToRetract | Answer::NotYet => {}
        Answer::Waiting { attempts, last_error } => {
            (body.attempts, body.error) = (*attempts, last_error.clone());
        }
        Answer::Accepted { at } => body.accepted_at = Some(at.to_string()),
        Answer::Refused { attempts, error, delivery } => {
            (body.attempts, body.error) = (*attempts, Some(error.clone()));
            body.delivery = Some(delivery.to_string());
        }
    }
    body
}
