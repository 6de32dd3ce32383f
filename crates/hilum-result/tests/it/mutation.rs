//! The validator notices: each rule is broken once in an otherwise good object (AV-15).

use crate::support::*;
use hilum_dicom::{Bulk, DataSet, Element, Limits, Tag, Value, Vr, read_data_set, tags};
use hilum_result::{EncodedResult, ResultKind, Scope, validate};
use hilum_types::{ImageReference, InstanceHeader};

/// How a content item is broken.
type Change = &'static dyn Fn(&mut DataSet);

struct Good {
    sources: Vec<Source>,
    results: Vec<EncodedResult>,
}

fn good() -> Good {
    let sources = ct(3, 24, 20);
    let mut output = segmentation(&sources);
    output.findings = one_finding(&sources[0]).findings;
    let results = encoded(&sources, &output);
    Good { sources, results }
}

impl Good {
    fn bytes(&self, kind: ResultKind) -> &[u8] {
        &self.results.iter().find(|result| result.kind == kind).expect("every kind is written").part10
    }

    fn violations(&self, bytes: &[u8]) -> Vec<String> {
        let source: Vec<&InstanceHeader> = self.sources.iter().map(|source| &source.header).collect();
        let results: Vec<ImageReference> = self
            .results
            .iter()
            .map(|r| ImageReference {
                sop_class_uid: r.sop_class_uid.clone(),
                sop_instance_uid: r.sop_instance_uid.clone(),
                series_instance_uid: r.series_instance_uid.clone(),
                frame: None,
            })
            .collect();
        let scope = Scope { source: &source, results: &results };
        validate(bytes, &scope).err().unwrap_or_default().iter().map(ToString::to_string).collect()
    }

    fn broken(&self, kind: ResultKind, change: impl FnOnce(&mut DataSet)) -> Vec<String> {
        let limits = Limits::default();
        let mut set = read_data_set(self.bytes(kind), None, Bulk::Keep, &limits).expect("good").data_set;
        change(&mut set);
        self.violations(&set.to_part10_bytes().expect("the change is encodable"))
    }
}

/// Change the first item of a sequence.
fn in_item(set: &mut DataSet, sequence: Tag, change: impl FnOnce(&mut DataSet)) {
    let mut items = set.items(sequence).to_vec();
    change(&mut items[0]);
    set.put_sequence(sequence, items);
}

/// Change the first content item whose concept has this code value, at any depth.
pub(crate) fn in_content(set: &mut DataSet, code_value: &str, change: &mut dyn FnMut(&mut DataSet)) -> bool {
    let mut items = set.items(tags::CONTENT_SEQUENCE).to_vec();
    for item in &mut items {
        let named = item.code(tags::CONCEPT_NAME_CODE_SEQUENCE).is_some_and(|code| code.value == code_value);
        if named {
            change(item);
        }
        if named || in_content(item, code_value, change) {
            set.put_sequence(tags::CONTENT_SEQUENCE, items);
            return true;
        }
    }
    false
}

#[test]
fn good_objects_pass() {
    let good = good();
    for result in &good.results {
        assert_eq!(good.violations(&result.part10), Vec::<String>::new(), "{:?}", result.kind);
    }
}

#[test]
fn every_required_attribute_is_missed() {
    use hilum_dicom::tag_of;
    let good = good();
    let common = [
        "SpecificCharacterSet",
        "InstanceCreationDate",
        "PatientName",
        "PatientID",
        "PatientBirthDate",
        "PatientSex",
        "StudyDate",
        "StudyTime",
        "ReferringPhysicianName",
        "StudyID",
        "AccessionNumber",
        "Modality",
        "StudyInstanceUID",
        "SeriesInstanceUID",
        "SeriesNumber",
        "SeriesDescription",
        "InstanceNumber",
        "ContentDate",
        "ContentQualification",
        "Manufacturer",
        "ManufacturerModelName",
        "DeviceSerialNumber",
        "SoftwareVersions",
        "DeviceUID",
        "ContributingEquipmentSequence",
    ];
    let own: [(ResultKind, &[&str]); 3] = [
        (
            ResultKind::StructuredReport,
            &[
                "ReferencedPerformedProcedureStepSequence",
                "PreliminaryFlag",
                "CompletionFlag",
                "VerificationFlag",
                "PerformedProcedureCodeSequence",
                "CurrentRequestedProcedureEvidenceSequence",
                "ValueType",
                "ConceptNameCodeSequence",
                "ContentTemplateSequence",
                "ContentSequence",
            ],
        ),
        (
            ResultKind::Segmentation,
            &[
                "ImageType",
                "SamplesPerPixel",
                "PhotometricInterpretation",
                "BitsAllocated",
                "NumberOfFrames",
                "Rows",
                "ContentLabel",
                "ContentDescription",
                "ContentCreatorName",
                "SegmentationType",
                "SegmentSequence",
                "ReferencedSeriesSequence",
                "DimensionOrganizationSequence",
                "DimensionIndexSequence",
                "SharedFunctionalGroupsSequence",
                "PerFrameFunctionalGroupsSequence",
                "PixelData",
                "FrameOfReferenceUID",
            ],
        ),
        (
            ResultKind::KeyImage,
            &[
                "ConversionType",
                "ImageType",
                "PatientOrientation",
                "BurnedInAnnotation",
                "DerivationDescription",
                "DerivationCodeSequence",
                "SourceImageSequence",
                "Rows",
                "Columns",
                "PixelData",
                "HighBit",
            ],
        ),
    ];
    for (kind, keywords) in own {
        for keyword in common.iter().chain(keywords) {
            let tag = tag_of(keyword).expect("a keyword of PS3.6");
            let found = good.broken(kind, |set| {
                set.remove(tag).unwrap_or_else(|| panic!("{kind:?} has no {keyword}"));
            });
            assert!(!found.is_empty(), "{kind:?} without {keyword} passes");
        }
    }
}

