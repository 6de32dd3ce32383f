//! Assessment reports (AV-19): what they say, what refuses them, and what independent readers find in them.

use crate::mutation::in_content;
use crate::peers::{dciodvfy, independent_readers_take, output, synthetic};
use crate::support::*;
use hilum_dicom::{Bulk, DataSet, Limits, read_data_set, read_part10_header, tags};
use hilum_result::{
    AssessedFinding, AssessmentRequest, EncodedResult, ReadAssessment, Reader, ResultError, ResultKind, Scope, Verdict,
    Violation, assess, finding_tracking_uid, read_assessments, read_result, tracked_findings, tracking_of, validate,
};
use hilum_types::{CodedConcept, ImageReference, InstanceHeader, Presence, Uid};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// The seed of the results of [`encoded`].
const RESULT_SEED: [&str; 4] = ["1.2.3.1", "1", "5f0c", "chest-er"];
const ANNA: Reader<'static> = Reader::Proven { name: "Berger^Anna", login: "anna" };

fn headers(results: &[EncodedResult]) -> Vec<InstanceHeader> {
    let read = |r: &EncodedResult| read_part10_header(&r.part10, &Limits::default()).expect("our own object").header;
    results.iter().map(read).collect()
}

fn read(bytes: &[u8]) -> DataSet {
    read_data_set(bytes, None, Bulk::Keep, &Limits::default()).expect("our own object is readable").data_set
}

fn concept() -> CodedConcept {
    CodedConcept::new("27925004", "SCT", "Nodule")
}

fn answer<'a>(concept: &'a CodedConcept, tracking: &'a [Uid], verdict: Verdict) -> AssessedFinding<'a> {
    let truth = (verdict != Verdict::Accepted).then_some(Presence::Absent);
    AssessedFinding {
        label: "nodule",
        concept,
        tracking,
        verdict,
        truth,
        comment: Some("a vessel,\r\nseen end on"),
        observed_at: now(),
    }
}

