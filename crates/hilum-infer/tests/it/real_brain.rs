//! A real MR volume: geometry and labels against the labels published beside the model.

use crate::support::*;
use hilum_infer::{RunSettings, load_package, run};
use std::io::Read as _;

/// The labels of brain-gwm-light on this volume: NIfTI-1, 176 x 176 x 224, first axis fastest, axes LIA.
fn labels(shared: &std::path::Path) -> Vec<u8> {
    let file = std::fs::File::open(shared.join("data/mr/t1-brain/brain-gwm-light.labels.nii.gz")).unwrap();
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(file).read_to_end(&mut bytes).unwrap();
    let offset = f32::from_le_bytes(bytes[108..112].try_into().unwrap()) as usize;
    bytes.split_off(offset)
}

/// Masks come back slice by slice: slice k is z from posterior, rows are y to inferior, columns x to left.
#[test]
fn brain_labels_are_the_published_ones() {
    let Some(shared) = shared() else { return };
    let engines = engines();
    let folder = shared_package(&shared, "brain-gwm-light");
    record_noise(folder.path(), "volume", &[1, 1, 24, 20, 22], &engines);
    let package = load_package(folder.path(), &engines, None).unwrap();
    let slices = files(&shared.join("data/mr/t1-brain/dicom"), ".dcm");
    let mut series: Vec<_> = slices.iter().map(|file| instance(std::fs::read(file).unwrap())).collect();
    let order: Vec<_> = series.iter().map(|slice| slice.header.sop_instance_uid.clone()).collect();
    // The order of arrival says nothing: positions do.
    series.rotate_left(100);
    let outcome = run(&package, series.clone(), &RunSettings::default()).unwrap();
    println!("{:?} on {}", outcome.timings, outcome.engine);
    let expected = labels(&shared);
    assert_eq!(expected.len(), 176 * 176 * 224);
    for (segment, label) in outcome.output.segments.iter().zip([1u8, 2]) {
        let (mut both, mut found) = (0u64, 0u64);
        for mask in &segment.masks {
            let k = order.iter().position(|uid| *uid == mask.image.sop_instance_uid).unwrap();
            // Instance 1 is the most posterior or anterior coronal slice; the volume decides by its position.
            let z = if slice_y(&series, &order, 0) < slice_y(&series, &order, 1) { 223 - k } else { k };
            for (at, pixel) in mask.pixels.iter().enumerate().filter(|(_, pixel)| **pixel == 1) {
                let (y, x) = (at / 176, at % 176);
                found += u64::from(*pixel);
                both += u64::from(expected[x + 176 * (y + 176 * z)] == label);
            }
        }
        let reference = expected.iter().filter(|value| **value == label).count() as u64;
        let dice = 2.0 * both as f64 / (found + reference) as f64;
        println!("{}: Dice {dice:.5}", segment.label);
        assert!(0.99 <= dice, "{}: {dice}", segment.label);
        let millilitres = segment.measurements[0].value;
        assert!((millilitres - found as f64 / 1000.0).abs() < 1e-6 * millilitres);
    }
    series.remove(50);
    let error = run(&package, series, &RunSettings::default()).unwrap_err();
    assert!(error.to_string().contains("slices are missing"), "{error}");
}

/// Patient y of a slice; LPS, so it grows toward posterior.
fn slice_y(series: &[hilum_infer::InstanceInput], order: &[hilum_types::Uid], k: usize) -> f64 {
    let slice = series.iter().find(|slice| slice.header.sop_instance_uid == order[k]).unwrap();
    slice.header.numbers("ImagePositionPatient").unwrap()[1]
}
