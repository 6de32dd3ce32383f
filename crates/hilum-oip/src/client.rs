//! The client: a remote model as an engine, so that everything else is as for a model that runs here.

mod grpc;
mod http;

use crate::number::Number;
use crate::{Datatype, TensorSpec};
use bytes::Bytes;
use hilum_infer::engine::ModelSpec;
use hilum_infer::{Engine, EngineInfo, InferError, Session, StopSignal, Tensors};
use hilum_registry::Tensor;
use hilum_registry::manifest::{OipProtocol, OipRuntime};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::Notify;

/// Time to reach a server.
const CONNECT: Duration = Duration::from_secs(10);

/// Time for a question that is not an inference.
const ASK: Duration = Duration::from_secs(30);

/// An engine for a model that a server of the protocol runs; for [`hilum_infer::Engines::with_remote`].
pub fn connect(runtime: &OipRuntime) -> Arc<dyn Engine> {
    Arc::new(RemoteEngine { runtime: runtime.clone() })
}

/// A model on a server elsewhere.
struct RemoteEngine {
    runtime: OipRuntime,
}

/// What a server says about a model.
#[derive(Debug, Default)]
struct Stated {
    versions: Vec<String>,
    inputs: Vec<StatedTensor>,
    outputs: Vec<String>,
}

#[derive(Debug)]
struct StatedTensor {
    name: String,
    datatype: String,
}

/// An answer to an inference, whatever the protocol.
#[derive(Debug, Default)]
struct Answer {
    /// Version that computed it; empty when the server does not say.
    version: String,
    outputs: Vec<AnswerTensor>,
}

#[derive(Debug)]
struct AnswerTensor {
    name: String,
    datatype: String,
    shape: Vec<i64>,
    elements: AnswerElements,
}

#[derive(Debug)]
enum AnswerElements {
    Numbers(Vec<Number>),
    Bytes(Bytes),
}

/// One way to reach a server. Every question names the model and the version.
enum Transport {
    Http(http::Http),
    Grpc(grpc::Grpc),
}

impl Transport {
    async fn open(runtime: &OipRuntime) -> Result<Transport, String> {
        Ok(match runtime.protocol {
            OipProtocol::Http => Transport::Http(http::Http::open(runtime).await?),
            OipProtocol::Grpc => Transport::Grpc(grpc::Grpc::open(runtime)?),
        })
    }

    /// Whether the server is ready for this version, and what it says about it.
    async fn describe(&mut self) -> Result<Stated, String> {
        let asking = async {
            match self {
                Transport::Http(http) => http.describe().await,
                Transport::Grpc(grpc) => grpc.describe().await,
            }
        };
        let late = |_| format!("the server did not answer within {} s", ASK.as_secs());
        tokio::time::timeout(ASK, asking).await.map_err(late)?
    }

    async fn infer(&mut self, inputs: &Tensors, outputs: &[String]) -> Result<Answer, String> {
        match self {
            Transport::Http(http) => http.infer(inputs, outputs).await,
            Transport::Grpc(grpc) => grpc.infer(inputs, outputs).await,
        }
    }
}

/// One small runtime for all remote models of the process: engines are called from threads that may block.
fn runtime() -> Result<&'static Runtime, String> {
    static RUNTIME: OnceLock<Result<Runtime, String>> = OnceLock::new();
    let start = || {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(1).thread_name("hilum-oip").enable_all();
        builder.build().map_err(|error| format!("no runtime for remote models: {error}"))
    };
    RUNTIME.get_or_init(start).as_ref().map_err(Clone::clone)
}

impl RemoteEngine {
    fn failed(&self, problem: String) -> InferError {
        InferError::Engine { engine: self.info().to_string(), problem }
    }

