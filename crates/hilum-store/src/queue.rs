//! The job queue: a table of the catalog, so that a job is enqueued in the transaction of its cause.
//!
//! A worker holds a job by a [`Lease`]: it must finish or send a heartbeat before the lease runs out, or the job
//! passes on to another worker. The attempt number fences: whoever lost the lease can no longer finish the job.

use crate::{DeliveryKey, JobKey, StoreError, StudyKey};
use async_trait::async_trait;
use hilum_types::{Reason, Timestamp};
use serde::{Deserialize, Serialize};

/// What a job does: a closed set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    /// The gate looks at one study revision for every deployment.
    Evaluate,
    /// One model runs on one study revision.
    Infer,
    /// One result object goes to one destination.
    Deliver,
    /// The fixed cases of one deployment are run (MV-15).
    Canary,
    /// One received object is asked which algorithm made it (GV-01).
    Inspect,
}

impl JobKind {
    /// Every kind.
    pub const ALL: [JobKind; 5] =
        [JobKind::Evaluate, JobKind::Infer, JobKind::Deliver, JobKind::Canary, JobKind::Inspect];

    /// Stable name: `evaluate`, `infer`, `deliver`, `canary`, `inspect`.
    pub fn name(self) -> &'static str {
        match self {
            JobKind::Evaluate => "evaluate",
            JobKind::Infer => "infer",
            JobKind::Deliver => "deliver",
            JobKind::Canary => "canary",
            JobKind::Inspect => "inspect",
        }
    }

    /// The kind of that stable name.
    pub fn from_name(name: &str) -> Option<JobKind> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Waits until it is due.
    Queued,
    /// A worker has it.
    Leased,
    /// Finished.
    Done,
    /// Given up; a person sees it.
    Dead,
    /// No longer wanted.
    Cancelled,
}

impl JobState {
    /// Every state.
    pub const ALL: [JobState; 5] =
        [JobState::Queued, JobState::Leased, JobState::Done, JobState::Dead, JobState::Cancelled];

    /// Stable name: `queued`, `leased`, `done`, `dead`, `cancelled`.
    pub fn name(self) -> &'static str {
        match self {
            JobState::Queued => "queued",
            JobState::Leased => "leased",
            JobState::Done => "done",
            JobState::Dead => "dead",
            JobState::Cancelled => "cancelled",
        }
    }

    /// The state of that stable name.
    pub fn from_name(name: &str) -> Option<JobState> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// Which of two due jobs goes first: the higher number, then the one due earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Priority(pub i32);

impl Priority {
    /// Runs whose results stay inside: they wait while anything else waits.
    pub const SHADOW: Priority = Priority(-100);
    /// Ordinary work.
    pub const ROUTINE: Priority = Priority(0);
    /// May wait for everything else.
    pub const BACKGROUND: Priority = Priority(-100);
    /// Overtakes ordinary work (AV-06).
    pub const STAT: Priority = Priority(100);
}

/// A job to enqueue.
#[derive(Debug, Clone, PartialEq)]
pub struct NewJob {
    /// What it does.
    pub kind: JobKind,
    /// At most one job ever exists under this key; enqueueing it again changes nothing.
    pub dedup_key: String,
    /// Study it is about.
    pub study_key: Option<StudyKey>,
    /// Revision of that study.
    pub revision: Option<u32>,
    /// Deployment it is for.
    pub deployment: Option<String>,
    /// Delivery it carries out.
    pub delivery_key: Option<DeliveryKey>,
    /// Further arguments; no patient data.
    pub payload: serde_json::Value,
    /// How urgent.
    pub priority: Priority,
    /// Not before this moment.
    pub due_at: Timestamp,
}

