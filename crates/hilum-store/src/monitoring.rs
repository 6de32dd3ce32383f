//! What was observed and labelled, and what the monitor said and did about it.

use crate::StoreError;
use async_trait::async_trait;
use hilum_gate::{EvidenceFacts, ReviewFacts};
use hilum_monitor::figures::LabelledObservation;
use hilum_monitor::{Cell, CellKey, Observation, Severity, Signal};
use hilum_registry::Deployment;
use hilum_types::{Digest, Timestamp};
use serde::{Deserialize, Serialize};

/// Which observations to list, in the order in which they were entered. `None` says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObservationFilter {
    /// Of this deployment.
    pub deployment: String,
    /// Of this version.
    pub package: Option<Digest>,
    /// Complete at or after this time.
    pub from: Option<Timestamp>,
    /// Complete before this time.
    pub until: Option<Timestamp>,
    /// Entered at or after this time.
    pub recorded_from: Option<Timestamp>,
    /// Entered at or before this time: what was known then (MV-27).
    pub as_of: Option<Timestamp>,
}

/// A signal as it is kept, with what was done about it in the same act.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredSignal {
    /// Position among all signals, from 1.
    pub seq: u64,
    /// Version it is about.
    pub package: Digest,
    /// What was done: `suspended`, `rolled_back`, `stopped_already`, `alarm`.
    pub action: String,
    /// What the monitor said.
    #[serde(flatten)]
    pub signal: Signal,
}

/// A stop rule because of which a suspended deployment is used again on evidence alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoppingRule {
    /// Name of the first one that fired since the deployment was suspended, or of the one that it was suspended by.
    pub name: String,
    /// When one fired last since then, and not before the deployment was suspended: evidence is at least as new.
    pub last_fired_at: Timestamp,
}

/// Upper bounds of the buckets that run times are counted in; beyond the last there is one more.
pub const RUN_TIME_BOUNDS_MICROS: [i64; 11] = [
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    30_000_000,
    60_000_000,
    120_000_000,
    300_000_000,
];

/// How long the runs of one deployment took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunTimes {
    /// The deployment.
    pub deployment: String,
    /// Runs by bucket, in the order of [`RUN_TIME_BOUNDS_MICROS`]; the last one counts those beyond every bound.
    pub n: [u64; RUN_TIME_BOUNDS_MICROS.len() + 1],
    /// What they took together.
    pub sum_micros: u64,
}

/// What is counted of deployments since the first start, for monitoring systems that ask every few seconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MonitorCounts {
    /// Alarms nobody has acknowledged, by severity; every severity is there.
    pub alarms_open: Vec<(Severity, u64)>,
    /// Signals, by deployment and rule.
    pub signals: Vec<(String, String, u64)>,
    /// Labels, by deployment and stable name of the source.
    pub labels: Vec<(String, String, u64)>,
    /// Run times, by deployment.
    pub run_times: Vec<RunTimes>,
}

/// Facts of monitoring and what was made of them. They are entered by the acts that end a study or give a label: the
/// fold runs in their transaction, so that a label and the stop it leads to are both durable, or neither (ADR 0010).
#[async_trait]
pub trait Monitoring: Send + Sync {
    /// The latest `limit` observations of the filter, oldest first.
    async fn observation_list(&self, filter: &ObservationFilter, limit: u32) -> Result<Vec<Observation>, StoreError>;

    /// The next `limit` observations of the filter after `after`, by event time, study and revision: page by page they are
    /// all of them, each once. Say `as_of`, or what is entered meanwhile may be passed over.
    async fn observation_page(
        &self,
        filter: &ObservationFilter,
        after: Option<&Observation>,
        limit: u32,
    ) -> Result<Vec<Observation>, StoreError>;

    /// Signals of a deployment given in `from` (inclusive) to `until` (exclusive), newest first.
    async fn signal_list(
        &self,
        deployment: &str,
        from: Option<Timestamp>,
        until: Option<Timestamp>,
        limit: u32,
    ) -> Result<Vec<StoredSignal>, StoreError>;

    /// The latest `limit` labels of observations of the filter, in the order of entry; `recorded_from` and `as_of`
    /// are about the labels.
    async fn labelled_list(
        &self,
        filter: &ObservationFilter,
        limit: u32,
    ) -> Result<Vec<LabelledObservation>, StoreError>;

    /// The stop rule that keeps a suspended deployment from being used again without evidence: it stopped it, or
    /// would have, had it not been stopped by hand before. `None` when none did, or nothing is suspended.
    async fn stopping_rule(&self, deployment: &Deployment) -> Result<Option<StoppingRule>, StoreError>;

    /// What every rule has seen of the version in use, by rule and cut.
    async fn cell_list(&self, deployment: &Deployment) -> Result<Vec<(CellKey, Cell)>, StoreError>;

    /// Counts for monitoring systems; each is kept as it comes, or read from an index of the few rows it is about.
    async fn monitor_counts(&self) -> Result<MonitorCounts, StoreError>;

    /// How fresh the evidence about the version in use is at `now`, for the gate; `None` when the deployment declares no rule
    /// about it.
    async fn evidence_facts(
        &self,
        deployment: &Deployment,
        now: Timestamp,
    ) -> Result<Option<EvidenceFacts>, StoreError>;

    /// When somebody last looked at the figures of the deployment, for the gate; `None` when no review is agreed.
    async fn review_facts(&self, deployment: &Deployment, now: Timestamp) -> Result<Option<ReviewFacts>, StoreError>;
}
