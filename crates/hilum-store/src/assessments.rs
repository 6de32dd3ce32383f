//! Answers of readers on their way out: which are due, and the reports that tell them (AV-19).

use crate::records::NewResult;
use crate::{StoreError, StudyKey};
use async_trait::async_trait;
use hilum_monitor::Label;
use hilum_types::{Digest, Phi, Timestamp};
use serde_json::Value;

/// Answers of one reader to one result that nobody was told of yet.
#[derive(Debug, Clone, PartialEq)]
pub struct DueAssessment {
    /// Study.
    pub study_key: StudyKey,
    /// Revision that was analysed.
    pub revision: u32,
    /// Deployment whose result it is.
    pub deployment: String,
    /// Who answered: `user:<name>`.
    pub reader: String,
    /// When the last answer was entered.
    pub answered_at: Timestamp,
    /// Everything the reader said of the result that may be told, in the order it was said.
    pub said: Vec<Said>,
    /// Number of the report, from 1.
    pub number: u32,
    /// Digest of the report before this one; `None` for the first.
    pub predecessor: Option<Digest>,
    /// Package that ran.
    pub package: Digest,
    /// The inference record.
    pub record: Value,
    /// Digests of the result objects that a destination holds which wants the report, in order of their making;
    /// retracted ones are left out.
    pub results: Vec<Digest>,
    /// Destinations that hold one of them, by name; none: nobody is told.
    pub destinations: Vec<String>,
}

/// One thing that a reader said.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// As it was entered.
    pub label: Label,
    /// Remark.
    pub comment: Option<Phi<String>>,
}

/// What becomes of answers that were due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told<'r> {
    /// They leave as this report.
    Report(&'r NewResult),
    /// There is nobody to tell, or nothing that stands.
    Nobody,
    /// The report could not be made; the text says why, without patient data.
    Failed(&'r str),
}

/// Answers that leave as reports. Every act is one transaction; what leaves, or cannot, has its audit entry in it.
#[async_trait]
pub trait Assessments: Send + Sync {
    /// Answers after whose last one `quiet_seconds` have passed, the longest waiting first, with what a report of them
    /// needs. `wanting` are the destinations that want reports. Those whose results are still on their way to one of
    /// them wait, and so do those with a report before that is: a correction must not arrive before what it corrects. An
    /// answer that was entered later than one quiet time from now tells that the clock went back, and does
    /// not wait until that moment comes again.
    async fn assessments_due(
        &self,
        wanting: &[String],
        now: Timestamp,
        quiet_seconds: u32,
        limit: u32,
    ) -> Result<Vec<DueAssessment>, StoreError>;

    /// Say what became of answers that were due: with a report they are told, with one delivery to each destination.
    /// Says whether it was done: nothing changes when the reader has answered again or a result was retracted meanwhile,
    /// or when it was done before, by another worker for instance.
    ///
    /// # Errors
    /// [`StoreError::Misuse`] when the report is of another kind, or there is no destination for it.
    async fn assessment_told(&self, due: &DueAssessment, told: Told<'_>, now: Timestamp) -> Result<bool, StoreError>;
}
