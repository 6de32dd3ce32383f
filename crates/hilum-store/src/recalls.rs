//! Which studies a model version was used on, and what became of the retraction of its results (AV-11).

mod plan;
mod status;

pub use plan::{PLAN_FORMAT, PlannedResult, PlannedRun, PlannedStudy, RecallGround, RecallPlan};
pub use status::{Answer, DestinationStatus, Held, RecallStatus, RecallStep, RecallStudyStatus, StatusCounts};

use crate::records::{DeliveryState, NewResult, ResultKind};
use crate::{DeliveryKey, ResultKey, StoreError, StudyKey};
use async_trait::async_trait;
use hilum_types::{Digest, Phi, Timestamp, Uid};
use serde::{Deserialize, Serialize};

/// A version and a time: the runs that ended at or after `from` and before `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecallWindow {
    /// Package that ran.
    pub package: Digest,
    /// First moment.
    pub from: Timestamp,
    /// First moment that no longer counts.
    pub to: Timestamp,
}

/// A study that the version was used on in the window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecalledStudy {
    /// Opaque name.
    pub study_key: StudyKey,
    /// Accession Number, empty when not stated.
    pub accession_number: Phi<String>,
    /// Every run of the version on any revision for any deployment, by revision and deployment.
    pub runs: Vec<RecalledRun>,
}

/// One run of the version on one study revision for one deployment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecalledRun {
    /// Study revision it ran on.
    pub revision: u32,
    /// Deployment it ran for.
    pub deployment: String,
    /// When the outputs were there; this is what the window is about.
    pub ran_at: Timestamp,
    /// Name of the disposition: `analysed`, `withheld`, ...; absent when there is none.
    pub disposition: Option<String>,
    /// Result objects that were made of it; none when the gate stopped it after the run.
    pub results: Vec<RecalledResult>,
}

/// One result object of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecalledResult {
    /// Its name.
    pub key: ResultKey,
    /// What it is.
    pub kind: ResultKind,
    /// SOP Instance UID.
    pub sop_instance_uid: Uid,
    /// Digest of the stored file.
    pub blob: Digest,
    /// Whether it was released; a shadow result was not.
    pub released: bool,
    /// Later revision whose result took its place.
    pub superseded_by: Option<u32>,
    /// Recall record under which it is retracted.
    pub retracted_by: Option<Digest>,
    /// Where it was to go, by destination.
    pub deliveries: Vec<RecalledDelivery>,
}

/// One result object on its way to one destination.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecalledDelivery {
    /// Its name.
    pub key: DeliveryKey,
    /// Declared name of the destination.
    pub destination: String,
    /// Where it stands.
    pub state: DeliveryState,
    /// How often it was begun, the attempt in progress included.
    pub attempts: u32,
    /// When the destination accepted it.
    pub delivered_at: Option<Timestamp>,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
}

/// How far a result, or the results of a run or study, got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// The model ran, and no result was made of it.
    NoResult,
    /// Results were made and never left: shadow, withheld, superseded before they were sent, or not released.
    Inside,
    /// Queued and not tried yet.
    Waiting,
    /// Sent, and never acknowledged: the destination may hold it or not.
    Possible,
    /// At least one destination accepted it.
    Delivered,
}

impl Reach {
    /// Stable name: `no_result`, `inside`, `waiting`, `possible`, `delivered`.
    pub fn name(self) -> &'static str {
        match self {
            Reach::NoResult => "no_result",
            Reach::Inside => "inside",
            Reach::Waiting => "waiting",
            Reach::Possible => "possible",
            Reach::Delivered => "delivered",
        }
    }
}

impl RecalledDelivery {
    /// How far it got.
    pub fn reach(&self) -> Reach {
        match (self.delivered_at, self.attempts, self.state) {
            (Some(_), ..) => Reach::Delivered,
            (None, 1.., _) => Reach::Possible,
            (None, 0, DeliveryState::Queued) => Reach::Waiting,
            _ => Reach::Inside,
        }
    }
}

