//! The reports as DCMTK prints them.

use crate::support::*;
use hilum_result::{ContentQualification, EncodedResult, ResultKind, encode};
use std::process::Command;

fn dsrdump(bytes: &[u8]) -> Option<String> {
    if !available("dsrdump") {
        return None;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("sr.dcm");
    std::fs::write(&path, bytes).expect("the temporary folder is writable");
    let output = Command::new("dsrdump").args(["+Pc", "+Pt", "+Pl"]).arg(&path).output().expect("dsrdump starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    // DCMTK 3.6.7 cannot check VRs in UTF-8 and says so as a warning.
    let unexpected =
        errors.lines().find(|line| !line.is_empty() && !line.contains("does not support this Specific Character Set"));
    assert!(output.status.success() && unexpected.is_none(), "{errors}");
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[test]
fn one_finding_av_04() {
    let sources = [radiograph()];
    let Some(text) = dsrdump(&encoded(&sources, &one_finding(&sources[0]))[0].part10) else { return };
    insta::assert_snapshot!(text);
}

#[test]
fn analysed_and_nothing_found_av_04() {
    let sources = [radiograph()];
    let Some(text) = dsrdump(&encoded(&sources, &no_finding(&sources[0]))[0].part10) else { return };
    insta::assert_snapshot!(text);
}

#[test]
fn segments_of_a_volume() {
    let sources = ct(3, 24, 20);
    let Some(text) = dsrdump(&encoded(&sources, &segmentation(&sources))[0].part10) else { return };
    insta::assert_snapshot!(text);
}

#[test]
fn incomplete_input_is_partial() {
    let sources = [radiograph()];
    let (output, algorithm, images) = (no_finding(&sources[0]), algorithm(), images(&sources));
    let mut request = request(&output, &algorithm, &images);
    request.incomplete_input = true;
    request.content_qualification = ContentQualification::Product { regulatory_status: "CE 0123, class IIa" };
    let Some(text) = dsrdump(&encode(&request).unwrap()[0].part10) else { return };
    assert!(text.contains("Completion Flag     : PARTIAL"), "{text}");
    assert!(text.contains("PARTIAL: images of the study were still missing."), "{text}");
    assert!(!text.contains("Research use only"), "{text}");
}

/// MV-04: a marked result says so wherever it is read.
#[test]
fn a_caution_stands_in_the_report_and_on_the_key_image() {
    let sources = [radiograph()];
    let (output, algorithm, images) = (no_finding(&sources[0]), algorithm(), images(&sources));
    let mut request = request(&output, &algorithm, &images);
    let plain = encode(&request).unwrap();
    let cautions = ["outside the acquisition envelope of record ab12cd34ef56: noise 41 against 3 to 12".to_owned()];
    request.cautions = &cautions;
    let marked = encode(&request).unwrap();
    let picture = |results: &[EncodedResult]| {
        results.iter().find(|result| result.kind == ResultKind::KeyImage).map(|result| result.part10.clone())
    };
    assert_ne!(picture(&marked), picture(&plain));
    let Some(text) = dsrdump(&marked[0].part10) else { return };
    assert!(
        text.contains("CAUTION: outside the acquisition envelope of record ab12cd34ef56: noise 41 against 3 to 12"),
        "{text}"
    );
}
