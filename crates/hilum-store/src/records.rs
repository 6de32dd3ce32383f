//! What goes into the catalog and what comes out of it.

use crate::queue::{Job, Priority};
use crate::recalls::Retraction;
use crate::{DeliveryKey, InstanceKey, ProductRequestKey, QuarantineKey, ResultKey, StudyKey};
use hilum_gate::Assignment;
use hilum_monitor::Observation;
use hilum_types::{Digest, Disposition, InstanceHeader, Phi, Reason, Timestamp, Uid};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How an object came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// C-STORE.
    Dimse,
    /// STOW-RS.
    Stow,
    /// Folder import.
    Import,
}

impl Source {
    /// Stable name: `dimse`, `stow`, `import`.
    pub fn name(self) -> &'static str {
        match self {
            Source::Dimse => "dimse",
            Source::Stow => "stow",
            Source::Import => "import",
        }
    }

    /// The source of that stable name.
    pub fn from_name(name: &str) -> Option<Source> {
        [Source::Dimse, Source::Stow, Source::Import].into_iter().find(|source| source.name() == name)
    }
}

/// Where an object came from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Origin {
    /// AE title of the sender, or the name of the HTTP or import user.
    pub peer: String,
    /// How it came in.
    pub source: Source,
}

/// An instance whose bytes are durable, to be entered in the catalog.
#[derive(Debug, Clone, PartialEq)]
pub struct NewInstance {
    /// Its identifiers and kept attributes.
    pub header: InstanceHeader,
    /// Digest of the whole stored file: the name of its blob.
    pub blob: Digest,
    /// Digest of the data set without preamble and file meta information: what "same bytes" is decided on, so that
    /// the same object by C-STORE and by STOW-RS is a duplicate. The same as `blob` when not known.
    pub content: Digest,
    /// Size of the stored file in bytes.
    pub size: u64,
    /// Sender.
    pub origin: Origin,
    /// When its last byte came in.
    pub received_at: Timestamp,
}

/// What became of one received instance. All of them are a success for the sender.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum IntakeOutcome {
    /// New, into a study that is still receiving.
    Stored {
        /// Its study.
        study_key: StudyKey,
    },
    /// The same instance with the same bytes is held already: one copy.
    Duplicate {
        /// Its study.
        study_key: StudyKey,
    },
    /// Other bytes, or another study, under an identifier that is held already: both are kept, the first stays
    /// current, an alarm is raised.
    Conflict {
        /// Study of the version that is current.
        study_key: StudyKey,
        /// Number of this version, from 2.
        version: u32,
    },
    /// New, into a study that was complete: the study is open again.
    Late {
        /// Its study.
        study_key: StudyKey,
        /// The revision it opened or joined.
        revision: u32,
    },
    /// A product sent it back: it belongs to what the product was asked, and is no instance of a study here (AV-08).
    Answer {
        /// The question.
        request: ProductRequestKey,
    },
    /// A result object of this site that came back, from an archive that routes it for instance. Nothing was changed.
    OwnResult {
        /// Study it was made for.
        study_key: StudyKey,
    },
    /// A product sent it, but it is no answer to anything that was asked: it is in quarantine.
    SetAside {
        /// Where it is listed.
        key: QuarantineKey,
        /// Why.
        reason: Reason,
    },
}

impl IntakeOutcome {
    /// The study the instance belongs to; `None` when it is an instance of none.
    pub fn study_key(&self) -> Option<&StudyKey> {
        match self {
            IntakeOutcome::Answer { .. } | IntakeOutcome::SetAside { .. } => None,
            IntakeOutcome::OwnResult { study_key }
            | IntakeOutcome::Stored { study_key }
            | IntakeOutcome::Duplicate { study_key }
            | IntakeOutcome::Conflict { study_key, .. }
            | IntakeOutcome::Late { study_key, .. } => Some(study_key),
        }
    }
}

/// An object that could not be taken as an instance, kept as it came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantined {
    /// Its name.
    pub key: QuarantineKey,
    /// Why, with code and sentence.
    pub reason: Reason,
    /// Digest of its bytes.
    pub blob: Digest,
    /// Size in bytes.
    pub size: u64,
    /// Sender.
    pub origin: Origin,
    /// When it came in.
    pub received_at: Timestamp,
}

/// Where a study stands in intake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StudyState {
    /// Instances may still come.
    Receiving,
    /// Complete; its current revision was handed to the gate.
    Complete,
}

