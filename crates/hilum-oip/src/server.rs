//! The server: what REST and gRPC share.

mod grpc;
mod http;

pub use grpc::grpc_serve;
pub use http::http_router;

use crate::request::Asked;
use crate::{HostError, ModelDescription, ModelHost, OipError};
use hilum_infer::Tensors;
use hilum_registry::Tensor;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tokio::sync::Semaphore;

/// What one server takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest request, and largest answer over gRPC, in bytes; at most 2^31 - 1.
    pub message_bytes_max: usize,
    /// Inferences at once; more wait. It also bounds the memory that requests hold.
    pub concurrent_max: usize,
    /// A client has this long to send a request.
    pub receive_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { message_bytes_max: 256 << 20, concurrent_max: 4, receive_timeout: Duration::from_secs(120) }
    }
}

/// A host with the limits before it; REST and gRPC of one process have one each.
#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) host: Arc<dyn ModelHost>,
    pub(crate) limits: Limits,
    slots: Arc<Semaphore>,
    /// Set when the message of this call is there; only for calls over gRPC.
    received: Option<Arc<AtomicBool>>,
}

/// An answered inference.
pub(crate) struct Answered {
    pub(crate) model: ModelDescription,
    pub(crate) id: Option<String>,
    /// Outputs in the order asked for, each with whether it travels as bytes.
    pub(crate) outputs: Vec<(String, Tensor, bool)>,
}

impl Service {
    pub(crate) fn new(host: Arc<dyn ModelHost>, limits: Limits) -> Service {
        Service { host, limits, slots: Arc::new(Semaphore::new(limits.concurrent_max.max(1))), received: None }
    }

    /// A permit to receive and run one inference.
    pub(crate) async fn slot(&self) -> Result<tokio::sync::OwnedSemaphorePermit, OipError> {
        let closed = |_| OipError::Host(HostError::Unavailable("the server is stopping".to_owned()));
        self.slots.clone().acquire_owned().await.map_err(closed)
    }

    /// Check, run, and pick what was asked for.
    pub(crate) async fn infer(&self, model: ModelDescription, mut asked: Asked) -> Result<Answered, OipError> {
        let wanted = asked.wanted(&model)?;
        let inputs: Tensors = asked.tensors(&model)?;
        let mut found = self.host.infer(&model.entry, inputs).await?;
        let mut outputs = Vec::with_capacity(wanted.len());
        for (name, binary) in wanted {
            let tensor = found.remove(&name).ok_or_else(|| HostError::Failed(format!("no output {name:?} came")))?;
            outputs.push((name, tensor, binary));
        }
        Ok(Answered { model, id: asked.id, outputs })
    }
}
