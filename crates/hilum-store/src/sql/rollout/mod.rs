//! The trait [`Rollout`] on SQL: one module per subject.

mod history;
mod promote;
mod runs;

use super::SqlCatalog;
use crate::queue::{Job, JobKind, Priority};
use crate::rollout::{DeploymentChange, EndedRun, PairedRun, Promoted, Rollout, StudyAssignment};
use crate::{StoreError, StudyKey};
use async_trait::async_trait;
use hilum_gate::Promotion;
use hilum_registry::Deployment;
use hilum_types::{Digest, Timestamp};
pub(super) use promote::roll_back;
#[cfg(feature = "testing")]
pub(super) use runs::SHADOW_WAITING;
pub(super) use runs::record_assignments;

/// Hands every method of the trait to the function of the same name in the module of its subject.
macro_rules! rollout {
    ($($module:ident { $(fn $name:ident(&self $(, $argument:ident: $type:ty)* $(,)?) -> $output:ty;)* })*) => {
        #[async_trait]
        impl Rollout for SqlCatalog {
            $($(async fn $name(&self $(, $argument: $type)*) -> Result<$output, StoreError> {
                $module::$name(self $(, $argument)*).await
            })*)*

            async fn job_lease_urgent(
                &self,
                kinds: &[JobKind],
                lowest: Priority,
                owner: &str,
                now: Timestamp,
                lease_seconds: u32,
            ) -> Result<Option<Job>, StoreError> {
                self.lease(kinds, lowest, owner, now, lease_seconds).await
            }
        }
    };
}

rollout! {
    promote {
    fn deployment_promote(&self, promotion: &Promotion, now: Timestamp) -> Promoted;
    fn deployment_rollback(
        &self, name: &str, expected: Option<&str>, by: &str, reason: &str, now: Timestamp,
    ) -> Deployment;
    fn version_suspend(&self, name: &str, package: &Digest, by: &str, reason: &str, now: Timestamp) -> bool;
    }
    history {
    fn deployment_history(&self, name: &str) -> Vec<DeploymentChange>;
    fn deployment_as_of(&self, name: &str, at: Timestamp) -> Option<DeploymentChange>;
    }
    runs {
    fn study_assignments(&self, study_key: &StudyKey) -> Vec<StudyAssignment>;
    fn results_released(&self, study_key: &StudyKey, revision: u32, deployment: &str) -> bool;
    fn shadow_waiting(&self, deployment: &str) -> u64;
    fn runs_ended(&self, deployment: &str, package: &Digest, limit: u32) -> Vec<EndedRun>;
    fn runs_paired(
        &self, first: &str, second: &str, from: Timestamp, until: Timestamp, limit: u32,
    ) -> Vec<PairedRun>;
    }
}
