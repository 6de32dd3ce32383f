//! Core: model package manifest, its checks, deployments and the lifecycle state machine.

pub mod black_box;
pub mod canary;
pub mod deployment;
pub mod intended_use;
pub mod inventory;
pub mod lifecycle;
pub mod monitoring;
pub mod rollout;

pub use canary::{CanaryCase, CanaryDifference, CanaryFinding, CanaryPlan};
pub use deployment::{
    Acceptance, Deployment, DeploymentSpec, InvalidDeployment, Purpose, ReadingMode, RollbackTarget, Suspension,
    UndeterminedPolicy,
};
pub use intended_use::{Eligibility, IntendedUse, NarrowedUse};
pub use lifecycle::{Act, DeploymentState, ForbiddenTransition, Requirement, check_transition};
pub use monitoring::{
    AlarmPlan, DueHours, EnvelopePlan, EvidenceRule, Limit, Metric, MonitoringPlan, NewGroupPolicy, OutsidePolicy,
    RehearsalNeed, RuleAction, SignedMonitoring, StopRule, WhenOverdue, WhenStale,
};
pub use rollout::RolloutSpec;
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