impl StudyState {
    /// Stable name: `receiving`, `complete`.
    pub fn name(self) -> &'static str {
        match self {
            StudyState::Receiving => "receiving",
            StudyState::Complete => "complete",
        }
    }

    /// The state of that stable name.
    pub fn from_name(name: &str) -> Option<StudyState> {
        [StudyState::Receiving, StudyState::Complete].into_iter().find(|state| state.name() == name)
    }
}

/// Why a study counts as complete (AV-02).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CompletedBy {
    /// Nothing came for the quiet time.
    QuietTime,
    /// The number of instances that was announced is there.
    ExpectedCount,
    /// Somebody said so.
    Signal,
}

impl CompletedBy {
    /// Stable name: `quiet_time`, `expected_count`, `signal`.
    pub fn name(self) -> &'static str {
        match self {
            CompletedBy::QuietTime => "quiet_time",
            CompletedBy::ExpectedCount => "expected_count",
            CompletedBy::Signal => "signal",
        }
    }

    /// The cause of that stable name.
    pub fn from_name(name: &str) -> Option<CompletedBy> {
        [CompletedBy::QuietTime, CompletedBy::ExpectedCount, CompletedBy::Signal]
            .into_iter()
            .find(|cause| cause.name() == name)
    }
}

/// A study as the catalog knows it. Everything that may identify the patient is inside [`Phi`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Study {
    /// Opaque name, used in addresses and logs.
    pub key: StudyKey,
    /// Study Instance UID.
    pub study_instance_uid: Uid,
    /// Accession Number, empty when not stated.
    pub accession_number: Phi<String>,
    /// Kept attributes of the first instance that came: patient, study and modality.
    pub first_header: InstanceHeader,
    /// Current instances.
    pub n_instances: u32,
    /// Current revision, from 1.
    pub revision: u32,
    /// Where it stands in intake.
    pub state: StudyState,
    /// Announced number of instances.
    pub n_instances_expected: Option<u32>,
    /// First instance.
    pub first_received_at: Timestamp,
    /// Latest instance.
    pub last_received_at: Timestamp,
    /// When it becomes complete if nothing more comes; `None` once complete.
    pub due_at: Option<Timestamp>,
    /// Dispositions of the current revision, by deployment name.
    pub dispositions: Vec<DispositionRecord>,
}

/// Which studies to list, newest first. `None` says nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StudyFilter {
    /// With exactly this Accession Number.
    pub accession_number: Option<Phi<String>>,
    /// In this state.
    pub state: Option<StudyState>,
    /// With this Modality in the first instance.
    pub modality: Option<String>,
    /// With this disposition name (`analysed`, `withheld`, ...) for any deployment, or for `deployment`.
    pub disposition: Option<String>,
    /// Considered for this deployment.
    pub deployment: Option<String>,
    /// First instance received at or after.
    pub received_from: Option<Timestamp>,
    /// First instance received before.
    pub received_before: Option<Timestamp>,
    /// Only studies older than this one in the list: the last key of the page before.
    pub after: Option<StudyKey>,
}

/// One revision of a study: an exact set of instances (architecture section 2).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StudyRevision {
    /// Study.
    pub study_key: StudyKey,
    /// Revision, from 1.
    pub revision: u32,
    /// Digest over the sorted (SOP Instance UID, blob digest) pairs of its current instances.
    pub instance_set: Digest,
    /// How many.
    pub n_instances: u32,
    /// Why it counted as complete.
    pub completed_by: CompletedBy,
    /// When.
    pub completed_at: Timestamp,
}

/// One received version of an instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredInstance {
    /// Opaque name.
    pub key: InstanceKey,
    /// Study it is listed under.
    pub study_key: StudyKey,
    /// Identifiers and kept attributes.
    pub header: InstanceHeader,
    /// 1 is the first that came and stays current; higher ones conflict with it.
    pub version: u32,
    /// Study revision it came in.
    pub revision: u32,
    /// Digest of the stored file.
    pub blob: Digest,
    /// Size of the stored file in bytes.
    pub size: u64,
    /// Sender.
    pub origin: Origin,
    /// When it came in.
    pub received_at: Timestamp,
}

/// The two moments at which the gate decides (architecture section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GateStage {
    /// Before the model runs.
    BeforeInference,
    /// Before its result leaves.
    BeforeRelease,
}