    /// Refuse a server that has another version, or takes something else than the package declares.
    fn check(&self, stated: &Stated, model: &ModelSpec<'_>) -> Result<(), InferError> {
        let version = &self.runtime.version;
        // A server may keep silent about its versions (MLServer does): it has said that this one is ready, and every
        // answer must state it then.
        if !stated.versions.is_empty() && !stated.versions.contains(version) {
            return Err(InferError::RemoteVersion { expected: version.clone(), found: stated.versions.join(", ") });
        }
        for wanted in &model.graph.inputs {
            let datatype = Datatype::from_onnx(wanted.element_type).map_or("", Datatype::name);
            let found = stated.inputs.iter().find(|tensor| tensor.name == wanted.name);
            // A server may keep silent about its tensors (MLServer does unless told); golden cases prove it then.
            if !stated.inputs.is_empty() && found.is_none_or(|tensor| tensor.datatype != datatype) {
                let text = format!("the server has no input {:?} of {datatype}; correct the [[input]]", wanted.name);
                return Err(self.failed(text));
            }
        }
        let extra = stated.inputs.iter().find(|stated| !model.graph.inputs.iter().any(|i| i.name == stated.name));
        if let Some(extra) = extra {
            return Err(self.failed(format!("the server's input {:?} has no [[input]]; declare it", extra.name)));
        }
        let missing = model.outputs.iter().find(|name| !stated.outputs.is_empty() && !stated.outputs.contains(name));
        match missing {
            Some(name) => Err(self.failed(format!("the server has no output {name:?}; correct the [[output]]"))),
            None => Ok(()),
        }
    }
}

impl Engine for RemoteEngine {
    fn info(&self) -> EngineInfo {
        let OipRuntime { url, model, version, .. } = &self.runtime;
        EngineInfo { name: "oip".to_owned(), version: format!("{model} {version} at {url}") }
    }

    fn load(&self, model: ModelSpec<'_>) -> Result<Box<dyn Session>, InferError> {
        let runtime = runtime().map_err(|problem| self.failed(problem))?;
        let (transport, stated) = runtime
            .block_on(async {
                let mut transport = Transport::open(&self.runtime).await?;
                let stated = transport.describe().await?;
                Ok((transport, stated))
            })
            .map_err(|problem: String| self.failed(problem))?;
        self.check(&stated, &model)?;
        let engine = RemoteEngine { runtime: self.runtime.clone() };
        let must_state = stated.versions.is_empty();
        Ok(Box::new(RemoteSession { engine, transport, outputs: model.outputs.to_vec(), must_state }))
    }
}

struct RemoteSession {
    engine: RemoteEngine,
    transport: Transport,
    outputs: Vec<String>,
    /// The server was silent about its versions when it described itself, so each answer says which one computed it.
    must_state: bool,
}

impl Session for RemoteSession {
    fn run(&mut self, inputs: &Tensors, stop: &StopSignal) -> Result<Tensors, InferError> {
        let runtime = runtime().map_err(|problem| self.engine.failed(problem))?;
        let stopped = Arc::new(Notify::new());
        let hook = stopped.clone();
        stop.on_stop(move || hook.notify_one());
        let answer = runtime.block_on(async {
            tokio::select! {
                answer = self.transport.infer(inputs, &self.outputs) => answer,
                () = stopped.notified() => Err("the run was told to stop".to_owned()),
            }
        });
        stop.clear();
        let answer = answer.map_err(|problem| self.engine.failed(problem))?;
        let expected = &self.engine.runtime.version;
        if answer.version.is_empty() && self.must_state {
            return Err(self.engine.failed(format!(
                "the server states its version neither in the model's metadata nor in this answer, so nobody knows what \
                 computed it; let it state model_version {expected}"
            )));
        }
        if !answer.version.is_empty() && answer.version != *expected {
            let found = crate::wire::shown(&answer.version);
            return Err(InferError::RemoteVersion { expected: expected.clone(), found });
        }
        self.tensors(answer).map_err(|problem| self.engine.failed(problem))
    }
}

impl RemoteSession {
    /// Every output asked for, once; what else came is passed over.
    fn tensors(&self, answer: Answer) -> Result<Tensors, String> {
        let mut tensors = Tensors::new();
        for output in answer.outputs {
            if !self.outputs.contains(&output.name) {
                continue;
            }
            let name = output.name.clone();
            if tensors.insert(name.clone(), tensor(output)?).is_some() {
                return Err(format!("output {name:?} came twice"));
            }
        }
        match self.outputs.iter().find(|name| !tensors.contains_key(*name)) {
            Some(name) => Err(format!("output {name:?} did not come")),
            None => Ok(tensors),
        }
    }
}

