//! The catalog: studies, decisions, results, deployments and the audit chain, on SQLite or PostgreSQL.

use crate::acquisition::AcquisitionGroups;
use crate::alarms::Alarms;
use crate::assessments::Assessments;
use crate::governance::Governance;
use crate::labels::Labels;
use crate::monitoring::Monitoring;
use crate::products::Products;
use crate::queue::Queue;
use crate::recalls::Recalls;
use crate::records::{
    BlobRow, BooksLine, Counts, Delivery, DeliveryFilter, DeliveryOutcome, Evaluation, GateDecisionRecord,
    InferenceOutcome, IntakeOutcome, Journey, NewInstance, Origin, Package, Quarantined, ResultObject, StoredInstance,
    Study, StudyFilter,
};
use crate::references::References;
use crate::rollout::Rollout;
use crate::tallies::Tallies;
use crate::{DeliveryKey, Lease, QuarantineKey, StoreError, StudyKey};
use async_trait::async_trait;
use hilum_audit::{AuditEntry, AuditEvent, Checkpoint, Tampering, Verified};
use hilum_monitor::Observation;
use hilum_registry::{Deployment, DeploymentSpec};
use hilum_types::{Digest, Disposition, Reason, StudyFacts, Timestamp, Uid};
use std::collections::HashSet;
use std::sync::Arc;

/// How a catalog behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogOptions {
    /// A study is complete when nothing came for this long.
    pub quiet_seconds: u32,
    /// Connections kept for reading (SQLite), or in all (PostgreSQL).
    pub n_connections: u32,
}

impl Default for CatalogOptions {
    fn default() -> Self {
        CatalogOptions { quiet_seconds: 60, n_connections: 8 }
    }
}

