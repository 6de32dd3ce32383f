//! Core: model package manifest, its checks, deployments and the lifecycle state machine.

pub mod deployment;
pub mod intended_use;
pub mod lifecycle;

pub use deployment::{Deployment, DeploymentSpec, InvalidDeployment, ReadingMode, Suspension, UndeterminedPolicy};
pub use intended_use::{Eligibility, IntendedUse};
pub use lifecycle::{Act, DeploymentState, ForbiddenTransition, check_transition};
