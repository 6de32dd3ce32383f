//! STOW-RS: the Store Transaction of PS3.18 section 10.5, for instances as `application/dicom`.

mod intake;
pub(crate) mod multipart;
mod response;

use crate::api::extract::ApiPath;
use crate::state::AppState;
use crate::{Problem, ProblemCode};
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{self, HeaderMap};
use axum::response::Response;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::FuturesOrdered;
use hilum_types::Uid;
use intake::{Part, Taken};
use multipart::{Event, MultipartParser, Related};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use tokio::task::JoinHandle;

/// Store instances of any study.
#[utoipa::path(post, path = "/dicom-web/studies", tag = "dicom-web", operation_id = "store_instances",
    request_body(content_type = "multipart/related; type=\"application/dicom\"", content = String,
        description = "One instance per part, each of type application/dicom (PS3.18 section 10.5)"),
    responses(
        (status = 200, description = "Every instance is durable: ReferencedSOPSequence", content_type = "application/dicom+json", body = serde_json::Value),
        (status = 202, description = "Some instances were refused: FailedSOPSequence says which and why", content_type = "application/dicom+json", body = serde_json::Value),
        (status = 400, description = "Not a multipart body as RFC 2046 has it, or no instance in it", body = crate::ProblemBody),
        (status = 409, description = "Every instance was refused", content_type = "application/dicom+json", body = serde_json::Value),
        (status = 413, description = "More than a request may hold", body = crate::ProblemBody),
        (status = 415, description = "Not multipart/related with application/dicom", body = crate::ProblemBody),
        (status = 503, description = "Nothing could be stored just now", content_type = "application/dicom+json", body = serde_json::Value),
        (status = 507, description = "The disk reserve is reached", content_type = "application/dicom+json", body = serde_json::Value)))]
pub(crate) async fn store_instances(
    State(state): State<AppState>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    store(state, None, &headers, body).await
}

/// Store instances of one study; an instance of another study is refused.
#[utoipa::path(post, path = "/dicom-web/studies/{study_instance_uid}", tag = "dicom-web", operation_id = "store_study_instances",
    params(("study_instance_uid" = String, Path, description = "Study Instance UID")),
    request_body(content_type = "multipart/related; type=\"application/dicom\"", content = String,
        description = "One instance per part, each of type application/dicom (PS3.18 section 10.5)"),
    responses(
        (status = 200, description = "Every instance is durable", content_type = "application/dicom+json", body = serde_json::Value),
        (status = 202, description = "Some instances were refused", content_type = "application/dicom+json", body = serde_json::Value),
        (status = 409, description = "Every instance was refused", content_type = "application/dicom+json", body = serde_json::Value),
        (status = "default", description = "Problem", body = crate::ProblemBody)))]
pub(crate) async fn store_study_instances(
    State(state): State<AppState>,
    ApiPath(study): ApiPath<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let study = study
        .parse::<Uid>()
        .map_err(|error| Problem::new(ProblemCode::InvalidParameter, format!("the study in the address is {error}")))?;
    store(state, Some(study), &headers, body).await
}

async fn store(state: AppState, study: Option<Uid>, headers: &HeaderMap, body: Body) -> Result<Response, Problem> {
    if !accepts_dicom_json(headers) {
        return Err(Problem::new(ProblemCode::NotAcceptable, "only application/dicom+json can be answered"));
    }
    let related = Related::from_headers(headers)?;
    let declared = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|bytes| state.limits.stow_body_bytes_max < bytes) {
        return Err(too_large("the request is larger than one request may be"));
    }
    let taken = Receiver::new(state.clone(), study).receive(related, body).await?;
    for instance in &taken {
        state.metrics.stow(instance.is_stored());
    }
    Ok(response::response(&taken))
}

fn too_large(message: &str) -> Problem {
    Problem::new(ProblemCode::BodyTooLarge, message)
}

fn accepts_dicom_json(headers: &HeaderMap) -> bool {
    let mut accepts = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).peekable();
    if accepts.peek().is_none() {
        return true;
    }
    let matches = |range: &str| {
        let kind = range.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        matches!(kind.as_str(), "*/*" | "application/*" | "application/dicom+json" | "application/json" | "")
    };
    accepts.any(|value| value.split(',').any(matches))
}

/// Takes one request apart while it comes in. Nothing of it is held in memory but a few buffers.
struct Receiver {
    state: AppState,
    study: Option<Arc<Uid>>,
    quarantined: Arc<AtomicUsize>,
    in_flight: FuturesOrdered<JoinHandle<Taken>>,
    taken: Vec<Taken>,
    n_parts: usize,
    part: Option<Part>,
}

impl Receiver {
    fn new(state: AppState, study: Option<Uid>) -> Receiver {
        Receiver {
            state,
            study: study.map(Arc::new),
            quarantined: Arc::default(),
            in_flight: FuturesOrdered::new(),
            taken: Vec::new(),
            n_parts: 0,
            part: None,
        }
    }

    async fn receive(mut self, related: Related, body: Body) -> Result<Vec<Taken>, Problem> {
        let limits = self.state.limits;
        let mut parser = MultipartParser::new(&related.boundary);
        let mut body = body.into_data_stream();
        let mut n_bytes = 0u64;
        loop {
            let chunk = tokio::time::timeout(limits.idle, body.next()).await;
            let chunk = chunk.map_err(|_| Problem::new(ProblemCode::Timeout, "the sender was silent for too long"))?;
            let Some(chunk) = chunk else { break };
            let cut = |_| Problem::new(ProblemCode::MalformedMultipart, "the body broke off");
            let chunk: Bytes = chunk.map_err(cut)?;
            n_bytes += chunk.len() as u64;
            if limits.stow_body_bytes_max < n_bytes {
                return Err(too_large("the request is larger than one request may be"));
            }
            parser.feed(&chunk);
            while let Some(event) = parser.next_event()? {
                self.handle(event).await?;
            }
        }
        parser.finish()?;
        while let Some(taken) = self.in_flight.next().await {
            self.taken.push(finished(taken)?);
        }
        if self.taken.is_empty() {
            return Err(Problem::new(ProblemCode::NoInstances, "the request holds no instance"));
        }
        Ok(self.taken)
    }

    async fn handle(&mut self, event: Event) -> Result<(), Problem> {
        match event {
            Event::PartBegin(head) => {
                self.n_parts += 1;
                if self.state.limits.stow_instances_max < self.n_parts {
                    return Err(too_large("the request holds more instances than one request may"));
                }
                self.part = Some(Part::begin(&self.state, &head));
            }
            Event::Data(bytes) => {
                let Some(part) = &mut self.part else { return Ok(()) };
                part.write(&bytes).map_err(|_| too_large("an instance is larger than one instance may be"))?;
            }
            Event::PartEnd => {
                let Some(part) = self.part.take() else { return Ok(()) };
                let quarantine_max = self.state.limits.stow_quarantine_max;
                let take = intake::take(part, self.study.clone(), self.quarantined.clone(), quarantine_max);
                self.in_flight.push_back(tokio::spawn(take));
                while self.state.limits.stow_in_flight_max <= self.in_flight.len() {
                    let Some(taken) = self.in_flight.next().await else { break };
                    self.taken.push(finished(taken)?);
                }
            }
        }
        Ok(())
    }
}

fn finished(taken: Result<Taken, tokio::task::JoinError>) -> Result<Taken, Problem> {
    taken.map_err(|error| {
        tracing::error!(%error, "storing an instance ended unexpectedly");
        Problem::new(ProblemCode::Internal, "storing an instance ended unexpectedly")
    })
}
