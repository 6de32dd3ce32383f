//! The JSON documents of the protocol, for server and client.

use crate::number::Numbers;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// `POST .../infer`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub(crate) struct InferRequest {
    /// Chosen by the client, and answered.
    #[serde(default)]
    pub(crate) id: Option<String>,
    #[serde(default)]
    pub(crate) parameters: Parameters,
    #[serde(default)]
    pub(crate) inputs: Vec<WireTensor>,
    #[serde(default)]
    pub(crate) outputs: Vec<RequestedOutput>,
}

/// A tensor in a request or an answer.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub(crate) struct WireTensor {
    pub(crate) name: String,
    pub(crate) datatype: String,
    pub(crate) shape: Vec<i64>,
    #[serde(default)]
    pub(crate) parameters: Parameters,
    /// Elements; absent when they follow the JSON as bytes.
    #[serde(default)]
    pub(crate) data: Option<Numbers>,
}

/// An output the client wants.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub(crate) struct RequestedOutput {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) parameters: Parameters,
}

/// Parameters that change what is answered; unknown ones are passed over, as the protocol says.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Parameters {
    /// Bytes of this tensor after the JSON.
    pub(crate) binary_data_size: Option<u64>,
    /// Answer this output as bytes.
    pub(crate) binary_data: Option<bool>,
    /// Answer every output as bytes.
    pub(crate) binary_data_output: Option<bool>,
    /// Tensors in memory that client and server share: not offered.
    pub(crate) shared_memory_region: Option<Value>,
    /// The classification extension: not offered.
    pub(crate) classification: Option<Value>,
    /// Stateful models: not offered.
    pub(crate) sequence_id: Option<Value>,
}

/// The answer to an inference.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct InferResponse {
    pub(crate) model_name: String,
    pub(crate) model_version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<String>,
    pub(crate) outputs: Vec<AnsweredTensor>,
}

/// An output tensor: `data`, or `parameters.binary_data_size`.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct AnsweredTensor {
    pub(crate) name: String,
    pub(crate) datatype: &'static str,
    pub(crate) shape: Vec<usize>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub(crate) parameters: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) data: Option<Elements>,
}

/// Elements as JSON numbers.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub(crate) enum Elements {
    F32(Vec<f32>),
    U8(Vec<u8>),
    I64(Vec<i64>),
}

/// A client's text, safe to print: at most 128 characters, no control characters.
pub(crate) fn shown(text: &str) -> String {
    text.chars().take(128).map(|c| if c.is_control() { '?' } else { c }).collect()
}
