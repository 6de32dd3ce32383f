//! Rejection notes: a Key Object Selection Document whose title tells an archive to withdraw objects
//! (IHE RAD TF-3 section 4.66, Imaging Object Change Management; PS3.3 section A.35.4, PS3.16 TID 2010).

use crate::attribute as a;
use crate::code::{self, Code};
use crate::common;
use crate::evidence::{evidence, pointer};
use crate::report::content::{ContentItem, Relationship, Value};
use crate::request::{EncodedResult, ResultError, ResultKind, english};
use crate::validate::{Scope, validate};
use hilum_dicom::DataSet;
use hilum_types::{CodedConcept, InstanceHeader, Timestamp, Uid};

/// Why objects are rejected. It is the document title, and an archive acts on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RejectionReason {
    /// 113001, not good enough. An archive may go on showing the objects for quality work, marked or on request.
    Quality,
    /// 113037, somebody could be harmed. An archive must not give the objects out any more.
    PatientSafety,
    /// 113038, made for the wrong worklist entry. An archive withdraws the objects; corrected ones may follow.
    IncorrectWorklistEntry,
    /// 113039, kept as long as had to be. An archive may delete the objects.
    RetentionExpired,
}

impl RejectionReason {
    /// Every reason.
    pub const ALL: [RejectionReason; 4] = [
        RejectionReason::Quality,
        RejectionReason::PatientSafety,
        RejectionReason::IncorrectWorklistEntry,
        RejectionReason::RetentionExpired,
    ];

    fn code(self) -> Code {
        match self {
            RejectionReason::Quality => code::REJECTED_FOR_QUALITY,
            RejectionReason::PatientSafety => code::REJECTED_FOR_PATIENT_SAFETY,
            RejectionReason::IncorrectWorklistEntry => code::INCORRECT_WORKLIST_ENTRY,
            RejectionReason::RetentionExpired => code::RETENTION_EXPIRED,
        }
    }

    /// The document title, a code of CID 7010.
    pub fn title(self) -> CodedConcept {
        self.code().concept()
    }
}

/// Everything a rejection note is written from. The same request gives the same bytes and the same UIDs, for ever.
#[derive(Debug, Clone, Copy)]
pub struct RejectionRequest<'a> {
    /// Why.
    pub reason: RejectionReason,
    /// Headers of the objects to reject, all of one study and each once; patient and study identity are copied from
    /// the first, which has them from the images it was made of.
    pub rejected: &'a [&'a InstanceHeader],
    /// What people read: which model version, why, under which record. One to 1024 characters, no patient data.
    pub description: &'a str,
    /// When the retraction was carried out, in UTC.
    pub now: Timestamp,
    /// Words that tell this note from every other one: recall record, study.
    pub seed: &'a [&'a str],
}

/// Write the note.
///
/// # Errors
/// [`ResultError`]: nothing to reject, several studies, an identity or text that DICOM cannot hold, or a note that
/// breaks a rule and stays here.
pub fn reject(request: &RejectionRequest<'_>) -> Result<EncodedResult, ResultError> {
    let first = request.rejected.first().ok_or(ResultError::NoSource)?;
    if request.rejected.iter().any(|header| header.study_instance_uid != first.study_instance_uid) {
        return Err(ResultError::MixedStudies);
    }
    common::check_identity(first)?;
    let n_chars = request.description.chars().count();
    if !(1..=1024).contains(&n_chars) || request.description.chars().any(char::is_control) {
        let problem = "must be one line of 1 to 1024 characters";
        return Err(ResultError::BadValue { what: "description of a rejection note".to_owned(), problem });
    }
    let result = crate::write(ResultKind::RejectionNote, build(request, first))?;
    let scope = Scope { source: request.rejected, results: &[] };
    validate(&result.part10, &scope)
        .map_err(|violations| ResultError::Invalid { kind: ResultKind::RejectionNote, violations })?;
    Ok(result)
}

fn build(request: &RejectionRequest<'_>, first: &InstanceHeader) -> DataSet {
    let title = request.reason.title();
    let (instance, series) = (derived(request, "instance"), derived(request, "series"));
    let kind = ResultKind::RejectionNote;
    let mut item = common::document(kind, first, request.now, &instance, &series, &title.meaning);
    common::platform_equipment(&mut item);
    item.put(a::INSTANCE_NUMBER, "1");
    item.put_sequence(a::REFERENCED_PERFORMED_PROCEDURE_STEP_SEQUENCE, Vec::new());
    item.put_sequence(a::CURRENT_REQUESTED_PROCEDURE_EVIDENCE_SEQUENCE, vec![evidence(request.rejected, first)]);
    let mut children = vec![
        ContentItem::new(Relationship::HasConceptMod, code::LANGUAGE, Value::Code(english())),
        ContentItem::new(
            Relationship::Contains,
            code::KEY_OBJECT_DESCRIPTION,
            Value::Text(request.description.to_owned()),
        ),
    ];
    children
        .extend(request.rejected.iter().map(|header| ContentItem::unnamed(Relationship::Contains, pointer(header))));
    ContentItem::root(title, Value::Container(Some("2010")), children).write(&mut item);
    item
}

fn derived(request: &RejectionRequest<'_>, part: &str) -> Uid {
    // A count keeps the seed and the part apart whatever words they hold.
    let n_seed = request.seed.len().to_string();
    let words: Vec<&str> =
        ["rejection note", &n_seed].into_iter().chain(request.seed.iter().copied()).chain([part]).collect();
    Uid::derived(&words)
}
