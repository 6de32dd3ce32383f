//! The immutable case list: which images of whom, and what is known of them (MV-24). Kept as a record, named by its digest.

mod check;

use crate::{Case, Outcome, ValidateError};
use hilum_sign::{NewRecord, Record, RecordKind};
use hilum_types::{Digest, Exposure, Independence};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The format number this version reads and writes.
pub const CASE_LIST_FORMAT: u32 = 1;

/// A list of cases: a reference set, or what a model family was trained on.
///
/// It holds no identifier of a patient: patients are keyed hashes, images are digests. Time and author are those of the
/// record, so that the same images with the same labels are the same list for ever.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseList {
    /// Always [`CASE_LIST_FORMAT`].
    pub format: u32,
    /// For people: 1 to 64 lower-case letters, digits, `-`, `_` or `.`.
    pub name: String,
    /// Whether objects marked as synthetic data were let in on purpose (AV-23).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub synthetic_data: bool,
    /// Columns that every case may have, for slices and subgroups.
    pub columns: Vec<String>,
    /// The cases, by id.
    pub cases: Vec<ListedCase>,
}

/// One case: the images a model is asked about together, and what is true of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListedCase {
    /// Unique in the list, on reports: 1 to 128 printable characters, never an identifier of a patient.
    pub id: String,
    /// Keyed hash of the patient identifier, with the site's key; `None` when no patient is stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patient: Option<Digest>,
    /// The images of one study.
    pub instances: Vec<ListedInstance>,
    /// The reference label with its origin; `None`: there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<ReferenceLabel>,
    /// Values of the columns; empty ones are left out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub columns: BTreeMap<String, String>,
}

/// One image of a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListedInstance {
    /// Digest of the DICOM file, under which it is kept; `None` where only the fingerprint is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<Digest>,
    /// Digest of the decoded samples with their shape.
    pub pixels: Digest,
}

/// A reference label and where it comes from (MV-24).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReferenceLabel {
    /// The label; a protocol says what it means.
    pub value: String,
    /// Who or what gave it: an assessment, a report, pathology or follow-up, adjudication.
    pub source: String,
    /// Name and version of the program that read it out of a text; `None`: a person gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extractor: Option<String>,
    /// When it was given: a day, or a time in RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labelled_at: Option<String>,
    /// Whether the labeller had seen the output of a model.
    pub exposure: Exposure,
    /// How independent of a model's output it is; `None`: not recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub independence: Option<Independence>,
}

impl ReferenceLabel {
    /// What the label may be used for: a label of any class but `unexposed` counts as exposed, so that it never enters
    /// sensitivity or specificity (MV-25).
    pub fn effective_exposure(&self) -> Exposure {
        match (self.exposure, self.independence) {
            (Exposure::Exposed, _) => Exposure::Exposed,
            (exposure, None) => exposure,
            (_, Some(Independence::Unexposed)) => Exposure::Unexposed,
            (_, Some(_)) => Exposure::Exposed,
        }
    }
}

impl CaseList {
    /// The cases as a protocol sees them before any model ran. A case without a stated patient stands for a patient of
    /// its own, and one without a label says nothing about exposure.
    pub fn pending_cases(&self) -> Vec<Case> {
        let case = |listed: &ListedCase| Case {
            id: listed.id.clone(),
            patient: listed.patient.map_or_else(|| format!("case {}", listed.id), |patient| patient.to_string()),
            label: listed.label.as_ref().map(|label| label.value.clone()),
            exposure: listed.label.as_ref().map_or(Exposure::Unknown, ReferenceLabel::effective_exposure),
            attributes: listed.columns.clone(),
            outcome: Outcome::Pending,
            champion: None,
        };
        self.cases.iter().map(case).collect()
    }

    /// How many different patients are stated.
    pub fn n_patients(&self) -> usize {
        self.cases.iter().filter_map(|case| case.patient).collect::<std::collections::BTreeSet<_>>().len()
    }

    /// How often each label occurs; cases without one count under an empty text.
    pub fn label_counts(&self) -> BTreeMap<&str, usize> {
        let mut counts = BTreeMap::new();
        for case in &self.cases {
            *counts.entry(case.label.as_ref().map_or("", |label| label.value.as_str())).or_default() += 1;
        }
        counts
    }

    /// The record of a reference set: subject is its name.
    pub fn reference_record(&self, author: &str) -> NewRecord {
        self.record(RecordKind::ReferenceSet, &self.name, author)
    }

    /// The record of a training set: subject is the model family.
    pub fn training_record(&self, model: &str, author: &str) -> NewRecord {
        self.record(RecordKind::TrainingSet, model, author)
    }

    fn record(&self, kind: RecordKind, subject: &str, author: &str) -> NewRecord {
        NewRecord {
            kind,
            subject: subject.to_owned(),
            body: serde_json::to_value(self).expect("a case list holds text and lists only"),
            author: author.to_owned(),
        }
    }

    /// Read a case list back, checked.
    ///
    /// # Errors
    /// [`ValidateError::CaseList`] when the record is of another kind, was changed, or cannot be read.
    pub fn from_record(record: &Record) -> Result<CaseList, ValidateError> {
        let refuse = |why: String| ValidateError::CaseList { record: record.digest.short(), why };
        if !matches!(record.kind, RecordKind::ReferenceSet | RecordKind::TrainingSet) {
            return Err(refuse(format!("it is of kind {}", record.kind.name())));
        }
        if !record.is_intact() {
            return Err(refuse("its content no longer has its digest".to_owned()));
        }
        let list: CaseList = serde_json::from_value(record.body.clone()).map_err(|error| refuse(error.to_string()))?;
        match list.problems().first() {
            None => Ok(list),
            Some(problem) => Err(refuse(problem.clone())),
        }
    }
}
