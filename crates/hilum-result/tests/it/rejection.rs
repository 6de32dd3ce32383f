//! Rejection notes (AV-11): what they say, what refuses them, and what independent readers find in them.

use crate::peers::{dciodvfy, independent_readers_take, output, synthetic};
use crate::support::*;
use hilum_dicom::{Bulk, DataSet, Limits, read_data_set, read_part10_header, tags};
use hilum_result::{
    EncodedResult, RejectionReason, RejectionRequest, ResultError, ResultKind, Scope, Violation, reject, validate,
};
use hilum_types::InstanceHeader;

const DESCRIPTION: &str = "Results of chest-findings 1.2.0 withdrawn: sides were swapped (recall 0123456789ab)";

/// What a sender knows of its own results: their headers, read back from the objects.
fn headers(results: &[EncodedResult]) -> Vec<InstanceHeader> {
    let read = |r: &EncodedResult| read_part10_header(&r.part10, &Limits::default()).expect("our own object").header;
    results.iter().map(read).collect()
}

fn note(reason: RejectionReason, headers: &[InstanceHeader]) -> Result<EncodedResult, ResultError> {
    let rejected: Vec<&InstanceHeader> = headers.iter().collect();
    let seed = &["0123456789ab", "1.2.3.1"];
    reject(&RejectionRequest { reason, rejected: &rejected, description: DESCRIPTION, now: now(), seed })
}

fn read(bytes: &[u8]) -> DataSet {
    read_data_set(bytes, None, Bulk::Keep, &Limits::default()).expect("our own object is readable").data_set
}

#[test]
fn a_note_names_each_object_once_and_why() {
    let sources = [radiograph()];
    let results = encoded(&sources, &output(&sources));
    let headers = headers(&results);
    let note = note(RejectionReason::PatientSafety, &headers).unwrap();
    let set = read(&note.part10);
    assert_eq!(set.string(tags::MODALITY).as_deref(), Some("KO"));
    assert_eq!(set.string(tags::PATIENT_ID).as_deref(), Some("PHANTOM-7"));
    assert_eq!(set.string(tags::ACCESSION_NUMBER).as_deref(), Some("A-1001"));
    let title = set.code(tags::CONCEPT_NAME_CODE_SEQUENCE).unwrap();
    assert_eq!((title.value.as_str(), title.meaning.as_str()), ("113037", "Rejected for Patient Safety Reasons"));
    let types: Vec<String> =
        set.items(tags::CONTENT_SEQUENCE).iter().filter_map(|i| i.string(tags::VALUE_TYPE)).collect();
    assert_eq!(types, ["CODE", "TEXT", "COMPOSITE", "IMAGE", "IMAGE"], "language, description, SR, SEG, key image");
    let codes: Vec<String> = RejectionReason::ALL.iter().map(|reason| reason.title().value).collect();
    assert_eq!(codes, ["113001", "113037", "113038", "113039"]);
}

#[test]
fn the_same_request_gives_the_same_bytes_and_another_record_another_uid() {
    let sources = [radiograph()];
    let headers = headers(&encoded(&sources, &one_finding(&sources[0])));
    let first = note(RejectionReason::Quality, &headers).unwrap();
    assert_eq!(first, note(RejectionReason::Quality, &headers).unwrap());
    let rejected: Vec<&InstanceHeader> = headers.iter().collect();
    let other = reject(&RejectionRequest {
        reason: RejectionReason::Quality,
        rejected: &rejected,
        description: DESCRIPTION,
        now: now(),
        seed: &["ba9876543210", "1.2.3.1"],
    });
    let other = other.unwrap();
    assert_ne!(first.sop_instance_uid, other.sop_instance_uid);
    assert_ne!(first.series_instance_uid, other.series_instance_uid);
}

#[test]
fn what_cannot_be_rejected_is_refused() {
    assert!(matches!(note(RejectionReason::Quality, &[]), Err(ResultError::NoSource)));
    let mut headers = headers(&encoded(&[radiograph()], &one_finding(&radiograph())));
    let rejected: Vec<&InstanceHeader> = headers.iter().collect();
    for description in ["", "two\nlines", &"x".repeat(1025)] {
        let request = RejectionRequest {
            reason: RejectionReason::Quality,
            rejected: &rejected,
            description,
            now: now(),
            seed: &[],
        };
        assert!(matches!(reject(&request), Err(ResultError::BadValue { .. })));
    }
    let twice = [headers[0].clone(), headers[0].clone()];
    let Err(ResultError::Invalid { violations, .. }) = note(RejectionReason::Quality, &twice) else {
        panic!("an object was named twice");
    };
    assert!(violations.iter().any(|v| v.rule == "does not name each rejected object once"));
    headers[1].study_instance_uid = uid("1.2.3.9");
    assert!(matches!(note(RejectionReason::Quality, &headers), Err(ResultError::MixedStudies)));
}