#[test]
fn terms_that_would_mislead_a_reader_are_caught() {
    let good = good();
    for (kind, tag, value, expected) in [
        (ResultKind::StructuredReport, tags::VERIFICATION_FLAG, "VERIFIED", "VerificationFlag is not one of its terms"),
        (ResultKind::StructuredReport, tags::PRELIMINARY_FLAG, "FINAL", "PreliminaryFlag is not one of its terms"),
        (ResultKind::StructuredReport, tags::COMPLETION_FLAG, "DONE", "CompletionFlag is not one of its terms"),
        (ResultKind::KeyImage, tags::BURNED_IN_ANNOTATION, "NO", "BurnedInAnnotation is not one of its terms"),
        (ResultKind::KeyImage, tags::PATIENT_NAME, "Phantom^Peter", "PatientName differs from the source"),
        (ResultKind::Segmentation, tags::ACCESSION_NUMBER, "A-1002", "AccessionNumber differs from the source"),
        (ResultKind::Segmentation, tags::STUDY_INSTANCE_UID, "1.2.3.9", "StudyInstanceUID differs from the source"),
        (ResultKind::KeyImage, tags::SERIES_INSTANCE_UID, "1.2.3.1.1", "SeriesInstanceUID is that of a source series"),
        (ResultKind::KeyImage, tags::SOP_INSTANCE_UID, "1.2.3.1.1.1", "SOPInstanceUID is that of a source image"),
        (
            ResultKind::KeyImage,
            tags::SOP_CLASS_UID,
            "1.2.840.10008.5.1.4.1.1.2",
            "SOPClassUID is none of those written here",
        ),
    ] {
        let found = good.broken(kind, |set| {
            set.put(tag, value);
        });
        assert!(found.iter().any(|line| line == expected), "{expected}: {found:?}");
    }
}

#[test]
fn lengths_of_pixel_data_and_frames_must_agree() {
    let good = good();
    for kind in [ResultKind::Segmentation, ResultKind::KeyImage] {
        let found = good.broken(kind, |set| {
            let mut bytes = set.bytes(tags::PIXEL_DATA).unwrap().to_vec();
            bytes.truncate(bytes.len() - 2);
            set.put_bytes(tags::PIXEL_DATA, Vr::OB, bytes);
        });
        assert_eq!(found, ["PixelData has another length than its description says"]);
    }
    let found = good.broken(ResultKind::Segmentation, |set| {
        let mut frames = set.items(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE).to_vec();
        frames.pop();
        set.put_sequence(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, frames);
    });
    assert_eq!(found, ["PerFrameFunctionalGroupsSequence does not hold one item for each frame"]);
    let found = good.broken(ResultKind::Segmentation, |set| {
        in_item(set, tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, |frame| {
            in_item(frame, tags::SEGMENT_IDENTIFICATION_SEQUENCE, |item| {
                item.put_number(tags::REFERENCED_SEGMENT_NUMBER, 7);
            });
        });
    });
    assert!(found[0].ends_with("names no segment of this object"), "{found:?}");
    let found = good.broken(ResultKind::Segmentation, |set| {
        in_item(set, tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, |frame| {
            frame.remove(tags::PLANE_POSITION_SEQUENCE);
        });
    });
    assert_eq!(found, ["PlanePositionSequence does not agree with Frame of Reference UID"]);
}

