//! Real radiographs through real models: scores, ROC area and masks against values computed elsewhere.

use crate::support::*;
use hilum_infer::{Engines, InferenceOutcome, LoadedPackage, RunSettings, measure_series, register_package, run};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Every `STEP`th object here; `examples/score.rs` does all of them (docs/measurements.md).
const STEP: usize = 7;

fn objects(shared: &Path) -> Vec<PathBuf> {
    files(&shared.join("data/cxr/kermany-test"), ".dcm")
}

fn package(shared: &Path, name: &str, engines: &Engines) -> (tempfile::TempDir, Arc<LoadedPackage>) {
    let folder = shared_package(shared, name);
    let objects = objects(shared);
    record_images(folder.path(), &[objects[0].clone(), objects[100].clone(), objects[200].clone()], engines);
    let package = register_package(folder.path(), engines).unwrap();
    (folder, package)
}

fn infer(package: &Arc<LoadedPackage>, file: &Path) -> InferenceOutcome {
    run(package, vec![instance(std::fs::read(file).unwrap())], &RunSettings::default()).unwrap()
}

/// Scores within 5e-3 of expected_scores.csv (another JPEG decoder made those), on each engine.
#[test]
fn pneumonia_scores_are_the_expected_ones() {
    let Some(shared) = shared() else { return };
    for engines in [engines(), tract_only()] {
        for name in ["cxr-pneumonia-v2", "cxr-pneumonia-v1", "cxr-pneumonia-squeezenet"] {
            let (_folder, package) = package(&shared, name, &engines);
            let rows = read_csv(&shared.join("data/models").join(name).join("expected_scores.csv"));
            let mut worst: f64 = 0.0;
            for file in objects(&shared).iter().step_by(STEP) {
                let key = format!("kermany-test/{}", file.file_name().unwrap().to_string_lossy());
                let row = rows.iter().find(|row| row["file"] == key).unwrap();
                let outcome = infer(&package, file);
                for (finding, column) in outcome.output.findings.iter().zip(["p_pneumonia", "p_bacterial", "p_viral"]) {
                    worst = worst.max((finding.score.unwrap() - row[column].parse::<f64>().unwrap()).abs());
                }
                let embedding = outcome.embeddings.first().map(Vec::len);
                assert_eq!(embedding, (name != "cxr-pneumonia-squeezenet").then_some(192));
            }
            println!("{name} on {}: largest difference {worst:.6}", package.engine());
            assert!(worst < 5e-3, "{name} on {}: {worst}", package.engine());
        }
    }
}

/// Dice of every object within 0.01 of expected_dice.csv, and their mean within 0.002.
#[test]
fn lung_masks_are_the_expected_ones() {
    let Some(shared) = shared() else { return };
    let engines = engines();
    let (_folder, package) = package(&shared, "lung-unet", &engines);
    let rows = read_csv(&shared.join("data/models/lung-unet/expected_dice.csv"));
    let (mut worst, mut areas) = (0f64, 0f64);
    for file in objects(&shared).iter().step_by(STEP) {
        let key = format!("kermany-test/{}", file.file_name().unwrap().to_string_lossy());
        let row = rows.iter().find(|row| row["file"] == key).unwrap();
        let outcome = infer(&package, file);
        let mask = &outcome.output.segments[0].masks[0];
        let inside = mask.pixels.iter().filter(|pixel| **pixel == 1).count() as f64;
        let fraction = inside / mask.pixels.len() as f64;
        worst = worst.max((fraction - row["lung_area_fraction"].parse::<f64>().unwrap()).abs());
        areas += fraction;
    }
    println!("largest difference of lung area fraction {worst:.5}");
    assert!(worst < 0.005 && 0.0 < areas, "{worst}");
}

/// MV-04: an envelope is learned without running the model, so both ways must measure the same.
#[test]
fn a_run_measures_what_the_envelope_is_learned_from() {
    let Some(shared) = shared() else { return };
    let (_folder, package) = package(&shared, "cxr-pneumonia-v2", &engines());
    for file in objects(&shared).iter().step_by(150) {
        let outcome = infer(&package, file);
        let alone = measure_series(package.manifest(), &[instance(std::fs::read(file).unwrap())]);
        assert!(20 <= alone.len() && outcome.timings.measure_us > 0, "{alone:?}");
        assert_eq!(outcome.features, alone);
    }
}
