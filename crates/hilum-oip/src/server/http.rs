//! REST: `/v2` and what is below it.

use super::{Answered, Limits, Service};
use crate::binary::{self, split};
use crate::datatype::tensor_bytes;
use crate::request::read_http;
use crate::wire::{AnsweredTensor, Elements, InferResponse};
use crate::{Datatype, EXTENSIONS, HostError, ModelDescription, ModelEntry, ModelHost, OipError, TensorSpec};
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use hilum_registry::{Tensor, TensorData};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// The REST service, to be served by any HTTP/1.1 server.
///
/// Requests need no `Content-Type`. Every refusal is `{"error": "..."}` with a 4xx or 5xx status.
pub fn http_router(host: Arc<dyn ModelHost>, limits: Limits) -> Router {
    let model = |path: &str| format!("/v2/models/{{model}}{path}");
    let version = |path: &str| format!("/v2/models/{{model}}/versions/{{version}}{path}");
    let mut router = Router::new()
        .route("/v2", get(server_metadata))
        .route("/v2/", get(server_metadata))
        .route("/v2/health/live", get(live))
        .route("/v2/health/ready", get(ready))
        .route("/v2/repository/index", post(index));
    for path in [model, version] {
        router = router
            .route(&path(""), get(model_metadata))
            .route(&path("/ready"), get(model_ready))
            .route(&path("/infer"), post(infer));
    }
    router
        .fallback(async || Refusal::new(404, "there is nothing at this address; the protocol begins at /v2"))
        .method_not_allowed_fallback(async || Refusal::new(405, "this address does not take that method"))
        .with_state(Service::new(host, limits))
}

/// A refusal, as the protocol words it.
struct Refusal {
    status: u16,
    error: String,
}

impl Refusal {
    fn new(status: u16, error: &str) -> Refusal {
        Refusal { status, error: error.to_owned() }
    }
}

impl From<OipError> for Refusal {
    fn from(error: OipError) -> Refusal {
        Refusal { status: error.status(), error: error.to_string() }
    }
}

impl From<HostError> for Refusal {
    fn from(error: HostError) -> Refusal {
        OipError::from(error).into()
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, Json(json!({ "error": self.error }))).into_response()
    }
}

/// Which model a path names.
#[derive(Deserialize)]
struct Which {
    model: String,
    version: Option<String>,
}

async fn server_metadata() -> Json<Value> {
    Json(json!({ "name": "hilum", "version": env!("CARGO_PKG_VERSION"), "extensions": EXTENSIONS }))
}

async fn live() -> Json<Value> {
    Json(json!({ "live": true }))
}

async fn ready(State(service): State<Service>) -> Result<Json<Value>, Refusal> {
    service.host.list().await?;
    Ok(Json(json!({ "ready": true })))
}

async fn index(State(service): State<Service>) -> Result<Json<Value>, Refusal> {
    let entries = service.host.list().await?;
    let line =
        |entry: ModelEntry| json!({ "name": entry.name, "version": entry.version, "state": "READY", "reason": "" });
    Ok(Json(entries.into_iter().map(line).collect()))
}

async fn model_metadata(State(service): State<Service>, Path(which): Path<Which>) -> Result<Json<Value>, Refusal> {
    let model = service.host.describe(&which.model, which.version.as_deref()).await?;
    let tensor =
        |spec: &TensorSpec| json!({ "name": spec.name, "datatype": spec.datatype.name(), "shape": spec.shape });
    let tensors = |specs: &[TensorSpec]| specs.iter().map(tensor).collect::<Vec<_>>();
    Ok(Json(json!({
        "name": model.entry.name,
        "versions": model.versions,
        "platform": model.platform,
        "inputs": tensors(&model.inputs),
        "outputs": tensors(&model.outputs),
    })))
}

async fn model_ready(State(service): State<Service>, Path(which): Path<Which>) -> Result<Json<Value>, Refusal> {
    let model = service.host.describe(&which.model, which.version.as_deref()).await?;
    Ok(Json(json!({ "name": model.entry.name, "ready": true })))
}

