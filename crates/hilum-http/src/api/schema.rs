//! What the JSON interface answers. Times are RFC 3339 in UTC, digests 64 hexadecimal digits.

use crate::words::Status;
use hilum_registry::Deployment;
use hilum_store::alarms::{Alarm, AlarmClosing, Notification};
use hilum_store::records::{
    BooksLine, Delivery, DispositionRecord, Quarantined, ResultObject, StoredInstance, Study, StudyRevision,
};
use hilum_store::{Job, QueueDepth};
use hilum_types::{Finding, Presence, Reason, Segment, Timestamp, attribute};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Why something was decided, with the value that decided it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ReasonBody {
    /// Stable code.
    #[schema(example = "intended-use.modality")]
    pub code: String,
    /// Plain sentence.
    pub text: String,
    /// What was looked at; empty when the reason is not about one attribute.
    pub criterion: String,
    /// The value found; empty when there was none.
    pub value: String,
}

impl From<&Reason> for ReasonBody {
    fn from(reason: &Reason) -> Self {
        let Reason { code, text, criterion, value } = reason.clone();
        ReasonBody { code, text, criterion, value }
    }
}

/// How a study revision ended for a deployment.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DispositionBody {
    /// Deployment.
    pub deployment: String,
    /// Study revision.
    pub revision: u32,
    /// `analysed`, `not_eligible`, `withheld`, `failed` or `expired` (AV-04).
    pub disposition: String,
    /// Why, for all but `analysed`.
    pub reason: Option<ReasonBody>,
    /// When.
    pub decided_at: String,
}

impl From<&DispositionRecord> for DispositionBody {
    fn from(record: &DispositionRecord) -> Self {
        DispositionBody {
            deployment: record.deployment.clone(),
            revision: record.revision,
            disposition: record.disposition.name().to_owned(),
            reason: record.disposition.reason().map(ReasonBody::from),
            decided_at: record.decided_at.to_string(),
        }
    }
}

/// A study, without what identifies the patient beyond its accession number.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct StudySummary {
    /// Opaque name of the study, for addresses and logs.
    pub key: String,
    /// Study Instance UID.
    pub study_instance_uid: String,
    /// Accession Number; empty when not stated.
    pub accession_number: String,
    /// Modality of the first instance; empty when not stated.
    pub modality: String,
    /// Study Description; empty when not stated.
    pub study_description: String,
    /// Body Part Examined of the first instance; empty when not stated.
    pub body_part_examined: String,
    /// Study Date as in the object, `YYYYMMDD`; empty when not stated.
    pub study_date: String,
    /// Current instances.
    pub n_instances: u32,
    /// Announced number of instances.
    pub n_instances_expected: Option<u32>,
    /// Current revision, from 1; a late image opens the next one.
    pub revision: u32,
    /// `receiving` or `complete`.
    pub state: String,
    /// First instance.
    pub first_received_at: String,
    /// Latest instance.
    pub last_received_at: String,
    /// When it counts as complete if nothing more comes.
    pub due_at: Option<String>,
    /// Dispositions of the current revision.
    pub dispositions: Vec<DispositionBody>,
}

impl From<&Study> for StudySummary {
    fn from(study: &Study) -> Self {
        let text = |keyword| study.first_header.text(keyword).unwrap_or_default().to_owned();
        StudySummary {
            key: study.key.to_string(),
            study_instance_uid: study.study_instance_uid.to_string(),
            accession_number: study.accession_number.reveal().clone(),
            modality: text(attribute::MODALITY),
            study_description: text(attribute::STUDY_DESCRIPTION),
            body_part_examined: text(attribute::BODY_PART_EXAMINED),
            study_date: text(attribute::STUDY_DATE),
            n_instances: study.n_instances,
            n_instances_expected: study.n_instances_expected,
            revision: study.revision,
            state: study.state.name().to_owned(),
            first_received_at: study.first_received_at.to_string(),
            last_received_at: study.last_received_at.to_string(),
            due_at: study.due_at.map(|at| at.to_string()),
            dispositions: study.dispositions.iter().map(DispositionBody::from).collect(),
        }
    }
}

