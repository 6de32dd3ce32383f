//! The trait [`Products`] on SQL: one module per subject.

mod algorithms;
mod answers;
mod canaries;
mod requests;

use super::SqlCatalog;
use crate::products::{AlgorithmSeen, CanaryRun, NewProductRequest, OpenedRequest, ProductRequest, Products};
use crate::records::StoredInstance;
use crate::{InstanceKey, JobKey, Lease, ProductRequestKey, StoreError};
use async_trait::async_trait;
use hilum_registry::canary::CanaryFinding;
use hilum_types::{AlgorithmClaim, Digest, Timestamp};

pub(super) use answers::{Taken, product_titles, take_answer};

/// Hands every method of the trait to the function of the same name in the module of its subject.
macro_rules! products {
    ($($module:ident { $(fn $name:ident(&self $(, $argument:ident: $type:ty)* $(,)?) -> $output:ty;)* })*) => {
        #[async_trait]
        impl Products for SqlCatalog {
            $($(async fn $name(&self $(, $argument: $type)*) -> Result<$output, StoreError> {
                $module::$name(self $(, $argument)*).await
            })*)*
        }
    };
}

products! {
    requests {
    fn product_request_open(&self, lease: &Lease, request: &NewProductRequest, now: Timestamp) -> OpenedRequest;
    fn product_request_sent(&self, lease: &Lease, request: &ProductRequestKey, now: Timestamp) -> ();
    fn product_wait(&self, lease: &Lease, now: Timestamp) -> ();
    fn product_requests(&self, job: &JobKey) -> Vec<ProductRequest>;
    fn product_close(&self, lease: &Lease, now: Timestamp) -> Vec<ProductRequest>;
    }
    canaries {
    fn canary_begin(
        &self, deployment: &str, after: u32, caused_by: &str, as_baseline: bool, now: Timestamp,
    ) -> Option<u32>;
    fn canary_end(
        &self, lease: &Lease, number: u32, result: Option<(CanaryFinding, &Digest)>, now: Timestamp,
    ) -> ();
    fn canary_runs(&self, deployment: Option<&str>, limit: u32) -> Vec<CanaryRun>;
    }
    algorithms {
    fn instance_get(&self, key: &InstanceKey) -> Option<StoredInstance>;
    fn algorithms_seen(
        &self, lease: &Lease, claims: &[AlgorithmClaim], unregistered: &[AlgorithmClaim], now: Timestamp,
    ) -> ();
    fn algorithm_list(&self) -> Vec<AlgorithmSeen>;
    }
}
