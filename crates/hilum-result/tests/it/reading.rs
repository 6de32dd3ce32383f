//! Reading results: what this crate writes is read back, and what others claim is held against what is registered.

use crate::mutation::in_content;
use crate::support::{algorithm, encoded, one_finding, radiograph, segmentation};
use hilum_dicom::{Bulk, DataSet, Limits, Tag, Vr, read_data_set, tags};
use hilum_result::{Expected, ReadKind, ReadResult, acceptable, read_result};
use hilum_types::{AlgorithmClaim, CodedConcept, Presence, StatedValue, Uid};
use std::collections::HashSet;

fn read(part10: &[u8]) -> ReadResult {
    read_result(part10, Bulk::Keep, &Limits::default()).unwrap()
}

#[test]
fn a_report_says_what_was_written() {
    let sources = [radiograph()];
    let output = one_finding(&sources[0]);
    let results = encoded(&sources, &output);
    let report = read(&results[0].part10);
    assert_eq!(report.kind, ReadKind::Report);
    let (written, found) = (&output.findings[0], &report.findings[0]);
    assert_eq!((&found.concept, found.presence, found.score), (&written.concept, written.presence, written.score));
    assert!(report.references.contains(&sources[0].header.sop_instance_uid));
    assert_eq!(report.verification.as_deref(), Some("UNVERIFIED"));
    let algorithm = algorithm();
    let claim = &report.algorithms[0];
    assert_eq!((&claim.name, &claim.version), (&algorithm.name, &algorithm.version));
    assert_eq!((claim.evidence.as_str(), report.algorithms.len()), ("TID 4019", 1));
    let probability = |(name, value): (&String, &StatedValue)| match value {
        StatedValue::Number { value, unit } if name.contains("> Probability") && unit == "1" => Some(*value),
        _ => None,
    };
    let mut stated: Vec<f64> = report.values.iter().filter_map(probability).collect();
    let mut scores: Vec<f64> = output.findings.iter().filter_map(|finding| finding.score).collect();
    stated.sort_by(f64::total_cmp);
    scores.sort_by(f64::total_cmp);
    assert_eq!(stated, scores, "{:?}", report.values);
}

/// A coded answer about something else within the group says nothing of the finding.
#[test]
fn only_what_is_said_of_the_finding_makes_it_absent() {
    let sources = [radiograph()];
    let mut output = one_finding(&sources[0]);
    output.findings.retain(|finding| finding.presence == Presence::Present);
    let results = encoded(&sources, &output);
    let concept = &output.findings[0].concept;
    let with = |name: (&str, &str)| {
        let mut report = read_data_set(&results[0].part10, None, Bulk::Keep, &Limits::default()).unwrap().data_set;
        let add = &mut |group: &mut DataSet| {
            let mut items = group.items(tags::CONTENT_SEQUENCE).to_vec();
            let mut said = DataSet::default();
            said.put_as(tags::RELATIONSHIP_TYPE, Vr::CS, "CONTAINS");
            said.put_as(tags::VALUE_TYPE, Vr::CS, "CODE");
            said.put_code(tags::CONCEPT_NAME_CODE_SEQUENCE, &CodedConcept::new(name.0, name.1, "A name"));
            said.put_code(tags::CONCEPT_CODE_SEQUENCE, &CodedConcept::new("2667000", "SCT", "Absent"));
            items.push(said);
            group.put_sequence(tags::CONTENT_SEQUENCE, items);
        };
        assert!(in_content(&mut report, "125007", add), "a measurement group");
        read(&report.to_part10_bytes().unwrap()).findings[0].presence
    };
    assert_eq!(with(("385494008", "SCT")), Presence::Present, "no haematoma, and a nodule all the same");
    assert_eq!(with(("705057003", "SCT")), Presence::Absent);
    assert_eq!(with((&concept.value, &concept.scheme)), Presence::Absent);
}

/// The size of a segment is the number of its voxels, counted in the packed bits.
#[test]
fn a_segmentation_says_how_large_its_segments_are() {
    let sources = [radiograph()];
    let output = segmentation(&sources);
    let results = encoded(&sources, &output);
    let object = read(&results[1].part10);
    assert_eq!((object.kind, object.segments.len()), (ReadKind::Segmentation, output.segments.len()));
    for segment in &output.segments {
        let voxels: usize = segment.masks.iter().map(|mask| mask.pixels.iter().filter(|p| **p != 0).count()).sum();
        let stated = object.values.iter().find(|(name, _)| name.starts_with(&format!("segment {} ", segment.label)));
        let Some((_, StatedValue::Number { value, .. })) = stated else { panic!("{:?}", object.values) };
        assert_eq!(*value, voxels as f64, "{}", segment.label);
    }
    assert_eq!(object.algorithms[0].name, algorithm().name);
}