/// Studies, newest first.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct StudyPage {
    /// One page of them.
    pub studies: Vec<StudySummary>,
    /// Give it as `before` to get the next page; absent on the last one.
    pub next: Option<String>,
}

/// One received version of an instance.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct InstanceBody {
    /// Opaque name.
    pub key: String,
    /// SOP Instance UID.
    pub sop_instance_uid: String,
    /// SOP Class UID.
    pub sop_class_uid: String,
    /// Series Instance UID.
    pub series_instance_uid: String,
    /// Transfer syntax of the stored bytes, as received.
    pub transfer_syntax_uid: String,
    /// Modality.
    pub modality: String,
    /// Series Number; empty when not stated.
    pub series_number: String,
    /// Series Description; empty when not stated.
    pub series_description: String,
    /// Instance Number; empty when not stated.
    pub instance_number: String,
    /// 1 came first and is current; higher ones conflict with it.
    pub version: u32,
    /// Study revision it came in.
    pub revision: u32,
    /// BLAKE3 digest of the stored file.
    pub digest: String,
    /// Size of the stored file in bytes.
    pub size: u64,
    /// AE title of the sender, or name of the HTTP or import user.
    pub peer: String,
    /// `dimse`, `stow` or `import`.
    pub source: String,
    /// When it came in.
    pub received_at: String,
}

impl From<&StoredInstance> for InstanceBody {
    fn from(instance: &StoredInstance) -> Self {
        let header = &instance.header;
        let text = |keyword| header.text(keyword).unwrap_or_default().to_owned();
        InstanceBody {
            key: instance.key.to_string(),
            sop_instance_uid: header.sop_instance_uid.to_string(),
            sop_class_uid: header.sop_class_uid.to_string(),
            series_instance_uid: header.series_instance_uid.to_string(),
            transfer_syntax_uid: header.transfer_syntax_uid.to_string(),
            modality: text(attribute::MODALITY),
            series_number: text(attribute::SERIES_NUMBER),
            series_description: text(attribute::SERIES_DESCRIPTION),
            instance_number: text(attribute::INSTANCE_NUMBER),
            version: instance.version,
            revision: instance.revision,
            digest: instance.blob.to_string(),
            size: instance.size,
            peer: instance.origin.peer.clone(),
            source: instance.origin.source.name().to_owned(),
            received_at: instance.received_at.to_string(),
        }
    }
}

/// An exact set of instances that was handed to the gate.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RevisionBody {
    /// Revision, from 1.
    pub revision: u32,
    /// Digest over its instances.
    pub instance_set: String,
    /// How many.
    pub n_instances: u32,
    /// `quiet_time`, `expected_count` or `signal`.
    pub completed_by: String,
    /// When.
    pub completed_at: String,
}

impl From<&StudyRevision> for RevisionBody {
    fn from(revision: &StudyRevision) -> Self {
        RevisionBody {
            revision: revision.revision,
            instance_set: revision.instance_set.to_string(),
            n_instances: revision.n_instances,
            completed_by: revision.completed_by.name().to_owned(),
            completed_at: revision.completed_at.to_string(),
        }
    }
}

/// One step of the gate.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct StepBody {
    /// Stable name, such as `intended_use`; empty when the record does not say.
    pub step: String,
    /// `passed`, `marked`, `stopped`, or empty when the record does not say.
    pub outcome: String,
    /// What was found.
    pub reason: ReasonBody,
}

/// One answer of the gate.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DecisionBody {
    /// Study revision it is about.
    pub revision: u32,
    /// `before_inference` or `before_release`.
    pub stage: String,
    /// When.
    pub decided_at: String,
    /// `run`, `not_eligible`, `withheld` or `expired`.
    pub verdict: String,
    /// Every step taken, in order, with the value that decided it.
    pub steps: Vec<StepBody>,
}