#[test]
fn references_out_of_the_study_are_caught() {
    let good = good();
    let found = good.broken(ResultKind::KeyImage, |set| {
        in_item(set, tags::SOURCE_IMAGE_SEQUENCE, |item| {
            item.put(tags::REFERENCED_SOP_INSTANCE_UID, "1.2.3.4.5");
        });
    });
    assert_eq!(found, ["SourceImageSequence > ReferencedSOPInstanceUID is not of this study"]);
    let found = good.broken(ResultKind::KeyImage, |set| {
        in_item(set, tags::SOURCE_IMAGE_SEQUENCE, |item| {
            item.put(tags::REFERENCED_SOP_CLASS_UID, "1.2.840.10008.5.1.4.1.1.4");
        });
    });
    assert_eq!(found, ["SourceImageSequence > ReferencedSOPInstanceUID has another SOP class than stated beside it"]);
    let found = good.broken(ResultKind::StructuredReport, |set| {
        in_item(set, tags::CURRENT_REQUESTED_PROCEDURE_EVIDENCE_SEQUENCE, |study| {
            in_item(study, tags::REFERENCED_SERIES_SEQUENCE, |series| {
                let mut instances = series.items(tags::REFERENCED_SOP_SEQUENCE).to_vec();
                instances.remove(0);
                series.put_sequence(tags::REFERENCED_SOP_SEQUENCE, instances);
            });
        });
    });
    assert_eq!(found, ["CurrentRequestedProcedureEvidenceSequence does not list an image of the content tree"]);
    let found = good.broken(ResultKind::StructuredReport, |set| {
        in_item(set, tags::CURRENT_REQUESTED_PROCEDURE_EVIDENCE_SEQUENCE, |study| {
            study.put(tags::STUDY_INSTANCE_UID, "1.2.3.9");
        });
    });
    assert_eq!(found, ["CurrentRequestedProcedureEvidenceSequence > StudyInstanceUID is another study"]);
}

#[test]
fn broken_content_trees_are_caught() {
    let good = good();
    let cases: [(&str, Change, &str); 9] = [
        (
            "121071",
            &|item| {
                item.remove(tags::CONCEPT_CODE_SEQUENCE);
            },
            "does not hold what its value type needs",
        ),
        (
            "122157",
            &|item| {
                item.remove(tags::MEASURED_VALUE_SEQUENCE);
            },
            "does not hold what its value type needs",
        ),
        (
            "112039",
            &|item| {
                item.put_empty(tags::TEXT_VALUE);
            },
            "does not hold what its value type needs",
        ),
        (
            "112040",
            &|item| {
                item.remove(tags::UID);
            },
            "does not hold what its value type needs",
        ),
        (
            "111030",
            &|item| {
                item.put_numbers(tags::GRAPHIC_DATA, &[1.0, 2.0, 3.0, 4.0]);
            },
            "does not hold what its value type needs",
        ),
        (
            "121071",
            &|item| {
                item.put(tags::RELATIONSHIP_TYPE, "INFERRED FROM");
            },
            "is not a relationship of this document",
        ),
        (
            "121071",
            &|item| {
                item.put(tags::VALUE_TYPE, "PNAME");
            },
            "does not hold what its value type needs",
        ),
        (
            "705057003",
            &|item| {
                in_item(item, tags::CONCEPT_CODE_SEQUENCE, |code| {
                    code.remove(tags::CODE_MEANING);
                })
            },
            "needs a Code Meaning",
        ),
        (
            "705057003",
            &|item| {
                in_item(item, tags::CONCEPT_NAME_CODE_SEQUENCE, |code| {
                    code.put(tags::CODE_VALUE, "1");
                })
            },
            "a group does not say whether its finding is present",
        ),
    ];
    for (code_value, change, expected) in cases {
        let found = good.broken(ResultKind::StructuredReport, |set| {
            assert!(in_content(set, code_value, &mut |item| change(item)), "no item {code_value}");
        });
        assert!(found.iter().any(|line| line.ends_with(expected)), "{code_value}: {expected}: {found:?}");
    }
    let found = good.broken(ResultKind::StructuredReport, |set| {
        in_content(set, "126010", &mut |item| {
            item.remove(tags::CONTENT_SEQUENCE);
        });
    });
    assert!(found.iter().any(|line| line.contains("an empty report says nothing")), "{found:?}");
}

#[test]
fn broken_encodings_are_caught() {
    let good = good();
    let bytes = good.bytes(ResultKind::StructuredReport);
    assert_eq!(good.violations(&bytes[..bytes.len() - 5]), [" the object cannot be read back"]);
    assert!(!good.violations(&[bytes, &[0, 0][..]].concat()).is_empty());
    // A value longer than its VR allows, put in behind the writer's back: 18 characters in CS.
    let at = bytes.windows(10).position(|window| window == b"UNVERIFIED").expect("the flag is in the report");
    let mut long = bytes.to_vec();
    long.splice(at..at + 10, *b"UNVERIFIEDUNVERIFI");
    long[at - 2] = 18;
    let found = good.violations(&long);
    assert!(found.iter().any(|line| line == "VerificationFlag does not conform with its VR"), "{found:?}");
    let found = good.broken(ResultKind::StructuredReport, |set| {
        set.insert(tags::SERIES_NUMBER, Element { vr: Vr::LO, value: Value::Bytes(b"9801".to_vec()) });
    });
    assert_eq!(found, ["SeriesNumber has another VR than PS3.6 says"]);
}
