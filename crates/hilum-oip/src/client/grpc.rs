//! gRPC: tensors as raw contents.

use super::{Answer, AnswerElements, AnswerTensor, CONNECT, Stated, StatedTensor, specs};
use crate::datatype::tensor_bytes;
use crate::number::Number;
use crate::proto::{
    Contents, InferRequest, InferResponse, InputTensor, ModelMetadata, RequestedOutput, SERVICE, Which, Yes,
};
use crate::wire::shown;
use hilum_infer::Tensors;
use hilum_registry::manifest::OipRuntime;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};
use tonic_prost::ProstCodec;

/// A server over gRPC.
pub(super) struct Grpc {
    channel: Channel,
    model: String,
    version: String,
    answer_bytes_max: usize,
}

impl Grpc {
    pub(super) fn open(runtime: &OipRuntime) -> Result<Grpc, String> {
        if runtime.url.starts_with("https://") {
            return Err("gRPC over TLS is not built in; use protocol = \"http\", or a proxy on this host".to_owned());
        }
        let endpoint = Endpoint::from_shared(runtime.url.clone());
        let endpoint = endpoint.map_err(|error| format!("runtime.url cannot be used: {error}"))?;
        Ok(Grpc {
            channel: endpoint.connect_timeout(CONNECT).connect_lazy(),
            model: runtime.model.clone(),
            version: runtime.version.clone(),
            answer_bytes_max: (runtime.answer_mib_max as usize) << 20,
        })
    }

    async fn call<Asked, Given>(&self, method: &str, what: &str, asked: Asked) -> Result<Given, String>
    where
        Asked: prost::Message + Send + Sync + 'static,
        Given: prost::Message + Default + Send + Sync + 'static,
    {
        // Clones of a channel share one connection.
        let mut grpc = tonic::client::Grpc::new(self.channel.clone())
            .max_decoding_message_size(self.answer_bytes_max)
            .max_encoding_message_size(i32::MAX as usize);
        let words = |status: Status| {
            let (code, said) = (status.code(), shown(status.message()));
            format!("{what} was refused with gRPC status {code:?}: {said}")
        };
        grpc.ready().await.map_err(|error| format!("{what} cannot be asked: {}", super::words(&error)))?;
        let path = format!("/{SERVICE}/{method}");
        let path = PathAndQuery::try_from(path).map_err(|error| format!("{method} is no path: {error}"))?;
        let answer = grpc.unary(Request::new(asked), path, ProstCodec::<Asked, Given>::default()).await;
        Ok(answer.map_err(words)?.into_inner())
    }

    fn which(&self) -> Which {
        Which { name: self.model.clone(), version: self.version.clone() }
    }

    pub(super) async fn describe(&self) -> Result<Stated, String> {
        let ready: Yes = self.call("ModelReady", "readiness", self.which()).await?;
        if !ready.yes {
            return Err("the server says that the model is not ready".to_owned());
        }
        let about: ModelMetadata = self.call("ModelMetadata", "the model's metadata", self.which()).await?;
        Ok(Stated {
            versions: about.versions,
            inputs: about.inputs.into_iter().map(|t| StatedTensor { name: t.name, datatype: t.datatype }).collect(),
            outputs: about.outputs.into_iter().map(|tensor| tensor.name).collect(),
        })
    }

    pub(super) async fn infer(&self, inputs: &Tensors, outputs: &[String]) -> Result<Answer, String> {
        let mut request = InferRequest {
            model_name: self.model.clone(),
            model_version: self.version.clone(),
            outputs: outputs.iter().map(|name| RequestedOutput { name: name.clone(), ..Default::default() }).collect(),
            ..InferRequest::default()
        };
        for (spec, tensor) in specs(inputs) {
            let datatype = spec.datatype.name().to_owned();
            request.inputs.push(InputTensor { name: spec.name, datatype, shape: spec.shape, ..Default::default() });
            request.raw_input_contents.push(tensor_bytes(tensor).into());
        }
        answer(self.call("ModelInfer", "the inference", request).await?)
    }
}

/// Raw or typed contents, whatever was asked for.
fn answer(response: InferResponse) -> Result<Answer, String> {
    let raw = response.raw_output_contents;
    if !raw.is_empty() && raw.len() != response.outputs.len() {
        return Err(format!("{} outputs came with {} contents", response.outputs.len(), raw.len()));
    }
    let mut raw = raw.into_iter();
    let mut outputs = Vec::with_capacity(response.outputs.len());
    for InputTensor { name, datatype, shape, contents, .. } in response.outputs {
        let elements = match raw.next() {
            Some(bytes) => AnswerElements::Bytes(bytes),
            None => AnswerElements::Numbers(numbers(contents.unwrap_or_default())?),
        };
        outputs.push(AnswerTensor { name, datatype, shape, elements });
    }
    Ok(Answer { version: response.model_version, outputs })
}

fn numbers(contents: Contents) -> Result<Vec<Number>, String> {
    contents.numbers().map_err(|error| error.to_string())
}
