//! What is not encoded, and why.

use crate::support::*;
use hilum_result::{ContentQualification, ResultError, ResultErrorKind, SourceImage, encode, key_image_reference};
use hilum_types::{ModelOutput, Presence};

fn refusal(change: impl FnOnce(&mut ModelOutput)) -> ResultError {
    let sources = [radiograph()];
    let mut output = one_finding(&sources[0]);
    change(&mut output);
    let (algorithm, images) = (algorithm(), images(&sources));
    encode(&request(&output, &algorithm, &images)).expect_err("must be refused")
}

#[test]
fn product_needs_a_regulatory_status_av_17() {
    let sources = [radiograph()];
    let (output, algorithm, images) = (one_finding(&sources[0]), algorithm(), images(&sources));
    let mut request = request(&output, &algorithm, &images);
    request.content_qualification = ContentQualification::Product { regulatory_status: " " };
    let error = encode(&request).expect_err("no status on file");
    assert!(matches!(error, ResultError::ProductWithoutRegulatoryStatus), "{error:?}");
    assert_eq!(error.kind(), ResultErrorKind::Request);
    request.content_qualification = ContentQualification::Product { regulatory_status: "CE 0123, class IIa" };
    assert!(encode(&request).is_ok());
}

#[test]
fn nothing_looked_for_is_not_nothing_found_av_04() {
    assert!(matches!(refusal(|output| output.findings.clear()), ResultError::EmptyOutput));
}

#[test]
fn an_image_of_another_study_is_refused() {
    let error = refusal(|output| output.inputs[0].sop_instance_uid = uid("1.2.3.4.5"));
    assert!(matches!(error, ResultError::ImageNotInSource(_)), "{error:?}");
    assert!(!error.to_string().contains("1.2.3.4.5"), "no UID in an error text");
    let sources = [radiograph(), ct(1, 16, 16).remove(0)];
    let mut sources = sources.to_vec();
    sources[1].header.study_instance_uid = uid("1.2.3.2");
    let (output, algorithm, images) = (one_finding(&sources[0]), algorithm(), images(&sources));
    assert!(matches!(encode(&request(&output, &algorithm, &images)), Err(ResultError::MixedStudies)));
}

#[test]
fn values_dicom_cannot_hold_are_refused() {
    let bad = |change: fn(&mut ModelOutput)| {
        let error = refusal(change);
        assert!(matches!(error, ResultError::BadValue { .. }), "{error:?}");
    };
    bad(|output| output.findings[0].score = Some(f64::NAN));
    bad(|output| output.findings[0].score = Some(1.2));
    bad(|output| output.findings[0].concept.meaning = "m".repeat(65));
    bad(|output| output.findings[0].concept.scheme.clear());
    bad(|output| output.findings[0].label = "a\\b".into());
    bad(|output| output.findings[1].measurements[0].value = f64::INFINITY);
    bad(|output| output.findings[1].location.as_mut().unwrap().bounding_box = [5.0, 0.0, 1.0, 1.0]);
}

#[test]
fn masks_must_fit_their_image() {
    let sources = [radiograph()];
    let mut output = segmentation(&sources);
    output.segments[0].masks[0].pixels.pop();
    let (algorithm, images) = (algorithm(), images(&sources));
    let error = encode(&request(&output, &algorithm, &images)).expect_err("one pixel is missing");
    assert!(matches!(error, ResultError::MaskSize { .. }), "{error:?}");
}

#[test]
fn only_the_key_image_needs_its_bytes() {
    let sources = ct(3, 24, 20);
    let mut output = no_finding(&sources[0]);
    output.inputs = sources.iter().map(Source::reference).collect();
    output.findings.push(located(
        finding("nodule", Presence::Present, 0.8, &[]),
        sources[2].reference(),
        [3.0, 3.0, 9.0, 8.0],
    ));
    let wanted = key_image_reference(&output).expect("there is an image");
    assert_eq!(wanted.sop_instance_uid, sources[2].header.sop_instance_uid);
    let algorithm = algorithm();
    let with = |wanted: bool| -> Vec<SourceImage<'_>> {
        sources
            .iter()
            .enumerate()
            .map(|(i, s)| SourceImage { header: &s.header, part10: (wanted == (i == 2)).then_some(&s.bytes[..]) })
            .collect()
    };
    let (only, others) = (with(true), with(false));
    assert_eq!(encode(&request(&output, &algorithm, &only)).map(|results| results.len()).ok(), Some(2));
    let error = encode(&request(&output, &algorithm, &others)).expect_err("the bytes of the key image are missing");
    assert!(matches!(error, ResultError::PixelsMissing), "{error:?}");
}

#[test]
fn identity_that_would_have_to_be_changed_is_refused() {
    let long = "A".repeat(17);
    let sources = [radiograph().with("AccessionNumber", Some(&long))];
    let (output, algorithm, images) = (one_finding(&sources[0]), algorithm(), images(&sources));
    let error = encode(&request(&output, &algorithm, &images)).expect_err("17 characters in SH");
    assert!(matches!(error, ResultError::SourceIdentity(_)), "{error:?}");
    assert_eq!(error.kind(), ResultErrorKind::Source);
    let whole = format!("{error} {error:?}");
    assert!(!whole.contains(&long), "no accession number in an error text");
}
