//! Records and the signatures of people over them.

use super::extract::{ApiJson, ApiPath, ApiQuery};
use super::lists::{invalid, limit};
use super::schema::List;
use crate::error::or_missing;
use crate::sessions::prove;
use crate::state::AppState;
use crate::{Problem, ProblemCode};
use axum::Json;
use axum::extract::State;
use hilum_sign::{Record, RecordKind, Signature, SignatureMeaning, approvals};
use hilum_store::governance::RecordFilter;
use hilum_types::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// A record: a document that never changes, and who signed it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct RecordBody {
    /// Its name: the digest of kind, subject and body.
    pub(crate) digest: String,
    /// What it is about, such as `validation`.
    pub(crate) kind: String,
    /// Of what.
    pub(crate) subject: String,
    /// The document.
    pub(crate) body: serde_json::Value,
    /// `user:<name>` or `system:<part>`.
    pub(crate) author: String,
    /// When it was entered.
    pub(crate) created_at: String,
    /// Whether the document still is the one that was entered. When not, no signature holds.
    pub(crate) intact: bool,
    /// Signatures, oldest first.
    pub(crate) signatures: Vec<SignatureBody>,
    /// User who approved it clinically.
    pub(crate) approved_clinical: Option<String>,
    /// User who approved it technically; another person.
    pub(crate) approved_technical: Option<String>,
    /// What is missing before it may take effect; empty when nothing is.
    pub(crate) missing: Vec<String>,
}

/// A person's signature.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct SignatureBody {
    /// What it means, such as `approved_clinical`.
    pub(crate) meaning: String,
    /// User name.
    pub(crate) signer: String,
    /// Role they signed in.
    pub(crate) role: String,
    /// When.
    pub(crate) signed_at: String,
    /// Whether it belongs to this document, person, meaning and time.
    pub(crate) holds: bool,
}

impl From<&Record> for RecordBody {
    fn from(record: &Record) -> Self {
        let valid = record.valid_signatures();
        let signature = |signature: &Signature| SignatureBody {
            meaning: signature.meaning.name().to_owned(),
            signer: signature.signer.clone(),
            role: signature.role.clone(),
            signed_at: signature.signed_at.to_string(),
            holds: valid.contains(&signature),
        };
        let approved = approvals(record);
        RecordBody {
            digest: record.digest.to_string(),
            kind: record.kind.name().to_owned(),
            subject: record.subject.clone(),
            body: record.body.clone(),
            author: record.author.clone(),
            created_at: record.created_at.to_string(),
            intact: record.is_intact(),
            signatures: record.signatures.iter().map(signature).collect(),
            approved_clinical: approved.clinical,
            approved_technical: approved.technical,
            missing: approved.missing,
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct RecordQuery {
    /// Of this kind, such as `validation`.
    kind: Option<String>,
    /// About this subject: a deployment, a user, a package digest.
    subject: Option<String>,
    /// What was known at this time, RFC 3339.
    until: Option<String>,
    /// At most this many, 1 to 1000; 100 when left out.
    limit: Option<u32>,
}

/// Records, newest first.
#[utoipa::path(get, path = "/api/v1/records", tag = "records", operation_id = "list_records", params(RecordQuery),
    responses((status = 200, description = "The latest of them", body = List<RecordBody>),
        (status = "default", description = "Problem", body = crate::ProblemBody)))]
pub(super) async fn list_records(
    State(state): State<AppState>,
    ApiQuery(query): ApiQuery<RecordQuery>,
) -> Result<Json<List<RecordBody>>, Problem> {
    let kind = query.kind.as_deref().map(|name| {
        let names = || RecordKind::ALL.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ");
        RecordKind::from_name(name).ok_or_else(|| invalid(format!("kind must be one of {}", names())))
    });
    let until = query.until.as_deref().map(str::parse::<Timestamp>).transpose();
    let until = until.map_err(|_| invalid("until must be a time such as 2026-11-23T09:12:41Z"))?;
    let filter = RecordFilter { kind: kind.transpose()?, subject: query.subject, until };
    Ok(Json(List::of(&state.catalog.record_list(&filter, limit(query.limit)?).await?)))
}

/// One record.
#[utoipa::path(get, path = "/api/v1/records/{digest}", tag = "records", operation_id = "get_record",
    params(("digest" = String, Path, description = "Its digest, or the first 12 digits of it or more")),
    responses((status = 200, description = "It", body = RecordBody),
        (status = "default", description = "Problem", body = crate::ProblemBody)))]
pub(super) async fn get_record(
    State(state): State<AppState>,
    ApiPath(digest): ApiPath<String>,
) -> Result<Json<RecordBody>, Problem> {
    Ok(Json(RecordBody::from(&record(&state, &digest).await?)))
}

async fn record(state: &AppState, digest: &str) -> Result<Record, Problem> {
    let digits = (12..=64).contains(&digest.len()) && digest.bytes().all(|b| b.is_ascii_hexdigit());
    if !digits {
        return Err(invalid("the digest must be 12 to 64 hexadecimal digits"));
    }
    state.catalog.record_get(digest).await.map_err(or_missing(ProblemCode::RecordNotFound))
}

/// Who signs, and what it shall mean. It cannot be printed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SignRequest {
    /// User name.
    user: String,
    /// Their password, which opens their key. It is neither kept nor logged.
    password: String,
    /// `approved_clinical`, `approved_technical`, `reviewed`, `rejected`, `waived`, `acknowledged` or `authored`.
    meaning: String,
    /// Role to sign in; the one that the meaning needs, or else their first, when left out.
    role: Option<String>,
}

/// Sign a record with one's own key.
#[utoipa::path(post, path = "/api/v1/records/{digest}/signatures", tag = "records", operation_id = "sign_record",
    params(("digest" = String, Path, description = "Its digest, or the first 12 digits of it or more")),
    request_body = SignRequest,
    responses((status = 200, description = "The record with the signature", body = RecordBody),
        (status = "default", description = "Problem", body = crate::ProblemBody)))]
pub(super) async fn sign_record(
    State(state): State<AppState>,
    ApiPath(digest): ApiPath<String>,
    ApiJson(request): ApiJson<SignRequest>,
) -> Result<Json<RecordBody>, Problem> {
    let meaning = SignatureMeaning::from_name(&request.meaning)
        .ok_or_else(|| Problem::new(ProblemCode::InvalidBody, "meaning is none that a signature can have"))?;
    let record = record(&state, &digest).await?;
    let person = prove(&state, &request.user, &request.password).await?;
    person.sign(&*state.catalog, record.digest, meaning, request.role.as_deref(), state.now()).await?;
    get_record(State(state), ApiPath(record.digest.to_string())).await
}
