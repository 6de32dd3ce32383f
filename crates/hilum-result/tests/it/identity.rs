//! Identity, determinism, and UIDs.

use crate::support::*;
use hilum_dicom::{Bulk, DataSet, Limits, read_data_set, tags};
use hilum_result::{ResultKind, device_uid, encode};

fn read(bytes: &[u8]) -> DataSet {
    read_data_set(bytes, None, Bulk::Keep, &Limits::default()).expect("our own object is readable").data_set
}

#[test]
fn the_same_request_gives_the_same_bytes() {
    let sources = ct(4, 24, 20);
    let output = segmentation(&sources);
    assert_eq!(encoded(&sources, &output), encoded(&sources, &output));
}

#[test]
fn another_seed_gives_other_uids_everywhere() {
    let sources = ct(4, 24, 20);
    let (output, algorithm, images) = (segmentation(&sources), algorithm(), images(&sources));
    let mut request = request(&output, &algorithm, &images);
    let first = encode(&request).unwrap();
    request.seed = &["1.2.3.1", "2", "5f0c", "chest-er"];
    let second = encode(&request).unwrap();
    let uids = |results: &[hilum_result::EncodedResult]| -> Vec<_> {
        results.iter().flat_map(|r| [r.sop_instance_uid.clone(), r.series_instance_uid.clone()]).collect()
    };
    let (first, second) = (uids(&first), uids(&second));
    assert!(first.iter().all(|uid| !second.contains(uid)));
    let mut distinct = first.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), first.len());
}

#[test]
fn empty_stays_empty_and_absent_type_2_is_written_empty_av_22() {
    let mut source = radiograph().with("PatientName", None).with("AccessionNumber", None);
    for keyword in ["PatientBirthDate", "StudyDescription", "StudyID"] {
        source.header.attributes.remove(keyword);
    }
    let sources = [source];
    for result in encoded(&sources, &one_finding(&sources[0])) {
        let set = read(&result.part10);
        for tag in [tags::PATIENT_NAME, tags::ACCESSION_NUMBER, tags::PATIENT_BIRTH_DATE, tags::STUDY_ID] {
            assert_eq!(set.bytes(tag), Some(&[][..]), "{:?} {tag}", result.kind);
        }
        assert_eq!(set.get(tags::STUDY_DESCRIPTION), None);
        assert_eq!(set.get(tags::ISSUER_OF_PATIENT_ID), None);
        assert_eq!(set.string(tags::PATIENT_ID).as_deref(), Some("PHANTOM-7"));
    }
}

#[test]
fn names_of_any_script_survive_av_22() {
    for name in [
        "Yamada^Tarou=山田^太郎=やまだ^たろう",
        "Buc^Jérôme",
        "Διονυσιος",
        "Hong^Gildong=洪^吉洞=홍^길동",
        "قباني^لنزار",
    ] {
        let sources = [radiograph().with("PatientName", Some(name))];
        for result in encoded(&sources, &one_finding(&sources[0])) {
            let set = read(&result.part10);
            assert_eq!(set.string(tags::PATIENT_NAME).as_deref(), Some(name));
            assert_eq!(set.string(tags::SPECIFIC_CHARACTER_SET).as_deref(), Some("ISO_IR 192"));
        }
    }
}

#[test]
fn malformed_dates_of_the_source_are_brought_into_form() {
    let sources = [radiograph()
        .with("StudyDate", Some("2026.11.20"))
        .with("StudyTime", Some("10:15:00"))
        .with("PatientSex", Some("f"))];
    for result in encoded(&sources, &one_finding(&sources[0])) {
        let set = read(&result.part10);
        assert_eq!(set.string(tags::STUDY_DATE).as_deref(), Some("20261120"));
        assert_eq!(set.string(tags::STUDY_TIME).as_deref(), Some("101500"));
        assert_eq!(set.string(tags::PATIENT_SEX).as_deref(), Some("F"));
    }
}

#[test]
fn every_object_names_model_package_and_deployment_av_16() {
    let sources = [radiograph()];
    let mut output = segmentation(&sources);
    output.findings = one_finding(&sources[0]).findings;
    let results = encoded(&sources, &output);
    let kinds: Vec<ResultKind> = results.iter().map(|result| result.kind).collect();
    assert_eq!(kinds, [ResultKind::StructuredReport, ResultKind::Segmentation, ResultKind::KeyImage]);
    let algorithm = algorithm();
    for result in results {
        let set = read(&result.part10);
        assert_eq!(set.uid(tags::DEVICE_UID), Some(device_uid(&algorithm)));
        assert_eq!(set.string(tags::DEVICE_SERIAL_NUMBER), Some(algorithm.package_digest.clone()));
        assert_eq!(set.string(tags::SERIES_DESCRIPTION).as_deref(), Some("AI: chest-findings 1.2.0"));
        let model = &set.items(tags::CONTRIBUTING_EQUIPMENT_SEQUENCE)[0];
        let description = model.string(tags::CONTRIBUTION_DESCRIPTION).unwrap();
        assert!(description.contains("chest-er"), "{description}");
    }
}

#[test]
fn masks_of_different_frames_of_reference_go_into_different_objects() {
    let mut sources = ct(3, 24, 20);
    sources.push(radiograph());
    sources[3].header.sop_instance_uid = uid("1.2.3.1.2.1");
    sources[3].header.series_instance_uid = uid("1.2.3.1.2");
    let output = segmentation(&sources);
    let results = encoded(&sources, &output);
    let segmentations: Vec<DataSet> =
        results.iter().filter(|r| r.kind == ResultKind::Segmentation).map(|r| read(&r.part10)).collect();
    let sizes: Vec<_> = segmentations.iter().map(|s| (s.u32(tags::ROWS), s.u32(tags::NUMBER_OF_FRAMES))).collect();
    assert_eq!(sizes, [(Some(24), Some(2)), (Some(300), Some(1))]);
}

#[test]
fn an_empty_segmentation_keeps_one_frame() {
    let sources = ct(3, 24, 20);
    let mut output = segmentation(&sources);
    output.segments.remove(0);
    for masks in [true, false] {
        if !masks {
            output.segments[0].masks.clear();
        }
        let results = encoded(&sources, &output);
        let set = read(&results[1].part10);
        assert_eq!(set.u32(tags::NUMBER_OF_FRAMES), Some(1));
        assert!(set.bytes(tags::PIXEL_DATA).is_some_and(|bytes| bytes.iter().all(|byte| *byte == 0)));
    }
}
