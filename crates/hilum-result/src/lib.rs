//! Core: findings to DICOM SR, SEG and key images, rejection notes and assessment reports for them, validated before
//! anything leaves; and what others' results say.
//!
//! [`encode`] turns one [`EncodeRequest`] into finished Part 10 objects: a Comprehensive 3D SR after TID 1500, one
//! Segmentation for each set of frames that can share one, and a Secondary Capture for people. Every UID is derived from
//! the seed of the request and the time comes in as an argument, so the same request gives the same bytes for ever.
//! Each object passes [`validate`] before it is handed out. [`reject`] writes the note that retracts results again, and
//! [`assess`] the report of what a reader answered to them.

mod assessment;
mod attribute;
mod check;
mod code;
mod common;
mod evidence;
mod key_image;
mod read;
mod rejection;
mod report;
mod request;
mod segmentation;
mod validate;

pub use assessment::{AssessedFinding, AssessmentRequest, Reader, assess};
pub use common::device_uid;
pub use key_image::{Preview, key_image_reference, preview};
pub use read::{
    Expected, ReadAssessment, ReadKind, ReadResult, TrackedFinding, Verdict, acceptable, read_assessments, read_result,
    tracked_findings, tracking_of,
};
pub use rejection::{RejectionReason, RejectionRequest, reject};
pub use request::{
    ContentQualification, EncodeRequest, EncodedResult, ResultError, ResultErrorKind, ResultKind, SourceImage, english,
    finding_tracking_uid,
};
pub use validate::{Scope, Violation, validate};

use hilum_dicom::DataSet;
use hilum_types::{ImageReference, InstanceHeader};

/// Encode what a model said: the structured report first, then segmentations, then the key image.
///
/// A model that found nothing gives a report too, with every finding it looked for coded as absent (AV-04).
///
/// # Errors
/// [`ResultError`]; nothing at all is handed out then, because a report without its segmentation would point nowhere.
pub fn encode(request: &EncodeRequest<'_>) -> Result<Vec<EncodedResult>, ResultError> {
    check::check(request)?;
    let (objects, data_sets): (Vec<_>, Vec<_>) = segmentation::build(request)?.into_iter().unzip();
    let report = report::build(request, &objects);
    let mut results = vec![write(ResultKind::StructuredReport, report)?];
    for data_set in data_sets {
        results.push(write(ResultKind::Segmentation, data_set)?);
    }
    if let Some(key_image) = key_image::build(request, &objects)? {
        results.push(write(ResultKind::KeyImage, key_image)?);
    }
    let source: Vec<&InstanceHeader> = request.source.iter().map(|image| image.header).collect();
    let siblings: Vec<ImageReference> = results.iter().map(reference).collect();
    let scope = Scope { source: &source, results: &siblings };
    for result in &results {
        validate(&result.part10, &scope)
            .map_err(|violations| ResultError::Invalid { kind: result.kind, violations })?;
    }
    Ok(results)
}

fn reference(result: &EncodedResult) -> ImageReference {
    ImageReference {
        sop_class_uid: result.sop_class_uid.clone(),
        sop_instance_uid: result.sop_instance_uid.clone(),
        series_instance_uid: result.series_instance_uid.clone(),
        frame: None,
    }
}

fn write(kind: ResultKind, data_set: DataSet) -> Result<EncodedResult, ResultError> {
    let wrong = |source| ResultError::Write { kind, source };
    let uid = |tag, attribute| {
        let reason = "was not written";
        data_set.uid(tag).ok_or(wrong(hilum_dicom::DicomError::Unidentifiable { attribute, reason }))
    };
    Ok(EncodedResult {
        kind,
        sop_class_uid: uid(attribute::SOP_CLASS_UID, "SOPClassUID")?,
        sop_instance_uid: uid(attribute::SOP_INSTANCE_UID, "SOPInstanceUID")?,
        series_instance_uid: uid(attribute::SERIES_INSTANCE_UID, "SeriesInstanceUID")?,
        part10: data_set.to_part10_bytes().map_err(wrong)?,
    })
}