/// One finding the model looked for.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FindingBody {
    /// Short name within the package.
    pub label: String,
    /// Meaning of its concept.
    pub meaning: String,
    /// `present`, `absent` or `indeterminate`.
    pub presence: String,
    /// Calibrated probability, when the model gives one.
    pub score: Option<f64>,
    /// Threshold on the score that decided.
    pub operating_point: Option<f64>,
    /// Left, top, right, bottom in pixels of the source image, when the model says where.
    pub bounding_box: Option<Vec<f64>>,
}

impl From<&Finding> for FindingBody {
    fn from(finding: &Finding) -> Self {
        let presence = match finding.presence {
            Presence::Present => "present",
            Presence::Absent => "absent",
            Presence::Indeterminate => "indeterminate",
        };
        FindingBody {
            label: finding.label.clone(),
            meaning: finding.concept.meaning.clone(),
            presence: presence.to_owned(),
            score: finding.score,
            operating_point: finding.operating_point,
            bounding_box: finding.location.as_ref().map(|location| location.bounding_box.to_vec()),
        }
    }
}

/// A number with its meaning and unit.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct MeasurementBody {
    /// What was measured.
    pub meaning: String,
    /// The value.
    pub value: f64,
    /// UCUM unit.
    pub unit: String,
}

/// One segmented structure.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SegmentBody {
    /// Short name within the package.
    pub label: String,
    /// Meaning of its type.
    pub meaning: String,
    /// Numbers about it.
    pub measurements: Vec<MeasurementBody>,
}

impl From<&Segment> for SegmentBody {
    fn from(segment: &Segment) -> Self {
        let measurement = |m: &hilum_types::Measurement| MeasurementBody {
            meaning: m.concept.meaning.clone(),
            value: m.value,
            unit: m.unit.value.clone(),
        };
        SegmentBody {
            label: segment.label.clone(),
            meaning: segment.property_type.meaning.clone(),
            measurements: segment.measurements.iter().map(measurement).collect(),
        }
    }
}

/// One run of a model, in short; the whole record is in the catalog (MV-19).
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct InferenceBody {
    /// Study revision it ran on.
    pub revision: u32,
    /// Package that ran.
    pub package_digest: String,
    /// Engine that ran it; empty when the record does not say.
    pub engine: String,
    /// When preprocessing began.
    pub started_at: String,
    /// When the outputs were there.
    pub finished_at: String,
    /// Milliseconds between the two.
    pub duration_ms: f64,
    /// Findings looked for; empty when the result may not be shown.
    pub findings: Vec<FindingBody>,
    /// Structures segmented; empty when the result may not be shown.
    pub segments: Vec<SegmentBody>,
}

/// A result object.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ResultBody {
    /// `report`, `key_image`, `segmentation`, `other`, `rejection_note` or `assessment_report`.
    pub kind: String,
    /// SOP Instance UID, the same however often it is encoded or sent.
    pub sop_instance_uid: String,
    /// SOP Class UID.
    pub sop_class_uid: String,
    /// Study revision it was made from.
    pub revision: u32,
    /// Size of the object in bytes.
    pub size: u64,
    /// Whether it may leave; a shadow or withheld result may not.
    pub released: bool,
    /// Later revision whose result takes its place.
    pub superseded_by: Option<u32>,
    /// Digest of the recall record under which it is retracted.
    pub retracted_by: Option<String>,
    /// When it was recorded.
    pub created_at: String,
}

impl From<&ResultObject> for ResultBody {
    fn from(result: &ResultObject) -> Self {
        ResultBody {
            kind: result.kind.name().to_owned(),
            sop_instance_uid: result.sop_instance_uid.to_string(),
            sop_class_uid: result.sop_class_uid.to_string(),
            revision: result.revision,
            size: result.size,
            released: result.released,
            superseded_by: result.superseded_by,
            retracted_by: result.retracted_by.map(|record| record.to_string()),
            created_at: result.created_at.to_string(),
        }
    }
}

