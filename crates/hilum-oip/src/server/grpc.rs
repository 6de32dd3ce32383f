//! gRPC: `inference.GRPCInferenceService`.

use super::{Answered, Limits, Service};
use crate::datatype::tensor_bytes;
use crate::proto::{
    self, Choice, Empty, InferRequest, InferResponse, InputTensor, ModelIndex, ModelMetadata, Parameter,
    RepositoryIndex, SERVICE, ServerMetadata, TensorMetadata, Which, Yes,
};
use crate::request::{Asked, Elements, Input, check_count, check_id};
use crate::wire::shown;
use crate::{Datatype, EXTENSIONS, HostError, ModelHost, OipError, TensorSpec};
use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpListener;
use tonic::body::Body;
use tonic::codegen::http;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

/// A connection whose peer is gone is found out after this long.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// Serve the gRPC service on `listener` until `shutdown` is ready; calls in flight are then finished.
///
/// # Errors
/// The listener failed.
pub async fn grpc_serve(
    listener: TcpListener,
    host: Arc<dyn ModelHost>,
    limits: Limits,
    shutdown: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let calls = Calls(Service::new(host, limits));
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let server =
        tonic::transport::Server::builder().http2_keepalive_interval(Some(KEEP_ALIVE)).max_concurrent_streams(Some(64));
    server.serve_with_incoming_shutdown(calls, incoming, shutdown).await.map_err(io::Error::other)
}

/// The calls of the service; what generated code would be.
#[derive(Clone)]
struct Calls(Service);

type Answer = Pin<Box<dyn Future<Output = Result<http::Response<Body>, Infallible>> + Send>>;

impl tower::Service<http::Request<Body>> for Calls {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Answer {
        let service = self.0.clone();
        let path = request.uri().path();
        let method =
            path.strip_prefix('/').and_then(|path| path.strip_prefix(SERVICE)).and_then(|m| m.strip_prefix('/'));
        match method {
            Some("ServerLive") => unary(service, request, |_, _: Empty| async { Ok(Yes { yes: true }) }),
            Some("ServerReady") => unary(service, request, server_ready),
            Some("ServerMetadata") => unary(service, request, server_metadata),
            Some("ModelReady") => unary(service, request, model_ready),
            Some("ModelMetadata") => unary(service, request, model_metadata),
            Some("ModelInfer") => infer_in_slot(service, request),
            Some("RepositoryIndex") => unary(service, request, index),
            _ => Box::pin(async { Ok(Status::unimplemented("this call is not offered here").into_http()) }),
        }
    }
}

fn unary<Asked, Given, Made>(service: Service, request: http::Request<Body>, call: fn(Service, Asked) -> Made) -> Answer
where
    Asked: prost::Message + Default + Send + 'static,
    Given: prost::Message + Default + Send + 'static,
    Made: Future<Output = Result<Given, OipError>> + Send + 'static,
{
    Box::pin(async move {
        let most = service.limits.message_bytes_max;
        let mut grpc = tonic::server::Grpc::new(ProstCodec::<Given, Asked>::default())
            .apply_max_message_size_config(Some(most), Some(most));
        let method = tower::service_fn(move |request: Request<Asked>| {
            let service = service.clone();
            async move { call(service, request.into_inner()).await.map(Response::new).map_err(|error| error.grpc()) }
        });
        Ok(grpc.unary(method, request).await)
    })
}