impl GateStage {
    /// Stable name: `before_inference`, `before_release`.
    pub fn name(self) -> &'static str {
        match self {
            GateStage::BeforeInference => "before_inference",
            GateStage::BeforeRelease => "before_release",
        }
    }

    /// The stage of that stable name.
    pub fn from_name(name: &str) -> Option<GateStage> {
        [GateStage::BeforeInference, GateStage::BeforeRelease].into_iter().find(|stage| stage.name() == name)
    }
}

/// One decision of the gate about one study revision and one deployment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GateDecisionRecord {
    /// Deployment decided about.
    pub deployment: String,
    /// First or second look.
    pub stage: GateStage,
    /// When.
    pub decided_at: Timestamp,
    /// Stable name of the verdict, such as `run`, `not_eligible`, `withheld`.
    pub verdict: String,
    /// Every check with the value that decided it.
    pub reasons: Vec<Reason>,
    /// The whole decision with a format version, for later programs; no patient data.
    pub detail: Value,
}

/// How a study revision ended for a deployment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DispositionRecord {
    /// Deployment.
    pub deployment: String,
    /// Study revision.
    pub revision: u32,
    /// How it ended.
    #[serde(flatten)]
    pub disposition: Disposition,
    /// When.
    pub decided_at: Timestamp,
}

/// What one evaluation of a study revision led to. Every deployment in service must be in exactly one of
/// `dispositions` and `infer`.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// Study.
    pub study_key: StudyKey,
    /// Revision.
    pub revision: u32,
    /// One decision per deployment.
    pub decisions: Vec<GateDecisionRecord>,
    /// Deployments for which the study has ended here.
    pub dispositions: Vec<(String, Disposition)>,
    /// Deployments whose model shall run.
    pub infer: Vec<NewInference>,
    /// Which side answers where a version is limited.
    pub assignments: Vec<NewAssignment>,
    /// What was measured of the study for deployments in `dispositions`; one that is left out is observed with what the
    /// catalog knows itself. Who, when and how it ended are the catalog's: what is given of them is written over.
    pub observations: Vec<Observation>,
}

/// Which side answers for a study revision while a version is limited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAssignment {
    /// Name of the champion, or of the limited deployment where it has none.
    pub family: String,
    /// The limited deployment.
    pub limited: String,
    /// Which side, and why.
    pub assignment: Assignment,
}

/// A model that shall run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewInference {
    /// Deployment.
    pub deployment: String,
    /// How urgent.
    pub priority: Priority,
    /// Deployment whose run on the same study revision goes first.
    pub after: Option<String>,
}

/// What one run of a model led to.
#[derive(Debug, Clone, PartialEq)]
pub struct InferenceOutcome {
    /// Study.
    pub study_key: StudyKey,
    /// Revision.
    pub revision: u32,
    /// Deployment.
    pub deployment: String,
    /// Revision of the deployment that `decision` looked at; the release is refused when it is no longer current.
    pub deployment_revision: u32,
    /// Package that ran.
    pub package: Digest,
    /// The immutable inference record (MV-19) with a format version.
    pub record: Value,
    /// When preprocessing began.
    pub started_at: Timestamp,
    /// When the outputs were there.
    pub finished_at: Timestamp,
    /// Second look of the gate.
    pub decision: GateDecisionRecord,
    /// How it ended.
    pub disposition: Disposition,
    /// Encoded result objects; their blobs are durable.
    pub results: Vec<NewResult>,
    /// Destinations every result goes to; empty in shadow, and unless `disposition` is `Analysed`.
    pub destinations: Vec<String>,
    /// How urgent the deliveries are.
    pub priority: Priority,
    /// What was measured; `None`: what the catalog knows itself. Who, when and how it ended are written over.
    pub observation: Option<Observation>,
}

/// What kind of object a result is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResultKind {
    /// Structured report.
    Report,
    /// Secondary capture or presentation state that shows where.
    KeyImage,
    /// Segmentation.
    Segmentation,
    /// Anything else that a product made: an encapsulated document, a parametric map, ...
    Other,
    /// Key Object Selection that retracts other results (IHE IOCM); it belongs to no deployment.
    RejectionNote,
    /// Structured report of what a reader answered to a result (IHE AIRA); it belongs to no deployment.
    AssessmentReport,
}