/// One result object on its way to one destination.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DeliveryBody {
    /// Its name, for a retry.
    pub id: String,
    /// Study it belongs to.
    pub study_key: String,
    /// Deployment that made the result; empty for a rejection note and an assessment report.
    pub deployment: String,
    /// Kind of result: `report`, `key_image`, `segmentation`, `other`, `rejection_note` or `assessment_report`.
    pub result_kind: String,
    /// SOP Instance UID of the result.
    pub sop_instance_uid: String,
    /// Declared name of the destination.
    pub destination: String,
    /// `queued`, `delivered`, `dead`, `withheld` or `superseded`.
    pub state: String,
    /// How often it was tried.
    pub attempts: u32,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
    /// When it was enqueued.
    pub created_at: String,
    /// When it last changed.
    pub updated_at: String,
    /// When the destination accepted it.
    pub delivered_at: Option<String>,
}

impl From<&Delivery> for DeliveryBody {
    fn from(delivery: &Delivery) -> Self {
        DeliveryBody {
            id: delivery.key.to_string(),
            study_key: delivery.result.study_key.to_string(),
            deployment: delivery.result.deployment.clone(),
            result_kind: delivery.result.kind.name().to_owned(),
            sop_instance_uid: delivery.result.sop_instance_uid.to_string(),
            destination: delivery.destination.clone(),
            state: delivery.state.name().to_owned(),
            attempts: delivery.attempts,
            last_error: delivery.last_error.clone(),
            created_at: delivery.created_at.to_string(),
            updated_at: delivery.updated_at.to_string(),
            delivered_at: delivery.delivered_at.map(|at| at.to_string()),
        }
    }
}

/// What became of a study for one deployment.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DeploymentJourney {
    /// Name of the deployment.
    pub deployment: String,
    /// Study revision the following is about: the latest that the deployment considered.
    pub revision: u32,
    /// In one word, for people.
    pub status: Status,
    /// `analysed`, `not_eligible`, `withheld`, `failed` or `expired`; absent while it has not ended.
    pub disposition: Option<String>,
    /// What decided: the reason of the disposition, or what the gate checked when it let the study on.
    pub reasons: Vec<ReasonBody>,
    /// Every answer of the gate, oldest first.
    pub decisions: Vec<DecisionBody>,
    /// The run, when there was one.
    pub inference: Option<InferenceBody>,
    /// Result objects of every revision.
    pub results: Vec<ResultBody>,
    /// Deliveries of every revision.
    pub deliveries: Vec<DeliveryBody>,
    /// How earlier revisions ended.
    pub earlier: Vec<DispositionBody>,
    /// The version that ran, or would have, and its limits.
    pub version: Option<super::version_here::VersionBody>,
    /// How that version performs here. Absent while the result is not shown to this reader, because it would tell before
    /// the first impression how far to trust it, and for a model that the study is not for.
    pub record: Option<super::version_here::VersionRecordBody>,
    /// Whether this reader may not see the result.
    #[serde(skip)]
    #[schema(ignore)]
    pub(crate) hidden: bool,
}

/// One thing that happened.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct EventBody {
    /// Order, from 1.
    pub seq: u64,
    /// When.
    pub at: String,
    /// Milliseconds since the event before it.
    pub after_ms: f64,
    /// Study revision it belongs to.
    pub revision: u32,
    /// Deployment it is about.
    pub deployment: Option<String>,
    /// Stable code.
    pub kind: String,
    /// Plain sentence.
    pub text: String,
}

/// Everything that happened to one study (GV-11).
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct StudyJourney {
    /// The study.
    #[serde(flatten)]
    pub study: StudySummary,
    /// Every received version of every instance.
    pub instances: Vec<InstanceBody>,
    /// Complete revisions, oldest first.
    pub revisions: Vec<RevisionBody>,
    /// What became of it for every deployment that considered it.
    pub deployments: Vec<DeploymentJourney>,
    /// Recalls under which results of the study are retracted, oldest first (AV-11).
    pub retractions: Vec<super::recalls::RetractionBody>,
    /// What happened, in order.
    pub events: Vec<EventBody>,
}