/// As [`unary`] for an inference: the message is only taken in when there is room to run it, and must come in time.
fn infer_in_slot(service: Service, request: http::Request<Body>) -> Answer {
    Box::pin(async move {
        let _slot = match service.slot().await {
            Ok(slot) => slot,
            Err(error) => return Ok(error.grpc().into_http()),
        };
        let (received, seconds) = (Arc::new(AtomicBool::new(false)), service.limits.receive_timeout);
        let calls = Service { received: Some(received.clone()), ..service };
        let too_slow = async {
            tokio::time::sleep(seconds).await;
            if received.load(Ordering::SeqCst) {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            answer = unary(calls, request, infer) => answer,
            () = too_slow => {
                let text = format!("the request did not come within {} s", seconds.as_secs());
                Ok(Status::deadline_exceeded(text).into_http())
            }
        }
    })
}

async fn server_ready(service: Service, _: Empty) -> Result<Yes, OipError> {
    Ok(Yes { yes: service.host.list().await.is_ok() })
}

async fn server_metadata(_: Service, _: Empty) -> Result<ServerMetadata, OipError> {
    let extensions = EXTENSIONS.iter().map(|name| (*name).to_owned()).collect();
    Ok(ServerMetadata { name: "hilum".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned(), extensions })
}

/// Unlike in REST, "no" is an answer of its own here.
async fn model_ready(service: Service, which: Which) -> Result<Yes, OipError> {
    match service.host.describe(&which.name, version(&which.version)).await {
        Ok(_) => Ok(Yes { yes: true }),
        Err(HostError::NotFound(_) | HostError::Unavailable(_)) => Ok(Yes { yes: false }),
        Err(error) => Err(error.into()),
    }
}

async fn model_metadata(service: Service, which: Which) -> Result<ModelMetadata, OipError> {
    let model = service.host.describe(&which.name, version(&which.version)).await?;
    let tensor = |spec: TensorSpec| TensorMetadata {
        name: spec.name,
        datatype: spec.datatype.name().to_owned(),
        shape: spec.shape,
    };
    Ok(ModelMetadata {
        name: model.entry.name,
        versions: model.versions,
        platform: model.platform,
        inputs: model.inputs.into_iter().map(tensor).collect(),
        outputs: model.outputs.into_iter().map(tensor).collect(),
    })
}

async fn index(service: Service, _: Empty) -> Result<RepositoryIndex, OipError> {
    let line = |entry: crate::ModelEntry| ModelIndex {
        name: entry.name,
        version: entry.version,
        state: "READY".to_owned(),
        reason: String::new(),
    };
    Ok(RepositoryIndex { models: service.host.list().await?.into_iter().map(line).collect() })
}

fn version(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

async fn infer(service: Service, request: InferRequest) -> Result<InferResponse, OipError> {
    if let Some(received) = &service.received {
        received.store(true, Ordering::SeqCst);
    }
    let model = service.host.describe(&request.model_name, version(&request.model_version)).await?;
    let asked = read(request)?;
    Ok(answer(service.infer(model, asked).await?))
}

/// Tensors come typed or raw, never both (the protocol).
fn read(request: InferRequest) -> Result<Asked, OipError> {
    check_count("inputs", request.inputs.len())?;
    check_count("outputs", request.outputs.len())?;
    refuse_unsupported(&request.parameters)?;
    let raw = request.raw_input_contents;
    if !raw.is_empty() && raw.len() != request.inputs.len() {
        let (raw, inputs) = (raw.len(), request.inputs.len());
        return Err(OipError::invalid(format!("{raw} raw_input_contents for {inputs} inputs; give one each, or none")));
    }
    let mut raw = raw.into_iter();
    let mut inputs = Vec::with_capacity(request.inputs.len());
    for input in request.inputs {
        refuse_unsupported(&input.parameters)?;
        let elements = match (raw.next(), input.contents) {
            (Some(_), Some(_)) => {
                let text = format!("input {:?} has both contents and raw_input_contents", shown(&input.name));
                return Err(OipError::invalid(text));
            }
            (Some(bytes), None) => Elements::Bytes(bytes),
            (None, contents) => Elements::Numbers(contents.unwrap_or_default().numbers()?),
        };
        inputs.push(Input { name: input.name, datatype: input.datatype, shape: input.shape, elements });
    }
    let mut outputs = Vec::with_capacity(request.outputs.len());
    for output in request.outputs {
        refuse_unsupported(&output.parameters)?;
        outputs.push((output.name, None));
    }
    Ok(Asked { id: check_id(Some(request.id))?, inputs, outputs, binary_output: true })
}

fn refuse_unsupported(parameters: &HashMap<String, Parameter>) -> Result<(), OipError> {
    for name in ["shared_memory_region", "classification", "sequence_id"] {
        let given = parameters.get(name).and_then(|parameter| parameter.choice.as_ref());
        if given.is_some_and(|choice| *choice != Choice::Int64(0)) {
            return Err(OipError::invalid(format!("parameter {name} is not offered here")));
        }
    }
    Ok(())
}

fn answer(answered: Answered) -> InferResponse {
    let mut response = InferResponse {
        model_name: answered.model.entry.name,
        model_version: answered.model.entry.version,
        id: answered.id.unwrap_or_default(),
        ..InferResponse::default()
    };
    for (name, tensor, _) in answered.outputs {
        response.raw_output_contents.push(tensor_bytes(&tensor).into());
        response.outputs.push(proto::InputTensor {
            name,
            datatype: Datatype::of(tensor.element_type()).name().to_owned(),
            shape: tensor.shape().iter().map(|axis| *axis as i64).collect(),
            ..InputTensor::default()
        });
    }
    response
}