impl ResultKind {
    /// Every kind.
    pub const ALL: [ResultKind; 6] = [
        ResultKind::Report,
        ResultKind::KeyImage,
        ResultKind::Segmentation,
        ResultKind::Other,
        ResultKind::RejectionNote,
        ResultKind::AssessmentReport,
    ];

    /// Stable name: `report`, `key_image`, `segmentation`, `other`, `rejection_note`, `assessment_report`.
    pub fn name(self) -> &'static str {
        match self {
            ResultKind::Report => "report",
            ResultKind::KeyImage => "key_image",
            ResultKind::Segmentation => "segmentation",
            ResultKind::Other => "other",
            ResultKind::RejectionNote => "rejection_note",
            ResultKind::AssessmentReport => "assessment_report",
        }
    }

    /// The kind of that stable name.
    pub fn from_name(name: &str) -> Option<ResultKind> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// A result object whose blob is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewResult {
    /// What it is.
    pub kind: ResultKind,
    /// Which of that kind, from 0. With study, revision and deployment it names the result for ever.
    pub index: u32,
    /// SOP Instance UID, the same whenever this result is encoded again (`Uid::derived`).
    pub sop_instance_uid: Uid,
    /// SOP Class UID.
    pub sop_class_uid: Uid,
    /// Transfer syntax of the stored file.
    pub transfer_syntax_uid: Uid,
    /// Digest of the stored file.
    pub blob: Digest,
    /// Size of the stored file in bytes.
    pub size: u64,
}

/// A result object as the catalog holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResultObject {
    /// Its name.
    pub key: ResultKey,
    /// Study.
    pub study_key: StudyKey,
    /// Revision it was made from.
    pub revision: u32,
    /// Deployment that made it; empty for a rejection note and an assessment report.
    pub deployment: String,
    /// What it is.
    pub kind: ResultKind,
    /// Which of that kind, from 0.
    pub index: u32,
    /// SOP Instance UID.
    pub sop_instance_uid: Uid,
    /// SOP Class UID.
    pub sop_class_uid: Uid,
    /// Transfer syntax of the stored file.
    pub transfer_syntax_uid: Uid,
    /// Digest of the stored file.
    pub blob: Digest,
    /// Size of the stored file in bytes.
    pub size: u64,
    /// Whether it may leave; a shadow or withheld result may not.
    pub released: bool,
    /// Later revision whose result takes its place.
    pub superseded_by: Option<u32>,
    /// Recall record under which it is retracted (AV-11).
    pub retracted_by: Option<Digest>,
    /// When it was recorded.
    pub created_at: Timestamp,
}

/// One immutable inference record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Inference {
    /// Revision it ran on.
    pub revision: u32,
    /// Deployment.
    pub deployment: String,
    /// Package that ran.
    pub package: Digest,
    /// The record (MV-19).
    pub record: Value,
    /// When preprocessing began.
    pub started_at: Timestamp,
    /// When the outputs were there.
    pub finished_at: Timestamp,
}

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// To be sent, or to be sent again.
    Queued,
    /// The destination accepted it.
    Delivered,
    /// Given up; `hilum delivery retry` tries again.
    Dead,
    /// Kept back: the deployment was suspended, or the result retracted, first.
    Withheld,
    /// Not sent: the result of a later study revision takes its place.
    Superseded,
}

impl DeliveryState {
    /// Every state.
    pub const ALL: [DeliveryState; 5] = [
        DeliveryState::Queued,
        DeliveryState::Delivered,
        DeliveryState::Dead,
        DeliveryState::Withheld,
        DeliveryState::Superseded,
    ];

    /// Stable name: `queued`, `delivered`, `dead`, `withheld`, `superseded`.
    pub fn name(self) -> &'static str {
        match self {
            DeliveryState::Queued => "queued",
            DeliveryState::Delivered => "delivered",
            DeliveryState::Dead => "dead",
            DeliveryState::Withheld => "withheld",
            DeliveryState::Superseded => "superseded",
        }
    }

    /// The state of that stable name.
    pub fn from_name(name: &str) -> Option<DeliveryState> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// One result object on its way to one destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Its name.
    pub key: DeliveryKey,
    /// What is sent.
    pub result: ResultObject,
    /// Declared name of the destination.
    pub destination: String,
    /// Where it stands.
    pub state: DeliveryState,
    /// How often it was tried.
    pub attempts: u32,
    /// Why the last attempt failed; no patient data.
    pub last_error: Option<String>,
    /// When it was enqueued.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// When the destination accepted it.
    pub delivered_at: Option<Timestamp>,
}