/// The books of one day and one deployment (MV-20).
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct BooksLineBody {
    /// UTC day on which the study revisions were complete.
    pub day: String,
    /// Deployment.
    pub deployment: String,
    /// Study revisions that were complete while the deployment was in service.
    pub arrived: u64,
    /// How many ended in each disposition: `analysed`, `not_eligible`, `withheld`, `failed`, `expired`.
    pub dispositions: BTreeMap<String, u64>,
    /// Not ended, and a live job will end them.
    pub open: u64,
    /// Whether `arrived` is the sum of the others.
    pub balanced: bool,
}

impl From<&BooksLine> for BooksLineBody {
    fn from(line: &BooksLine) -> Self {
        let dispositions = [
            ("analysed", line.analysed),
            ("not_eligible", line.not_eligible),
            ("withheld", line.withheld),
            ("failed", line.failed),
            ("expired", line.expired),
        ];
        BooksLineBody {
            day: line.day.clone(),
            deployment: line.deployment.clone(),
            arrived: line.arrived,
            dispositions: dispositions.map(|(name, n)| (name.to_owned(), n)).into(),
            open: line.open,
            balanced: line.balanced,
        }
    }
}

/// The books of some days.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Books {
    /// First day, inclusive.
    pub from: String,
    /// Last day, inclusive.
    pub to: String,
    /// Whether every line is balanced.
    pub balanced: bool,
    /// By day and deployment.
    pub books: Vec<BooksLineBody>,
}

/// Who stopped a deployment, and why.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SuspensionBody {
    /// Since when.
    pub since: String,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// State it returns to.
    pub resume_to: String,
}

/// A model version put to use at this site.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DeploymentBody {
    /// Its name.
    pub name: String,
    /// `draft`, `accepted`, `shadow`, `limited`, `active`, `suspended` or `retired`.
    pub state: String,
    /// `research` or `clinical`.
    pub purpose: String,
    /// Deployment whose version it shall replace.
    pub champion: Option<String>,
    /// Champion that took over its version.
    pub superseded_by: Option<String>,
    /// Exact package.
    pub package_digest: String,
    /// Package that a rollback returns to.
    pub rollback_package_digest: Option<String>,
    /// Until when the accepted local validation of a clinical deployment counts.
    pub accepted_until: Option<String>,
    /// Person or role that answers for it.
    pub owner: String,
    /// `alongside`, `after first read` or `shadow`.
    pub reading_mode: String,
    /// Where its results go.
    pub destinations: Vec<String>,
    /// A later result is marked late.
    pub turnaround_seconds: u32,
    /// A later result is not released.
    pub expires_after_seconds: Option<u32>,
    /// It may not be used from then on.
    pub valid_until: Option<String>,
    /// Criteria that narrow the package's intended use here.
    #[schema(value_type = Object)]
    pub intended_use: serde_json::Value,
    /// Suspension in force.
    pub suspension: Option<SuspensionBody>,
    /// Counts applied changes.
    pub revision: u32,
    /// When it last changed.
    pub updated_at: String,
}

impl From<&Deployment> for DeploymentBody {
    fn from(deployment: &Deployment) -> Self {
        let spec = &deployment.spec;
        let suspension = deployment.suspension.as_ref().map(|suspension| SuspensionBody {
            since: suspension.since.to_string(),
            by: suspension.by.clone(),
            reason: suspension.reason.clone(),
            resume_to: suspension.resume_to.name().to_owned(),
        });
        DeploymentBody {
            name: spec.name.clone(),
            state: deployment.state.name().to_owned(),
            purpose: spec.purpose.name().to_owned(),
            champion: spec.champion.clone(),
            superseded_by: deployment.superseded_by.clone(),
            package_digest: deployment.package_digest.to_string(),
            rollback_package_digest: deployment.rollback.as_ref().map(|target| target.package.to_string()),
            accepted_until: deployment.acceptance.as_ref().map(|proof| proof.until.to_string()),
            owner: spec.owner.clone(),
            reading_mode: crate::words::reading_mode(spec.reading_mode).to_owned(),
            destinations: spec.destinations.clone(),
            turnaround_seconds: spec.turnaround_seconds,
            expires_after_seconds: spec.expires_after_seconds,
            valid_until: spec.valid_until.map(|at| at.to_string()),
            intended_use: serde_json::to_value(&spec.intended_use).unwrap_or_default(),
            suspension,
            revision: deployment.revision,
            updated_at: deployment.updated_at.to_string(),
        }
    }
}