/// The check before anything leaves finds every broken copy.
#[test]
fn a_broken_note_stays_here() {
    let sources = [radiograph()];
    let headers = headers(&encoded(&sources, &output(&sources)));
    let note = note(RejectionReason::Quality, &headers).unwrap();
    let rejected: Vec<&InstanceHeader> = headers.iter().collect();
    let check = |set: &DataSet| -> Vec<Violation> {
        let bytes = set.to_part10_bytes().expect("it can be written");
        validate(&bytes, &Scope { source: &rejected, results: &[] }).err().unwrap_or_default()
    };
    let whole = read(&note.part10);
    assert_eq!(check(&whole), []);
    let mut breaks: Vec<(&str, DataSet)> = Vec::new();
    let mut broken = |what, change: &dyn Fn(&mut DataSet)| {
        let mut set = whole.clone();
        change(&mut set);
        breaks.push((what, set));
    };
    broken("another title", &|set| {
        let title = hilum_types::CodedConcept::new("113000", "DCM", "Of Interest");
        set.put_code(tags::CONCEPT_NAME_CODE_SEQUENCE, &title);
    });
    broken("an object left out of the tree", &|set| {
        let items = set.items(tags::CONTENT_SEQUENCE).to_vec();
        set.put_sequence(tags::CONTENT_SEQUENCE, items[..items.len() - 1].to_vec());
    });
    broken("an object that is none of ours", &|set| {
        let mut items = set.items(tags::CONTENT_SEQUENCE).to_vec();
        let last = items.last_mut().unwrap();
        let mut reference = last.items(tags::REFERENCED_SOP_SEQUENCE)[0].clone();
        reference.put(tags::REFERENCED_SOP_INSTANCE_UID, "1.2.3.4.5");
        last.put_sequence(tags::REFERENCED_SOP_SEQUENCE, vec![reference]);
        set.put_sequence(tags::CONTENT_SEQUENCE, items);
    });
    broken("no evidence", &|set| {
        set.remove(tags::CURRENT_REQUESTED_PROCEDURE_EVIDENCE_SEQUENCE);
    });
    broken("another modality", &|set| {
        set.put(tags::MODALITY, "SR");
    });
    broken("another patient", &|set| {
        set.put(tags::PATIENT_ID, "SOMEBODY");
    });
    broken("another template", &|set| {
        let mut template = set.items(tags::CONTENT_TEMPLATE_SEQUENCE)[0].clone();
        template.put(tags::TEMPLATE_IDENTIFIER, "1500");
        set.put_sequence(tags::CONTENT_TEMPLATE_SEQUENCE, vec![template]);
    });
    for (what, set) in breaks {
        assert!(!check(&set).is_empty(), "{what} was not found");
    }
}

/// Every case of the encoder's own tests, every reason; dicom3tools, highdicom and pydicom read them.
#[test]
fn independent_readers_accept_the_notes() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut files = Vec::new();
    for (index, case) in synthetic().into_iter().enumerate() {
        let results = encoded(&case.sources, &output(&case.sources));
        for (number, result) in results.iter().enumerate() {
            std::fs::write(folder.path().join(format!("{index}-result{number}.dcm")), &result.part10)
                .expect("writable");
        }
        let reason = RejectionReason::ALL[index % RejectionReason::ALL.len()];
        let note = note(reason, &headers(&results)).unwrap_or_else(|e| panic!("{}: {e}", case.name));
        assert_eq!(note.kind, ResultKind::RejectionNote);
        if available("dciodvfy") {
            dciodvfy(case.name, folder.path(), &note);
        }
        let file = folder.path().join(format!("{index}-note.dcm"));
        std::fs::write(&file, &note.part10).expect("writable");
        files.push(file);
    }
    independent_readers_take(&files, "Key Object Selection Document", "read_note.py", folder.path());
}
