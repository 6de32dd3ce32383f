//! REST: tensors as bytes after the JSON where the server announces the extension.

use super::{ASK, Answer, AnswerElements, AnswerTensor, CONNECT, Stated, StatedTensor, specs, words};
use crate::binary::{Body, HEADER, Tail, split};
use crate::datatype::tensor_bytes;
use crate::wire::{WireTensor, shown};
use bytes::{Bytes, BytesMut};
use hilum_infer::Tensors;
use hilum_registry::manifest::OipRuntime;
use hilum_registry::{Tensor, TensorData};
use reqwest::{Client, Response};
use serde::Deserialize;
use serde_json::{Value, json};

/// Largest tensor that is sent as JSON to a server that takes nothing else, in bytes.
const JSON_TENSOR_MAX: usize = 1 << 20;

/// Longest answer to a question that is not an inference.
const TEXT_BYTES_MAX: usize = 1 << 20;

/// A server over HTTP.
pub(super) struct Http {
    client: Client,
    url: String,
    model: String,
    version: String,
    binary: bool,
    answer_bytes_max: usize,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    versions: Option<Vec<String>>,
    #[serde(default)]
    inputs: Option<Vec<TensorMetadata>>,
    #[serde(default)]
    outputs: Option<Vec<TensorMetadata>>,
}

#[derive(Deserialize)]
struct TensorMetadata {
    name: String,
    #[serde(default)]
    datatype: String,
}

#[derive(Deserialize)]
struct Inferred {
    #[serde(default)]
    model_version: Option<String>,
    outputs: Vec<WireTensor>,
}

impl Http {
    pub(super) async fn open(runtime: &OipRuntime) -> Result<Http, String> {
        let client = Client::builder().connect_timeout(CONNECT).redirect(reqwest::redirect::Policy::none());
        let client = client.build().map_err(|error| format!("no HTTP client: {}", words(&error)))?;
        Ok(Http {
            client,
            url: runtime.url.trim_end_matches('/').to_owned(),
            model: runtime.model.clone(),
            version: runtime.version.clone(),
            binary: false,
            answer_bytes_max: (runtime.answer_mib_max as usize) << 20,
        })
    }

    fn at_model(&self, rest: &str) -> String {
        // Names were checked to be letters, digits and the like, so nothing needs escaping.
        format!("{}/v2/models/{}/versions/{}{rest}", self.url, self.model, self.version)
    }

    pub(super) async fn describe(&mut self) -> Result<Stated, String> {
        let server: Value = self.get(&format!("{}/v2", self.url), "the server's metadata").await?;
        let announced = server["extensions"].as_array().into_iter().flatten();
        self.binary = announced.filter_map(Value::as_str).any(|name| name == "binary_tensor_data");
        // 200 is all that readiness needs; bodies differ between servers (architecture: inference protocol).
        self.ask(&self.at_model("/ready"), "readiness").await?;
        let about: Metadata = self.get(&self.at_model(""), "the model's metadata").await?;
        let inputs = about.inputs.unwrap_or_default().into_iter();
        Ok(Stated {
            versions: about.versions.unwrap_or_default(),
            inputs: inputs.map(|t| StatedTensor { name: t.name, datatype: t.datatype }).collect(),
            outputs: about.outputs.unwrap_or_default().into_iter().map(|tensor| tensor.name).collect(),
        })
    }

    async fn ask(&self, url: &str, what: &str) -> Result<Bytes, String> {
        let sent = self.client.get(url).timeout(ASK).send().await;
        let response = sent.map_err(|error| format!("{what} cannot be asked: {}", words(&error.without_url())))?;
        read(response, what, TEXT_BYTES_MAX).await
    }

    async fn get<T: serde::de::DeserializeOwned>(&self, url: &str, what: &str) -> Result<T, String> {
        let body = self.ask(url, what).await?;
        serde_json::from_slice(&body).map_err(|error| format!("{what} cannot be read: {error}"))
    }

    pub(super) async fn infer(&self, inputs: &Tensors, outputs: &[String]) -> Result<Answer, String> {
        let (mut wire, mut tail) = (Vec::new(), Vec::new());
        for (spec, tensor) in specs(inputs) {
            let mut input = json!({ "name": spec.name, "datatype": spec.datatype.name(), "shape": spec.shape });
            if self.binary {
                let bytes = tensor_bytes(tensor);
                input["parameters"] = json!({ "binary_data_size": bytes.len() });
                tail.extend_from_slice(&bytes);
            } else {
                input["data"] = numbers(&spec.name, tensor)?;
            }
            wire.push(input);
        }
        let wanted = |name: &String| match self.binary {
            true => json!({ "name": name, "parameters": { "binary_data": true } }),
            false => json!({ "name": name }),
        };
        let document = json!({ "inputs": wire, "outputs": outputs.iter().map(wanted).collect::<Vec<_>>() });
        let mut body = document.to_string().into_bytes();
        let length = body.len();
        body.extend_from_slice(&tail);
        let mut request = self.client.post(self.at_model("/infer")).body(body);
        if self.binary {
            request = request.header(HEADER, length).header("Content-Type", "application/octet-stream");
        } else {
            request = request.header("Content-Type", "application/json");
        }
        let sent = request.send().await;
        let response = sent.map_err(|error| format!("the inference failed: {}", words(&error.without_url())))?;
        let header = response.headers().get(HEADER).map(|value| value.as_bytes().to_vec());
        let body = read(response, "the inference", self.answer_bytes_max).await?;
        answer(header.as_deref(), body)
    }
}