fn report(
    headers: &[InstanceHeader],
    findings: &[AssessedFinding<'_>],
    predecessor: Option<&ImageReference>,
) -> Result<EncodedResult, ResultError> {
    let assessed: Vec<&InstanceHeader> = headers.iter().collect();
    let seed = &["study", "1", "chest-er", "user:anna", if predecessor.is_some() { "2" } else { "1" }];
    assess(&AssessmentRequest { assessed: &assessed, findings, reader: ANNA, predecessor, now: now(), seed })
}

fn reference(result: &EncodedResult) -> ImageReference {
    ImageReference {
        sop_class_uid: result.sop_class_uid.clone(),
        sop_instance_uid: result.sop_instance_uid.clone(),
        series_instance_uid: result.series_instance_uid.clone(),
        frame: None,
    }
}

#[test]
fn a_report_says_who_answered_what_to_which_result() {
    let sources = [radiograph()];
    let headers = headers(&encoded(&sources, &output(&sources)));
    let (nodule, tracking) = (concept(), [uid("1.2.77.1")]);
    let report = report(&headers, &[answer(&nodule, &tracking, Verdict::Rejected)], None).unwrap();
    let set = read(&report.part10);
    let text = |tag| set.string(tag).unwrap_or_default();
    assert_eq!(
        (text(tags::MODALITY), text(tags::SOP_CLASS_UID)),
        ("SR".into(), "1.2.840.10008.5.1.4.1.1.88.22".into())
    );
    assert_eq!((text(tags::PATIENT_ID), text(tags::ACCESSION_NUMBER)), ("PHANTOM-7".into(), "A-1001".into()));
    assert_eq!(set.code(tags::CONCEPT_NAME_CODE_SEQUENCE).unwrap().meaning, "AI Result Assessment");
    let mut told = Vec::new();
    let mut open: Vec<(usize, &DataSet)> =
        set.items(tags::CONTENT_SEQUENCE).iter().rev().map(|item| (0, item)).collect();
    while let Some((depth, item)) = open.pop() {
        let name = item.code(tags::CONCEPT_NAME_CODE_SEQUENCE).map(|code| code.meaning).unwrap_or_default();
        let code = item.code(tags::CONCEPT_CODE_SEQUENCE).map(|code| code.meaning).unwrap_or_default();
        let kind = item.string(tags::VALUE_TYPE).unwrap_or_default();
        told.push(format!("{}{kind} {name} {code}", "  ".repeat(depth)).trim_end().to_owned());
        open.extend(item.items(tags::CONTENT_SEQUENCE).iter().rev().map(|child| (depth + 1, child)));
    }
    insta::assert_snapshot!(told.join("\n"), @r"
    CODE Language of Content Item and Descendants English
    CODE Observer Type Person
    PNAME Person Observer Name
    TEXT Person Observer's Login Name
    CONTAINER Assessment of finding
      TEXT Tracking Identifier
      UIDREF Tracking Unique Identifier
      CODE Finding Nodule
      CODE Assessment Rejected
      CODE Presence Absent
      TEXT Comment
      COMPOSITE Assessed result
      IMAGE Assessed result
      IMAGE Assessed result
    ");
    // It is no result of an algorithm: a person is its observer, and nobody has attested the document.
    let seen = read_result(&report.part10, Bulk::LeaveOut, &Limits::default()).unwrap();
    assert_eq!((seen.algorithms.len(), seen.verification.as_deref()), (0, Some("UNVERIFIED")));
}

#[test]
fn the_same_request_gives_the_same_bytes_and_a_correction_names_its_predecessor() {
    let sources = [radiograph()];
    let headers = headers(&encoded(&sources, &one_finding(&sources[0])));
    let nodule = concept();
    let accepted = [answer(&nodule, &[], Verdict::Accepted)];
    let first = report(&headers, &accepted, None).unwrap();
    assert_eq!(first, report(&headers, &accepted, None).unwrap());
    let earlier = reference(&first);
    let second = report(&headers, &[answer(&nodule, &[], Verdict::Modified)], Some(&earlier)).unwrap();
    assert_ne!(first.sop_instance_uid, second.sop_instance_uid);
    assert_ne!(first.series_instance_uid, second.series_instance_uid);
    let named = read_result(&second.part10, Bulk::LeaveOut, &Limits::default()).unwrap().references;
    assert!(named.contains(&first.sop_instance_uid), "the document whose place it takes");
    // The predecessor is no object that was assessed.
    let answers = read_assessments(&second.part10, &Limits::default()).unwrap();
    assert!(answers.len() == 1 && !answers[0].references.contains(&first.sop_instance_uid));
}

/// AV-19: the findings of a result are named by the Tracking Unique Identifiers that stand in its report.
#[test]
fn findings_are_tied_by_what_the_report_states() {
    let sources = [radiograph()];
    let output = one_finding(&sources[0]);
    let results = encoded(&sources, &output);
    let tracked = tracked_findings(&results[0].part10, &Limits::default()).unwrap();
    for (index, finding) in output.findings.iter().enumerate() {
        let own = finding_tracking_uid(&RESULT_SEED, index);
        assert_eq!(tracking_of(&output, &finding.label, &RESULT_SEED, &tracked), std::slice::from_ref(&own));
        // A report that was not made here, such as a product's: by what its groups are about.
        assert_eq!(tracking_of(&output, &finding.label, &["another"], &tracked), [own]);
    }
    assert_eq!(tracking_of(&output, "fracture", &RESULT_SEED, &tracked), []);
    assert_eq!(tracking_of(&output, &output.findings[0].label, &RESULT_SEED, &[]), []);
    let mut shared = output.clone();
    shared.findings[1].concept = shared.findings[0].concept.clone();
    assert_eq!(tracking_of(&shared, &shared.findings[0].label, &["another"], &tracked), [], "it could be either");
    let image = tracked_findings(&sources[0].bytes, &Limits::default()).unwrap();
    assert_eq!(image, []);
}

#[test]
fn what_cannot_be_told_is_refused() {
    let headers = headers(&encoded(&[radiograph()], &one_finding(&radiograph())));
    let nodule = concept();
    let accepted = answer(&nodule, &[], Verdict::Accepted);
    assert!(matches!(report(&[], &[accepted], None), Err(ResultError::NoSource)));
    assert!(matches!(report(&headers, &[], None), Err(ResultError::BadValue { .. })));
    let silent = AssessedFinding { truth: None, ..answer(&nodule, &[], Verdict::Rejected) };
    assert!(matches!(report(&headers, &[silent], None), Err(ResultError::BadValue { .. })));
    let mut mixed = headers.clone();
    mixed[1].study_instance_uid = uid("1.2.3.9");
    assert!(matches!(report(&mixed, &[accepted], None), Err(ResultError::MixedStudies)));
    let twice = [headers[0].clone(), headers[0].clone()];
    let Err(ResultError::Invalid { violations, .. }) = report(&twice, &[accepted], None) else {
        panic!("an object was named twice");
    };
    assert!(violations.iter().any(|v| v.rule == "does not name each assessed object once"));
}

/// Somebody who typed a name is told apart from somebody who signed in.
#[test]
fn an_unproven_name_is_marked() {
    let headers = headers(&encoded(&[radiograph()], &one_finding(&radiograph())));
    let assessed: Vec<&InstanceHeader> = headers.iter().collect();
    let nodule = concept();
    let findings = [answer(&nodule, &[], Verdict::Accepted)];
    let reader = Reader::Unproven("A. Person");
    let request = AssessmentRequest {
        assessed: &assessed,
        findings: &findings,
        reader,
        predecessor: None,
        now: now(),
        seed: &[],
    };
    let set = read(&assess(&request).unwrap().part10);
    let context: Vec<String> = set.items(tags::CONTENT_SEQUENCE)[1..3]
        .iter()
        .map(|item| item.string(tags::PERSON_NAME).unwrap_or_default())
        .collect();
    assert_eq!(context, ["", "unproven:A. Person"]);
    assert_eq!(set.items(tags::CONTENT_SEQUENCE).len(), 4, "language, type, name, answer: no login name");
}

/// The check before anything leaves finds every broken copy.
#[test]
fn a_broken_report_stays_here() {
    let sources = [radiograph()];
    let headers = headers(&encoded(&sources, &output(&sources)));
    let (nodule, tracking) = (concept(), [uid("1.2.77.1")]);
    let report = report(&headers, &[answer(&nodule, &tracking, Verdict::Modified)], None).unwrap();
    let assessed: Vec<&InstanceHeader> = headers.iter().collect();
    let check = |set: &DataSet| -> Vec<Violation> {
        let bytes = set.to_part10_bytes().expect("it can be written");
        validate(&bytes, &Scope { source: &assessed, results: &[] }).err().unwrap_or_default()
    };
    let whole = read(&report.part10);
    assert_eq!(check(&whole), []);
    let mut breaks: Vec<(&str, DataSet)> = Vec::new();
    let mut broken = |what, change: &dyn Fn(&mut DataSet)| {
        let mut set = whole.clone();
        change(&mut set);
        breaks.push((what, set));
    };
    broken("another title", &|set| {
        set.put_code(
            tags::CONCEPT_NAME_CODE_SEQUENCE,
            &CodedConcept::new("126000", "DCM", "Imaging Measurement Report"),
        );
    });
    broken("verified by nobody", &|set| {
        set.put(tags::VERIFICATION_FLAG, "VERIFIED");
    });
    broken("no evidence", &|set| {
        set.remove(tags::CURRENT_REQUESTED_PROCEDURE_EVIDENCE_SEQUENCE);
    });
    broken("another patient", &|set| {
        set.put(tags::PATIENT_ID, "SOMEBODY");
    });
    broken("no observer", &|set| {
        let items = set.items(tags::CONTENT_SEQUENCE).to_vec();
        set.put_sequence(tags::CONTENT_SEQUENCE, [&items[..2], &items[4..]].concat());
    });
    broken("no answer", &|set| {
        let items = set.items(tags::CONTENT_SEQUENCE).to_vec();
        set.put_sequence(tags::CONTENT_SEQUENCE, items[..4].to_vec());
    });
    broken("another verdict", &|set| {
        let undecided = CodedConcept::new("undecided", "99HILUM", "Undecided");
        let change = &mut |item: &mut DataSet| {
            item.put_code(tags::CONCEPT_CODE_SEQUENCE, &undecided);
        };
        assert!(in_content(set, "assessment", change));
    });
    for (what, position) in [("no finding", 2), ("no truth", 4), ("an object left out", 7)] {
        let mut set = whole.clone();
        let change = &mut |container: &mut DataSet| {
            let mut items = container.items(tags::CONTENT_SEQUENCE).to_vec();
            items.remove(position);
            container.put_sequence(tags::CONTENT_SEQUENCE, items);
        };
        assert!(in_content(&mut set, "finding-verdict", change));
        breaks.push((what, set));
    }
    let mut set = whole.clone();
    let change = &mut |item: &mut DataSet| {
        let mut reference = item.items(tags::REFERENCED_SOP_SEQUENCE)[0].clone();
        reference.put(tags::REFERENCED_SOP_INSTANCE_UID, "1.2.3.4.5");
        item.put_sequence(tags::REFERENCED_SOP_SEQUENCE, vec![reference]);
    };
    assert!(in_content(&mut set, "assessed-result", change));
    breaks.push(("an object that is none of ours", set));
    for (what, set) in breaks {
        assert!(!check(&set).is_empty(), "{what} was not found");
    }
}

fn verdicts() -> impl Strategy<Value = Verdict> {
    prop_oneof![Just(Verdict::Accepted), Just(Verdict::Modified), Just(Verdict::Rejected)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever is answered is read back as it was given: verdicts in order, findings by tracking, objects by UID.
    #[test]
    fn what_is_written_is_read_back(
        answers in proptest::collection::vec((verdicts(), 0_usize..4, "\\PC{0,40}"), 1..6),
    ) {
        let headers = headers(&encoded(&[radiograph()], &one_finding(&radiograph())));
        let nodule = concept();
        let tracked: Vec<Vec<Uid>> = answers
            .iter()
            .enumerate()
            .map(|(number, (_, n, _))| (0..*n).map(|i| uid(&format!("1.2.77.{number}.{i}"))).collect())
            .collect();
        let findings: Vec<AssessedFinding<'_>> = answers
            .iter()
            .zip(&tracked)
            .map(|((verdict, _, comment), tracking)| AssessedFinding {
                comment: Some(comment),
                ..answer(&nodule, tracking, *verdict)
            })
            .collect();
        let report = report(&headers, &findings, None).unwrap();
        let objects: BTreeSet<Uid> = headers.iter().map(|header| header.sop_instance_uid.clone()).collect();
        let wanted: Vec<ReadAssessment> = answers
            .iter()
            .zip(&tracked)
            .map(|((verdict, ..), tracking)| ReadAssessment {
                verdict: *verdict,
                tracking: tracking.iter().cloned().collect(),
                references: objects.clone(),
            })
            .collect();
        prop_assert_eq!(read_assessments(&report.part10, &Limits::default()).unwrap(), wanted);
    }
}

/// Every case of the encoder's own tests, every verdict, with and without predecessor; dicom3tools, DCMTK, highdicom and
/// pydicom read them.
#[test]
fn independent_readers_accept_the_reports() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let verdicts = [Verdict::Accepted, Verdict::Modified, Verdict::Rejected];
    let mut files = Vec::new();
    for (index, case) in synthetic().into_iter().enumerate() {
        let results = encoded(&case.sources, &output(&case.sources));
        for (number, result) in results.iter().enumerate() {
            std::fs::write(folder.path().join(format!("{index}-result{number}.dcm")), &result.part10)
                .expect("writable");
        }
        let (nodule, tracking) = (concept(), [uid("1.2.77.1"), uid("1.2.77.2")]);
        let headers = headers(&results);
        let findings = [answer(&nodule, &tracking, verdicts[index % 3])];
        let first = report(&headers, &findings, None).unwrap_or_else(|e| panic!("{}: {e}", case.name));
        let second = report(&headers, &findings, Some(&reference(&first))).unwrap();
        for (number, report) in [first, second].into_iter().enumerate() {
            assert_eq!(report.kind, ResultKind::AssessmentReport);
            if available("dciodvfy") {
                dciodvfy(case.name, folder.path(), &report);
            }
            let file = folder.path().join(format!("{index}-assessment{number}.dcm"));
            std::fs::write(&file, &report.part10).expect("writable");
            files.push(file);
        }
    }
    independent_readers_take(&files, "Enhanced SR Document", "read_assessment.py", folder.path());
}