/// What no viewer could show is told, and what a viewer gets over is not.
#[test]
fn an_object_that_is_not_whole_says_what_is_wrong() {
    let sources = [radiograph()];
    let results = encoded(&sources, &segmentation(&sources));
    let changed = |index: usize, change: &dyn Fn(&mut DataSet)| {
        let mut data_set =
            read_data_set(&results[index].part10, None, Bulk::Keep, &Limits::default()).unwrap().data_set;
        change(&mut data_set);
        read(&data_set.to_part10_bytes().unwrap()).defect.unwrap_or("whole".to_owned())
    };
    let (pixels, frames, segments) = (Tag(0x7FE0, 0x0010), Tag(0x0028, 0x0008), Tag(0x0062, 0x0002));
    let cut = |data_set: &mut DataSet| {
        let kept = data_set.bytes(pixels).unwrap()[..8].to_vec();
        data_set.put_bytes(pixels, Vr::OB, kept);
    };
    for result in &results {
        assert_eq!(read(&result.part10).defect, None);
        let without_pixels = read_result(&result.part10, Bulk::LeaveOut, &Limits::default()).unwrap();
        assert_eq!(without_pixels.defect, None, "what was not read is not missing");
    }
    assert!(changed(1, &cut).ends_with("whose pixel data end after 8 bytes"), "{}", changed(1, &cut));
    let said = changed(1, &|data_set| drop(data_set.remove(pixels)));
    assert_eq!(said, "a segmentation without pixel data");
    let said = changed(1, &|data_set| drop(data_set.remove(segments)));
    assert_eq!(said, "a segmentation that describes no segment");
    let said = changed(1, &|data_set| {
        data_set.put(frames, "900000");
    });
    assert!(said.starts_with("a segmentation of 900000 frames that describes "), "{said}");
    let renumbered = |data_set: &mut DataSet| {
        let mut items = data_set.items(segments).to_vec();
        items[0].put_number(Tag(0x0062, 0x0004), 99.0);
        data_set.put_sequence(segments, items);
    };
    assert!(
        changed(1, &renumbered).ends_with("is of segment 1, which is not described"),
        "{}",
        changed(1, &renumbered)
    );
    let said = changed(1, &|data_set| drop(data_set.remove(Tag(0x0028, 0x0010))));
    assert_eq!(said, "a segmentation that does not state its rows, columns, samples and bits");
    let said = changed(0, &|data_set| drop(data_set.remove(Tag(0x0040, 0xA730))));
    assert_eq!(said, "a report without content");
    let capture = |data_set: &mut DataSet| {
        data_set.put(Tag(0x0008, 0x0016), "1.2.840.10008.5.1.4.1.1.7");
    };
    assert_eq!(changed(1, &capture), "whole");
    let said = changed(1, &|data_set| {
        capture(data_set);
        cut(data_set);
    });
    assert!(said.starts_with("a secondary capture of "), "{said}");
}

#[test]
fn bytes_that_are_no_object_are_an_error_and_nothing_panics() {
    let sources = [radiograph()];
    let good = encoded(&sources, &one_finding(&sources[0])).remove(0).part10;
    assert!(read_result(b"no DICOM", Bulk::Keep, &Limits::default()).is_err());
    for at in (0..good.len()).step_by(7) {
        let mut broken = good.clone();
        broken[at] ^= 0x55;
        let _either = read_result(&broken, Bulk::Keep, &Limits::default());
        let _cut = read_result(&good[..at], Bulk::Keep, &Limits::default());
    }
}

fn claimed(version: &str) -> ReadResult {
    ReadResult {
        kind: ReadKind::Report,
        algorithms: vec![AlgorithmClaim {
            name: "Nodule Box".into(),
            version: version.into(),
            manufacturer: "Acme".into(),
            evidence: "TID 4019".into(),
        }],
        manufacturer: "Acme".into(),
        model_name: "NB-1".into(),
        software_versions: vec![],
        verification: Some("UNVERIFIED".into()),
        content_qualification: None,
        references: ["1.2.3".parse().unwrap()].into(),
        findings: vec![],
        segments: vec![],
        values: Default::default(),
        defect: None,
    }
}

/// AV-08, AV-16, AV-17: each way in which a product's answer is not one of the registered version.
#[test]
fn an_answer_is_held_against_what_is_registered() {
    let study: HashSet<Uid> = ["1.2.3".parse().unwrap()].into();
    let expected = Expected { version: "3.1", model_name: Some("NB-1"), is_regulated: false, study: &study };
    let code = |results: &[ReadResult], expected: &Expected<'_>| match acceptable(results, expected) {
        Ok(()) => "accepted".to_owned(),
        Err(reason) => reason.code,
    };
    let one = |result: ReadResult| code(&[result], &expected);
    let unversioned = || ReadResult { algorithms: vec![], ..claimed("") };
    assert_eq!(one(claimed("3.1")), "accepted");
    assert_eq!(code(&[claimed("3.1"), unversioned()], &expected), "accepted", "one object that says so is enough");
    assert_eq!(one(claimed("3.2")), "product.other-version");
    assert_eq!(code(&[claimed("3.1"), claimed("3.2")], &expected), "product.other-version");
    assert_eq!(
        one(ReadResult { software_versions: vec!["platform 8".into(), "3.1".into()], ..claimed("") }),
        "accepted"
    );
    assert_eq!(one(unversioned()), "product.unidentified");
    assert_eq!(code(&[], &expected), "product.unidentified");
    assert_eq!(one(ReadResult { model_name: "NB-2".into(), ..claimed("3.1") }), "product.other-model");
    assert_eq!(one(ReadResult { verification: Some("VERIFIED".into()), ..claimed("3.1") }), "product.verified");
    let product = ReadResult { content_qualification: Some("PRODUCT".into()), ..claimed("3.1") };
    assert_eq!(one(product.clone()), "product.qualification");
    assert_eq!(code(&[product], &Expected { is_regulated: true, ..expected }), "accepted");
    let foreign = ReadResult { references: ["1.2.4".parse().unwrap()].into(), ..claimed("3.1") };
    assert_eq!(one(foreign), "product.references");
    let cut = ReadResult { defect: Some("a report without content".into()), ..claimed("3.1") };
    assert_eq!(one(cut), "product.malformed");
}
