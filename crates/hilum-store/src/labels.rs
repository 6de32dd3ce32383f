//! Labels that come late: what people and reports say is true, final reports, the random audit sample.

use crate::{LabelKey, ReportKey, StoreError, StudyKey};
use async_trait::async_trait;
use hilum_monitor::audit_sample::Stratum;
use hilum_monitor::report::ReportStatus;
use hilum_monitor::{Agreement, Label, LabelSource, Truth};
use hilum_types::{Digest, Phi, Reason, Timestamp, Uid};
use serde::{Deserialize, Serialize};

/// A label before it is entered. Exposure, independence, event time and inclusion probability are not the labeller's to
/// state: the catalog derives them from what reached whom and when (MV-24).
#[derive(Debug, Clone, PartialEq)]
pub struct NewLabel {
    /// Names the message or act it came by: the same label under the same origin again changes nothing.
    pub origin: String,
    /// Study.
    pub study_key: StudyKey,
    /// Revision whose result it speaks of; `None`: the latest that the deployment analysed.
    pub revision: Option<u32>,
    /// Deployment whose result it speaks of.
    pub deployment: String,
    /// Finding label within the package.
    pub finding: String,
    /// What is true.
    pub truth: Truth,
    /// What the reader said of the model's answer.
    pub agreement: Option<Agreement>,
    /// Where it comes from. An assessment of a case of the audit sample is entered as adjudication.
    pub source: LabelSource,
    /// Name and version of the program that read it out of a text.
    pub extractor: Option<String>,
    /// Whether the error of that program was measured here.
    pub extractor_measured: bool,
    /// When the labeller had made up their mind; what was released later they cannot have seen.
    pub decided_at: Timestamp,
    /// Report it was read from.
    pub report: Option<ReportKey>,
    /// Remark of the labeller.
    pub comment: Option<Phi<String>>,
    /// Who: `user:<name>`, `extractor:<name>`, `peer:<AE title>`.
    pub by: String,
}

/// How the [`origin`](NewLabel::origin) of everything begins that somebody says after they have proven to be `by`: an answer
/// on a page or over the API. No other origin may begin so.
pub fn signed_in_origin(by: &str) -> String {
    format!("assessment:{by}:")
}

/// Which labels to list, newest first. `None` says nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LabelFilter {
    /// Of this study.
    pub study_key: Option<StudyKey>,
    /// Of this deployment.
    pub deployment: Option<String>,
    /// Entered at or before this time: what was known then (MV-27).
    pub until: Option<Timestamp>,
    /// Only those older than this one in the list.
    pub after: Option<LabelKey>,
    /// Who is told.
    pub told_to: ToldTo,
}

/// Who is told of labels. What others said of cases of the audit sample, and of results that are hidden from readers, must
/// not reach somebody who may still be asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ToldTo {
    /// The program itself, or somebody who oversees it: everything.
    #[default]
    Overseer,
    /// Nobody known.
    Anybody,
    /// A reader, as `user:<name>`: also what they said themselves, and what their first impression has revealed.
    Reader(String),
}

/// What somebody said of a result that is not known here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Untied {
    /// Names the message or act it came by.
    pub origin: String,
    /// SOP Instance UID or Tracking UID it spoke of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Uid>,
    /// Deployment it spoke of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<String>,
    /// Finding it spoke of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finding: Option<String>,
    /// What was said of the model's answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agreement: Option<Agreement>,
    /// What was said to be true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub truth: Option<Truth>,
    /// Remark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<Phi<String>>,
    /// Who said it.
    pub by: String,
    /// Why it became no label.
    pub reason: Reason,
}

/// An answer that was kept and flagged (AV-19).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SetAside {
    /// Its name.
    pub key: LabelKey,
    /// What was said.
    pub told: Untied,
    /// When it came.
    pub recorded_at: Timestamp,
}

/// How a report came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportSource {
    /// HL7 v2 over MLLP.
    Hl7,
    /// FHIR DiagnosticReport.
    Fhir,
}

impl ReportSource {
    /// Stable name: `hl7`, `fhir`.
    pub fn name(self) -> &'static str {
        match self {
            ReportSource::Hl7 => "hl7",
            ReportSource::Fhir => "fhir",
        }
    }

    /// The source of that stable name.
    pub fn from_name(name: &str) -> Option<ReportSource> {
        [ReportSource::Hl7, ReportSource::Fhir].into_iter().find(|source| source.name() == name)
    }
}