/// An answer as JSON, or as JSON and bytes, whatever was asked for.
fn answer(header: Option<&[u8]>, body: Bytes) -> Result<Answer, String> {
    let words = |error: crate::OipError| format!("the answer cannot be read: {error}");
    let (json, tensors) = match split(header, body).map_err(words)? {
        Body::Json(json) => (json, Bytes::new()),
        Body::Mixed { json, tensors } => (json, tensors),
        Body::Raw(_) => return Err("the answer cannot be read: it has no JSON".to_owned()),
    };
    let inferred: Inferred =
        serde_json::from_slice(&json).map_err(|error| format!("the answer cannot be read: {error}"))?;
    let mut tail = Tail::new(tensors);
    let mut outputs = Vec::with_capacity(inferred.outputs.len());
    for output in inferred.outputs {
        let elements = match (output.data, output.parameters.binary_data_size) {
            (_, Some(size)) => AnswerElements::Bytes(tail.take(&output.name, size).map_err(words)?),
            (Some(numbers), None) => AnswerElements::Numbers(numbers.0),
            (None, None) => return Err(format!("output {:?} came without elements", shown(&output.name))),
        };
        let WireTensor { name, datatype, shape, .. } = output;
        outputs.push(AnswerTensor { name, datatype, shape, elements });
    }
    tail.end().map_err(words)?;
    Ok(Answer { version: inferred.model_version.unwrap_or_default(), outputs })
}

/// The body of a successful answer, no longer than `most`.
async fn read(mut response: Response, what: &str, most: usize) -> Result<Bytes, String> {
    let status = response.status();
    let most = if status.is_success() { most } else { TEXT_BYTES_MAX };
    let mut body = BytesMut::new();
    while let Some(chunk) =
        response.chunk().await.map_err(|error| format!("{what} broke off: {}", words(&error.without_url())))?
    {
        if most - body.len() < chunk.len() {
            return Err(format!("{what} is longer than {most} bytes; raise runtime.answer_mib_max"));
        }
        body.extend_from_slice(&chunk);
    }
    if status.is_success() {
        return Ok(body.freeze());
    }
    let said: Value = serde_json::from_slice(&body).unwrap_or_default();
    let said = shown(said["error"].as_str().unwrap_or("no reason given"));
    Err(format!("{what} was refused with HTTP status {}: {said}", status.as_u16()))
}

/// Only for small tensors: megabytes of JSON have brought servers down.
fn numbers(name: &str, tensor: &Tensor) -> Result<Value, String> {
    let size = tensor.data().len() * tensor.element_type().size();
    if JSON_TENSOR_MAX < size {
        return Err(format!(
            "input {name:?} has {size} bytes, and the server does not announce binary_tensor_data; use gRPC"
        ));
    }
    match tensor.data() {
        TensorData::F32(values) if !values.iter().all(|value| value.is_finite()) => {
            Err(format!("input {name:?} holds values that JSON has no words for; use gRPC"))
        }
        TensorData::F32(values) => Ok(json!(values)),
        TensorData::U8(values) => Ok(json!(values)),
        TensorData::I64(values) => Ok(json!(values)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// No answer of a server does any harm.
        #[test]
        fn any_answer_does_no_harm(
            bytes in proptest::collection::vec(any::<u8>(), 0..256),
            size in any::<u64>(),
            header in proptest::option::of(0usize..300),
        ) {
            let _ = answer(header.map(|h| h.to_string()).as_deref().map(str::as_bytes), Bytes::from(bytes.clone()));
            let json = json!({ "outputs": [{ "name": "y", "datatype": "FP32", "shape": [1, -1],
                "parameters": { "binary_data_size": size } }] }).to_string();
            let body = [json.as_bytes(), &bytes].concat();
            if let Ok(answer) = answer(Some(json.len().to_string().as_bytes()), body.into()) {
                for output in answer.outputs {
                    prop_assert!(super::super::tensor(output).is_err(), "a negative axis is no shape");
                }
            }
        }
    }
}
