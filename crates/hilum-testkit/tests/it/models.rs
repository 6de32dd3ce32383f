//! The demo models do what their cards say, on phantoms made here and by this workspace's own inference.

use hilum_dicom::{Limits, read_part10_header};
use hilum_infer::{EngineConfig, Engines, InstanceInput, LoadedPackage, RunSettings, register_package, run};
use hilum_testkit::{Acquisition, Phantom, SampleSet};
use hilum_types::ModelOutput;
use serde_json::Value;
use std::path::PathBuf;
use std::sync::Arc;

/// Cases of the held-out set that are made again; the cards use 500.
const CASES: u32 = 200;

fn package(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "..", "models", name].iter().collect()
}

fn figures(name: &str) -> Value {
    let text = std::fs::read_to_string(package(name).join("configs/figures.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Loads with a replay of every golden case.
fn load(name: &str) -> Arc<LoadedPackage> {
    let config = EngineConfig { built_in_only: true, ..EngineConfig::default() };
    register_package(&package(name), &Engines::discover(&config)).unwrap()
}

fn analyse(model: &Arc<LoadedPackage>, phantom: &Phantom) -> ModelOutput {
    let part10 = phantom.instances[0].part10();
    let header = read_part10_header(part10, &Limits::default()).unwrap().header;
    let instances = vec![InstanceInput { header, part10: part10.into() }];
    run(model, instances, &RunSettings::default()).unwrap().output
}

/// Work on every case of the held-out set, two at a time.
fn over_cases<T: Send>(work: impl Fn(&Phantom) -> T + Sync) -> Vec<T> {
    let set = SampleSet { seed: 7003, vary: true, radiograph: Acquisition::radiograph(), ..SampleSet::new(0) };
    let half = |cases: std::ops::Range<u32>| {
        cases.map(|number| work(&set.radiograph(number).phantom().unwrap())).collect::<Vec<T>>()
    };
    std::thread::scope(|scope| {
        let first = scope.spawn(|| half(0..CASES / 2));
        let second = half(CASES / 2..CASES);
        let mut all = first.join().unwrap();
        all.extend(second);
        all
    })
}

/// Mann-Whitney by counting pairs.
fn auc(cases: &[(f64, bool)]) -> f64 {
    let of = |present: bool| cases.iter().filter(move |case| case.1 == present).map(|case| case.0);
    let (mut wins, mut pairs) = (0.0, 0.0);
    for with in of(true) {
        for without in of(false) {
            wins += if without < with {
                1.0
            } else if with == without {
                0.5
            } else {
                0.0
            };
            pairs += 1.0;
        }
    }
    wins / pairs
}

#[test]
fn the_classifier_ranks_and_locates_as_its_card_says() {
    let model = load("phantom-cxr");
    let stated = figures("phantom-cxr");
    let results = over_cases(|phantom| (analyse(&model, phantom), phantom.truth.clone()));
    for label in ["nodule", "effusion"] {
        let finding = |output: &ModelOutput| output.findings.iter().find(|f| f.label == label).unwrap().clone();
        let cases: Vec<(f64, bool)> =
            results.iter().map(|(output, truth)| (finding(output).score.unwrap(), truth.has(label))).collect();
        let area = auc(&cases);
        let stated = &stated[format!("heldout/{label}")];
        let (low, high) = (stated["auc_low"].as_f64().unwrap(), stated["auc_high"].as_f64().unwrap());
        println!("{label}: AUC {area:.4} on {CASES}, stated {low:.4} to {high:.4}");
        // The first 200 of 500 cases scatter more than all of them.
        assert!((low - 0.02..=high + 0.02).contains(&area), "{label}: {area}");
        let called: Vec<_> = results
            .iter()
            .filter(|(_, truth)| truth.has(label))
            .filter_map(|(output, truth)| {
                let place = finding(output).location?.bounding_box;
                let real = truth.findings.iter().find(|f| f.label == label)?.bounding_box;
                Some(place[0] < real[2] && real[0] < place[2] && place[1] < real[3] && real[1] < place[3])
            })
            .collect();
        let hits = called.iter().filter(|hit| **hit).count();
        println!("{label}: {hits} of {} boxes touch the true one", called.len());
        assert!(30 < called.len() && called.len() * 8 < hits * 10, "{label}: {hits} of {}", called.len());
    }
}

#[test]
fn the_segmentation_overlaps_as_its_card_says() {
    let model = load("phantom-lung-seg");
    let stated = &figures("phantom-lung-seg")["heldout"];
    let dices = over_cases(|phantom| {
        let output = analyse(&model, phantom);
        let mask = &output.segments[0].masks[0].pixels;
        let truth = &phantom.truth.lung_masks[0].pixels;
        let both = mask.iter().zip(truth).filter(|(a, b)| **a == 1 && **b == 1).count() as f64;
        let sizes = mask.iter().chain(truth).filter(|p| **p == 1).count() as f64;
        2.0 * both / sizes
    });
    let mean = dices.iter().sum::<f64>() / dices.len() as f64;
    let value = |key: &str| stated[key].as_f64().unwrap();
    println!("Dice {mean:.4} on {CASES}, stated {:.4} to {:.4}", value("low"), value("high"));
    assert!((value("low") - 0.003..=value("high") + 0.003).contains(&mean), "{mean}");
}