/// Everything Hilum remembers. Every act is one transaction that also appends its audit entry, on either back end;
/// when the entry cannot be written, the act is not done.
///
/// `now` is the clock of the caller; `actor` is `system:<part>`, `user:<name>` or `peer:<AE title>`.
/// Acts that take a [`Lease`] refuse with [`StoreError::LeaseLost`] when it is no longer held, and finish the job.
#[async_trait]
pub trait Catalog:
    Queue
    + Governance
    + References
    + Rollout
    + Recalls
    + Products
    + Labels
    + Monitoring
    + Tallies
    + Alarms
    + AcquisitionGroups
    + Assessments
{
    // ---- intake ----

    /// Enter instances whose bytes are durable, all or none. Outcomes are in the order of `batch`.
    ///
    /// Same identifier and same content: `Duplicate`. Other content or another study: `Conflict`, kept as a further
    /// version while the first stays current, with an alarm; reuse in another study is also put in quarantine.
    /// A new instance of a complete study reopens it.
    async fn instances_commit(&self, batch: &[NewInstance], now: Timestamp) -> Result<Vec<IntakeOutcome>, StoreError>;

    /// Set aside an object that cannot be taken as an instance; its bytes are durable.
    async fn quarantine_add(
        &self,
        reason: &Reason,
        blob: Digest,
        size: u64,
        origin: &Origin,
        now: Timestamp,
    ) -> Result<QuarantineKey, StoreError>;

    /// Objects in quarantine, newest first.
    async fn quarantine_list(&self, limit: u32) -> Result<Vec<Quarantined>, StoreError>;

    // ---- studies ----

    /// Complete at most `limit` studies whose quiet time is over, or that have as many instances as announced.
    ///
    /// Each gets its revision and exactly one `Evaluate` job in the same transaction, whatever is restarted when.
    /// A study whose last instance lies in the future (the clock went back) waits one more quiet time from `now`.
    async fn study_complete_due(&self, now: Timestamp, limit: u32) -> Result<Vec<(StudyKey, u32)>, StoreError>;

    /// Complete a study because somebody said so. Says its revision; nothing changes when it is complete already.
    async fn study_complete(&self, key: &StudyKey, actor: &str, now: Timestamp) -> Result<u32, StoreError>;

    /// Announce how many instances the study will have; it is complete when they are there.
    async fn study_expect(&self, study_instance_uid: &Uid, n_instances: u32, now: Timestamp) -> Result<(), StoreError>;

    /// When the next study becomes complete by quiet time, so that a worker knows how long to wait.
    async fn study_next_due(&self) -> Result<Option<Timestamp>, StoreError>;

    /// One study.
    async fn study_get(&self, key: &StudyKey) -> Result<Option<Study>, StoreError>;

    /// The study of that Study Instance UID.
    async fn study_by_uid(&self, study_instance_uid: &Uid) -> Result<Option<Study>, StoreError>;

    /// Studies, newest first (by first instance).
    async fn study_list(&self, filter: &StudyFilter, limit: u32) -> Result<Vec<Study>, StoreError>;

    /// Everything that happened to one study.
    async fn study_journey(&self, key: &StudyKey) -> Result<Option<Journey>, StoreError>;

    /// What the gate needs to know of one study revision: its current instances.
    async fn study_facts(&self, key: &StudyKey, revision: u32) -> Result<StudyFacts, StoreError>;

    /// Current instances of one study revision, in order of arrival, with the blob of each.
    async fn study_instances(&self, key: &StudyKey, revision: u32) -> Result<Vec<StoredInstance>, StoreError>;

    /// Facts of the last `n` complete studies, newest first, for a dry run.
    async fn study_facts_recent(&self, n: u32) -> Result<Vec<(StudyKey, StudyFacts)>, StoreError>;

    /// Every received version of the instance, the current one first; empty when there is none.
    async fn instance_versions(&self, sop_instance_uid: &Uid) -> Result<Vec<StoredInstance>, StoreError>;

    // ---- packages ----

    /// Enter an imported package. Entering the same digest again changes nothing; says whether it is new.
    async fn package_add(&self, package: &Package, actor: &str) -> Result<bool, StoreError>;

    /// The package of that digest, or of that unique beginning of one (12 digits or more).
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::Refused`] when several begin like that.
    async fn package_get(&self, digest_or_prefix: &str) -> Result<Package, StoreError>;

    /// Packages, newest first.
    async fn package_list(&self) -> Result<Vec<Package>, StoreError>;

    // ---- deployments ----

    /// Declare a deployment, or change it. The package must be there; the transition must be one of the lifecycle's.
    ///
    /// Applying what is already in force changes nothing. A retired deployment's queued work is cancelled.
    async fn deployment_apply(
        &self,
        spec: &DeploymentSpec,
        package: Digest,
        actor: &str,
        now: Timestamp,
    ) -> Result<Deployment, StoreError>;

    /// Deployments by name.
    async fn deployment_list(&self) -> Result<Vec<Deployment>, StoreError>;

    /// One deployment.
    async fn deployment_get(&self, name: &str) -> Result<Option<Deployment>, StoreError>;

    /// Stop a deployment from the very next study on. In the same transaction its `Infer` and `Deliver` jobs are
    /// cancelled (leased ones too: their workers lose the lease), and what they would have produced is `Withheld`.
    async fn deployment_suspend(
        &self,
        name: &str,
        by: &str,
        reason: &str,
        now: Timestamp,
    ) -> Result<Deployment, StoreError>;

    /// Lift a suspension; the deployment returns to the state it was suspended in.
    async fn deployment_resume(
        &self,
        name: &str,
        by: &str,
        reason: &str,
        now: Timestamp,
    ) -> Result<Deployment, StoreError>;

    // ---- acts of a worker ----

    /// Finish an `Evaluate` job: decisions, dispositions, and `Infer` jobs.
    ///
    /// # Errors
    /// [`StoreError::StudyReopened`] is not one of them: an earlier revision is evaluated too.
    /// [`StoreError::Misuse`] when a deployment in service has neither a disposition nor an inference.
    async fn evaluation_record(&self, lease: &Lease, evaluation: &Evaluation, now: Timestamp)
    -> Result<(), StoreError>;

    /// Finish an `Infer` job: record, second decision, disposition, results, one delivery per result and
    /// destination. Results and queued deliveries of earlier revisions are superseded.
    ///
    /// # Errors
    /// [`StoreError::StudyReopened`] and [`StoreError::DeploymentChanged`] when a release was decided on what is no
    /// longer current: decide again and call again; the lease is still held.
    async fn inference_record(
        &self,
        lease: &Lease,
        outcome: &InferenceOutcome,
        now: Timestamp,
    ) -> Result<Vec<DeliveryKey>, StoreError>;

    /// Finish an `Infer` job without an inference record: it failed, expired, or the gate stopped it before it ran.
    /// `observation` as in [`InferenceOutcome::observation`], of the version that was tried; without one, that is the version
    /// which was in use when the work began.
    async fn inference_end(
        &self,
        lease: &Lease,
        decision: Option<&GateDecisionRecord>,
        disposition: &Disposition,
        observation: Option<&Observation>,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// Finish one attempt of a `Deliver` job.
    async fn delivery_record(&self, lease: &Lease, outcome: &DeliveryOutcome, now: Timestamp)
    -> Result<(), StoreError>;

    /// Try a dead delivery again, at once.
    async fn delivery_retry(&self, key: &DeliveryKey, actor: &str, now: Timestamp) -> Result<(), StoreError>;

    /// One delivery with the result it carries.
    async fn delivery_get(&self, key: &DeliveryKey) -> Result<Option<Delivery>, StoreError>;

    /// Deliveries, newest first.
    async fn delivery_list(&self, filter: &DeliveryFilter, limit: u32) -> Result<Vec<Delivery>, StoreError>;

    /// The result object of that SOP Instance UID.
    async fn result_by_uid(&self, sop_instance_uid: &Uid) -> Result<Option<ResultObject>, StoreError>;

    // ---- books, counts ----

    /// The books of the days `from_day` to `to_day` (both inclusive, `2026-11-23`), by day and deployment (MV-20).
    async fn books(&self, from_day: &str, to_day: &str) -> Result<Vec<BooksLine>, StoreError>;

    /// Totals for metrics.
    async fn counts(&self) -> Result<Counts, StoreError>;

    // ---- audit ----

    /// Append an entry for an act that changes nothing in the catalog.
    async fn audit_append(&self, event: AuditEvent) -> Result<AuditEntry, StoreError>;

    /// At most `limit` entries after position `after`, oldest first.
    async fn audit_page(&self, after: u64, limit: u32) -> Result<Vec<AuditEntry>, StoreError>;

    /// The end of the chain, to be kept outside.
    async fn audit_head(&self) -> Result<Checkpoint, StoreError>;

    /// Read the whole chain and check it, also against checkpoints kept elsewhere.
    async fn audit_verify(&self, known: &[Checkpoint]) -> Result<Result<Verified, Tampering>, StoreError>;

    // ---- blobs ----

    /// Which of these digests a row names.
    async fn blobs_known(&self, digests: &[Digest]) -> Result<HashSet<Digest>, StoreError>;

    /// At most `limit` of the blobs that rows name, in order of digest, after `after`.
    async fn blob_rows(&self, after: Option<Digest>, limit: u32) -> Result<Vec<BlobRow>, StoreError>;

    /// Whether the catalog answers and can be written.
    async fn ping(&self) -> Result<(), StoreError>;
}

/// Open the catalog at `url`: `sqlite:PATH`, or `postgres://USER@HOST/DATABASE`. Migrations that are due are applied
/// first, under a lock, each in its own transaction.
///
/// # Errors
/// [`StoreError::UnsafeCatalog`] when the server would acknowledge before data is durable (`fsync`,
/// `full_page_writes` or `synchronous_commit` off), or the schema is newer than this program.
pub async fn open(url: &str, options: &CatalogOptions) -> Result<Arc<dyn Catalog>, StoreError> {
    let catalog = crate::sql::SqlCatalog::open(url, options).await?;
    Ok(Arc::new(catalog))
}
