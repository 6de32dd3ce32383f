//! Edge: Open Inference Protocol v2, as a server for local models and as a client of others.
//!
//! The protocol is that of KServe and Triton: REST with JSON or with tensors as bytes after the JSON ("binary tensor
//! data extension"), and the gRPC service `inference.GRPCInferenceService`. The server stands before a [`ModelHost`]
//! and knows nothing of packages; the client is an [`hilum_infer::Engine`], so that a remote model is checked, gated
//! and run like a local one.

mod binary;
mod client;
mod datatype;
mod error;
mod host;
mod number;
mod proto;
mod request;
mod server;
mod wire;

pub use client::connect;
pub use datatype::Datatype;
pub use error::OipError;
pub use host::{HostError, ModelDescription, ModelEntry, ModelHost, TensorSpec};
pub use server::{Limits, grpc_serve, http_router};

/// Protocol extensions the server announces.
pub const EXTENSIONS: &[&str] = &["binary_tensor_data", "model_repository"];

/// Most input or output tensors of one request.
pub const TENSORS_MAX: usize = 64;

#[cfg(test)]
mod tests;
