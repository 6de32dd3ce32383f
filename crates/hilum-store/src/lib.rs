//! Seam: catalog, blobs and job queue on SQLite or PostgreSQL and local files.
//!
//! The promise "acknowledged means durable" is kept here: [`Committer`] takes received files through
//! `fdatasync`, rename, directory `fsync` and one catalog transaction before anybody may acknowledge them
//! (architecture section 4). Every act on the [`Catalog`] is one transaction that also appends its audit entry;
//! when the entry cannot be written, the act fails.

pub mod acquisition;
pub mod alarms;
pub mod assessments;
pub mod blobs;
pub mod catalog;
pub mod committer;
#[cfg(feature = "testing")]
pub mod conformance;
mod error;
pub mod evidence_report;
pub mod governance;
mod ids;
pub mod inputs_report;
pub mod label_free_report;
pub mod labels;
pub mod monitoring;
pub mod people;
pub mod products;
pub mod queue;
pub mod recalls;
pub mod records;
pub mod references;
pub mod reports;
pub mod rollout;
mod sql;
pub mod sweep;
pub mod tallies;
#[cfg(feature = "testing")]
pub mod testing;
pub mod together_report;

pub use acquisition::AcquisitionGroups;
pub use alarms::{Alarm, Alarms};
pub use assessments::Assessments;
pub use blobs::{BlobOptions, BlobReader, BlobStore, LocalBlobs, SpoolFile, StoredBlob};
pub use catalog::{Catalog, CatalogOptions, open};
pub use committer::{Committer, CommitterOptions};
pub use error::{CatalogFault, ErrorKind, StoreError};
pub use governance::Governance;
pub use ids::{
    AlarmKey, DeliveryKey, InstanceKey, InvalidKey, JobKey, LabelKey, NotificationKey, ProductRequestKey,
    QuarantineKey, ReportKey, ResultKey, StudyKey,
};
pub use labels::Labels;
pub use monitoring::Monitoring;
pub use products::Products;
pub use queue::{Job, JobFilter, JobKind, JobState, Lease, NewJob, Priority, Queue, QueueDepth};
pub use recalls::Recalls;
pub use references::{ReferenceUse, References};
pub use rollout::Rollout;
pub use sweep::{StorageReport, SweepReport, sweep, verify_storage};
pub use tallies::Tallies;
