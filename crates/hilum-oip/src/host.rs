use crate::Datatype;
use async_trait::async_trait;
use hilum_infer::Tensors;

/// A version of a model that can be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelEntry {
    /// Name.
    pub name: String,
    /// Version, as its maker numbers it.
    pub version: String,
}

/// An input or output tensor of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorSpec {
    /// Name.
    pub name: String,
    /// Element type on the wire.
    pub datatype: Datatype,
    /// Axes; -1 for one that is chosen at run time.
    pub shape: Vec<i64>,
}

/// What a model says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelDescription {
    /// The version described.
    pub entry: ModelEntry,
    /// Every version there is, the newest first.
    pub versions: Vec<String>,
    /// Format, such as `onnx_onnxv1`.
    pub platform: String,
    /// Inputs.
    pub inputs: Vec<TensorSpec>,
    /// Outputs.
    pub outputs: Vec<TensorSpec>,
}

/// Why a [`ModelHost`] gave no answer. The texts reach the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// No such model or version.
    #[error("{0}")]
    NotFound(String),
    /// The model does not take these tensors.
    #[error("{0}")]
    Refused(String),
    /// Not now.
    #[error("{0}")]
    Unavailable(String),
    /// The model's time limit passed.
    #[error("{0}")]
    Deadline(String),
    /// The model failed.
    #[error("{0}")]
    Failed(String),
}

/// What the server serves. Names and versions are those of the URL, percent-decoded.
#[async_trait]
pub trait ModelHost: Send + Sync + 'static {
    /// Every version of every model.
    ///
    /// # Errors
    /// [`HostError::Unavailable`] when the list cannot be had: the server is then not ready.
    async fn list(&self) -> Result<Vec<ModelEntry>, HostError>;

    /// Describe a version, the newest when none is named. A version that is described is ready to run.
    ///
    /// # Errors
    /// [`HostError::NotFound`]; [`HostError::Unavailable`] when it is there and cannot be run.
    async fn describe(&self, name: &str, version: Option<&str>) -> Result<ModelDescription, HostError>;

    /// Run exactly this version. Inputs were checked against its description; every described output is answered.
    ///
    /// # Errors
    /// [`HostError`] for each way a run can fail.
    async fn infer(&self, entry: &ModelEntry, inputs: Tensors) -> Result<Tensors, HostError>;
}
