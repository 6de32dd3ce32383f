//! How versions come into use and go out of it: promotion, rollback, history, assignment, and what two versions said.

use crate::queue::{Job, JobKind, Priority};
use crate::{StoreError, StudyKey};
use async_trait::async_trait;
use hilum_gate::{Assignment, Promotion};
use hilum_registry::Deployment;
use hilum_types::{Digest, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What caused a change of a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeAct {
    /// A file was applied.
    Applied,
    /// It took a step of its life; a champion: it took over a challenger's version.
    Promoted,
    /// Its version was taken over by its champion.
    Superseded,
    /// It went back to the version before.
    RolledBack,
    /// It was stopped.
    Suspended,
    /// A stop was lifted.
    Resumed,
}

impl ChangeAct {
    /// Every act.
    pub const ALL: [ChangeAct; 6] = [
        ChangeAct::Applied,
        ChangeAct::Promoted,
        ChangeAct::Superseded,
        ChangeAct::RolledBack,
        ChangeAct::Suspended,
        ChangeAct::Resumed,
    ];

    /// Stable name: `applied`, `promoted`, `superseded`, `rolled_back`, `suspended`, `resumed`.
    pub fn name(self) -> &'static str {
        match self {
            ChangeAct::Applied => "applied",
            ChangeAct::Promoted => "promoted",
            ChangeAct::Superseded => "superseded",
            ChangeAct::RolledBack => "rolled_back",
            ChangeAct::Suspended => "suspended",
            ChangeAct::Resumed => "resumed",
        }
    }

    /// The act of that stable name.
    pub fn from_name(name: &str) -> Option<ChangeAct> {
        Self::ALL.into_iter().find(|act| act.name() == name)
    }
}

/// One change of a deployment, and how it stood from then on. Changes are only ever added.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeploymentChange {
    /// How it stood after the change.
    pub deployment: Deployment,
    /// What caused it.
    pub act: ChangeAct,
    /// Why, in the words of whoever did it; empty when none were needed.
    pub reason: String,
    /// Digests of the records it rests on.
    pub evidence: Vec<Digest>,
    /// Who: `user:<name>`, or as given with the act.
    pub actor: String,
    /// When.
    pub changed_at: Timestamp,
}

/// Both sides of a step.
#[derive(Debug, Clone, PartialEq)]
pub struct Promoted {
    /// The deployment that moved, as it stands.
    pub deployment: Deployment,
    /// The champion that took over its version, as it stands.
    pub champion: Option<Deployment>,
}

/// Which side answers for a study revision while a version is limited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StudyAssignment {
    /// Study revision.
    pub revision: u32,
    /// Name of the champion, or of the limited deployment where it has none.
    pub family: String,
    /// The limited deployment.
    pub limited: String,
    /// Which side, and why.
    #[serde(flatten)]
    pub assignment: Assignment,
}

/// One ended run of a deployment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EndedRun {
    /// Package that ran.
    pub package: Option<Digest>,
    /// Stable name of the disposition: `analysed`, `failed`, ...
    pub disposition: String,
    /// How long the model ran, in seconds; `None` when it did not come that far.
    pub seconds: Option<f64>,
    /// The inference record, when there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<Value>,
}

/// What two deployments made of the same study revision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PairedRun {
    /// The study.
    pub study_key: StudyKey,
    /// Its revision.
    pub revision: u32,
    /// The first deployment.
    pub first: EndedRun,
    /// The second deployment.
    pub second: EndedRun,
}

/// Steps of deployments, their history, and what follows from them for studies. Every act is one transaction with its
/// audit entry, and a champion is one row, so that exactly one version of it is in use at any moment.
#[async_trait]
pub trait Rollout: Send + Sync {
    /// Carry out a step. When a champion takes over the version, its package moves and the challenger retires in the
    /// same transaction; queued results of either go out as they were made.
    ///
    /// # Errors
    /// [`StoreError::DeploymentChanged`] when the deployment or its champion changed since the step was decided on;
    /// [`StoreError::Refused`] when the lifecycle does not allow it.
    async fn deployment_promote(&self, promotion: &Promotion, now: Timestamp) -> Result<Promoted, StoreError>;

    /// Go back to the version before, from the next study on. What of the version left behind was not sent yet is
    /// withheld; a suspension stays in force.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when there is no earlier version, `expected` (the package believed to be in use, or its
    /// first 12 digits or more) is not in use, or `by` or `reason` is empty.
    async fn deployment_rollback(
        &self,
        name: &str,
        expected: Option<&str>,
        by: &str,
        reason: &str,
        now: Timestamp,
    ) -> Result<Deployment, StoreError>;

    /// Suspend a deployment for what one version did, if that version is in use still; says whether it is suspended now.
    /// One that was promoted or rolled back meanwhile, or left use, stays as it is: nothing was learnt of that version.
    async fn version_suspend(
        &self,
        name: &str,
        package: &Digest,
        by: &str,
        reason: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Every change of a deployment, oldest first.
    async fn deployment_history(&self, name: &str) -> Result<Vec<DeploymentChange>, StoreError>;

    /// How a deployment stood at a moment; `None` when it was not declared yet.
    async fn deployment_as_of(&self, name: &str, at: Timestamp) -> Result<Option<DeploymentChange>, StoreError>;

    /// Which side answered for each revision of a study, oldest first.
    async fn study_assignments(&self, study_key: &StudyKey) -> Result<Vec<StudyAssignment>, StoreError>;

    /// Runs of a deployment that wait and whose results would stay inside.
    async fn shadow_waiting(&self, deployment: &str) -> Result<u64, StoreError>;

    /// Whether results of a deployment for that study revision were released.
    async fn results_released(&self, study_key: &StudyKey, revision: u32, deployment: &str)
    -> Result<bool, StoreError>;

    /// The last `limit` ended runs (analysed or failed) of a deployment with that package, newest first, without
    /// records.
    async fn runs_ended(&self, deployment: &str, package: &Digest, limit: u32) -> Result<Vec<EndedRun>, StoreError>;

    /// Study revisions that two deployments both saw, decided on in `from` (inclusive) to `until` (exclusive), oldest
    /// first, at most `limit`.
    async fn runs_paired(
        &self,
        first: &str,
        second: &str,
        from: Timestamp,
        until: Timestamp,
        limit: u32,
    ) -> Result<Vec<PairedRun>, StoreError>;

    /// As [`Queue::job_lease`](crate::Queue::job_lease), of jobs that are at least as urgent as `lowest`.
    async fn job_lease_urgent(
        &self,
        kinds: &[JobKind],
        lowest: Priority,
        owner: &str,
        now: Timestamp,
        lease_seconds: u32,
    ) -> Result<Option<Job>, StoreError>;
}
