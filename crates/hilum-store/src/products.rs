//! What is remembered about products that are DICOM nodes, about fixed cases, and about algorithms seen in the traffic.

use crate::records::StoredInstance;
use crate::{InstanceKey, JobKey, Lease, ProductRequestKey, StoreError};
use async_trait::async_trait;
use hilum_registry::black_box::AnswerTerms;
use hilum_registry::canary::CanaryFinding;
use hilum_types::{AeTitle, AlgorithmClaim, Digest, InstanceHeader, Reason, Timestamp, Uid};
use serde::{Deserialize, Serialize};

/// A question to be put to a product: one study of a patient, or one fixed case.
#[derive(Debug, Clone, PartialEq)]
pub struct NewProductRequest {
    /// Name of the fixed case; empty for a study of a patient, whose job names study and revision.
    pub case_id: String,
    /// Deployment that asks.
    pub deployment: String,
    /// Its package.
    pub package: Digest,
    /// AE title under which the product calls back.
    pub ae_title: AeTitle,
    /// Study Instance UID under which the images are sent; answers name it.
    pub study_instance_uid: Uid,
    /// Header of one of the images: answers must be about the same patient and order.
    pub subject: InstanceHeader,
    /// Series that are sent, by Series Instance UID.
    pub series: Vec<Uid>,
    /// How long the product may take.
    pub terms: AnswerTerms,
}

/// Where a question stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProductRequestState {
    /// Images are being sent; answers may come already.
    Sending,
    /// Everything was sent.
    Waiting,
    /// No further answer is taken.
    Closed,
}

impl ProductRequestState {
    /// Stable name: `sending`, `waiting`, `closed`.
    pub fn name(self) -> &'static str {
        match self {
            ProductRequestState::Sending => "sending",
            ProductRequestState::Waiting => "waiting",
            ProductRequestState::Closed => "closed",
        }
    }

    /// The state of that stable name.
    pub fn from_name(name: &str) -> Option<ProductRequestState> {
        [Self::Sending, Self::Waiting, Self::Closed].into_iter().find(|state| state.name() == name)
    }
}

/// A question as the catalog holds it, with what came back.
#[derive(Debug, Clone, PartialEq)]
pub struct ProductRequest {
    /// Its name.
    pub key: ProductRequestKey,
    /// The job that waits.
    pub job: JobKey,
    /// Name of the fixed case; empty for a study of a patient.
    pub case_id: String,
    /// Deployment that asks.
    pub deployment: String,
    /// Package it asks for.
    pub package: Digest,
    /// Study Instance UID under which the images were sent.
    pub study_instance_uid: Uid,
    /// Where it stands.
    pub state: ProductRequestState,
    /// Series that were sent.
    pub series: Vec<Uid>,
    /// How long the product may take.
    pub terms: AnswerTerms,
    /// Set when an answer showed that the product is not to be trusted with this question.
    pub problem: Option<Reason>,
    /// Since when.
    pub created_at: Timestamp,
    /// When everything was sent.
    pub sent_at: Option<Timestamp>,
    /// When the last answer came.
    pub last_answer_at: Option<Timestamp>,
    /// What came back, in order of arrival.
    pub answers: Vec<ProductAnswer>,
}

/// One object that a product sent back.
#[derive(Debug, Clone, PartialEq)]
pub struct ProductAnswer {
    /// Its identifiers and kept attributes.
    pub header: InstanceHeader,
    /// Digest of the stored file.
    pub blob: Digest,
    /// Size of the stored file in bytes.
    pub size: u64,
    /// When it came.
    pub received_at: Timestamp,
}

/// Whether a question could be opened.
#[derive(Debug, Clone, PartialEq)]
pub enum OpenedRequest {
    /// It is open, from now or from an earlier attempt.
    Open(Box<ProductRequest>),
    /// The same product is still busy with an earlier question about this study, and its answers could not be told
    /// apart: ask later.
    Busy,
}

/// One run of the fixed cases of a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CanaryRun {
    /// Deployment.
    pub deployment: String,
    /// Running number, from 1.
    pub number: u32,
    /// `schedule`, or the person who asked for it.
    pub caused_by: String,
    /// When it was begun.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// How it ended.
    pub finding: Option<CanaryFinding>,
    /// Its record.
    pub record: Option<Digest>,
}

/// An algorithm that received objects name as their maker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlgorithmSeen {
    /// What the objects say; the version is that of the latest.
    #[serde(flatten)]
    pub claim: AlgorithmClaim,
    /// Objects it was seen on.
    pub n_objects: u64,
    /// When the first came.
    pub first_seen_at: Timestamp,
    /// When the latest came.
    pub last_seen_at: Timestamp,
}

/// Questions to products, canary runs and algorithms seen. Acts that take a [`Lease`] refuse with
/// [`StoreError::LeaseLost`] when it is no longer held.
#[async_trait]
pub trait Products: Send + Sync {
    /// Open a question for the job of `lease`; the same case of the same job again gives the one that is there.
    async fn product_request_open(
        &self,
        lease: &Lease,
        request: &NewProductRequest,
        now: Timestamp,
    ) -> Result<OpenedRequest, StoreError>;

    /// Everything was sent: the time of the product runs from `now`.
    async fn product_request_sent(
        &self,
        lease: &Lease,
        request: &ProductRequestKey,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// Put the job back until every one of its questions must be answered, or its answer is complete. An answer that
    /// comes brings the moment forward. A clock that went back since the sending lets the time of the product begin anew.
    async fn product_wait(&self, lease: &Lease, now: Timestamp) -> Result<(), StoreError>;

    /// The questions of a job by case, with what came back.
    async fn product_requests(&self, job: &JobKey) -> Result<Vec<ProductRequest>, StoreError>;

    /// Take no further answer to the questions of the job of `lease`, and give them with what came back: nothing can
    /// come between reading an answer and acting on it. What comes later is set aside as late.
    async fn product_close(&self, lease: &Lease, now: Timestamp) -> Result<Vec<ProductRequest>, StoreError>;

    /// Enqueue a run of the fixed cases of a deployment, unless one is under way; says which number it has.
    ///
    /// `after` is the number of the last run that the caller knows of: of several callers that find a run due at the
    /// same time one begins it, and the others get `None`. `as_baseline` asks for the run to become the new baseline.
    async fn canary_begin(
        &self,
        deployment: &str,
        after: u32,
        caused_by: &str,
        as_baseline: bool,
        now: Timestamp,
    ) -> Result<Option<u32>, StoreError>;

    /// Finish the job of a run: what it found, and the record that holds it. `None`: it could not be carried out.
    async fn canary_end(
        &self,
        lease: &Lease,
        number: u32,
        result: Option<(CanaryFinding, &Digest)>,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// Runs of a deployment, or of all, newest first.
    async fn canary_runs(&self, deployment: Option<&str>, limit: u32) -> Result<Vec<CanaryRun>, StoreError>;

    /// One received instance by its key.
    async fn instance_get(&self, key: &InstanceKey) -> Result<Option<StoredInstance>, StoreError>;

    /// Finish the job that looked into one object: it names these algorithms, of which `unregistered` are not
    /// registered here. Each of the latter raises an alarm of its own, or counts it up.
    async fn algorithms_seen(
        &self,
        lease: &Lease,
        claims: &[AlgorithmClaim],
        unregistered: &[AlgorithmClaim],
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// Every algorithm seen, the latest first.
    async fn algorithm_list(&self) -> Result<Vec<AlgorithmSeen>, StoreError>;
}
