//! The page: whole, silent towards the outside, and readable without a script.

use crate::sample;
use crate::simulated::input;
use hilum_validate::report::Report;
use hilum_validate::{FailureImages, ValidateError, evaluate, render_page};

/// A grey square of 1 pixel.
const PNG: &[u8] = &[
    0x89, b'P', b'N', b'G', 0x0D, 0x0A, 0x1A, 0x0A, 0, 0, 0, 13, b'I', b'H', b'D', b'R', 0, 0, 0, 1, 0, 0, 0, 1, 8, 0,
    0, 0, 0, 0x3A, 0x7E, 0x9B, 0x55, 0, 0, 0, 10, b'I', b'D', b'A', b'T', 0x78, 0x9C, 0x63, 0x68, 0, 0, 0, 0x82, 0,
    0x81, 0x77, 0xCD, 0x72, 0xB6, 0, 0, 0, 0, b'I', b'E', b'N', b'D', 0xAE, 0x42, 0x60, 0x82,
];

fn report() -> Report {
    let (protocol, cases) = (sample::protocol(), sample::cases(8, 600));
    evaluate(&input(&protocol, &cases)).unwrap()
}

#[test]
fn the_page_has_every_chapter_and_asks_nobody_for_anything() {
    let report = report();
    let images: FailureImages = report.failures.shown.iter().map(|f| (f.case.clone(), PNG.to_vec())).collect();
    let page = render_page(&report, &images).unwrap();
    for chapter in [
        "What was asked",
        "Cases",
        "Criteria",
        "Subgroups",
        "Discrimination",
        "Operating point",
        "Calibration",
        "Decision curve",
        "Against the champion",
        "Power check",
        "Failure cases",
        "Notes",
        "Methods",
        "Provenance",
    ] {
        assert!(page.contains(&format!("<h2>{chapter}</h2>")), "{chapter}");
    }
    for outside in ["http://", "https://", "<script", "<link", "url(", "@import", "javascript:", " style=", "onload"] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert_eq!(page.matches("data:image/png;base64,").count(), report.failures.shown.len());
    assert_eq!(page.matches("<svg class=\"chart\"").count(), 5, "flow, ROC, precision-recall, reliability, decision");
    assert_eq!(page.matches("<title id=").count(), 5, "every chart has a title");
    assert!(page.contains("default-src 'none'") && !page.contains("NaN"));
    assert!(page.contains(&report.protocol.record.to_string()));
    if let Some(folder) = std::env::var_os("REPORT_OUT") {
        std::fs::write(std::path::Path::new(&folder).join("report.html"), &page).unwrap();
    }
}

#[test]
fn text_of_others_stays_text() {
    let mut report = report();
    report.model.name = "<script>alert(1)</script>".to_owned();
    report.reference_set.name = "\"><img src=x>".to_owned();
    report.failures.shown[0].case = "a&b<c".to_owned();
    let page = render_page(&report, &FailureImages::new()).unwrap();
    assert!(!page.contains("<script") && !page.contains("<img"));
}

#[test]
fn an_image_that_is_no_png_is_refused_by_case() {
    let report = report();
    let case = report.failures.shown[0].case.clone();
    let images = FailureImages::from([(case.clone(), b"GIF89a".to_vec())]);
    let told = render_page(&report, &images).unwrap_err();
    assert_eq!(told, ValidateError::Page(format!("the image of case {case:?} is no PNG")));
}