impl RecalledResult {
    /// How far it got anywhere.
    pub fn reach(&self) -> Reach {
        self.deliveries.iter().map(RecalledDelivery::reach).max().unwrap_or(Reach::Inside)
    }
}

impl RecalledRun {
    /// How far its results got.
    pub fn reach(&self) -> Reach {
        self.results.iter().map(RecalledResult::reach).max().unwrap_or(Reach::NoResult)
    }
}

impl RecalledStudy {
    /// How far any of its results got.
    pub fn reach(&self) -> Reach {
        self.runs.iter().map(RecalledRun::reach).max().unwrap_or(Reach::NoResult)
    }

    /// Its result objects, by run.
    pub fn results(&self) -> impl Iterator<Item = &RecalledResult> {
        self.runs.iter().flat_map(|run| &run.results)
    }
}

/// A recall under which results of a study are retracted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Retraction {
    /// The signed record.
    pub record: Digest,
    /// Why, as a code.
    pub ground: RecallGround,
    /// Why, in words.
    pub reason: String,
    /// How far it has come for this study.
    pub step: RecallStep,
    /// Result that is the rejection note; absent while there is none.
    pub note: Option<ResultKey>,
    /// Since when it stands there.
    pub changed_at: Timestamp,
}

/// What is left to do of a recall that was begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecallProgress {
    /// When it was first begun.
    pub begun_at: Timestamp,
    /// Studies whose results are not stopped yet, oldest first.
    pub planned: Vec<StudyKey>,
    /// Studies whose results are stopped and for which a rejection note may be due, oldest first.
    pub retracted: Vec<StudyKey>,
}

/// What a rejection note of a study has to say and where it goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NoteNeeds {
    /// Results that a destination holds or may hold, in order of their making.
    pub results: Vec<PlannedResult>,
    /// Destinations that hold or may hold one of them, by name.
    pub destinations: Vec<String>,
}

/// Recalls. Every act is one transaction with its audit entry, and each may be repeated: what is done stays done.
#[async_trait]
pub trait Recalls: Send + Sync {
    /// Every study the version ran on in the window, in order of arrival, whatever became of the run: over every
    /// deployment, superseded revisions included. One query.
    async fn recall_list(&self, window: &RecallWindow) -> Result<Vec<RecalledStudy>, StoreError>;

    /// Begin to carry out a recall record, or go on with one; says what is left to do.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::Refused`] when the record is no recall, was changed, or lacks an
    /// approval: a clinical and a technical one of two people (GV-02).
    async fn recall_begin(&self, record: &Digest, actor: &str, now: Timestamp) -> Result<RecallProgress, StoreError>;

    /// Stop the results of one study: they are marked as retracted, and whatever of them was not delivered is withheld,
    /// running attempts included. Says what a rejection note must cover; nothing when none is needed.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the recall was not begun or does not hold the study; [`StoreError::Refused`] when
    /// a result is not the one that was listed.
    async fn recall_retract(
        &self,
        record: &Digest,
        study: &StudyKey,
        actor: &str,
        now: Timestamp,
    ) -> Result<NoteNeeds, StoreError>;

    /// Enter the rejection note of a study, with one delivery to each destination that holds or may hold a result; with
    /// `None` the study is finished without one, because nothing had left. Entering it again changes nothing.
    ///
    /// # Errors
    /// As for [`Recalls::recall_retract`]; [`StoreError::Misuse`] when a note is needed and none was given.
    async fn recall_note_add(
        &self,
        record: &Digest,
        study: &StudyKey,
        note: Option<&NewResult>,
        actor: &str,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// Say why the note of a study could not be made; the results stay retracted, and the recall may be carried on.
    async fn recall_fail(
        &self,
        record: &Digest,
        study: &StudyKey,
        why: &str,
        actor: &str,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// Where a recall record stands, per study and destination; of a record that was not begun too.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::Refused`] when the record is no recall.
    async fn recall_status(&self, record: &Digest) -> Result<RecallStatus, StoreError>;
}
