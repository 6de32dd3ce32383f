use super::{Engine, EngineInfo, ModelSpec, Session};
use crate::InferError;

/// Stands for a product that this process cannot run tensors through, and says why.
pub(super) struct Elsewhere {
    name: &'static str,
    reason: &'static str,
}

impl Elsewhere {
    pub(super) fn new(name: &'static str, reason: &'static str) -> Elsewhere {
        Elsewhere { name, reason }
    }
}

impl Engine for Elsewhere {
    fn info(&self) -> EngineInfo {
        EngineInfo { name: self.name.to_owned(), version: "elsewhere".to_owned() }
    }

    fn load(&self, _: ModelSpec<'_>) -> Result<Box<dyn Session>, InferError> {
        Err(InferError::Engine { engine: self.info().to_string(), problem: self.reason.to_owned() })
    }
}
