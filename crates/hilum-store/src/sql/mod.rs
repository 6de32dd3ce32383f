//! The catalog on SQL. One text of every statement serves SQLite and PostgreSQL.

mod acquisition;
mod act;
mod alarms;
mod assessments;
mod books;
mod connection;
mod deployments;
mod governance;
#[cfg(feature = "testing")]
pub(crate) mod inside;
mod intake;
mod jobs;
mod labels;
mod migrate;
mod monitoring;
mod products;
mod read;
mod recalls;
mod references;
mod released;
mod rollout;
mod study;
mod tallies;
mod work;

#[cfg(feature = "testing")]
pub(crate) use tallies::forget_at as forget_tallies;

use crate::records::{
    BlobRow, BooksLine, Counts, Delivery, DeliveryFilter, DeliveryOutcome, Evaluation, GateDecisionRecord,
    InferenceOutcome, IntakeOutcome, Journey, NewInstance, Origin, Package, Quarantined, ResultObject, StoredInstance,
    Study, StudyFilter,
};
use crate::{Catalog, CatalogOptions, DeliveryKey, Lease, QuarantineKey, StoreError, StudyKey};
use async_trait::async_trait;
use connection::{Database, values};
use hilum_audit::{AuditEntry, AuditEvent, Checkpoint, Tampering, Verified};
use hilum_monitor::Observation;
use hilum_registry::{Deployment, DeploymentSpec};
use hilum_types::{Digest, Disposition, Reason, StudyFacts, Timestamp, Uid};
use std::collections::HashSet;

/// A catalog on SQLite or PostgreSQL.
#[derive(Debug)]
pub(crate) struct SqlCatalog {
    database: Database,
    options: CatalogOptions,
}

impl SqlCatalog {
    pub(crate) async fn open(url: &str, options: &CatalogOptions) -> Result<SqlCatalog, StoreError> {
        let database = Database::connect(url, options).await?;
        refuse_unsafe(&database).await?;
        migrate::migrate(&database).await?;
        Ok(SqlCatalog { database, options: options.clone() })
    }
}

/// Refuse a back end that acknowledges a commit before it is durable.
async fn refuse_unsafe(database: &Database) -> Result<(), StoreError> {
    const WHAT: &str = "ask how durable commits are";
    match database {
        Database::Sqlite { .. } => {
            let mut tx = database.begin(WHAT).await?;
            let row = tx.row(WHAT, "PRAGMA synchronous", vec![]).await?;
            let synchronous = row.map(|row| row.int("synchronous")).transpose()?.unwrap_or(0);
            let row = tx.row(WHAT, "PRAGMA journal_mode", vec![]).await?;
            let journal = row.map(|row| row.text("journal_mode")).transpose()?.unwrap_or_default();
            if synchronous < 2 || journal != "wal" {
                let text = "SQLite does not keep a synchronous write-ahead log here; use a local file system";
                return Err(StoreError::UnsafeCatalog(text.into()));
            }
        }
        Database::Postgres(_) => {
            for setting in ["fsync", "full_page_writes", "synchronous_commit"] {
                let sql = "SELECT current_setting($1) AS value";
                let row = database.row(WHAT, sql, values![setting]).await?;
                let value = row.map(|row| row.text("value")).transpose()?.unwrap_or_default();
                if !matches!(value.as_str(), "on" | "remote_apply" | "remote_write" | "local") {
                    let text =
                        format!("PostgreSQL has {setting} = {value}; set it to on, or acknowledged studies are lost");
                    return Err(StoreError::UnsafeCatalog(text));
                }
            }
        }
    }
    Ok(())
}

/// Hands every method of the trait to the function of the same name in the module of its subject.
macro_rules! catalog {
    ($($module:ident { $(fn $name:ident(&self $(, $argument:ident: $type:ty)* $(,)?) -> $output:ty;)* })*) => {
        #[async_trait]
        impl Catalog for SqlCatalog {
            $($(async fn $name(&self $(, $argument: $type)*) -> Result<$output, StoreError> {
                $module::$name(self $(, $argument)*).await
            })*)*

            async fn ping(&self) -> Result<(), StoreError> {
                const WHAT: &str = "reach the catalog";
                let mut tx = self.database.begin(WHAT).await?;
                tx.row(WHAT, "SELECT id FROM audit_head", vec![]).await?;
                tx.commit(WHAT).await
            }
        }
    };
}