/// One version of a report whose text is durable, to be entered.
#[derive(Debug, Clone, PartialEq)]
pub struct NewReport {
    /// Names the message: sender and its control identifier, or resource and its version. The same again changes nothing.
    pub origin: Phi<String>,
    /// Digest of what was said under that origin.
    pub content: Digest,
    /// Names the report whose versions belong together, such as the filler order number; the accession number if none.
    pub series: Phi<String>,
    /// Accession Number, empty when not stated.
    pub accession_number: Phi<String>,
    /// Patient identifiers as stated; one of them must be that of the study.
    pub patient_ids: Phi<Vec<String>>,
    /// Study Instance UID when stated.
    pub study_instance_uid: Option<Uid>,
    /// Where it stands.
    pub status: ReportStatus,
    /// Coded conclusions, as `scheme|code`.
    pub codes: Vec<String>,
    /// Digest of its text, in UTF-8.
    pub blob: Digest,
    /// Size of its text in bytes.
    pub size: u64,
    /// Who sent it: the configured name of the peer or user.
    pub peer: String,
    /// How it came.
    pub source: ReportSource,
    /// When it was written; the time of receipt when not stated.
    pub reported_at: Timestamp,
}

/// One version of a report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Its name.
    pub key: ReportKey,
    /// Accession Number, empty when not stated.
    pub accession_number: Phi<String>,
    /// Where it stands.
    pub status: ReportStatus,
    /// Coded conclusions, as `scheme|code`.
    pub codes: Vec<String>,
    /// Digest of its text.
    pub blob: Digest,
    /// Who sent it.
    pub peer: String,
    /// How it came.
    pub source: ReportSource,
    /// When it was written.
    pub reported_at: Timestamp,
    /// When it came in.
    pub received_at: Timestamp,
    /// Study it is about.
    pub study_key: Option<StudyKey>,
    /// Why it is about none that is known here; `None` when it is linked.
    pub reason: Option<Reason>,
    /// Whether it is the version that counts: the last one that is signed off.
    pub is_current: bool,
}

/// A report was entered, or was there already.
#[derive(Debug, Clone, PartialEq)]
pub struct ReportAdded {
    /// The report as the catalog holds it.
    pub report: Report,
    /// Whether it is new.
    pub is_new: bool,
}

/// Which reports to list, newest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ReportFilter {
    /// Tied to a study, or not.
    pub linked: Option<bool>,
    /// Of this study.
    pub study_key: Option<StudyKey>,
    /// Only those older than this one in the list.
    pub after: Option<ReportKey>,
}

/// A current report that was not yet read for a result.
#[derive(Debug, Clone, PartialEq)]
pub struct Unread {
    /// The report.
    pub report: Report,
    /// Deployment that analysed the study.
    pub deployment: String,
    /// The latest revision that it analysed.
    pub revision: u32,
}

/// A case drawn by lot for adjudication (MV-26).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditCase {
    /// Study.
    pub study_key: StudyKey,
    /// Revision that was analysed.
    pub revision: u32,
    /// Deployment.
    pub deployment: String,
    /// What the model had said of the study.
    pub stratum: Stratum,
    /// Probability with which it was drawn.
    pub probability: f64,
    /// Digest of the seed.
    pub seed: Digest,
    /// When.
    pub drawn_at: Timestamp,
    /// When a person first said what is true of it.
    pub adjudicated_at: Option<Timestamp>,
}

/// A case of the audit sample that waits for a person to say what is true. It says nothing of what the model said: neither the
/// answer, nor the stratum or the probability, which tell it.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenCase {
    /// Study.
    pub study_key: StudyKey,
    /// Revision that was analysed.
    pub revision: u32,
    /// Deployment.
    pub deployment: String,
    /// Accession Number, empty when not stated.
    pub accession_number: Phi<String>,
    /// Findings that the model looks for, each once, by label.
    pub findings: Vec<AskedFinding>,
    /// Since when it waits.
    pub drawn_at: Timestamp,
}

