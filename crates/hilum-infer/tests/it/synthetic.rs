//! A graph and images whose every number can be worked out by hand.

use crate::support::*;
use hilum_infer::{InferError, RunSettings, load_package, register_package, run};
use hilum_types::Presence;

/// Columns 16 to 32 and rows 8 to 24 of 32 x 64 are bright: on the 8 x 8 grid columns 2 and 3, rows 2 to 5.
#[test]
fn place_and_area_come_back_in_source_pixels() {
    let engines = tract_only();
    let folder = tiny_package(&engines);
    let package = load_package(folder.path(), &engines, None).unwrap();
    for photometric in ["MONOCHROME2", "MONOCHROME1"] {
        let image = square_image(photometric, |row, column| (8..24).contains(&row) && (16..32).contains(&column));
        let outcome = run(&package, vec![instance(image)], &RunSettings::default()).unwrap();
        let finding = &outcome.output.findings[0];
        // 8 of 64 cells are bright: (8 sigmoid(10) + 56 sigmoid(-10)) / 64.
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        let expected = (8.0 * sigmoid(10.0) + 56.0 * sigmoid(-10.0)) / 64.0;
        assert!((finding.score.unwrap() - expected).abs() < 1e-6, "{photometric}: {finding:?}");
        assert_eq!((finding.presence, &finding.location), (Presence::Absent, &None));
        let segment = &outcome.output.segments[0];
        // The threshold lies half-way between cells, so linear interpolation keeps the edges where they were and
        // takes 3 pixels off each corner, where the weights of both axes multiply to less than a half.
        let inside: usize = segment.masks[0].pixels.iter().map(|p| usize::from(*p)).sum();
        assert_eq!((segment.masks[0].rows, segment.masks[0].columns, inside), (32, 64, 16 * 16 - 12));
        assert!((segment.measurements[0].value - 244.0 * 0.04).abs() < 1e-9);
        assert_eq!((outcome.raw.len(), outcome.inputs.len()), (2, 1));
    }
    let settings = RunSettings { operating_points: [("bright".to_owned(), 0.1)].into(), ..RunSettings::default() };
    let image = square_image("MONOCHROME2", |row, column| (8..24).contains(&row) && (16..32).contains(&column));
    let finding = run(&package, vec![instance(image)], &settings).unwrap().output.findings.remove(0);
    assert_eq!((finding.presence, finding.operating_point), (Presence::Present, Some(0.1)));
    assert_eq!(finding.location.unwrap().bounding_box, [16.0, 8.0, 32.0, 24.0]);
    assert_eq!(finding.images.len(), 1);
}

#[test]
fn the_largest_score_of_several_images_counts() {
    let engines = tract_only();
    let folder = tiny_package(&engines);
    let package = load_package(folder.path(), &engines, None).unwrap();
    let dark = instance(square_image("MONOCHROME2", |_, _| false));
    let half = instance(square_image("MONOCHROME2", |row, _| row < 16));
    let outcome = run(&package, vec![dark, half], &RunSettings::default()).unwrap();
    let finding = &outcome.output.findings[0];
    assert!((finding.score.unwrap() - 0.5).abs() < 1e-6);
    assert_eq!(finding.location.as_ref().unwrap().bounding_box, [0.0, 0.0, 64.0, 16.0]);
    assert_eq!(outcome.raw.iter().map(|raw| raw.run).collect::<Vec<_>>(), [0, 0, 1, 1]);
}

/// AV-07: the same tree runs; a changed one is another version, and one that lies about its outputs does not start.
#[test]
fn digest_and_golden_cases_are_checked_at_every_load() {
    let engines = engines();
    let folder = tiny_package(&engines);
    let digest = register_package(folder.path(), &engines).unwrap().digest();
    load_package(folder.path(), &engines, Some(digest)).unwrap();
    let raw = folder.path().join("hilum/golden/c1/raw-2.tensor");
    let mut bytes = std::fs::read(&raw).unwrap();
    let last = bytes.len() - 4;
    bytes[last..].copy_from_slice(&0.9f32.to_le_bytes());
    std::fs::write(&raw, bytes).unwrap();
    assert!(matches!(load_package(folder.path(), &engines, Some(digest)), Err(InferError::OtherVersion { .. })));
    let refused = load_package(folder.path(), &engines, None).unwrap_err();
    assert!(matches!(&refused, InferError::Golden { case, .. } if case == "c1"), "{refused}");
}
