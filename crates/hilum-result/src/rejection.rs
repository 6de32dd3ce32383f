//! Rejection notes: a Key Object Selection Document whose title tells an archive to withdraw objects
//! (IHE RAD TF-3 section 4.66, Imaging Object Change Management; PS3.3 section A.35.4, PS3.16 TID 2010).

use crate::attribute as a;
use crate::code::{self, Code};
use crate::common;
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
    item.put_sequence(a::CURRENT_REQUESTED_PROCEDURE_EVIDENCE_SEQUENCE, vec![evidence(request, first)]);
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
    let root = ContentItem { relationship: None, name: Some(title), value: Value::Container(Some("2010")), children };
    root.write(&mut item);
    item
}

fn derived(request: &RejectionRequest<'_>, part: &str) -> Uid {
    // A count keeps the seed and the part apart whatever words they hold.
    let n_seed = request.seed.len().to_string();
    let words: Vec<&str> =
        ["rejection note", &n_seed].into_iter().chain(request.seed.iter().copied()).chain([part]).collect();
    Uid::derived(&words)
}

/// TID 2010 has a row for images and one for other composite objects.
fn pointer(header: &InstanceHeader) -> Value {
    let (sop_class_uid, sop_instance_uid) = (header.sop_class_uid.clone(), header.sop_instance_uid.clone());
    if is_image(&sop_class_uid) {
        Value::Image { sop_class_uid, sop_instance_uid, frame: None, segment: None }
    } else {
        Value::Composite { sop_class_uid, sop_instance_uid }
    }
}

/// Whether a storage class of PS3.4 section B.5 is an image: not a report, presentation state, encapsulated document
/// or raw data. A segmentation (66.4) is one.
fn is_image(sop_class_uid: &Uid) -> bool {
    const STORAGE: &str = "1.2.840.10008.5.1.4.1.1.";
    let Some(rest) = sop_class_uid.as_str().strip_prefix(STORAGE) else { return false };
    rest == "66.4" || !["11.", "66", "88.", "104."].iter().any(|family| rest.starts_with(family))
}

/// Every rejected object by its series (PS3.3 section C.17.2.3).
fn evidence(request: &RejectionRequest<'_>, first: &InstanceHeader) -> DataSet {
    let mut by_series: Vec<(&Uid, Vec<DataSet>)> = Vec::new();
    for header in request.rejected {
        let reference = common::sop_reference(&header.sop_class_uid, &header.sop_instance_uid);
        match by_series.iter_mut().find(|(series, _)| *series == &header.series_instance_uid) {
            Some((_, references)) => references.push(reference),
            None => by_series.push((&header.series_instance_uid, vec![reference])),
        }
    }
    let series = by_series.into_iter().map(|(uid, references)| {
        let mut item = DataSet::new();
        item.put_uid(a::SERIES_INSTANCE_UID, uid).put_sequence(a::REFERENCED_SOP_SEQUENCE, references);
        item
    });
    let mut study = DataSet::new();
    study
        .put_uid(a::STUDY_INSTANCE_UID, &first.study_instance_uid)
        .put_sequence(a::REFERENCED_SERIES_SEQUENCE, series.collect());
    study
}