fn tensor(output: AnswerTensor) -> Result<Tensor, String> {
    let words = |problem: String| format!("output {:?}: {problem}", output.name);
    let datatype = Datatype::from_name(&output.datatype).map_err(|error| words(error.to_string()))?;
    let shape: Option<Vec<usize>> = output.shape.iter().map(|axis| usize::try_from(*axis).ok()).collect();
    let shape = shape.ok_or_else(|| words("its shape has a negative axis".to_owned()))?;
    let data = match &output.elements {
        AnswerElements::Numbers(numbers) => datatype.from_numbers(numbers),
        AnswerElements::Bytes(bytes) => datatype.decode(bytes),
    };
    Tensor::new(shape, data.map_err(|error| words(error.to_string()))?).map_err(|error| words(error.to_string()))
}

/// The tensors of a request as the protocol names them.
fn specs(inputs: &Tensors) -> impl Iterator<Item = (TensorSpec, &Tensor)> {
    inputs.iter().map(|(name, tensor)| {
        let spec = TensorSpec {
            name: name.clone(),
            datatype: Datatype::of(tensor.element_type()),
            shape: tensor.shape().iter().map(|axis| *axis as i64).collect(),
        };
        (spec, tensor)
    })
}

/// An error with its causes in one line, without the address: it is in the name of the engine already.
fn words(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += ": ";
        text += &error.to_string();
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::{get, post};
    use axum::{Json, Router};
    use hilum_registry::TensorData;
    use hilum_registry::package::onnx::OnnxSummary;
    use serde_json::{Value, json};

    /// A server of one model that states its version in `about`, in `answer`, in both or nowhere; says what a run came to.
    fn asked(about: Value, answer: Value) -> Result<(), String> {
        let with = |mut document: Value, more: Value| {
            document.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            document
        };
        let about = with(json!({ "name": "m" }), about);
        let output = json!({ "name": "y", "datatype": "FP32", "shape": [1], "data": [0.5] });
        let answer = with(json!({ "model_name": "m", "outputs": [output] }), answer);
        let server = Router::new()
            .route("/v2", get(|| async { Json(json!({ "extensions": [] })) }))
            .route("/v2/models/m/versions/3/ready", get(|| async { "" }))
            .route("/v2/models/m/versions/3", get(move || async { Json(about) }))
            .route("/v2/models/m/versions/3/infer", post(move || async { Json(answer) }));
        let listener = runtime().unwrap().block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let serving = runtime().unwrap().spawn(async move { axum::serve(listener, server).await });
        let oip = OipRuntime {
            url,
            model: "m".to_owned(),
            version: "3".to_owned(),
            protocol: OipProtocol::Http,
            answer_mib_max: 1,
        };
        let (graph, outputs) = (OnnxSummary::default(), ["y".to_owned()]);
        let model = ModelSpec { bytes: &[], graph: &graph, outputs: &outputs, threads: 1, volume: false };
        let input = Tensor::new(vec![1], TensorData::F32(vec![0.0])).unwrap();
        let inputs = Tensors::from([("x".to_owned(), input)]);
        let run = connect(&oip).load(model).and_then(|mut session| session.run(&inputs, &StopSignal::new()));
        serving.abort();
        run.map(|_| ()).map_err(|error| error.to_string())
    }

    /// MV-15: what never says which version it is cannot be held to one.
    #[test]
    fn a_version_is_stated_somewhere() {
        // The program does this at its start.
        let _already_chosen = rustls::crypto::ring::default_provider().install_default();
        let (silent, about, answer) = (json!({}), json!({ "versions": ["3"] }), json!({ "model_version": "3" }));
        assert_eq!(asked(about.clone(), silent.clone()), Ok(()));
        assert_eq!(asked(silent.clone(), answer.clone()), Ok(()));
        assert_eq!(asked(about.clone(), answer), Ok(()));
        let said = asked(silent.clone(), silent.clone()).unwrap_err();
        assert!(said.contains("let it state model_version 3"), "{said}");
        let said = asked(silent.clone(), json!({ "model_version": "" })).unwrap_err();
        assert!(said.contains("neither in the model's metadata nor in this answer"), "{said}");
        let said = asked(silent, json!({ "model_version": "4" })).unwrap_err();
        assert!(said.contains("runs version 4 instead of 3"), "{said}");
    }
}
