//! The demo models do what their cards say, on phantoms made here and by this workspace's own inference.

use hilum_dicom::{Limits, read_part10_header};
use hilum_infer::{EngineConfig, Engines, InstanceInput, LoadedPackage, RunSettings, register_package, run};
use hilum_testkit::{Phantom, SampleSet, Truth};
use hilum_types::{ModelOutput, Presence};
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

/// Both models on one held-out case.
struct Result {
    findings: ModelOutput,
    truth: Truth,
    dice: f64,
}

/// Both models on the held-out set; one test for both, because making the phantoms takes most of the time.
fn results() -> Vec<Result> {
    let (classifier, segmentation) = (load("phantom-cxr"), load("phantom-lung-seg"));
    let set = SampleSet { seed: 7003, vary: true, ..SampleSet::new(0) };
    let half = |cases: std::ops::Range<u32>| {
        let one = |number| {
            let phantom = set.radiograph(number).phantom().unwrap();
            let findings = analyse(&classifier, &phantom);
            let dice = dice(&analyse(&segmentation, &phantom), &phantom.truth);
            Result { findings, truth: phantom.truth, dice }
        };
        cases.map(one).collect::<Vec<_>>()
    };
    std::thread::scope(|scope| {
        let first = scope.spawn(|| half(0..CASES / 2));
        let second = half(CASES / 2..CASES);
        let mut all = first.join().unwrap();
        all.extend(second);
        all
    })
}

fn dice(output: &ModelOutput, truth: &Truth) -> f64 {
    let (mask, truth) = (&output.segments[0].masks[0].pixels, &truth.lung_masks[0].pixels);
    let both = mask.iter().zip(truth).filter(|(a, b)| **a == 1 && **b == 1).count() as f64;
    let sizes = mask.iter().chain(truth).filter(|p| **p == 1).count() as f64;
    2.0 * both / sizes
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
fn the_demo_models_do_what_their_cards_say() {
    let results = results();
    for label in ["nodule", "effusion"] {
        ranks_and_locates(label, &results);
    }
    let stated = &figures("phantom-lung-seg")["heldout"];
    let mean = results.iter().map(|result| result.dice).sum::<f64>() / results.len() as f64;
    let value = |key: &str| stated[key].as_f64().unwrap();
    println!("Dice {mean:.4} on {CASES}, stated {:.4} to {:.4}", value("low"), value("high"));
    assert!((value("low") - 0.001..=value("high") + 0.001).contains(&mean), "{mean}");
}

/// What `hilum demo` is about: after the update of a scanner's software the first version misses nodules, the second does not.
#[test]
fn the_second_version_finds_what_the_first_misses_after_the_update() {
    let versions = [load("phantom-cxr"), load("phantom-cxr-1.1")];
    let set = SampleSet { seed: 7003, vary: true, updated: 1.0, ..SampleSet::new(0) };
    let (mut found, mut n, mut false_calls, mut n_without) = ([0, 0], 0, [0, 0], 0);
    for number in 0..60 {
        let phantom = set.radiograph(number).phantom().unwrap();
        let present = phantom.truth.has("nodule");
        *(if present { &mut n } else { &mut n_without }) += 1;
        for (which, version) in versions.iter().enumerate() {
            let output = analyse(version, &phantom);
            let called = output.findings.iter().any(|f| f.label == "nodule" && f.presence == Presence::Present);
            *(if present { &mut found[which] } else { &mut false_calls[which] }) += usize::from(called);
        }
    }
    println!("found {found:?} of {n}, called {false_calls:?} of {n_without} without");
    assert!(10 < n && 10 < n_without);
    // Of all sizes from 6 mm on, the bedside included; the card has the sensitivity of 500.
    assert!(found[0] * 5 < n, "1.0.0 found {} of {n}", found[0]);
    assert!(found[0] * 3 + n / 5 < found[1], "1.1.0 found {} of {n}", found[1]);
    assert!(false_calls[1] * 3 < n_without, "1.1.0 called {} of {n_without}", false_calls[1]);
}

fn ranks_and_locates(label: &str, results: &[Result]) {
    let finding = |output: &ModelOutput| output.findings.iter().find(|f| f.label == label).unwrap().clone();
    let cases: Vec<(f64, bool)> =
        results.iter().map(|result| (finding(&result.findings).score.unwrap(), result.truth.has(label))).collect();
    let area = auc(&cases);
    let stated = &figures("phantom-cxr")[format!("heldout/{label}")];
    let (low, high) = (stated["auc_low"].as_f64().unwrap(), stated["auc_high"].as_f64().unwrap());
    println!("{label}: AUC {area:.4} on {CASES}, stated {low:.4} to {high:.4}");
    // These are the first 200 of the 500 cases of the card, so they lie within its interval.
    assert!((low..=high).contains(&area), "{label}: {area}");
    let touches: Vec<bool> = results
        .iter()
        .filter_map(|result| {
            let place = finding(&result.findings).location?.bounding_box;
            let real = result.truth.findings.iter().find(|f| f.label == label)?.bounding_box;
            Some(place[0] < real[2] && real[0] < place[2] && place[1] < real[3] && real[1] < place[3])
        })
        .collect();
    let hits = touches.iter().filter(|hit| **hit).count();
    println!("{label}: {hits} of {} boxes touch the true one", touches.len());
    assert!(30 < touches.len() && touches.len() * 8 < hits * 10, "{label}: {hits} of {}", touches.len());
}