/// Why, and who says so.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ActRequest {
    /// Why, in 1 to 500 characters; no patient data.
    pub reason: String,
    /// Name of the person, in 1 to 64 characters; who is signed in acts under their own name instead.
    pub by: String,
}

/// A model package.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ModelBody {
    /// Digest of its tree: the exact version.
    pub digest: String,
    /// Name from its manifest.
    pub name: String,
    /// Version from its manifest.
    pub version: String,
    /// When it was imported.
    pub imported_at: String,
    /// The manifest.
    #[schema(value_type = Object)]
    pub manifest: serde_json::Value,
}

impl From<&hilum_store::records::Package> for ModelBody {
    fn from(package: &hilum_store::records::Package) -> Self {
        ModelBody {
            digest: package.digest.to_string(),
            name: package.name.clone(),
            version: package.version.clone(),
            imported_at: package.imported_at.to_string(),
            manifest: package.manifest.clone(),
        }
    }
}

/// An object that could not be taken as an instance.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct QuarantinedBody {
    /// Its name.
    pub key: String,
    /// Why.
    pub reason: ReasonBody,
    /// Digest of its bytes.
    pub digest: String,
    /// Size in bytes.
    pub size: u64,
    /// Sender.
    pub peer: String,
    /// `dimse`, `stow` or `import`.
    pub source: String,
    /// When it came in.
    pub received_at: String,
}

impl From<&Quarantined> for QuarantinedBody {
    fn from(object: &Quarantined) -> Self {
        QuarantinedBody {
            key: object.key.to_string(),
            reason: ReasonBody::from(&object.reason),
            digest: object.blob.to_string(),
            size: object.size,
            peer: object.origin.peer.clone(),
            source: object.origin.source.name().to_owned(),
            received_at: object.received_at.to_string(),
        }
    }
}

/// Something a person has to look at.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AlarmBody {
    /// Its name.
    pub key: String,
    /// Stable code.
    pub code: String,
    /// Plain sentence.
    pub text: String,
    /// Study it is about.
    pub study_key: Option<String>,
    /// Deployment it is about.
    pub deployment: Option<String>,
    /// `watch`: something moved; `review`: a person has to decide; `stop`: the deployment was suspended.
    pub severity: String,
    /// What to do first, in plain words.
    pub next_step: String,
    /// The cut that its signals hold for, such as `station=CT2`; empty: the whole deployment, or not made of signals.
    pub cut: String,
    /// Rules whose signals it is made of.
    pub rules: Vec<String>,
    /// The signal that decided, where it is made of signals.
    pub signal: Option<AlarmSignalBody>,
    /// Who answers for it; empty: nobody is named.
    pub owner: String,
    /// Whether somebody is told of it by itself; `false` when the weekly budget was spent.
    pub announced: bool,
    /// How often it was passed on because nobody answered.
    pub level: u32,
    /// Until when it must be acknowledged.
    pub due_at: Option<String>,
    /// Since when.
    pub raised_at: String,
    /// When it was last raised.
    pub last_raised_at: String,
    /// How often since.
    pub n_raised: u64,
    /// When a person acknowledged it.
    pub acknowledged_at: Option<String>,
    /// Who.
    pub acknowledged_by: Option<String>,
    /// How it ended.
    pub closing: Option<AlarmClosingBody>,
}

/// The signal that decided.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AlarmSignalBody {
    /// The rule that spoke.
    pub rule: String,
    /// The statistic.
    pub statistic: f64,
    /// What it had to reach.
    pub threshold: f64,
    /// Events it rests on.
    pub n: u64,
    /// Stable name of the method.
    pub method: String,
    /// Estimated begin of the change, where the method gives one.
    pub since: Option<String>,
    /// Some of the studies behind it, by key.
    pub studies: Vec<String>,
}

