//! Core: model package manifest, its checks, deployments and the lifecycle state machine.

pub mod deployment;
pub mod intended_use;
pub mod lifecycle;

pub use deployment::{Deployment, DeploymentSpec, InvalidDeployment, ReadingMode, Suspension, UndeterminedPolicy};
pub use intended_use::{Eligibility, IntendedUse};
pub use lifecycle::{Act, DeploymentState, ForbiddenTransition, check_transition};
pub mod golden;
pub mod manifest;
pub mod package;
mod selection;
pub mod tensor;

pub use golden::{Golden, GoldenCase, GoldenError, GoldenTensor, Tolerance};
pub use manifest::{Manifest, ManifestError};
pub use package::{
    CheckedPackage, MemoryPackage, PackageEntry, PackageProblem, PackageRefused, PackageSource, check_package,
    tree_digest,
};
pub use tensor::{Tensor, TensorData, TensorError};