/// How one attempt to deliver ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryOutcome {
    /// The destination accepted it.
    Delivered,
    /// A fault that may pass.
    Retry {
        /// When to try again.
        due_at: Timestamp,
        /// What happened; no patient data.
        error: String,
    },
    /// A fault that will not pass by itself.
    Dead {
        /// What happened; no patient data.
        error: String,
    },
    /// The gate stopped it.
    Withheld {
        /// Why.
        reason: Reason,
    },
}

/// Which deliveries to list. `None` says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeliveryFilter {
    /// In this state.
    pub state: Option<DeliveryState>,
    /// To this destination.
    pub destination: Option<String>,
    /// Of this study.
    pub study_key: Option<StudyKey>,
    /// Only those older than this one in the list: the last key of the page before.
    pub after: Option<DeliveryKey>,
}

/// An imported model package.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Package {
    /// Digest of its tree: the version.
    pub digest: Digest,
    /// Name from its manifest.
    pub name: String,
    /// Version from its manifest.
    pub version: String,
    /// The manifest as JSON.
    pub manifest: Value,
    /// Folder below the data directory it is kept in.
    pub location: String,
    /// When it was imported.
    pub imported_at: Timestamp,
}

/// One thing that happened to a study, in words and codes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JourneyEvent {
    /// Order, from 1.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// Study revision it belongs to.
    pub revision: u32,
    /// Deployment it is about.
    pub deployment: Option<String>,
    /// Stable code: the name of the audit action.
    pub kind: String,
    /// Plain sentence; no patient data.
    pub text: String,
}

/// Everything that happened to one study.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Journey {
    /// The study.
    pub study: Study,
    /// Every received version of every instance.
    pub instances: Vec<StoredInstance>,
    /// Complete revisions, oldest first.
    pub revisions: Vec<StudyRevision>,
    /// Decisions of the gate, oldest first, with the revision each is about.
    pub decisions: Vec<(u32, GateDecisionRecord)>,
    /// Dispositions of every revision and deployment.
    pub dispositions: Vec<DispositionRecord>,
    /// Deployments that still owe a disposition, with the revision: waiting, running, or stuck.
    pub open: Vec<(u32, String)>,
    /// Jobs about it, oldest first.
    pub jobs: Vec<Job>,
    /// Inference records.
    pub inferences: Vec<Inference>,
    /// Result objects.
    pub results: Vec<ResultObject>,
    /// Deliveries.
    pub deliveries: Vec<Delivery>,
    /// Recalls under which results of the study are retracted, oldest first.
    pub retractions: Vec<Retraction>,
    /// What happened, in order.
    pub events: Vec<JourneyEvent>,
}

/// The books of one day and one deployment (MV-20): `arrived` is the sum of everything below it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BooksLine {
    /// UTC day the study revision was complete, `2026-11-23`.
    pub day: String,
    /// Deployment.
    pub deployment: String,
    /// Study revisions that were complete while the deployment was in service.
    pub arrived: u64,
    /// Ended `Analysed`.
    pub analysed: u64,
    /// Ended `NotEligible`.
    pub not_eligible: u64,
    /// Ended `Withheld`.
    pub withheld: u64,
    /// Ended `Failed`.
    pub failed: u64,
    /// Ended `Expired`.
    pub expired: u64,
    /// Not ended, and a live job will end it.
    pub open: u64,
    /// Whether `arrived` is the sum of the others; when not, studies were lost or counted twice.
    pub balanced: bool,
}

/// Totals for metrics.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Current instances.
    pub n_instances: u64,
    /// Bytes of all received versions.
    pub n_bytes: u64,
    /// Studies that are receiving.
    pub n_studies_receiving: u64,
    /// Studies that are complete.
    pub n_studies_complete: u64,
    /// Objects in quarantine.
    pub n_quarantined: u64,
    /// Alarms nobody has acknowledged.
    pub n_alarms_open: u64,
    /// Deliveries by state name.
    pub deliveries: Vec<(String, u64)>,
    /// Dispositions by deployment and name.
    pub dispositions: Vec<(String, String, u64)>,
    /// Audit entries.
    pub n_audit_entries: u64,
}

/// What [`crate::catalog::Catalog`] knows about a set of blobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobRow {
    /// Digest a row names.
    pub blob: Digest,
    /// Its size in that row.
    pub size: u64,
}
