//! Attributes that each kind of object must have, by the module tables of PS3.3.

use super::Findings;
use crate::attribute as a;
use crate::request::ResultKind;
use hilum_dicom::{DataSet, Tag, Value};

/// What an attribute must be (PS3.5 section 7.4), or which terms it may hold.
#[derive(Debug, Clone, Copy)]
enum Need {
    /// Type 1: present with a value.
    One,
    /// Type 2: present, possibly empty.
    Two,
    /// Type 1 with one of these values; several are separated by a backslash.
    Term(&'static [&'static str]),
}
use Need::{One, Term, Two};

/// Sequences to descend into, attribute, need. A rule below an absent sequence says nothing.
type Rule = (&'static [Tag], Tag, Need);

/// Patient, General Study, General Series, General Equipment and SOP Common.
const COMMON: &[Rule] = &[
    (&[], a::SPECIFIC_CHARACTER_SET, Term(&["ISO_IR 192"])),
    (&[], a::SOP_CLASS_UID, One),
    (&[], a::SOP_INSTANCE_UID, One),
    (&[], a::INSTANCE_CREATION_DATE, One),
    (&[], a::INSTANCE_CREATION_TIME, One),
    (&[], a::PATIENT_NAME, Two),
    (&[], a::PATIENT_ID, Two),
    (&[], a::PATIENT_BIRTH_DATE, Two),
    (&[], a::PATIENT_SEX, Two),
    (&[], a::STUDY_INSTANCE_UID, One),
    (&[], a::STUDY_DATE, Two),
    (&[], a::STUDY_TIME, Two),
    (&[], a::REFERRING_PHYSICIAN_NAME, Two),
    (&[], a::STUDY_ID, Two),
    (&[], a::ACCESSION_NUMBER, Two),
    (&[], a::SERIES_INSTANCE_UID, One),
    (&[], a::SERIES_NUMBER, One),
    (&[], a::SERIES_DESCRIPTION, One),
    (&[], a::INSTANCE_NUMBER, One),
    (&[], a::CONTENT_DATE, One),
    (&[], a::CONTENT_TIME, One),
    (&[], a::MANUFACTURER, One),
    (&[], a::MANUFACTURER_MODEL_NAME, One),
    (&[], a::SOFTWARE_VERSIONS, One),
];

/// Enhanced General Equipment and Contributing Equipment: which model under which deployment made a result.
const MADE_BY_MODEL: &[Rule] = &[
    (&[], a::CONTENT_QUALIFICATION, Term(&["RESEARCH", "PRODUCT"])),
    (&[], a::DEVICE_SERIAL_NUMBER, One),
    (&[], a::DEVICE_UID, One),
    (&[], a::CONTRIBUTING_EQUIPMENT_SEQUENCE, One),
    (&[a::CONTRIBUTING_EQUIPMENT_SEQUENCE], a::PURPOSE_OF_REFERENCE_CODE_SEQUENCE, One),
    (&[a::CONTRIBUTING_EQUIPMENT_SEQUENCE], a::MANUFACTURER, One),
    (&[a::CONTRIBUTING_EQUIPMENT_SEQUENCE], a::SOFTWARE_VERSIONS, One),
    (&[a::CONTRIBUTING_EQUIPMENT_SEQUENCE], a::CONTRIBUTION_DESCRIPTION, One),
];

/// SR Document Series, SR Document General (sections C.17.1 and C.17.2).
const REPORT: &[Rule] = &[
    (&[], a::MODALITY, Term(&["SR"])),
    (&[], a::REFERENCED_PERFORMED_PROCEDURE_STEP_SEQUENCE, Two),
    (&[], a::PRELIMINARY_FLAG, Term(&["PRELIMINARY"])),
    (&[], a::COMPLETION_FLAG, Term(&["COMPLETE", "PARTIAL"])),
    (&[], a::VERIFICATION_FLAG, Term(&["UNVERIFIED"])),
    (&[], a::PERFORMED_PROCEDURE_CODE_SEQUENCE, Two),
    (&[], a::CURRENT_REQUESTED_PROCEDURE_EVIDENCE_SEQUENCE, One),
    (&[a::CURRENT_REQUESTED_PROCEDURE_EVIDENCE_SEQUENCE], a::STUDY_INSTANCE_UID, One),
    (&[a::CURRENT_REQUESTED_PROCEDURE_EVIDENCE_SEQUENCE], a::REFERENCED_SERIES_SEQUENCE, One),
    (EVIDENCE_SERIES, a::SERIES_INSTANCE_UID, One),
    (EVIDENCE_SERIES, a::REFERENCED_SOP_SEQUENCE, One),
    (&[], a::VALUE_TYPE, Term(&["CONTAINER"])),
    (&[], a::CONCEPT_NAME_CODE_SEQUENCE, One),
    (&[], a::CONTENT_TEMPLATE_SEQUENCE, One),
    (&[a::CONTENT_TEMPLATE_SEQUENCE], a::MAPPING_RESOURCE, Term(&["DCMR"])),
    (&[a::CONTENT_TEMPLATE_SEQUENCE], a::TEMPLATE_IDENTIFIER, Term(&["1500"])),
    (&[], a::CONTENT_SEQUENCE, One),
];
const EVIDENCE_SERIES: &[Tag] = &[a::CURRENT_REQUESTED_PROCEDURE_EVIDENCE_SEQUENCE, a::REFERENCED_SERIES_SEQUENCE];

/// Image Pixel (section C.7.6.3), for both kinds that have pixels.
const PIXELS: &[Rule] = &[
    (&[], a::SAMPLES_PER_PIXEL, One),
    (&[], a::ROWS, One),
    (&[], a::COLUMNS, One),
    (&[], a::BITS_ALLOCATED, One),
    (&[], a::BITS_STORED, One),
    (&[], a::HIGH_BIT, One),
    (&[], a::PIXEL_REPRESENTATION, Term(&["0"])),
    (&[], a::PIXEL_DATA, One),
];

/// Segmentation Series, Segmentation Image, Multi-frame Functional Groups, Multi-frame Dimension (section A.51).
const SEGMENTATION: &[Rule] = &[
    (&[], a::MODALITY, Term(&["SEG"])),
    (&[], a::IMAGE_TYPE, Term(&["DERIVED\\PRIMARY"])),
    (&[], a::SAMPLES_PER_PIXEL, Term(&["1"])),
    (&[], a::PHOTOMETRIC_INTERPRETATION, Term(&["MONOCHROME2"])),
    (&[], a::BITS_ALLOCATED, Term(&["1"])),
    (&[], a::BITS_STORED, Term(&["1"])),
    (&[], a::HIGH_BIT, Term(&["0"])),
    (&[], a::NUMBER_OF_FRAMES, One),
    (&[], a::LOSSY_IMAGE_COMPRESSION, Term(&["00", "01"])),
    (&[], a::CONTENT_LABEL, One),
    (&[], a::CONTENT_DESCRIPTION, Two),
    (&[], a::CONTENT_CREATOR_NAME, Two),
    (&[], a::SEGMENTATION_TYPE, Term(&["BINARY"])),
    (&[], a::REFERENCED_SERIES_SEQUENCE, One),
    (&[], a::SEGMENT_SEQUENCE, One),
    (&[a::SEGMENT_SEQUENCE], a::SEGMENT_NUMBER, One),
    (&[a::SEGMENT_SEQUENCE], a::SEGMENT_LABEL, One),
    (&[a::SEGMENT_SEQUENCE], a::SEGMENTED_PROPERTY_CATEGORY_CODE_SEQUENCE, One),
    (&[a::SEGMENT_SEQUENCE], a::SEGMENTED_PROPERTY_TYPE_CODE_SEQUENCE, One),
    (&[a::SEGMENT_SEQUENCE], a::SEGMENT_ALGORITHM_TYPE, Term(&["AUTOMATIC"])),
    (&[a::SEGMENT_SEQUENCE], a::SEGMENT_ALGORITHM_NAME, One),
    (&[a::SEGMENT_SEQUENCE], a::SEGMENTATION_ALGORITHM_IDENTIFICATION_SEQUENCE, One),
    (ALGORITHM, a::ALGORITHM_FAMILY_CODE_SEQUENCE, One),
    (ALGORITHM, a::ALGORITHM_NAME, One),
    (ALGORITHM, a::ALGORITHM_VERSION, One),
    (&[], a::DIMENSION_ORGANIZATION_SEQUENCE, One),
    (&[], a::DIMENSION_INDEX_SEQUENCE, One),
    (&[], a::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, One),
    (&[], a::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, One),
    (PER_FRAME, a::FRAME_CONTENT_SEQUENCE, One),
    (PER_FRAME, a::SEGMENT_IDENTIFICATION_SEQUENCE, One),
    (PER_FRAME, a::DERIVATION_IMAGE_SEQUENCE, One),
    (FRAME_SOURCE, a::SOURCE_IMAGE_SEQUENCE, One),
    (FRAME_SOURCE, a::DERIVATION_CODE_SEQUENCE, One),
];
const ALGORITHM: &[Tag] = &[a::SEGMENT_SEQUENCE, a::SEGMENTATION_ALGORITHM_IDENTIFICATION_SEQUENCE];
const PER_FRAME: &[Tag] = &[a::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE];
const FRAME_SOURCE: &[Tag] = &[a::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, a::DERIVATION_IMAGE_SEQUENCE];

/// SC Equipment, General Image, SC Image (section A.8.1).
const KEY_IMAGE: &[Rule] = &[
    (&[], a::MODALITY, Term(&["OT"])),
    (&[], a::CONVERSION_TYPE, Term(&["WSD"])),
    (&[], a::IMAGE_TYPE, Term(&["DERIVED\\SECONDARY"])),
    (&[], a::LATERALITY, Two),
    (&[], a::PATIENT_ORIENTATION, Two),
    (&[], a::BURNED_IN_ANNOTATION, Term(&["YES"])),
    (&[], a::DERIVATION_DESCRIPTION, One),
    (&[], a::DERIVATION_CODE_SEQUENCE, One),
    (&[], a::SOURCE_IMAGE_SEQUENCE, One),
    (&[], a::SAMPLES_PER_PIXEL, Term(&["3"])),
    (&[], a::PHOTOMETRIC_INTERPRETATION, Term(&["RGB"])),
    (&[], a::PLANAR_CONFIGURATION, Term(&["0"])),
    (&[], a::BITS_ALLOCATED, Term(&["8"])),
    (&[], a::BITS_STORED, Term(&["8"])),
    (&[], a::HIGH_BIT, Term(&["7"])),
];

/// Key Object Document Series, Key Object Document, SR Document Content (section A.35.4).
const REJECTION_NOTE: &[Rule] = &[
    (&[], a::MODALITY, Term(&["KO"])),
    (&[], a::REFERENCED_PERFORMED_PROCEDURE_STEP_SEQUENCE, Two),
    (&[], a::CURRENT_REQUESTED_PROCEDURE_EVIDENCE_SEQUENCE, One),
    (&[a::CURRENT_REQUESTED_PROCEDURE_EVIDENCE_SEQUENCE], a::STUDY_INSTANCE_UID, One),
    (&[a::CURRENT_REQUESTED_PROCEDURE_EVIDENCE_SEQUENCE], a::REFERENCED_SERIES_SEQUENCE, One),
    (EVIDENCE_SERIES, a::SERIES_INSTANCE_UID, One),
    (EVIDENCE_SERIES, a::REFERENCED_SOP_SEQUENCE, One),
    (&[], a::VALUE_TYPE, Term(&["CONTAINER"])),
    (&[], a::CONTINUITY_OF_CONTENT, Term(&["SEPARATE"])),
    (&[], a::CONCEPT_NAME_CODE_SEQUENCE, One),
    (&[], a::CONTENT_TEMPLATE_SEQUENCE, One),
    (&[a::CONTENT_TEMPLATE_SEQUENCE], a::MAPPING_RESOURCE, Term(&["DCMR"])),
    (&[a::CONTENT_TEMPLATE_SEQUENCE], a::TEMPLATE_IDENTIFIER, Term(&["2010"])),
    (&[], a::CONTENT_SEQUENCE, One),
];

/// SR Document Series, SR Document General, SR Document Content (section A.35.2).
const ASSESSMENT_REPORT: &[Rule] = &[
    (&[], a::MODALITY, Term(&["SR"])),
    (&[], a::REFERENCED_PERFORMED_PROCEDURE_STEP_SEQUENCE, Two),
    (&[], a::COMPLETION_FLAG, Term(&["COMPLETE"])),
    (&[], a::VERIFICATION_FLAG, Term(&["UNVERIFIED"])),
    (&[], a::PERFORMED_PROCEDURE_CODE_SEQUENCE, Two),
    (&[], a::CODING_SCHEME_IDENTIFICATION_SEQUENCE, One),
    (&[], a::CURRENT_REQUESTED_PROCEDURE_EVIDENCE_SEQUENCE, One),
    (&[a::CURRENT_REQUESTED_PROCEDURE_EVIDENCE_SEQUENCE], a::STUDY_INSTANCE_UID, One),
    (&[a::CURRENT_REQUESTED_PROCEDURE_EVIDENCE_SEQUENCE], a::REFERENCED_SERIES_SEQUENCE, One),
    (EVIDENCE_SERIES, a::SERIES_INSTANCE_UID, One),
    (EVIDENCE_SERIES, a::REFERENCED_SOP_SEQUENCE, One),
    (&[a::PREDECESSOR_DOCUMENTS_SEQUENCE], a::STUDY_INSTANCE_UID, One),
    (&[a::PREDECESSOR_DOCUMENTS_SEQUENCE], a::REFERENCED_SERIES_SEQUENCE, One),
    (PREDECESSOR_SERIES, a::SERIES_INSTANCE_UID, One),
    (PREDECESSOR_SERIES, a::REFERENCED_SOP_SEQUENCE, One),
    (&[], a::VALUE_TYPE, Term(&["CONTAINER"])),
    (&[], a::CONTINUITY_OF_CONTENT, Term(&["SEPARATE"])),
    (&[], a::CONCEPT_NAME_CODE_SEQUENCE, One),
    (&[], a::CONTENT_SEQUENCE, One),
];
const PREDECESSOR_SERIES: &[Tag] = &[a::PREDECESSOR_DOCUMENTS_SEQUENCE, a::REFERENCED_SERIES_SEQUENCE];

/// Apply the tables of one kind.
pub(super) fn apply(kind: ResultKind, data_set: &DataSet, found: &mut Findings) {
    let own: [&[Rule]; 3] = match kind {
        ResultKind::StructuredReport => [MADE_BY_MODEL, REPORT, &[]],
        ResultKind::Segmentation => [MADE_BY_MODEL, SEGMENTATION, PIXELS],
        ResultKind::KeyImage => [MADE_BY_MODEL, KEY_IMAGE, PIXELS],
        ResultKind::RejectionNote => [REJECTION_NOTE, &[], &[]],
        ResultKind::AssessmentReport => [ASSESSMENT_REPORT, &[], &[]],
    };
    for (path, tag, need) in COMMON.iter().chain(own.into_iter().flatten()) {
        let mut items = vec![data_set];
        for sequence in *path {
            items = items.into_iter().flat_map(|item| item.items(*sequence)).collect();
        }
        for item in items {
            one(item, path, *tag, *need, found);
        }
    }
}

fn one(item: &DataSet, path: &[Tag], tag: Tag, need: Need, found: &mut Findings) {
    let Some(element) = item.get(tag) else {
        found.add(&[path, &[tag]].concat(), "is absent");
        return;
    };
    let has_value = match &element.value {
        Value::Bytes(bytes) if tag == a::PIXEL_DATA => !bytes.is_empty(),
        Value::Bytes(_) => item.string(tag).is_some(),
        Value::Sequence(items) => !items.is_empty(),
        Value::Fragments(_) => false,
    };
    match need {
        Two => {}
        One => found.require(has_value, &[path, &[tag]].concat(), "is empty"),
        Term(terms) => {
            let text = item.strings(tag).unwrap_or_default().join("\\");
            found.require(terms.contains(&text.as_str()), &[path, &[tag]].concat(), "is not one of its terms");
        }
    }
}