/// How an alarm ended.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AlarmClosingBody {
    /// When.
    pub at: String,
    /// Who closed it.
    pub by: String,
    /// Why it happened, one of a closed list (`docs/guides/alarms.md`).
    pub cause: String,
    /// What was found.
    pub comment: String,
}

impl From<&AlarmClosing> for AlarmClosingBody {
    fn from(closing: &AlarmClosing) -> Self {
        AlarmClosingBody {
            at: closing.at.to_string(),
            by: closing.by.clone(),
            cause: closing.cause.name().to_owned(),
            comment: closing.comment.clone(),
        }
    }
}

impl From<&Alarm> for AlarmBody {
    fn from(alarm: &Alarm) -> Self {
        AlarmBody {
            key: alarm.key.to_string(),
            code: alarm.code.clone(),
            text: alarm.text.clone(),
            study_key: alarm.study_key.as_ref().map(|key| key.to_string()),
            deployment: alarm.deployment.clone(),
            severity: crate::words::severity(alarm.severity).to_owned(),
            next_step: hilum_monitor::alarm::code_facts(&alarm.code).next_step.to_owned(),
            cut: alarm.cut.clone(),
            rules: alarm.rules.clone(),
            signal: alarm.signal.as_ref().map(|signal| AlarmSignalBody {
                rule: signal.rule.clone(),
                statistic: signal.value,
                threshold: signal.threshold,
                n: signal.n,
                method: signal.method.clone(),
                since: signal.since.map(|at| at.to_string()),
                studies: signal.studies.clone(),
            }),
            owner: alarm.owner.clone(),
            announced: alarm.announced,
            level: alarm.level,
            due_at: alarm.due_at.map(|at| at.to_string()),
            raised_at: alarm.raised_at.to_string(),
            last_raised_at: alarm.last_raised_at.to_string(),
            n_raised: alarm.n_raised,
            acknowledged_at: alarm.acknowledged_at.map(|at| at.to_string()),
            acknowledged_by: alarm.acknowledged_by.clone(),
            closing: alarm.closing.as_ref().map(AlarmClosingBody::from),
        }
    }
}

/// One message about an alarm.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct NotificationBody {
    /// Its name; the idempotency key of every attempt.
    pub key: String,
    /// `raised`, `worse` or `escalated`.
    pub event: String,
    /// Which contact is told: 0 is the first.
    pub level: u32,
    /// `queued`, `sent`, `dead`, `nobody`.
    pub state: String,
    /// Channels that took it: `email`, `webhook`.
    pub channels_done: Vec<String>,
    /// Attempts so far.
    pub attempts: u32,
    /// What went wrong at the last attempt.
    pub last_error: Option<String>,
    /// When it was entered.
    pub created_at: String,
}

impl From<&Notification> for NotificationBody {
    fn from(notification: &Notification) -> Self {
        NotificationBody {
            key: notification.key.to_string(),
            event: notification.event.name().to_owned(),
            level: notification.level,
            state: notification.state.clone(),
            channels_done: notification.channels_done.clone(),
            attempts: notification.attempts,
            last_error: notification.last_error.clone(),
            created_at: notification.created_at.to_string(),
        }
    }
}

/// Jobs of one kind in one state.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct QueueDepthBody {
    /// `evaluate`, `infer`, `deliver`, `canary` or `inspect`.
    pub kind: String,
    /// `queued`, `leased`, `done`, `dead` or `cancelled`.
    pub state: String,
    /// How many.
    pub n_jobs: u64,
    /// When the longest waiting of them is or was due.
    pub oldest_due_at: Option<String>,
}

impl From<&QueueDepth> for QueueDepthBody {
    fn from(depth: &QueueDepth) -> Self {
        QueueDepthBody {
            kind: depth.kind.name().to_owned(),
            state: depth.state.name().to_owned(),
            n_jobs: depth.n_jobs,
            oldest_due_at: depth.oldest_due_at.map(|at| at.to_string()),
        }
    }
}

