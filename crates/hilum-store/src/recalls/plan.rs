//! The document that two people sign: what is recalled, why, and exactly which results.

use super::{RecallWindow, RecalledStudy};
use crate::{ResultKey, StoreError, StudyKey};
use hilum_sign::{NewRecord, Record, RecordKind};
use hilum_types::{Digest, Timestamp};
use serde::{Deserialize, Serialize};

/// Format of the body of a recall record.
pub const PLAN_FORMAT: u32 = 1;

/// Why results are recalled. It decides the title of the rejection note, and with it what an archive does with the
/// objects (IHE RAD TF-3 section 4.66, Imaging Object Change Management).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecallGround {
    /// The results are not good enough; the archive may keep them for quality work (113001).
    Quality,
    /// Somebody could be harmed by them; the archive must not give them out any more (113037).
    PatientSafety,
    /// They were made for the wrong worklist entry: wrong patient, order or procedure (113038).
    WrongWorklistEntry,
    /// They were kept as long as they had to be (113039).
    RetentionExpired,
}

impl RecallGround {
    /// Every ground.
    pub const ALL: [RecallGround; 4] = [
        RecallGround::Quality,
        RecallGround::PatientSafety,
        RecallGround::WrongWorklistEntry,
        RecallGround::RetentionExpired,
    ];

    /// Stable name: `quality`, `patient_safety`, `wrong_worklist_entry`, `retention_expired`.
    pub fn name(self) -> &'static str {
        match self {
            RecallGround::Quality => "quality",
            RecallGround::PatientSafety => "patient_safety",
            RecallGround::WrongWorklistEntry => "wrong_worklist_entry",
            RecallGround::RetentionExpired => "retention_expired",
        }
    }

    /// The ground of that stable name.
    pub fn from_name(name: &str) -> Option<RecallGround> {
        Self::ALL.into_iter().find(|ground| ground.name() == name)
    }
}

/// Body of a record of kind `recall`; its subject is the package digest. No patient, accession or UID is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecallPlan {
    /// 1.
    pub format: u32,
    /// Package that is recalled.
    pub package: Digest,
    /// Name of its model.
    pub model: String,
    /// Its version.
    pub version: String,
    /// First moment of the window.
    pub from: Timestamp,
    /// First moment after the window.
    pub to: Timestamp,
    /// Why, as a code.
    pub ground: RecallGround,
    /// Why, in one line for everybody who will ask.
    pub reason: String,
    /// Every study of the list, by key.
    pub studies: Vec<PlannedStudy>,
}

/// One study of a recall.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedStudy {
    /// Opaque name.
    pub study: StudyKey,
    /// Runs of the version on it.
    pub runs: Vec<PlannedRun>,
    /// Result objects to be retracted.
    pub results: Vec<PlannedResult>,
}

/// One run that is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedRun {
    /// Study revision.
    pub revision: u32,
    /// Deployment.
    pub deployment: String,
    /// When it ended.
    pub ran_at: Timestamp,
}

/// One result that is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedResult {
    /// Its opaque name.
    pub result: ResultKey,
    /// Digest of the object.
    pub object: Digest,
}

const REASON_CHARS_MAX: usize = 500;

impl RecallPlan {
    /// A plan for everything in `list`.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when nothing is listed, or the reason is not one line of 1 to 500 characters.
    pub fn new(
        window: &RecallWindow,
        model: &str,
        version: &str,
        ground: RecallGround,
        reason: &str,
        list: &[RecalledStudy],
    ) -> Result<RecallPlan, StoreError> {
        let refused = |why: &str| StoreError::Refused { what: "propose a recall", why: why.to_owned() };
        let reason = reason.trim();
        let n_chars = reason.chars().count();
        if n_chars == 0 || REASON_CHARS_MAX < n_chars || reason.chars().any(char::is_control) {
            return Err(refused("the reason is one line of 1 to 500 characters, without patient data"));
        }
        if list.is_empty() {
            return Err(refused("the version did not run on any study in this window, so there is nothing to recall"));
        }
        let RecallWindow { package, from, to } = *window;
        let (model, version, reason) = (model.to_owned(), version.to_owned(), reason.to_owned());
        let studies = list.iter().map(PlannedStudy::from).collect();
        Ok(RecallPlan { format: PLAN_FORMAT, package, model, version, from, to, ground, reason, studies })
    }

    /// The record to be entered and signed.
    ///
    /// # Errors
    /// [`StoreError::Misuse`] never in practice: every value can be written as JSON.
    pub fn record(&self, author: &str) -> Result<NewRecord, StoreError> {
        let body = serde_json::to_value(self).map_err(|e| StoreError::Misuse(format!("a recall plan: {e}")))?;
        Ok(NewRecord { kind: RecordKind::Recall, subject: self.package.to_string(), body, author: author.to_owned() })
    }

    /// The plan that a record holds.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when it is no recall, was changed after it was entered, or has a newer format.
    pub fn read(record: &Record) -> Result<RecallPlan, StoreError> {
        let refused = |why: String| StoreError::Refused { what: "read a recall record", why };
        if record.kind != RecordKind::Recall {
            return Err(refused(format!("record {} is of kind {}", record.digest.short(), record.kind.name())));
        }
        if !record.is_intact() {
            return Err(refused("it was changed after it was entered; run `hilum audit verify`".to_owned()));
        }
        if record.body.get("format") != Some(&PLAN_FORMAT.into()) {
            return Err(refused(format!("its format is not {PLAN_FORMAT}; use the program that wrote it")));
        }
        let plan: RecallPlan =
            serde_json::from_value(record.body.clone()).map_err(|e| refused(format!("its body: {e}")))?;
        if plan.package.to_string() != record.subject {
            return Err(refused("its subject is another package than its body names".to_owned()));
        }
        Ok(plan)
    }

    /// The window it was listed for.
    pub fn window(&self) -> RecallWindow {
        RecallWindow { package: self.package, from: self.from, to: self.to }
    }
}

impl From<&RecalledStudy> for PlannedStudy {
    fn from(study: &RecalledStudy) -> Self {
        let run = |run: &super::RecalledRun| PlannedRun {
            revision: run.revision,
            deployment: run.deployment.clone(),
            ran_at: run.ran_at,
        };
        PlannedStudy {
            study: study.study_key.clone(),
            runs: study.runs.iter().map(run).collect(),
            results: study.results().map(|r| PlannedResult { result: r.key.clone(), object: r.blob }).collect(),
        }
    }
}