/// A job as the queue holds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Its name.
    pub key: JobKey,
    /// What it does.
    pub kind: JobKind,
    /// Study it is about.
    pub study_key: Option<StudyKey>,
    /// Revision of that study.
    pub revision: Option<u32>,
    /// Deployment it is for.
    pub deployment: Option<String>,
    /// Delivery it carries out.
    pub delivery_key: Option<DeliveryKey>,
    /// Further arguments.
    pub payload: serde_json::Value,
    /// How urgent.
    pub priority: Priority,
    /// Where it stands.
    pub state: JobState,
    /// How often it was leased.
    pub attempts: u32,
    /// Not before this moment.
    pub due_at: Timestamp,
    /// Who has it.
    pub lease_owner: Option<String>,
    /// Until when.
    pub lease_until: Option<Timestamp>,
    /// Why the last attempt failed; no patient data.
    pub last_error: Option<String>,
    /// When it was enqueued.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl Job {
    /// How often it was looked at again only because it waits for something outside: see [`Queue::job_wait`].
    pub fn n_waits(&self) -> u32 {
        let waits = self.payload.get("waits").and_then(serde_json::Value::as_u64).unwrap_or(0);
        u32::try_from(waits).unwrap_or(u32::MAX)
    }

    /// The lease under which the caller of [`Queue::job_lease`] holds this job.
    pub fn lease(&self) -> Lease {
        Lease { job: self.key.clone(), attempt: self.attempts }
    }
}

/// The right to finish a job: valid for one attempt only.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Lease {
    /// The job.
    pub job: JobKey,
    /// The attempt the holder is making.
    pub attempt: u32,
}

/// Which jobs to list. Empty lists and `None` say nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobFilter {
    /// Of these kinds.
    pub kinds: Vec<JobKind>,
    /// In these states.
    pub states: Vec<JobState>,
    /// About this study.
    pub study_key: Option<StudyKey>,
    /// For this deployment.
    pub deployment: Option<String>,
}

/// How many jobs of a kind are in a state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueDepth {
    /// Kind.
    pub kind: JobKind,
    /// State.
    pub state: JobState,
    /// How many.
    pub n_jobs: u64,
    /// When the longest waiting of them is or was due.
    pub oldest_due_at: Option<Timestamp>,
}

/// The queue part of the catalog.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Enqueue `job` unless one with its key ever was. Says whether it is new.
    ///
    /// Jobs that follow from an act are enqueued by that act; this is for everything else.
    async fn job_enqueue(&self, job: NewJob, now: Timestamp) -> Result<bool, StoreError>;

    /// Take the most urgent due job of these kinds, if any, until `now + lease_seconds`. A job whose lease ran out
    /// counts as due. Two callers never hold the same attempt.
    ///
    /// A clock that went back loses nothing: what was scheduled "in the future" counts as due.
    async fn job_lease(
        &self,
        kinds: &[JobKind],
        owner: &str,
        now: Timestamp,
        lease_seconds: u32,
    ) -> Result<Option<Job>, StoreError>;

    /// Hold the job until `now + lease_seconds`.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] when it passed on or was cancelled (a suspension, for instance): stop the work.
    async fn job_heartbeat(&self, lease: &Lease, now: Timestamp, lease_seconds: u32) -> Result<(), StoreError>;

    /// Finish a job whose work left nothing else to record.
    async fn job_complete(&self, lease: &Lease, now: Timestamp) -> Result<(), StoreError>;

    /// Give the job back to be tried again at `due_at`. `error` is shown to people: no patient data.
    async fn job_retry(&self, lease: &Lease, due_at: Timestamp, error: &str, now: Timestamp) -> Result<(), StoreError>;

    /// Give the job back because it waits for something outside until `due_at`. It is no failed attempt: the waits are
    /// counted in the payload ([`Job::n_waits`]), so that whoever counts attempts can leave them out.
    async fn job_wait(&self, lease: &Lease, due_at: Timestamp, now: Timestamp) -> Result<(), StoreError>;

    /// Give the job up for good, in a place that people see, with an alarm.
    ///
    /// No study may be left without a disposition: for `Evaluate` every deployment that is still open for the
    /// revision, for `Infer` its deployment, becomes `Failed(reason)`; for `Deliver` the delivery is dead.
    async fn job_dead(&self, lease: &Lease, reason: &Reason, now: Timestamp) -> Result<(), StoreError>;

    /// Jobs, newest first.
    async fn job_list(&self, filter: &JobFilter, limit: u32) -> Result<Vec<Job>, StoreError>;

    /// Jobs by kind and state.
    async fn queue_depth(&self) -> Result<Vec<QueueDepth>, StoreError>;
}