/// A job.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct JobBody {
    /// Its name.
    pub key: String,
    /// `evaluate`, `infer`, `deliver`, `canary` or `inspect`.
    pub kind: String,
    /// Study it is about.
    pub study_key: Option<String>,
    /// Deployment it is for.
    pub deployment: Option<String>,
    /// `queued`, `leased`, `done`, `dead` or `cancelled`.
    pub state: String,
    /// How often it was tried.
    pub attempts: u32,
    /// Not before this moment.
    pub due_at: String,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
}

impl From<&Job> for JobBody {
    fn from(job: &Job) -> Self {
        JobBody {
            key: job.key.to_string(),
            kind: job.kind.name().to_owned(),
            study_key: job.study_key.as_ref().map(|key| key.to_string()),
            deployment: job.deployment.clone(),
            state: job.state.name().to_owned(),
            attempts: job.attempts,
            due_at: job.due_at.to_string(),
            last_error: job.last_error.clone(),
        }
    }
}

/// The queue.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct QueueBody {
    /// Jobs by kind and state.
    pub depths: Vec<QueueDepthBody>,
    /// Jobs given up, newest first, at most 100.
    pub dead: Vec<JobBody>,
}

/// One link of the audit chain.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AuditEntryBody {
    /// Position, from 1 without gaps.
    pub seq: u64,
    /// When.
    pub at: String,
    /// `system:<part>`, `user:<name>`, `unproven:<name>` for who only typed a name, or `peer:<AE title>`.
    pub actor: String,
    /// What was done.
    pub action: String,
    /// `success`, `minor_failure` or `serious_failure`.
    pub outcome: String,
    /// Kind of thing it was done to.
    pub subject_kind: String,
    /// Opaque key of that thing.
    pub subject_id: String,
    /// JSON object text, as hashed.
    pub detail: String,
    /// Hash of the entry before it.
    pub prev_hash: String,
    /// Hash of this entry.
    pub hash: String,
}

impl From<&hilum_audit::AuditEntry> for AuditEntryBody {
    fn from(entry: &hilum_audit::AuditEntry) -> Self {
        let event = &entry.event;
        AuditEntryBody {
            seq: entry.seq,
            at: event.at.to_string(),
            actor: event.actor.clone(),
            action: event.action.name().to_owned(),
            outcome: event.outcome.name().to_owned(),
            subject_kind: event.subject.kind.name().to_owned(),
            subject_id: event.subject.id.clone(),
            detail: event.detail.clone(),
            prev_hash: entry.prev_hash.to_string(),
            hash: entry.hash.to_string(),
        }
    }
}

/// Whether the audit chain holds together.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AuditVerification {
    /// Whether it does.
    pub intact: bool,
    /// Entries looked at, when it does.
    pub count: Option<u64>,
    /// Position of its last entry, when it does.
    pub head_seq: Option<u64>,
    /// Hash of its last entry, to be kept outside, when it does.
    pub head_hash: Option<String>,
    /// Position of the first entry that does not hold.
    pub first_bad_seq: Option<u64>,
    /// How it does not hold.
    pub problem: Option<String>,
}

/// A list.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct List<T> {
    /// Its items.
    pub items: Vec<T>,
}

impl<T> List<T> {
    pub(crate) fn of<'a, R: 'a>(records: impl IntoIterator<Item = &'a R>) -> List<T>
    where
        T: From<&'a R>,
    {
        List { items: records.into_iter().map(T::from).collect() }
    }
}

/// Health of this process.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Health {
    /// `live`, `ready` or `not_ready`.
    pub status: String,
    /// Why it is not ready.
    pub reasons: Vec<String>,
    /// What still works, but not for long or not as it should.
    pub warnings: Vec<String>,
}

/// Milliseconds between two moments.
pub(crate) fn millis(from: Timestamp, to: Timestamp) -> f64 {
    to.micros_since(from) as f64 / 1e3
}