async fn infer(
    State(service): State<Service>,
    Path(which): Path<Which>,
    request: Request,
) -> Result<Response, Refusal> {
    let model = service.host.describe(&which.model, which.version.as_deref()).await?;
    let (head, body) = request.into_parts();
    refuse_encoded(&head.headers)?;
    let length = head.headers.get(binary::HEADER).map(|value| value.as_bytes().to_vec());
    let _slot = service.slot().await?;
    let body = receive(body, &service.limits).await?;
    let asked = read_http(split(length.as_deref(), body)?, &model)?;
    Ok(answer(service.infer(model, asked).await?)?)
}

/// A compressed body would be unbounded once unpacked, and images hardly shrink.
fn refuse_encoded(headers: &HeaderMap) -> Result<(), OipError> {
    match headers.get(header::CONTENT_ENCODING).map(|value| value.as_bytes()) {
        None | Some(b"identity") => Ok(()),
        Some(_) => {
            Err(OipError::Unsupported("compressed requests are not taken; leave Content-Encoding out".to_owned()))
        }
    }
}

async fn receive(body: Body, limits: &Limits) -> Result<Bytes, OipError> {
    let most = limits.message_bytes_max;
    let too_large = || OipError::TooLarge(format!("the request is over {most} bytes; raise [oip] message_mib_max"));
    if most < usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX) {
        return Err(too_large());
    }
    let seconds = limits.receive_timeout.as_secs();
    match tokio::time::timeout(limits.receive_timeout, axum::body::to_bytes(body, most)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        // The only other cause is a client that went away, which reads no answer.
        Ok(Err(_)) => Err(too_large()),
        Err(_) => Err(OipError::invalid(format!("the request did not come within {seconds} s"))),
    }
}

fn answer(answered: Answered) -> Result<Response, OipError> {
    let Answered { model: ModelDescription { entry, .. }, id, outputs } = answered;
    let any_binary = outputs.iter().any(|(.., binary)| *binary);
    let mut tail = Vec::new();
    let mut tensors = Vec::with_capacity(outputs.len());
    for (name, tensor, binary) in outputs {
        let mut answered = AnsweredTensor {
            datatype: Datatype::of(tensor.element_type()).name(),
            shape: tensor.shape().to_vec(),
            name,
            ..AnsweredTensor::default()
        };
        if binary {
            let bytes = tensor_bytes(&tensor);
            answered.parameters.insert("binary_data_size".to_owned(), bytes.len().into());
            tail.extend_from_slice(&bytes);
        } else {
            answered.data = Some(elements(&answered.name, tensor)?);
        }
        tensors.push(answered);
    }
    let document = InferResponse { model_name: entry.name, model_version: entry.version, id, outputs: tensors };
    let mut json = serde_json::to_vec(&document)
        .map_err(|error| HostError::Failed(format!("the answer cannot be written as JSON: {error}")))?;
    if !any_binary {
        return Ok(([(header::CONTENT_TYPE, "application/json")], json).into_response());
    }
    let length = json.len().to_string();
    json.extend_from_slice(&tail);
    let headers = [(header::CONTENT_TYPE.as_str(), "application/octet-stream"), (binary::HEADER, length.as_str())];
    Ok((headers, json).into_response())
}

/// JSON has no NaN and no infinity.
fn elements(name: &str, tensor: Tensor) -> Result<Elements, OipError> {
    Ok(match tensor.into_parts().1 {
        TensorData::F32(values) if !values.iter().all(|value| value.is_finite()) => {
            let text = format!("output {name:?} holds values that JSON has no words for; ask for it with binary_data");
            return Err(OipError::invalid(text));
        }
        TensorData::F32(values) => Elements::F32(values),
        TensorData::U8(values) => Elements::U8(values),
        TensorData::I64(values) => Elements::I64(values),
    })
}