catalog! {
    intake {
    fn instances_commit(&self, batch: &[NewInstance], now: Timestamp) -> Vec<IntakeOutcome>;
    fn quarantine_add(
        &self, reason: &Reason, blob: Digest, size: u64, origin: &Origin, now: Timestamp,
    ) -> QuarantineKey;
    fn quarantine_list(&self, limit: u32) -> Vec<Quarantined>;
    fn instance_versions(&self, sop_instance_uid: &Uid) -> Vec<StoredInstance>;
    }
    study {
    fn study_complete_due(&self, now: Timestamp, limit: u32) -> Vec<(StudyKey, u32)>;
    fn study_complete(&self, key: &StudyKey, actor: &str, now: Timestamp) -> u32;
    fn study_expect(&self, study_instance_uid: &Uid, n_instances: u32, now: Timestamp) -> ();
    fn study_next_due(&self) -> Option<Timestamp>;
    }
    read {
    fn study_get(&self, key: &StudyKey) -> Option<Study>;
    fn study_by_uid(&self, study_instance_uid: &Uid) -> Option<Study>;
    fn study_list(&self, filter: &StudyFilter, limit: u32) -> Vec<Study>;
    fn study_journey(&self, key: &StudyKey) -> Option<Journey>;
    fn study_facts(&self, key: &StudyKey, revision: u32) -> StudyFacts;
    fn study_instances(&self, key: &StudyKey, revision: u32) -> Vec<StoredInstance>;
    fn study_facts_recent(&self, n: u32) -> Vec<(StudyKey, StudyFacts)>;
    fn delivery_get(&self, key: &DeliveryKey) -> Option<Delivery>;
    fn delivery_list(&self, filter: &DeliveryFilter, limit: u32) -> Vec<Delivery>;
    fn result_by_uid(&self, sop_instance_uid: &Uid) -> Option<ResultObject>;
    }
    deployments {
    fn package_add(&self, package: &Package, actor: &str) -> bool;
    fn package_get(&self, digest_or_prefix: &str) -> Package;
    fn package_list(&self) -> Vec<Package>;
    fn deployment_apply(&self, spec: &DeploymentSpec, package: Digest, actor: &str, now: Timestamp) -> Deployment;
    fn deployment_list(&self) -> Vec<Deployment>;
    fn deployment_get(&self, name: &str) -> Option<Deployment>;
    fn deployment_suspend(&self, name: &str, by: &str, reason: &str, now: Timestamp) -> Deployment;
    fn deployment_resume(&self, name: &str, by: &str, reason: &str, now: Timestamp) -> Deployment;
    }
    work {
    fn evaluation_record(&self, lease: &Lease, evaluation: &Evaluation, now: Timestamp) -> ();
    fn inference_record(&self, lease: &Lease, outcome: &InferenceOutcome, now: Timestamp) -> Vec<DeliveryKey>;
    fn inference_end(
        &self, lease: &Lease, decision: Option<&GateDecisionRecord>, disposition: &Disposition,
        observation: Option<&Observation>, now: Timestamp,
    ) -> ();
    fn delivery_record(&self, lease: &Lease, outcome: &DeliveryOutcome, now: Timestamp) -> ();
    fn delivery_retry(&self, key: &DeliveryKey, actor: &str, now: Timestamp) -> ();
    }
    books {
    fn books(&self, from_day: &str, to_day: &str) -> Vec<BooksLine>;
    fn counts(&self) -> Counts;
    fn audit_append(&self, event: AuditEvent) -> AuditEntry;
    fn audit_page(&self, after: u64, limit: u32) -> Vec<AuditEntry>;
    fn audit_head(&self) -> Checkpoint;
    fn audit_verify(&self, known: &[Checkpoint]) -> Result<Verified, Tampering>;
    fn blobs_known(&self, digests: &[Digest]) -> HashSet<Digest>;
    fn blob_rows(&self, after: Option<Digest>, limit: u32) -> Vec<BlobRow>;
    }
}