/// A finding that is asked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AskedFinding {
    /// Finding label within the package.
    pub label: String,
    /// What it means.
    pub meaning: String,
}

/// How far the audit sample of a deployment is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleProgress {
    /// The deployment.
    pub deployment: String,
    /// Cases drawn that are answered or can be.
    pub n: u64,
    /// Of these, cases that a person has said what is true of.
    pub n_done: u64,
}

/// A reader saved a first impression, and may see the result since then.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FirstRead {
    /// Revision.
    pub revision: u32,
    /// Deployment.
    pub deployment: String,
    /// Who: `user:<name>`.
    pub reader: String,
    /// When.
    pub read_at: Timestamp,
}

/// Labels, reports and the audit sample. Every act is one transaction with its audit entry.
#[async_trait]
pub trait Labels: Send + Sync {
    /// Enter labels, all or none, each in the same act as what follows from it. They come back as they stand: one that
    /// was entered before under its origin is the earlier one.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the deployment has analysed no such revision of the study;
    /// [`StoreError::Refused`] when something else was said under the same origin.
    async fn labels_add(&self, labels: &[NewLabel], now: Timestamp) -> Result<Vec<Label>, StoreError>;

    /// Enter one label.
    ///
    /// # Errors
    /// As [`Labels::labels_add`].
    async fn label_add(&self, label: &NewLabel, now: Timestamp) -> Result<Label, StoreError> {
        let mut added = self.labels_add(std::slice::from_ref(label), now).await?;
        added.pop().ok_or_else(|| StoreError::Misuse("a label was entered and did not come back".to_owned()))
    }

    /// The label that was entered under an origin.
    async fn label_of_origin(&self, origin: &str) -> Result<Option<Label>, StoreError>;

    /// Labels, newest first.
    async fn label_list(&self, filter: &LabelFilter, limit: u32) -> Result<Vec<Label>, StoreError>;

    /// Keep an answer to a result that is not known here, with a flag. The same again changes nothing.
    async fn label_set_aside(&self, told: &Untied, now: Timestamp) -> Result<SetAside, StoreError>;

    /// Answers that became no label, newest first.
    async fn label_set_aside_list(&self, limit: u32) -> Result<Vec<SetAside>, StoreError>;

    /// Who has saved a first impression of the study.
    async fn first_read_list(&self, study_key: &StudyKey) -> Result<Vec<FirstRead>, StoreError>;

    /// Enter one version of a report, and tie it to the study of its accession number when one of its patient
    /// identifiers is that of the study. One that belongs to no study is kept with the reason (AV-20).
    ///
    /// # Errors
    /// [`StoreError::Refused`] when another message came under the same origin.
    async fn report_add(&self, report: &NewReport, now: Timestamp) -> Result<ReportAdded, StoreError>;

    /// Tie reports that came at or after `since` to studies that came after them, at most `limit`; says how many.
    async fn report_link_due(&self, since: Timestamp, now: Timestamp, limit: u32) -> Result<u32, StoreError>;

    /// Reports, newest first.
    async fn report_list(&self, filter: &ReportFilter, limit: u32) -> Result<Vec<Report>, StoreError>;

    /// Current reports not yet read for a result, where report or result is younger than `since`; oldest first.
    async fn report_unread(&self, since: Timestamp, limit: u32) -> Result<Vec<Unread>, StoreError>;

    /// A report was read for a result: enter what it says. Reading it again changes nothing.
    async fn report_read(&self, unread: &Unread, labels: &[NewLabel], now: Timestamp)
    -> Result<Vec<Label>, StoreError>;

    /// The audit sample of a deployment, oldest first; `open`: only cases nobody has said anything of.
    async fn audit_sample_list(&self, deployment: &str, open: bool, limit: u32) -> Result<Vec<AuditCase>, StoreError>;

    /// Cases drawn at or after `since`, of every deployment, that nobody has said anything of and that still can be
    /// answered, oldest first: a later revision of the study takes its answers.
    async fn audit_sample_open(&self, since: Timestamp, limit: u32) -> Result<Vec<OpenCase>, StoreError>;

    /// How far the samples drawn at or after `since` are, by deployment.
    async fn audit_sample_progress(&self, since: Timestamp) -> Result<Vec<SampleProgress>, StoreError>;
}
